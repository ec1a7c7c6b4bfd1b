//! IAM roles: as whom Redshift reads the bucket that it copies from.

use std::fmt;
use std::str::FromStr;

/// What `COPY` names as its `IAM_ROLE`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IamRole {
    /// The default role of the cluster.
    #[default]
    Default,
    /// A role, or several joined by commas that are taken on one after the other. As it is made of
    /// letters, digits and `:/+=,.@_-` alone, nothing in it can end a literal of SQL.
    Arn(String),
}

impl FromStr for IamRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("default") {
            return Ok(Self::Default);
        }
        // Names of roles can hold commas.
        let mut arns = text.split(",arn:");
        let first = arns.next().and_then(|arn| arn.strip_prefix("arn:"));
        match first.is_some_and(is_role_arn) && arns.all(is_role_arn) {
            true => Ok(Self::Arn(text.to_owned())),
            // It is not repeated: people put keys where roles belong.
            false => Err(
                "'default' or arn:aws:iam::ACCOUNT:role/NAME is wanted (12 digits; several joined by commas)"
                    .to_owned(),
            ),
        }
    }
}

/// Whether it is an ARN of a role, without its `arn:`.
fn is_role_arn(arn: &str) -> bool {
    let mut parts = arn.splitn(5, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (partition, service, region, account, resource) = (next(), next(), next(), next(), next());
    let is_name = |c: char| c.is_ascii_alphanumeric() || "/+=,.@_-".contains(c);
    partition.starts_with("aws")
        && partition
            .chars()
            .all(|c| c.is_ascii_lowercase() || c == '-')
        && (service, region) == ("iam", "")
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && resource
            .strip_prefix("role/")
            .is_some_and(|name| !name.is_empty() && name.chars().all(is_name))
}

/// As `COPY` has it behind `IAM_ROLE`: the word `default`, or a literal.
impl fmt::Display for IamRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Arn(arn) => write!(f, "'{arn}'"),
        }
    }
}
