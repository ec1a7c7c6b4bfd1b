//! Tells what to do about a failed request, by what is known of the connection.

use super::endpoint::Endpoints;
use super::error::{ErrorResponse, OperationContext, RequestError};
use crate::aws::error::{no_credentials_hint, no_credentials_reason, sso_login};
use crate::aws::proxy::ProxyName;
use crate::error::Error;
use crate::interrupt::stop_signal;

/// What hints say of the connection.
#[derive(Debug)]
pub(crate) struct ErrorHints {
    /// The endpoints, and the proxies in front of them.
    pub endpoints: Endpoints,
    /// The profile whose SSO session provides the credentials.
    pub sso_profile: Option<String>,
    /// Whether requests have no signature.
    pub no_sign_request: bool,
    /// Whether the requester acknowledges that it pays.
    pub request_payer: bool,
}

impl ErrorHints {
    /// Converts an error into a message that names the operation and the number of attempts, with a hint.
    pub(super) fn to_error(
        &self,
        error: &RequestError,
        operation: &OperationContext,
        attempts: u32,
    ) -> Error {
        if let (RequestError::Stopped, Some(signal)) = (error, stop_signal()) {
            return Error::stopped(signal);
        }
        let mut why = match error {
            RequestError::Credentials(why) => {
                no_credentials_reason(why, self.sso_profile.as_deref())
            }
            _ => error.describe(),
        };
        if attempts > 1 {
            why += &format!(" ({attempts} attempts)");
        }
        let failed = Error::failed(format!("{} {}", operation.error_prefix, operation.url))
            .with_reason(why)
            .caused_by(error.clone())
            .with_optional_hint(self.hint(error, operation));
        match error.is_temporary() {
            true => failed.temporary(),
            false => failed,
        }
    }

    /// Returns what to do about a failed request.
    fn hint(&self, error: &RequestError, operation: &OperationContext) -> Option<String> {
        Some(match error {
            RequestError::Response(response) => return self.response_hint(response, operation),
            RequestError::Transport(_) | RequestError::TimedOut(_) => {
                self.connection_hint(operation)
            }
            RequestError::ProxyAuthentication => match self.connection(operation).1 {
                Some(proxy) => format!("check user and password of the proxy {proxy}"),
                None => "check user and password of the proxy".to_owned(),
            },
            RequestError::Credentials(cause) => {
                no_credentials_hint(cause, self.sso_profile.as_deref())
            }
            RequestError::ObjectChanged => "run again when nothing writes to it".to_owned(),
            RequestError::Fatal(_) | RequestError::Stopped => return None,
        })
    }

    /// Returns the endpoint of an operation, and the proxy in front of it.
    fn connection(&self, operation: &OperationContext) -> (String, Option<ProxyName>) {
        let endpoint = self.endpoints.endpoint_for(&operation.url);
        let proxy = self.endpoints.proxy_for(&endpoint);
        (endpoint, proxy)
    }

    fn connection_hint(&self, operation: &OperationContext) -> String {
        let (endpoint, proxy) = self.connection(operation);
        match proxy {
            Some(proxy) => format!(
                "check that the proxy {proxy} is reachable and connects to {endpoint}, or add the host to NO_PROXY"
            ),
            None => format!(
                "check that {endpoint} is reachable, or set --endpoint-url or AWS_ENDPOINT_URL_S3"
            ),
        }
    }

    fn access_hint(&self, response: &ErrorResponse, operation: &OperationContext) -> String {
        let permission = match response.denies_session {
            true => "s3express:CreateSession",
            false => operation.permission,
        };
        if self.no_sign_request {
            return format!(
                "the bucket must allow {permission} to everyone; leave out --no-sign-request to use credentials"
            );
        }
        let others = match self.request_payer {
            true => "",
            false => {
                "; use --no-sign-request for a public bucket, --request-payer for a requester-pays bucket"
            }
        };
        format!("the credentials need {permission}{others}")
    }

    fn response_hint(
        &self,
        response: &ErrorResponse,
        operation: &OperationContext,
    ) -> Option<String> {
        let wrong_region = matches!(
            response.code.as_str(),
            "PermanentRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
        ) || response.status == 301;
        if wrong_region {
            return Some(match &response.bucket_region {
                Some(region) => {
                    format!("the bucket is in region {region}: set --region {region} or AWS_REGION")
                }
                None => "the bucket is in another region: set --region or AWS_REGION".to_owned(),
            });
        }
        if let Some(hint) = customer_key_hint(response) {
            return Some(hint.to_owned());
        }
        // S3 passes on the message of KMS if access to a key is denied.
        if response.code.starts_with("KMS.") || response.message.contains(" kms:") {
            return Some("check the KMS key and its policy (--sse-kms-key-id)".to_owned());
        }
        Some(match (response.code.as_str(), response.status) {
            ("NoSuchBucket", _) => "check the bucket name".to_owned(),
            ("NoSuchKey", _) | ("", 404) => {
                "the object was deleted after it was listed: run again when nothing deletes objects"
                    .to_owned()
            }
            ("NoSuchUpload", _) => {
                "the multipart upload was aborted: run again when neither sparkify clean nor a lifecycle \
                 rule aborts uploads there"
                    .to_owned()
            }
            ("ExpiredToken" | "TokenRefreshRequired", _) => {
                let how = self.sso_profile.as_deref().map(sso_login);
                let how = how.map_or_else(String::new, |command| format!(" ({command})"));
                format!("refresh the credentials{how} and run again")
            }
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken", _) => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or --profile"
                    .to_owned()
            }
            ("InvalidObjectState", _) => {
                "restore the object from its archive, or move it away, and run again".to_owned()
            }
            ("RequestTimeTooSkewed", _) => "correct the clock of this machine".to_owned(),
            ("SlowDown" | "ServiceUnavailable" | "Throttling", _) | ("", 429 | 503) => {
                "rate limited: lower --requests, or run again later".to_owned()
            }
            ("AccessDenied", _) | ("", 403) => self.access_hint(response, operation),
            _ => return None,
        })
    }
}

/// Returns what to do about an object that is encrypted with a customer-provided key and read without one, or the other way
/// round.
fn customer_key_hint(response: &ErrorResponse) -> Option<&'static str> {
    let refers_to = |words| response.message.contains(words);
    match (response.code.as_str(), response.status) {
        // The response to a HEAD has no body that tells the reason.
        ("", 400) => Some(
            "if the object is encrypted with a customer-provided key (SSE-C), name the file of the key with --sse-c-key-file",
        ),
        ("InvalidRequest", _) if refers_to("form of Server Side Encryption") => Some(
            "the object is encrypted with a customer-provided key (SSE-C): name the file of the key with --sse-c-key-file",
        ),
        ("InvalidRequest", _) if refers_to("encryption parameters are not applicable") => Some(
            "the object is not encrypted with a customer-provided key (SSE-C): leave out --sse-c-key-file, or read such objects in \
             a run of their own",
        ),
        _ => None,
    }
}
