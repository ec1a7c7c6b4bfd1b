//! Writes objects of any size: in parts while the data is produced, or in one request if the object is small.
//!
//! An object is not visible before it is finished. An upload that is dropped is aborted. The parts of a killed
//! process remain in S3, invisible, until its upload is aborted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::bucket_client::BucketClient;
use super::error::{FailedRequest, RequestError};
use super::incomplete_uploads::{abort_orphans, abort_upload};
use super::put_object::{put_object, upload_timeout, write_operation};
use crate::error::Result;
use crate::storage::store::Upload;

/// Bytes of the first parts. S3 requires at least 5 MiB for all parts but the last.
const INITIAL_PART_BYTES: usize = 8 << 20;

/// Number of parts after which their size doubles. S3 accepts 10,000 parts, and 5 TiB for an object.
const PARTS_PER_SIZE: i32 = 1000;

/// Maximum number of concurrent part uploads of one object.
const MAX_PARTS_IN_FLIGHT: usize = 2;

type UploadPartResult = std::result::Result<CompletedPart, FailedRequest>;

/// Writes an object to S3.
pub(super) struct MultipartUpload {
    bucket: Arc<BucketClient>,
    /// The key in the bucket.
    key: String,
    buffer: Vec<u8>,
    /// The id of the multipart upload, once it is created.
    upload_id: Option<String>,
    in_flight: VecDeque<JoinHandle<UploadPartResult>>,
    completed: Vec<CompletedPart>,
    /// Number of parts so far.
    part_count: i32,
    bytes_written: u64,
}

impl MultipartUpload {
    /// Creates an upload without sending a request.
    pub(super) fn new(bucket: Arc<BucketClient>, key: &str) -> Self {
        Self {
            key: bucket.full_key(key),
            bucket,
            buffer: Vec::new(),
            upload_id: None,
            in_flight: VecDeque::new(),
            completed: Vec::new(),
            part_count: 0,
            bytes_written: 0,
        }
    }

    fn part_size(&self) -> usize {
        INITIAL_PART_BYTES << (self.part_count / PARTS_PER_SIZE).min(9)
    }

    /// Starts to upload the buffered bytes as the next part.
    fn upload_next_part(&mut self) -> Result<()> {
        while self.in_flight.len() >= MAX_PARTS_IN_FLIGHT {
            self.await_oldest_part()?;
        }
        let id = match &self.upload_id {
            Some(id) => id.clone(),
            None => {
                let bucket = &self.bucket;
                let (id, attempts) = bucket
                    .client
                    .block_on(create_multipart_upload(bucket, &self.key))?;
                let id = self.upload_id.insert(id).clone();
                if attempts > 1 {
                    abort_orphans(bucket, &self.key, &id);
                }
                id
            }
        };
        self.part_count += 1;
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let send = upload_part(
            Arc::clone(&self.bucket),
            self.key.clone(),
            id,
            self.part_count,
            bytes,
        );
        self.in_flight.push_back(self.bucket.client.spawn(send));
        Ok(())
    }

    /// Waits for the oldest part in flight.
    fn await_oldest_part(&mut self) -> Result<()> {
        let Some(first) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let client = &self.bucket.client;
        let sent = client.block_on(first).unwrap_or_else(|stopped| {
            Err(FailedRequest {
                error: RequestError::Fatal(stopped.to_string()),
                attempts: 1,
            })
        });
        let operation = write_operation(&self.bucket, &self.key);
        let part = sent.map_err(|failed| client.to_error(&operation, &failed))?;
        self.completed.push(part);
        Ok(())
    }
}

