//! The stack, and the connection to AWS.

use clap::builder::{StringValueParser, TypedValueParser, ValueParser};

/// Which stack is meant, and how AWS is reached. Credentials are not flags, because process lists show the arguments of a
/// command to every user.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "AWS")]
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "only parsed"))]
pub(crate) struct AwsArgs {
    /// Name of the stack
    ///
    /// The warehouse and everything else has this name too. 3 to 30 lower-case letters, digits and hyphens.
    #[arg(long, value_name = "NAME", default_value = "sparkify", value_parser = stack_parser())]
    pub(crate) stack: String,
    /// Region [default: AWS_REGION]
    ///
    /// Without the flag and the variable, the region of the profile, then that of the instance.
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Profile in the AWS files [default: AWS_PROFILE]
    ///
    /// The files are ~/.aws/config and ~/.aws/credentials, as for the AWS command line.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

#[cfg(feature = "cloud")]
impl AwsArgs {
    /// Returns the options of the connection.
    pub(crate) fn to_options(&self) -> crate::aws::AwsOptions {
        crate::aws::AwsOptions {
            region: self.region.clone(),
            profile: self.profile.clone(),
            ..crate::aws::AwsOptions::default()
        }
    }
}

/// Parses the name of a stack by the rule of the template's parameter `Name`.
fn stack_parser() -> ValueParser {
    let is_valid = |text: &str| {
        let is_word = |word: &str| {
            let mut chars = word.chars();
            !word.is_empty() && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        let begins_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
        (3..=30).contains(&text.len()) && begins_with_letter && text.split('-').all(is_word)
    };
    let parse = move |text: String| match is_valid(&text) {
        true => Ok(text),
        false => {
            Err("expected 3 to 30 lower-case letters, digits and single hyphens, a letter first")
        }
    };
    StringValueParser::new().try_map(parse).into()
}
