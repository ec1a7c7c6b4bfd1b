//! Classifies failed requests to the services of AWS other than S3.

use std::error::Error as StdError;

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use crate::aws::error::{
    credentials_error, no_credentials_hint, no_credentials_reason, root_cause,
};
use crate::error::Error;
use crate::interrupt;

/// Why a request failed, after the retries of the client.
#[derive(Debug, Clone)]
pub(crate) enum CloudError {
    /// The service returned an error.
    Response {
        /// The HTTP status.
        status: u16,
        /// The code of the error, such as `ValidationError`.
        code: String,
        /// The message of the service.
        message: String,
    },
    /// There are no credentials, or they cannot be loaded. Contains the reason.
    Credentials(String),
    /// There was no response. Contains the reason.
    Transport(String),
    /// A signal stopped the command while the request was in flight. The service may have executed it.
    Stopped,
}

/// What a request is for, for messages.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The beginning of the message, such as `cannot describe stack 'sparkify'`.
    pub failure: String,
    /// The permission that the request needs, such as `cloudformation:DescribeStacks`.
    pub permission: &'static str,
}

impl CloudError {
    /// Converts the error of a request.
    pub(super) fn from_sdk_error<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(why) = credentials_error(error) {
            return Self::Credentials(why);
        }
        match (error.raw_response(), error.as_service_error()) {
            (Some(response), Some(service_error)) => Self::Response {
                status: response.status().as_u16(),
                code: service_error.code().unwrap_or_default().to_owned(),
                message: service_error.message().unwrap_or_default().to_owned(),
            },
            _ => Self::Transport(root_cause(error)),
        }
    }

    /// Returns the code of the response, or an empty string if there is none.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Response { code, .. } => code,
            _ => "",
        }
    }

    /// Returns the message of the service, or an empty string if there is none.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Response { message, .. } => message,
            _ => "",
        }
    }

    /// Returns the error for the user. `sso_profile` is the profile whose SSO session provides the credentials.
    pub(super) fn to_error(&self, context: &RequestContext, sso_profile: Option<&str>) -> Error {
        let error = Error::failed(&context.failure);
        match self {
            Self::Stopped => match interrupt::stop_signal() {
                Some(signal) => Error::stopped(signal),
                None => error.with_reason("the command was stopped"),
            },
            Self::Credentials(why) => error
                .with_reason(no_credentials_reason(why, sso_profile))
                .with_hint(no_credentials_hint(why, sso_profile)),
            Self::Transport(why) => error.with_reason(why).temporary(),
            Self::Response {
                status,
                code,
                message,
            } => {
                let error = error.with_reason(match message.trim_end_matches('.') {
                    "" if code.is_empty() => format!("HTTP status {status}"),
                    "" => code.clone(),
                    message => format!("{code}: {message}"),
                });
                match code.as_str() {
                    "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => error
                        .with_hint(format!(
                            "the credentials need the permission {}",
                            context.permission
                        )),
                    "ExpiredToken" | "ExpiredTokenException" => {
                        error.with_hint("the session has expired: log in again")
                    }
                    _ if is_transient(*status, code) => error.temporary(),
                    _ => error,
                }
            }
        }
    }
}

/// Returns true if the same request can succeed later.
fn is_transient(status: u16, code: &str) -> bool {
    status >= 500 || status == 429 || code.contains("Throttl") || code == "RequestLimitExceeded"
}
