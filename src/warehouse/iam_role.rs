//! Parses the IAM role with which Redshift reads the bucket that it copies from.

use std::fmt;
use std::str::FromStr;

/// The `IAM_ROLE` of a `COPY`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IamRole {
    /// The default role of the cluster.
    #[default]
    Default,
    /// One role, or a chain of roles joined by commas. The text consists of letters, digits and `:/+=,.@_-` only, so
    /// nothing in it can end an SQL literal.
    Arn(String),
}

impl FromStr for IamRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("default") {
            return Ok(Self::Default);
        }
        // A role name may contain commas.
        let mut arns = text.split(",arn:");
        let first = arns.next().and_then(|arn| arn.strip_prefix("arn:"));
        match first.is_some_and(is_role_arn) && arns.all(is_role_arn) {
            true => Ok(Self::Arn(text.to_owned())),
            // The message does not repeat the text, which may be an access key put here by mistake.
            false => Err(
                "expected 'default' or arn:aws:iam::ACCOUNT:role/NAME (a 12-digit account; chained roles joined by commas)"
                    .to_owned(),
            ),
        }
    }
}

/// Returns true if the text is the ARN of a role without its leading `arn:`.
fn is_role_arn(arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(5, ':').collect();
    let [partition, service, region, account, resource] = parts[..] else {
        return false;
    };
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

/// Formats the role as `COPY` expects it after `IAM_ROLE`: the keyword `default`, or a quoted literal.
impl fmt::Display for IamRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Arn(arn) => write!(f, "'{arn}'"),
        }
    }
}
