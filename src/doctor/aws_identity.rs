//! Checks that the credentials are valid, and tells whose they are.

use super::check::Outcome;
use crate::aws::{AwsOptions, CallerIdentity, caller_identity, has_identity_endpoint};
use crate::error::Result;
use crate::storage::s3::S3Client;

/// Asks AWS, or the server of `bucket` if it is not one of AWS.
///
/// # Errors
/// Returns an error if the credentials are not valid.
pub(super) fn check_identity(
    client: &S3Client,
    options: &AwsOptions,
    bucket: &str,
) -> Result<Outcome> {
    if options.no_sign_request {
        return Ok(Outcome::skipped(
            "--no-sign-request sends requests without credentials",
        ));
    }
    let custom_endpoint = client.endpoint().custom;
    let why = match custom_endpoint {
        Some(endpoint) if !has_identity_endpoint() => {
            format!("{endpoint} is not AWS, and AWS_ENDPOINT_URL_STS names no server to ask")
        }
        _ => match caller_identity(options)? {
            CallerIdentity::Known(arn) => {
                return Ok(Outcome::ok(format!("the credentials are those of {arn}")));
            }
            CallerIdentity::Invalid(error) => return Err(error),
            CallerIdentity::Unknown(why) => why,
        },
    };
    match client.find_credentials_error(bucket) {
        Some(error) => Err(error),
        None => Ok(Outcome::unknown(format!(
            "S3 accepts the credentials; whose they are cannot be checked from here: {why}"
        ))),
    }
}