impl Write for MultipartUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let remaining = self.part_size() - self.buffer.len();
        let accepted = bytes.get(..remaining).unwrap_or(bytes);
        self.buffer.extend_from_slice(accepted);
        self.bytes_written += accepted.len() as u64;
        if accepted.len() == remaining {
            self.upload_next_part().map_err(io::Error::other)?;
        }
        Ok(accepted.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for MultipartUpload {
    fn finish(mut self: Box<Self>) -> Result<u64> {
        let bucket = Arc::clone(&self.bucket);
        let Some(id) = self.upload_id.clone() else {
            let bytes = Bytes::from(std::mem::take(&mut self.buffer));
            bucket
                .client
                .block_on(put_object(&bucket, &self.key, bytes))?;
            return Ok(self.bytes_written);
        };
        if !self.buffer.is_empty() {
            self.upload_next_part()?;
        }
        while !self.in_flight.is_empty() {
            self.await_oldest_part()?;
        }
        let parts = std::mem::take(&mut self.completed);
        let complete =
            complete_multipart_upload(&bucket, &self.key, &id, parts, self.bytes_written);
        bucket.client.block_on(complete)?;
        self.upload_id = None;
        Ok(self.bytes_written)
    }
}

impl Drop for MultipartUpload {
    fn drop(&mut self) {
        let Some(id) = self.upload_id.take() else {
            return;
        };
        for task in self.in_flight.drain(..) {
            task.abort();
            // A part that arrives after the abort would remain.
            let _ = self.bucket.client.block_on(task);
        }
        // `sparkify clean` finds an upload that cannot be aborted now.
        let _ = self
            .bucket
            .client
            .block_on(abort_upload(&self.bucket, &self.key, &id));
    }
}

/// Creates a multipart upload. Returns its id and the number of attempts.
async fn create_multipart_upload(bucket: &BucketClient, key: &str) -> Result<(String, u32)> {
    let client = &bucket.client;
    let options = client.options();
    let operation = write_operation(bucket, key);
    // The semaphore is never closed.
    let _permit = client.write_permits().acquire().await;
    let attempts = AtomicU32::new(0);
    let request = || {
        attempts.fetch_add(1, Ordering::Relaxed);
        bucket
            .sdk()
            .create_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .set_server_side_encryption(options.encryption.clone())
            .set_ssekms_key_id(options.kms_key_id.clone())
            .set_request_payer(client.request_payer())
            .send()
    };
    let created = client
        .send_with_retry(&operation, Duration::ZERO, request)
        .await;
    let created = created.map_err(|failed| client.to_error(&operation, &failed))?;
    let id = created.upload_id.ok_or_else(|| {
        let failed = FailedRequest {
            error: RequestError::Transport("the response has no upload ID".to_owned()),
            attempts: 1,
        };
        client.to_error(&operation, &failed)
    })?;
    Ok((id, attempts.into_inner()))
}

/// Uploads one part.
async fn upload_part(
    bucket: Arc<BucketClient>,
    key: String,
    id: String,
    number: i32,
    bytes: Bytes,
) -> UploadPartResult {
    let client = &bucket.client;
    // The semaphore is never closed.
    let _permit = client.write_permits().acquire().await;
    let request = || {
        bucket
            .sdk()
            .upload_part()
            .bucket(&bucket.name)
            .key(&key)
            .upload_id(&id)
            .part_number(number)
            .body(ByteStream::from(bytes.clone()))
            .set_request_payer(client.request_payer())
            .send()
    };
    let extra_timeout = upload_timeout(bytes.len());
    let sent = client
        .send_with_retry(&write_operation(&bucket, &key), extra_timeout, request)
        .await?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .set_checksum_crc32_c(sent.checksum_crc32_c)
        .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
        .build())
}

/// Completes a multipart upload, which makes the object visible.
async fn complete_multipart_upload(
    bucket: &BucketClient,
    key: &str,
    id: &str,
    parts: Vec<CompletedPart>,
    bytes: u64,
) -> Result<()> {
    let client = &bucket.client;
    let operation = write_operation(bucket, key);
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let request = || {
        bucket
            .sdk()
            .complete_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .upload_id(id)
            .multipart_upload(parts.clone())
            .set_request_payer(client.request_payer())
            .send()
    };
    // S3 may take minutes to assemble many parts.
    let extra_timeout = Duration::from_secs(120);
    match client
        .send_with_retry(&operation, extra_timeout, request)
        .await
    {
        Ok(_) => Ok(()),
        // An earlier attempt succeeded and its response was lost.
        Err(failed)
            if failed.attempts > 1
                && failed.error.code() == "NoSuchUpload"
                && exists_with_size(bucket, key, bytes).await =>
        {
            Ok(())
        }
        Err(failed) => Err(client.to_error(&operation, &failed)),
    }
}

/// Returns true if the object exists with the given size.
async fn exists_with_size(bucket: &BucketClient, key: &str, bytes: u64) -> bool {
    let head = bucket.head_object(&write_operation(bucket, key), key).await;
    let size = head.ok().flatten().and_then(|object| object.size);
    size.map(i64::unsigned_abs) == Some(bytes)
}
