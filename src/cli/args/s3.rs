//! Arguments about S3: how it is reached, and how the output is encrypted.

use std::time::Duration;

use crate::storage::s3::{Encryption, S3Options};

/// How S3 is reached. Credentials are no flags: whoever lists processes would see them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Region of the buckets [default: AWS_REGION, the profile's, the instance's]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Profile in the files of the AWS command line [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Server that is not Amazon's [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Send no credentials: for public buckets
    #[arg(long)]
    no_sign_request: bool,
    /// Agree to pay, where the requester pays
    #[arg(long)]
    request_payer: bool,
    /// Requests under way at a time; each holds 4 MiB of what is read ahead at most
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    requests: u16,
    /// How long a request may bring nothing before it is made again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0, value_parser = parse_seconds)]
    read_timeout: f64,
    /// Show every request that failed and is made again
    #[arg(long, short)]
    verbose: bool,
}

/// How what is written to S3 is encrypted.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct EncryptionArgs {
    /// Encryption of what is written [default: that of the bucket]
    #[arg(long, value_name = "KIND", value_parser = ["AES256", "aws:kms", "aws:kms:dsse"])]
    sse: Option<String>,
    /// Key of that encryption, of AWS KMS
    #[arg(long, value_name = "KEY", requires = "sse")]
    sse_kms_key_id: Option<String>,
}

impl S3Args {
    /// The same, checked.
    pub(crate) fn to_options(&self) -> S3Options {
        S3Options {
            endpoint_url: self.endpoint_url.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            no_sign_request: self.no_sign_request,
            request_payer: self.request_payer,
            max_concurrent_requests: self.requests.into(),
            read_timeout: Duration::from_secs_f64(self.read_timeout),
            log_retries: self.verbose,
            ..S3Options::default()
        }
    }
}

impl EncryptionArgs {
    /// Adds them to the options.
    pub(crate) fn apply_to(self, options: S3Options) -> S3Options {
        S3Options {
            encryption: self.sse.as_deref().map(Encryption::from),
            kms_key_id: self.sse_kms_key_id,
            ..options
        }
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.1 to 3600 is wanted".to_owned()),
    }
}
