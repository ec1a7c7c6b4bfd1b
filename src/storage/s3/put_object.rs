//! Writes objects in one request.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::bucket_client::BucketClient;
use super::error::{FailedRequest, OperationContext};
use crate::error::Result;
use crate::storage::store::{ObjectVersion, PutMode, PutResult};

/// The slowest upload rate that does not time out, in bytes per second.
const MIN_UPLOAD_BYTES_PER_SEC: usize = 256 << 10;

/// Returns the operation of writing an object, for messages.
pub(super) fn write_operation(bucket: &BucketClient, key: &str) -> OperationContext {
    OperationContext {
        error_prefix: "cannot write",
        url: bucket.url(key),
        permission: "s3:PutObject",
    }
}

/// Returns how much longer than an empty request an upload may take.
pub(super) fn upload_timeout(bytes: usize) -> Duration {
    Duration::from_secs((bytes / MIN_UPLOAD_BYTES_PER_SEC) as u64)
}

/// Writes an object in one request.
pub(super) async fn put_object(bucket: &BucketClient, key: &str, bytes: Bytes) -> Result<()> {
    let sent = send_put(bucket, key, bytes, None).await;
    sent.map_err(|failed| {
        bucket
            .client
            .to_error(&write_operation(bucket, key), &failed)
    })
}

/// The condition of a request.
enum WriteCondition {
    /// The object does not exist.
    IfNoneMatch,
    /// The existing object has this ETag.
    IfMatch(String),
}

async fn send_put(
    bucket: &BucketClient,
    key: &str,
    bytes: Bytes,
    condition: Option<WriteCondition>,
) -> std::result::Result<(), FailedRequest> {
    let client = &bucket.client;
    let options = client.options();
    // The semaphore is never closed.
    let _permit = client.write_permits().acquire().await;
    let request = || {
        let request = bucket.sdk().put_object();
        let request = match &condition {
            None => request,
            Some(WriteCondition::IfNoneMatch) => request.if_none_match("*"),
            Some(WriteCondition::IfMatch(tag)) => request.if_match(tag),
        };
        request
            .bucket(&bucket.name)
            .key(key)
            .body(ByteStream::from(bytes.clone()))
            .set_server_side_encryption(options.encryption.clone())
            .set_ssekms_key_id(options.kms_key_id.clone())
            .set_request_payer(client.request_payer())
            .send()
    };
    let extra_timeout = upload_timeout(bytes.len());
    let sent = client
        .send_with_retry(&write_operation(bucket, key), extra_timeout, request)
        .await;
    sent.map(|_| ())
}

/// Writes a small object on a condition.
pub(super) fn put_with_mode(
    bucket: &BucketClient,
    key: &str,
    bytes: Bytes,
    mode: &PutMode,
) -> Result<PutResult> {
    let key = bucket.full_key(key);
    let condition = match mode {
        PutMode::Create => Some(WriteCondition::IfNoneMatch),
        PutMode::Update(ObjectVersion::ETag(tag)) => Some(WriteCondition::IfMatch(tag.to_string())),
        // A server without ETags has no conditional writes.
        PutMode::Overwrite | PutMode::Update(_) => None,
    };
    let client = &bucket.client;
    match client.block_on(send_put(bucket, &key, bytes.clone(), condition)) {
        Ok(()) => Ok(PutResult::Written),
        Err(failed) if matches!(failed.error.status(), Some(409 | 412)) => {
            Ok(PutResult::ConditionFailed)
        }
        // The expected object was removed.
        Err(failed) if matches!(mode, PutMode::Update(_)) && failed.error.code() == "NoSuchKey" => {
            Ok(PutResult::ConditionFailed)
        }
        // The server does not support conditional writes.
        Err(failed) if *mode != PutMode::Overwrite && failed.error.status() == Some(501) => client
            .block_on(put_object(bucket, &key, bytes))
            .map(|()| PutResult::Written),
        Err(failed) => Err(client.to_error(&write_operation(bucket, &key), &failed)),
    }
}
