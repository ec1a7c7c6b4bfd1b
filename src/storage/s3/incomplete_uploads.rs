//! Lists and aborts the multipart uploads of killed writers and of requests whose response was lost.

use std::time::Duration;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::EncodingType;

use super::bucket_client::BucketClient;
use super::encoded_key::decode_key;
use super::error::OperationContext;
use super::put_object::write_operation;
use crate::error::{Error, Result};
use crate::storage::store::IncompleteUpload;

/// Aborts a multipart upload. It is not an error if the upload does not exist.
pub(super) async fn abort_upload(bucket: &BucketClient, key: &str, id: &str) -> Result<()> {
    let client = &bucket.client;
    let operation = OperationContext {
        error_prefix: "cannot abort multipart upload of",
        permission: "s3:AbortMultipartUpload",
        ..write_operation(bucket, key)
    };
    let request = || {
        bucket
            .sdk()
            .abort_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .upload_id(id)
            .set_request_payer(client.request_payer())
            .send()
    };
    match client
        .send_with_retry(&operation, Duration::ZERO, request)
        .await
    {
        Ok(_) => Ok(()),
        Err(failed) if failed.error.code() == "NoSuchUpload" => Ok(()),
        Err(failed) => Err(client.to_error(&operation, &failed)),
    }
}

/// Lists the multipart uploads that were neither completed nor aborted, of keys in the bucket that begin with
/// `prefix`.
pub(super) fn list_uploads(bucket: &BucketClient, prefix: &str) -> Result<Vec<IncompleteUpload>> {
    let client = &bucket.client;
    // A directory bucket lists the uploads of a folder only.
    let listed_prefix = match bucket.is_directory_bucket() {
        true => prefix.rfind('/').map_or("", |slash| &prefix[..=slash]),
        false => prefix,
    };
    let operation = OperationContext {
        error_prefix: "cannot list multipart uploads below",
        url: bucket.url(prefix),
        permission: "s3:ListBucketMultipartUploads",
    };
    let mut uploads = Vec::new();
    let (mut key_marker, mut upload_id_marker) = (None::<String>, None::<String>);
    loop {
        let request = || {
            bucket
                .sdk()
                .list_multipart_uploads()
                .bucket(&bucket.name)
                .prefix(listed_prefix)
                .encoding_type(EncodingType::Url)
                .set_key_marker(key_marker.clone())
                .set_upload_id_marker(upload_id_marker.clone())
                .set_request_payer(client.request_payer())
                .send()
        };
        let page =
            match client.block_on(client.send_with_retry(&operation, Duration::ZERO, request)) {
                Ok(page) => page,
                // The server does not support this request, so there is nothing to abort.
                Err(failed) if failed.error.status() == Some(501) => return Ok(uploads),
                Err(failed) => return Err(client.to_error(&operation, &failed)),
            };
        let encoding = page.encoding_type;
        for upload in page.uploads.unwrap_or_default() {
            let (Some(key), Some(id)) = (upload.key, upload.upload_id) else {
                continue;
            };
            let key = decode_key(key, encoding.as_ref());
            if key.starts_with(prefix) {
                uploads.push(IncompleteUpload {
                    key,
                    id,
                    initiated: upload.initiated.as_ref().map(DateTime::secs),
                });
            }
        }
        if page.is_truncated != Some(true) {
            return Ok(uploads);
        }
        let next_key_marker = page.next_key_marker;
        let next_key_marker = next_key_marker.map(|marker| decode_key(marker, encoding.as_ref()));
        let next = (next_key_marker, page.next_upload_id_marker);
        if next.0.is_none() || next == (key_marker, upload_id_marker) {
            return Err(
                Error::failed(format!("{} {}", operation.error_prefix, operation.url))
                    .with_reason("the server does not say where the rest of the listing begins"),
            );
        }
        (key_marker, upload_id_marker) = next;
    }
}

/// Aborts uploads that were created by attempts whose response was lost. `sparkify clean` finds any that are
/// missed here.
pub(super) fn abort_orphans(bucket: &BucketClient, key: &str, id: &str) {
    let uploads = list_uploads(bucket, key).unwrap_or_default();
    for upload in uploads {
        if upload.key == key && upload.id != id {
            let _ = bucket
                .client
                .block_on(abort_upload(bucket, key, &upload.id));
        }
    }
}
