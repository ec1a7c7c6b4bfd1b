//! Failures: what S3 or the way to it says, whether to try again, and the line that people read.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::Error;

/// What a request is for.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `cannot list`, as an error begins.
    pub error_prefix: &'static str,
    /// The object or prefix.
    pub url: String,
    /// The permission that it needs.
    pub permission: &'static str,
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub enum RequestError {
    /// The server answered so.
    Response(ErrorResponse),
    /// No answer, or only a part of one, by the words of the system.
    Transport(String),
    /// Nothing came for so long.
    TimedOut(Duration),
    /// There are no credentials, or they cannot be had; in words.
    Credentials(String),
    /// The object is not the one that was listed.
    ObjectChanged,
    /// The request cannot be made: a fault of the configuration, in words.
    Fatal(String),
}

/// An answer that is an error.
#[derive(Debug, Clone, Default)]
pub struct ErrorResponse {
    status: u16,
    code: String,
    message: String,
    request_id: Option<String>,
    /// The region that the bucket is in, where the answer says that.
    bucket_region: Option<String>,
}

impl RequestError {
    /// The failure of a request.
    pub fn from_sdk_error<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(why) = credentials_error(error) {
            return Self::Credentials(why);
        }
        let Some(response) = error.raw_response() else {
            return match error {
                SdkError::TimeoutError(_) => Self::Transport("it took too long".to_owned()),
                SdkError::ConstructionFailure(_) => Self::Fatal(root_cause(error)),
                SdkError::DispatchFailure(failure) if failure.is_user() => {
                    Self::Fatal(root_cause(error))
                }
                _ => Self::Transport(root_cause(error)),
            };
        };
        let header = |name| response.headers().get(name).map(str::to_owned);
        let code = error.as_service_error().and_then(|e| e.code());
        let message = error.as_service_error().and_then(|e| e.message());
        let message = message.unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let is_truncated = matches!(error, SdkError::ResponseError(_));
        if is_truncated || code.is_none() && (200..300).contains(&status) {
            // The answer itself was damaged on the way.
            return Self::Transport(root_cause(error));
        }
        Self::Response(ErrorResponse {
            bucket_region: header("x-amz-bucket-region").or_else(|| expected_region(&message)),
            request_id: header("x-amz-request-id"),
            code: code.unwrap_or_default().to_owned(),
            message,
            status,
        })
    }

    /// One object of several was refused.
    pub fn from_delete_error(code: Option<&str>, message: Option<&str>) -> Self {
        Self::Response(ErrorResponse {
            status: 200,
            code: code.unwrap_or_default().to_owned(),
            message: message.unwrap_or_default().to_owned(),
            ..ErrorResponse::default()
        })
    }

    /// Whether the same request can succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Response(response) => {
                response.status >= 500 && response.status != 501
                    || response.status == 429
                    // An upload in parts can also fail after a head that says 200.
                    || matches!(
                        response.code.as_str(),
                        "RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable"
                    )
            }
            Self::Transport(_) | Self::TimedOut(_) => true,
            Self::Credentials(_) | Self::ObjectChanged | Self::Fatal(_) => false,
        }
    }

    /// The code of the answer, if there was one.
    pub fn code(&self) -> &str {
        match self {
            Self::Response(response) => &response.code,
            _ => "",
        }
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Response(response) => Some(response.status),
            _ => None,
        }
    }

    /// What happened, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Response(response) => response.describe(),
            Self::Transport(why) | Self::Fatal(why) => why.clone(),
            Self::TimedOut(limit) => format!("nothing came for {} s", limit.as_secs_f64()),
            Self::Credentials(why) => format!("no credentials: {why}"),
            Self::ObjectChanged => "it was changed after it was listed".to_owned(),
        }
    }

    /// The line for people: what failed after so many tries, and what to do.
    pub fn to_error(&self, operation: &Operation, attempts: u32, endpoint: &str) -> Error {
        let mut why = self.describe();
        if attempts > 1 {
            why += &format!(" ({attempts} tries)");
        }
        let error =
            Error::failed(format!("{} {}", operation.error_prefix, operation.url)).with_reason(why);
        match self.hint(operation, endpoint) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn hint(&self, call: &Operation, endpoint: &str) -> Option<String> {
        Some(match self {
            Self::Response(response) => return response.hint(call),
            Self::Transport(_) | Self::TimedOut(_) => format!(
                "check that {endpoint} can be reached, or name another by --endpoint-url or AWS_ENDPOINT_URL_S3"
            ),
            Self::Credentials(_) => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile, or run \
                 where an instance role is; for a public bucket --no-sign-request"
                    .to_owned()
            }
            Self::ObjectChanged => "run again when nothing writes to it".to_owned(),
            Self::Fatal(_) => return None,
        })
    }
}

impl ErrorResponse {
    fn describe(&self) -> String {
        let mut text = match self.code.as_str() {
            "" => format!("HTTP status {}", self.status),
            code => format!("{code} (HTTP {})", self.status),
        };
        if !self.message.is_empty() {
            text += &format!(", {}", self.message.trim_end_matches('.'));
        }
        if let Some(request) = &self.request_id {
            text += &format!(", request {request}");
        }
        text
    }

    fn hint(&self, operation: &Operation) -> Option<String> {
        let wrong_region = matches!(
            self.code.as_str(),
            "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
        ) || self.status == 301;
        if wrong_region {
            return Some(match &self.bucket_region {
                Some(region) => {
                    format!("the bucket is in region {region}: set --region {region} or AWS_REGION")
                }
                None => "the bucket is in another region: set --region or AWS_REGION".to_owned(),
            });
        }
        // Who may not use a key is told so in the words of KMS.
        if self.code.starts_with("KMS.") || self.message.contains(" kms:") {
            return Some("check the key and its policy (--sse-kms-key-id)".to_owned());
        }
        Some(match (self.code.as_str(), self.status) {
            ("NoSuchBucket", _) => "check the name of the bucket".to_owned(),
            ("NoSuchKey", _) | ("", 404) => {
                "it was there when it was listed: run again when nothing deletes objects".to_owned()
            }
            ("NoSuchUpload", _) => {
                "something aborted the upload: run again when nothing cleans there".to_owned()
            }
            ("ExpiredToken" | "TokenRefreshRequired", _) => {
                "get new credentials (for a profile: aws sso login) and run again".to_owned()
            }
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken", _) => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or --profile"
                    .to_owned()
            }
            ("InvalidObjectState", _) => {
                "restore it from its archive, or move it away, and run again".to_owned()
            }
            ("RequestTimeTooSkewed", _) => "set the clock of this machine right".to_owned(),
            ("SlowDown" | "ServiceUnavailable" | "Throttling", _) | ("", 429 | 503) => {
                "it is asked too much: lower --requests, or run again later".to_owned()
            }
            ("AccessDenied", _) | ("", 403) => format!(
                "the credentials need {} there; a public bucket wants --no-sign-request, one whose \
                 readers pay --request-payer",
                operation.permission
            ),
            _ => return None,
        })
    }
}

/// What the provider of credentials says.
fn credentials_error(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<CredentialsError>() {
            return Some(strip_stderr(root_cause(found)));
        }
        source = error.source();
    }
    None
}

/// The cause behind all others, in its own words.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The region in `the region 'us-east-1' is wrong; expecting 'eu-west-1'`.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}

/// What a provider says, without what a process of the user has said to it: that may be a secret.
pub(crate) fn strip_stderr(why: String) -> String {
    match why.split_once(". Stderr:") {
        Some((why, _)) => why.to_owned(),
        None => why,
    }
}
