//! Asks AWS whose credentials they are.

use std::env;
use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::config::load_config;
use super::error::{root_cause, sso_login};
use super::options::AwsOptions;
use super::runtime::AwsRuntime;
use crate::error::{Error, Result};
use crate::interrupt;

/// How long the service may take. It answers within a second where it can be reached at all.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What AWS says of the credentials.
#[derive(Debug)]
pub(crate) enum CallerIdentity {
    /// They are those of this user or role, by its ARN.
    Known(String),
    /// They are not valid. The error says why.
    Invalid(Error),
    /// AWS was not asked, or did not answer. Contains the reason.
    Unknown(String),
}

/// Returns whether the environment names a server that answers for AWS. With an endpoint of S3 that is not that of AWS, only
/// this tells that its credentials are known to one.
pub(crate) fn has_identity_endpoint() -> bool {
    env::var_os("AWS_ENDPOINT_URL_STS").is_some_and(|url| !url.is_empty())
}

/// Asks whose credentials these are. The endpoint of S3 in `options` is not used.
///
/// # Errors
/// Returns an error if the configuration is not valid, or as soon as the work is to stop.
pub(crate) fn caller_identity(options: &AwsOptions) -> Result<CallerIdentity> {
    let options = AwsOptions {
        endpoint_url: None,
        ..options.clone()
    };
    let runtime =
        AwsRuntime::start("sts").map_err(|e| Error::failed("cannot use AWS").with_source(e))?;
    let config = runtime.block_on(load_config(&options, "AWS"))?;
    let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
    let sdk = config.sdk.into_builder();
    let sdk = sdk
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts)
        .build();
    let client = aws_sdk_sts::Client::new(&sdk);
    let request = client.get_caller_identity().send();
    let response = runtime.block_on(async {
        tokio::select! {
            response = request => Some(response),
            () = interrupt::stop_began() => None,
        }
    });
    interrupt::ensure_running()?;
    Ok(match response {
        Some(Ok(identity)) => match identity.arn {
            Some(arn) => CallerIdentity::Known(arn),
            None => CallerIdentity::Unknown("the answer of AWS STS has no ARN".to_owned()),
        },
        Some(Err(error)) => from_error(&error, config.profile.sso_profile()),
        None => CallerIdentity::Unknown("the check was stopped".to_owned()),
    })
}

fn from_error<E>(error: &SdkError<E>, sso_profile: Option<&str>) -> CallerIdentity
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let service_error = error.as_service_error();
    let code = service_error.and_then(|e| e.code()).unwrap_or_default();
    let message = service_error.and_then(|e| e.message()).unwrap_or_default();
    let is_refused = error
        .raw_response()
        .is_some_and(|response| (400..500).contains(&response.status().as_u16()));
    // Nobody may be denied this request, so that a refusal concerns the credentials.
    if !is_refused || code.contains("Throttl") {
        return CallerIdentity::Unknown(match code {
            "" => format!("AWS STS does not answer: {}", root_cause(error)),
            code => format!("AWS STS does not answer: {code}"),
        });
    }
    let hint = match (code, sso_profile) {
        ("ExpiredToken" | "ExpiredTokenException", Some(profile)) => {
            format!("run {}", sso_login(profile))
        }
        ("ExpiredToken" | "ExpiredTokenException", None) => "refresh the credentials".to_owned(),
        _ => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or --profile"
            .to_owned(),
    };
    let reason = match message.trim_end_matches('.') {
        "" => code.to_owned(),
        message => format!("{code}: {message}"),
    };
    CallerIdentity::Invalid(
        Error::failed("AWS does not accept the credentials")
            .with_reason(reason)
            .with_hint(hint),
    )
}
