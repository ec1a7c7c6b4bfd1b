//! Classifies failed S3 requests: whether a retry can help, and which message and hint the user gets.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::create_session::CreateSessionError;

use crate::aws::error::{credentials_error, no_credentials_reason, root_cause};

/// The operation that a request belongs to, for messages.
#[derive(Debug, Clone)]
pub(crate) struct OperationContext {
    /// The beginning of the message, such as `cannot list`.
    pub error_prefix: &'static str,
    /// The URL of the object or prefix.
    pub url: String,
    /// The permission that the operation requires.
    pub permission: &'static str,
}

/// A request that failed after a number of attempts.
#[derive(Debug, Clone)]
pub(crate) struct FailedRequest {
    /// The error of the last attempt.
    pub error: RequestError,
    /// The number of attempts.
    pub attempts: u32,
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub(crate) enum RequestError {
    /// The server returned an error response.
    Response(ErrorResponse),
    /// There was no response, or an incomplete one. Contains the reason.
    Transport(String),
    /// No data arrived within this time.
    TimedOut(Duration),
    /// The proxy wants another user or password.
    ProxyAuthentication,
    /// There are no credentials, or they cannot be loaded. Contains the reason.
    Credentials(String),
    /// The object has changed since it was listed.
    ObjectChanged,
    /// The request cannot be sent, or no retry can help. Contains the reason.
    Fatal(String),
    /// A signal stopped the command while the request was in flight.
    Stopped,
}

/// An error response of the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorResponse {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    request_id: Option<String>,
    /// The region of the bucket, if the response names it.
    pub(super) bucket_region: Option<String>,
    /// Whether the request was one for the session that all other requests to a directory bucket need.
    pub(super) denies_session: bool,
}

impl RequestError {
    /// Converts the error of a request.
    pub(crate) fn from_sdk_error<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(session_error) = find_session_error(error) {
            return match Self::from_sdk_error(session_error) {
                Self::Response(response) => Self::Response(ErrorResponse {
                    denies_session: true,
                    ..response
                }),
                error => error,
            };
        }
        if let Some(why) = credentials_error(error) {
            return Self::Credentials(why);
        }
        let Some(response) = error.raw_response() else {
            return match error {
                SdkError::TimeoutError(_) => Self::Transport("timed out".to_owned()),
                SdkError::ConstructionFailure(_) => Self::Fatal(root_cause(error)),
                SdkError::DispatchFailure(failure) if failure.is_user() => {
                    Self::Fatal(root_cause(error))
                }
                _ => {
                    let cause = root_cause(error);
                    match cause.contains("proxy authorization required") {
                        true => Self::ProxyAuthentication,
                        false => Self::Transport(cause),
                    }
                }
            };
        };
        if response.status().as_u16() == 407 {
            return Self::ProxyAuthentication;
        }
        let header = |name| response.headers().get(name).map(str::to_owned);
        let code = error.as_service_error().and_then(|e| e.code());
        let message = error.as_service_error().and_then(|e| e.message());
        let message = message.unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let is_truncated = matches!(error, SdkError::ResponseError(_));
        if is_truncated || code.is_none() && (200..300).contains(&status) {
            // The response was damaged in transit.
            return Self::Transport(root_cause(error));
        }
        Self::Response(ErrorResponse {
            bucket_region: header("x-amz-bucket-region").or_else(|| expected_region(&message)),
            request_id: header("x-amz-request-id"),
            code: code.unwrap_or_default().to_owned(),
            message,
            status,
            denies_session: false,
        })
    }

    /// Converts the error for one object of a request that deletes several.
    pub(crate) fn from_delete_error(code: Option<&str>, message: Option<&str>) -> Self {
        Self::Response(ErrorResponse {
            status: 200,
            code: code.unwrap_or_default().to_owned(),
            message: message.unwrap_or_default().to_owned(),
            ..ErrorResponse::default()
        })
    }

    /// Returns true if the same request can succeed a little later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Response(response) => {
                response.status >= 500 && response.status != 501
                    || response.status == 429
                    // CompleteMultipartUpload can also fail after a status line with 200.
                    || matches!(
                        response.code.as_str(),
                        "RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable"
                    )
            }
            Self::Transport(_) | Self::TimedOut(_) => true,
            Self::ProxyAuthentication
            | Self::Credentials(_)
            | Self::ObjectChanged
            | Self::Fatal(_)
            | Self::Stopped => false,
        }
    }

    /// Returns true if the same command can succeed later.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            // A certificate that is not trusted now is not trusted later. The client has only the text of this error.
            Self::Transport(why) => !why.contains("certificate"),
            Self::ObjectChanged => true,
            // The object was deleted after it was listed.
            Self::Response(response) if response.code == "NoSuchKey" => true,
            _ => self.is_retryable(),
        }
    }

    /// Returns true for a response that a retry would not change.
    pub(crate) fn is_final_response(&self) -> bool {
        matches!(self, Self::Response(_)) && !self.is_retryable()
    }

    /// Returns the error code of the response, or an empty string if there is none.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Response(response) => &response.code,
            _ => "",
        }
    }

    /// Returns the HTTP status of the response, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Response(response) => Some(response.status),
            _ => None,
        }
    }

    /// Describes the error, without a hint.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Response(response) => response.describe(),
            Self::Transport(why) | Self::Fatal(why) => why.clone(),
            Self::ProxyAuthentication => {
                "the proxy requires a user and a password, or refuses those given (HTTP 407)"
                    .to_owned()
            }
            Self::TimedOut(limit) => format!("timed out after {} s", limit.as_secs_f64()),
            Self::Credentials(why) => no_credentials_reason(why, None),
            Self::ObjectChanged => "the object changed after it was listed".to_owned(),
            Self::Stopped => "the request was canceled".to_owned(),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

// The error of the SDK is not kept: its text and its headers can contain credentials.
impl StdError for RequestError {}

impl ErrorResponse {
    fn describe(&self) -> String {
        let mut text = match self.code.as_str() {
            "" => format!("HTTP {}", self.status),
            code => format!("{code} (HTTP {})", self.status),
        };
        if !self.message.is_empty() {
            text += &format!(": {}", self.message.trim_end_matches('.'));
        }
        if let Some(request_id) = &self.request_id {
            text += &format!(", request ID {request_id}");
        }
        text
    }
}

/// Returns the error of the request for a session, if it is the cause of an error.
fn find_session_error<'a>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a SdkError<CreateSessionError>> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// Extracts the region from `the region 'us-east-1' is wrong; expecting 'eu-west-1'`.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}
