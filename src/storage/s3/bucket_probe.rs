//! Asks about a bucket what no run needs to know: its region, its policy, and the clock of the server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::{DateTime, Utc};

use super::client::S3Client;
use super::error::{FailedRequest, OperationContext};
use crate::error::{Error, Result};

/// The answer to a request for a bucket without its objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct BucketHead {
    /// The HTTP status: 404 if there is no such bucket, 403 if the credentials may not know.
    pub status: u16,
    /// The region of the bucket, if the server names it.
    pub region: Option<String>,
    /// The time of the server, in whole seconds, if the server tells it.
    pub server_time: Option<DateTime<Utc>>,
}

/// The policy of a bucket.
#[derive(Debug)]
pub(crate) enum BucketPolicy {
    /// The document, as JSON.
    Document(String),
    /// There is none.
    None,
    /// It cannot be read. The error says why.
    Unreadable(Error),
}

/// Error codes that mean that the credentials themselves are not valid, whatever they permit.
const INVALID_CREDENTIALS: [&str; 6] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
    "InvalidSecurity",
];

/// Remembers the head of the last response.
#[derive(Debug, Clone, Default)]
struct ResponseHead(Arc<Mutex<BucketHead>>);

impl Intercept for ResponseHead {
    fn name(&self) -> &'static str {
        "ResponseHead"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let response = context.response();
        let header = |name| response.headers().get(name);
        let time = header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = BucketHead {
            status: response.status().as_u16(),
            region: header("x-amz-bucket-region").map(str::to_owned),
            server_time: time.map(|time| time.to_utc()),
        };
        Ok(())
    }
}

impl S3Client {
    /// Asks for a bucket. An error response of the server is an answer too.
    ///
    /// # Errors
    /// Returns an error if the server does not answer, or only by errors that pass.
    pub(crate) fn head_bucket(&self, bucket: &str) -> Result<BucketHead> {
        let operation = bucket_operation("cannot reach", bucket, "s3:ListBucket");
        let head = ResponseHead::default();
        let request = || {
            let request = self.sdk_for(bucket).head_bucket().bucket(bucket);
            request.customize().interceptor(head.clone()).send()
        };
        let sent = self.block_on(self.send_with_retry(&operation, Duration::ZERO, request));
        match sent {
            Err(failed) if !failed.error.is_final_response() => {
                Err(self.to_error(&operation, &failed))
            }
            _ => Ok(head
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()),
        }
    }

    /// Returns the error of a request that S3 refuses because the credentials are not valid, or `None` if it accepts them.
    pub(crate) fn find_credentials_error(&self, bucket: &str) -> Option<Error> {
        let operation = bucket_operation("cannot use", bucket, "s3:ListBucket");
        let request = || {
            let request = self.sdk_for(bucket).list_objects_v2().bucket(bucket);
            request.max_keys(1).send()
        };
        let sent = self.block_on(self.send_with_retry(&operation, Duration::ZERO, request));
        sent.err()
            .filter(|failed| INVALID_CREDENTIALS.contains(&failed.error.code()))
            .map(|failed| self.to_error(&operation, &failed))
    }

    /// Reads the policy of a bucket.
    pub(crate) fn bucket_policy(&self, bucket: &str) -> BucketPolicy {
        let operation = bucket_operation("cannot read the policy of", bucket, "s3:GetBucketPolicy");
        let request = || {
            self.sdk_for(bucket)
                .get_bucket_policy()
                .bucket(bucket)
                .send()
        };
        let sent = self.block_on(self.send_with_retry(&operation, Duration::ZERO, request));
        match sent {
            Ok(response) => match response.policy {
                Some(policy) if !policy.trim().is_empty() => BucketPolicy::Document(policy),
                _ => BucketPolicy::None,
            },
            Err(FailedRequest { error, .. }) if error.code() == "NoSuchBucketPolicy" => {
                BucketPolicy::None
            }
            Err(failed) => BucketPolicy::Unreadable(self.to_error(&operation, &failed)),
        }
    }
}

fn bucket_operation(
    error_prefix: &'static str,
    bucket: &str,
    permission: &'static str,
) -> OperationContext {
    OperationContext {
        error_prefix,
        url: format!("s3://{bucket}"),
        permission,
    }
}
