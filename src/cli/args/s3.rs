//! Arguments about S3: the connection, and the encryption of the output.

use std::path::PathBuf;
use std::time::Duration;

use crate::aws::AwsOptions;
use crate::cli::usage_error::no_effect;
use crate::error::Result;
use crate::observer::Observer;
use crate::storage::Location;
use crate::storage::s3::{CustomerKey, Encryption, S3Options};
use crate::warehouse::WarehouseConfig;

/// The connection to S3. Credentials are not flags, because process lists show the arguments of a
/// command to every user.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Region of the buckets [default: AWS_REGION]
    ///
    /// Without the flag and the variable, the region of the profile, then that of the instance.
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Profile in the AWS files [default: AWS_PROFILE]
    ///
    /// The files are ~/.aws/config and ~/.aws/credentials, as for the AWS command line.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Custom S3 endpoint (MinIO, ...)
    ///
    /// [default: AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Send unsigned requests, for public buckets
    #[arg(long)]
    no_sign_request: bool,
    /// Acknowledge requester-pays charges
    #[arg(long)]
    request_payer: bool,
    /// Maximum concurrent requests [default: 64]
    ///
    /// From 1 to 1024 reads, and as many writes. Each read holds up to 4 MiB of prefetched data.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    requests: Option<u16>,
    /// Seconds without data before a retry [default: 20]
    ///
    /// From 0.1 to 3600. A request that receives no data for this time is retried.
    #[arg(long, value_name = "SECS", value_parser = parse_read_timeout)]
    read_timeout: Option<Duration>,
}

/// The encryption of what is written to S3.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct EncryptionArgs {
    /// Server-side encryption [default: the bucket's]
    ///
    /// One of AES256, aws:kms and aws:kms:dsse.
    #[arg(long, value_name = "KIND", value_parser = ["AES256", "aws:kms", "aws:kms:dsse"],
        hide_possible_values = true)]
    sse: Option<String>,
    /// KMS key for --sse aws:kms or aws:kms:dsse
    ///
    /// [default: the AWS managed key]
    #[arg(long, value_name = "KEY", requires = "sse")]
    sse_kms_key_id: Option<String>,
}

/// The encryption of the input in S3.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct InputEncryptionArgs {
    /// File with the customer-provided key (SSE-C)
    ///
    /// The 32 bytes of the key with which the song and log objects in S3 are encrypted, or their base64
    /// text. The output is not encrypted with it.
    #[arg(long, value_name = "FILE")]
    sse_c_key_file: Option<PathBuf>,
}

impl InputEncryptionArgs {
    /// Returns an error if the flag is given although none of the `inputs` is in S3.
    pub(crate) fn ensure_used<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a Location>,
    ) -> Result<()> {
        match self.sse_c_key_file {
            Some(_) if !inputs.into_iter().any(is_s3) => {
                Err(no_effect("--sse-c-key-file", "no input is in S3"))
            }
            _ => Ok(()),
        }
    }

    /// Returns `options` with the key in the file, and warns if every user of the machine can read it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or holds no key.
    pub(crate) fn apply_to(
        &self,
        options: S3Options,
        observer: &dyn Observer,
    ) -> Result<S3Options> {
        let mut warnings = Vec::new();
        let path = self.sse_c_key_file.as_deref();
        let key = path.map(|path| CustomerKey::read(path, &mut warnings));
        let customer_key = key.transpose()?;
        for warning in &warnings {
            observer.warn(warning);
        }
        Ok(S3Options {
            customer_key,
            ..options
        })
    }
}

impl S3Args {
    /// Returns an error with `reason` if a flag is given although none of the `locations` is in S3.
    pub(crate) fn ensure_used<'a>(
        &self,
        locations: impl IntoIterator<Item = &'a Location>,
        reason: &str,
    ) -> Result<()> {
        self.ensure_used_with(None, locations, reason)
    }

    /// Does the same for a command that may use a warehouse: region and profile also have an effect if the login of the
    /// warehouse comes from AWS.
    pub(crate) fn ensure_used_with<'a>(
        &self,
        warehouse: Option<&WarehouseConfig>,
        locations: impl IntoIterator<Item = &'a Location>,
        reason: &str,
    ) -> Result<()> {
        let gets_login =
            warehouse.is_some_and(|warehouse| warehouse.connection.managed_login.is_some());
        let given = [
            ("--region", self.region.is_some() && !gets_login),
            ("--profile", self.profile.is_some() && !gets_login),
            ("--endpoint-url", self.endpoint_url.is_some()),
            ("--no-sign-request", self.no_sign_request),
            ("--request-payer", self.request_payer),
            ("--requests", self.requests.is_some()),
            ("--read-timeout", self.read_timeout.is_some()),
        ];
        let given = given.into_iter().find(|&(_, is_given)| is_given);
        match given {
            Some((flag, _)) if !locations.into_iter().any(is_s3) => Err(no_effect(flag, reason)),
            _ => Ok(()),
        }
    }

    /// Returns the options of the connection to AWS.
    pub(crate) fn to_aws_options(&self) -> AwsOptions {
        AwsOptions {
            endpoint_url: self.endpoint_url.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            no_sign_request: self.no_sign_request,
        }
    }

    /// Returns the options, with their defaults where no flag is given.
    pub(crate) fn to_options(&self) -> S3Options {
        let defaults = S3Options::default();
        S3Options {
            aws: self.to_aws_options(),
            request_payer: self.request_payer,
            max_concurrent_requests: self
                .requests
                .map_or(defaults.max_concurrent_requests, usize::from),
            read_timeout: self.read_timeout.unwrap_or(defaults.read_timeout),
            ..defaults
        }
    }
}

impl EncryptionArgs {
    /// Returns an error if a flag is given although `out` is not in S3.
    pub(crate) fn ensure_used(&self, out: &Location) -> Result<()> {
        // The other flag requires this one.
        match self.sse {
            Some(_) if !is_s3(out) => Err(no_effect("--sse", "--out is not in S3")),
            _ => Ok(()),
        }
    }

    /// Returns `options` with the encryption that the flags name.
    pub(crate) fn apply_to(self, options: S3Options) -> S3Options {
        S3Options {
            encryption: self.sse.as_deref().map(Encryption::from),
            kms_key_id: self.sse_kms_key_id,
            ..options
        }
    }
}

fn is_s3(location: &Location) -> bool {
    matches!(location, Location::S3 { .. })
}

fn parse_read_timeout(text: &str) -> std::result::Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds from 0.1 to 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_shows_the_defaults_that_apply() {
        let command = <S3Args as clap::Args>::augment_args(clap::Command::new("test"));
        let defaults = S3Options::default();
        for (name, default) in [
            ("requests", defaults.max_concurrent_requests as u64),
            ("read_timeout", defaults.read_timeout.as_secs()),
        ] {
            let mut arguments = command.get_arguments();
            let help = arguments
                .find(|arg| arg.get_id() == name)
                .map(|arg| arg.get_help());
            let help = help.flatten().map(ToString::to_string).unwrap_or_default();
            assert!(help.ends_with(&format!("[default: {default}]")), "{help}");
        }
    }
}
