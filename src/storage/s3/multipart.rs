//! Uploads: an object written in parts while it is being made, in one request if it is small.
//!
//! Nobody sees it before it is finished. One that is dropped is aborted; of a process that is killed
//! the parts stay with S3, unseen, until something aborts the upload.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::error::{Operation, RequestError};
use super::{Bucket, ObjectVersion};
use crate::error::Result;
use crate::storage::Upload;

/// Bytes of the first parts. S3 wants 5 MiB at least of all but the last.
const PART: usize = 8 << 20;

/// Parts after which they double in size: S3 takes 10,000, and 5 TiB of an object.
const GROW_AFTER: i32 = 1000;

/// Parts of one object that are under way at a time.
const UNDER_WAY: usize = 2;

/// The slowest line that a write is not given up on, in bytes a second.
const SLOWEST: usize = 256 << 10;

type PartResult = std::result::Result<CompletedPart, (RequestError, u32)>;

/// An object that is being written.
pub struct MultipartUpload {
    bucket: Arc<Bucket>,
    /// As S3 knows it.
    key: String,
    buffer: Vec<u8>,
    /// The upload in parts, once there is one.
    upload: Option<String>,
    under_way: VecDeque<JoinHandle<PartResult>>,
    done: Vec<CompletedPart>,
    /// Parts so far.
    parts: i32,
    bytes: u64,
}

impl MultipartUpload {
    /// Nothing is sent yet.
    pub fn new(bucket: Arc<Bucket>, key: &str) -> Self {
        Self {
            key: bucket.key(key),
            bucket,
            buffer: Vec::new(),
            upload: None,
            under_way: VecDeque::new(),
            done: Vec::new(),
            parts: 0,
            bytes: 0,
        }
    }

    fn part_bytes(&self) -> usize {
        PART << (self.parts / GROW_AFTER).min(9)
    }

    /// Sends what is in the buffer as the next part.
    fn send_part(&mut self) -> Result<()> {
        while self.under_way.len() >= UNDER_WAY {
            self.settle_first()?;
        }
        let id = match &self.upload {
            Some(id) => id.clone(),
            None => {
                let bucket = &self.bucket;
                let (id, tried) = bucket.connection.wait(begin(bucket, &self.key))?;
                let id = self.upload.insert(id).clone();
                if tried > 1 {
                    abort_others(bucket, &self.key, &id);
                }
                id
            }
        };
        self.parts += 1;
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let send = part(
            Arc::clone(&self.bucket),
            self.key.clone(),
            id,
            self.parts,
            bytes,
        );
        self.under_way.push_back(self.bucket.connection.spawn(send));
        Ok(())
    }

    /// Waits for the oldest part that is under way.
    fn settle_first(&mut self) -> Result<()> {
        let Some(first) = self.under_way.pop_front() else {
            return Ok(());
        };
        let connection = &self.bucket.connection;
        let sent = connection
            .wait(first)
            .unwrap_or_else(|stopped| Err((RequestError::Fatal(stopped.to_string()), 1)));
        let call = call(&self.bucket, &self.key);
        let part = sent.map_err(|failed| connection.error(&call, &failed))?;
        self.done.push(part);
        Ok(())
    }
}

impl Write for MultipartUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.part_bytes() - self.buffer.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        self.bytes += taken.len() as u64;
        if taken.len() == room {
            self.send_part().map_err(io::Error::other)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for MultipartUpload {
    fn finish(mut self: Box<Self>) -> Result<u64> {
        let bucket = Arc::clone(&self.bucket);
        if self.upload.is_none() {
            let bytes = Bytes::from(std::mem::take(&mut self.buffer));
            bucket.connection.wait(put(&bucket, &self.key, bytes))?;
            return Ok(self.bytes);
        }
        if !self.buffer.is_empty() {
            self.send_part()?;
        }
        while !self.under_way.is_empty() {
            self.settle_first()?;
        }
        let done = std::mem::take(&mut self.done);
        if let Some(id) = &self.upload {
            let complete = complete(&bucket, &self.key, id, done, self.bytes);
            bucket.connection.wait(complete)?;
        }
        self.upload = None;
        Ok(self.bytes)
    }
}

impl Drop for MultipartUpload {
    fn drop(&mut self) {
        let Some(id) = self.upload.take() else {
            return;
        };
        for task in self.under_way.drain(..) {
            task.abort();
            // A part that arrives after the abort would stay.
            let _ = self.bucket.connection.wait(task);
        }
        // What cannot be aborted now is seen by the next cleaning.
        let _ = self
            .bucket
            .connection
            .wait(abort(&self.bucket, &self.key, &id));
    }
}

fn call(bucket: &Bucket, key: &str) -> Operation {
    Operation {
        cannot: "cannot write",
        url: bucket.url(key),
        permission: "s3:PutObject",
    }
}

/// The time that so many bytes may take.
fn time_for(bytes: usize) -> Duration {
    Duration::from_secs((bytes / SLOWEST) as u64)
}

/// Writes a whole object.
async fn put(bucket: &Bucket, key: &str, bytes: Bytes) -> Result<()> {
    let sent = put_if(bucket, key, bytes, None).await;
    sent.map_err(|failed| bucket.connection.error(&call(bucket, key), &failed))
}

/// What must be so for an object to be written.
enum PutMode {
    /// Nothing is there.
    Create,
    /// This version is there.
    Update(String),
}

async fn put_if(
    bucket: &Bucket,
    key: &str,
    bytes: Bytes,
    condition: Option<PutMode>,
) -> std::result::Result<(), (RequestError, u32)> {
    let connection = &bucket.connection;
    let options = connection.options();
    // The semaphore is never closed.
    let _permit = connection.writes().acquire().await;
    let request = || {
        let request = connection.client().put_object();
        let request = match &condition {
            None => request,
            Some(PutMode::Create) => request.if_none_match("*"),
            Some(PutMode::Update(tag)) => request.if_match(tag),
        };
        request
            .bucket(&bucket.name)
            .key(key)
            .body(ByteStream::from(bytes.clone()))
            .set_server_side_encryption(options.encryption.clone())
            .set_ssekms_key_id(options.kms_key.clone())
            .set_request_payer(connection.payer())
            .send()
    };
    let more = time_for(bytes.len());
    let sent = connection.send(&call(bucket, key), more, request).await;
    sent.map(|_| ())
}

/// Writes a small object if what is there is still that version. Says whether it was.
pub fn replace(
    bucket: &Bucket,
    key: &str,
    bytes: Vec<u8>,
    was: Option<&ObjectVersion>,
) -> Result<bool> {
    let key = bucket.key(key);
    let bytes = Bytes::from(bytes);
    let condition = match was {
        None => Some(PutMode::Create),
        Some(ObjectVersion::ETag(tag)) => Some(PutMode::Update(tag.to_string())),
        Some(_) => None,
    };
    let connection = &bucket.connection;
    match connection.wait(put_if(bucket, &key, bytes.clone(), condition)) {
        Ok(()) => Ok(true),
        Err((failure, _)) if matches!(failure.status(), Some(409 | 412)) => Ok(false),
        // What was there has been removed.
        Err((failure, _)) if was.is_some() && failure.code() == "NoSuchKey" => Ok(false),
        // A server that knows no conditions.
        Err((failure, _)) if failure.status() == Some(501) => {
            connection.wait(put(bucket, &key, bytes)).map(|()| true)
        }
        Err(failed) => Err(connection.error(&call(bucket, &key), &failed)),
    }
}

/// Begins an upload in parts and gives its id, and how often that was tried.
async fn begin(bucket: &Bucket, key: &str) -> Result<(String, u32)> {
    let connection = &bucket.connection;
    let options = connection.options();
    let call = call(bucket, key);
    // The semaphore is never closed.
    let _permit = connection.writes().acquire().await;
    let tried = AtomicU32::new(0);
    let request = || {
        tried.fetch_add(1, Ordering::Relaxed);
        connection
            .client()
            .create_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .set_server_side_encryption(options.encryption.clone())
            .set_ssekms_key_id(options.kms_key.clone())
            .set_request_payer(connection.payer())
            .send()
    };
    let begun = connection.send(&call, Duration::ZERO, request).await;
    let begun = begun.map_err(|failed| connection.error(&call, &failed))?;
    let id = begun.upload_id.ok_or_else(|| {
        let failure = RequestError::Transport("the answer names no upload".to_owned());
        connection.error(&call, &(failure, 1))
    })?;
    Ok((id, tried.into_inner()))
}

/// Aborts what was begun by tries whose answer was lost. What is overlooked is seen by the next cleaning.
fn abort_others(bucket: &Bucket, key: &str, id: &str) {
    let found = unfinished(bucket, key).unwrap_or_default();
    for other in found {
        if other.key == key && other.id != id {
            let _ = bucket.connection.wait(abort(bucket, key, &other.id));
        }
    }
}

/// Sends one part.
async fn part(
    bucket: Arc<Bucket>,
    key: String,
    id: String,
    number: i32,
    bytes: Bytes,
) -> PartResult {
    let connection = &bucket.connection;
    // The semaphore is never closed.
    let _permit = connection.writes().acquire().await;
    let request = || {
        connection
            .client()
            .upload_part()
            .bucket(&bucket.name)
            .key(&key)
            .upload_id(&id)
            .part_number(number)
            .body(ByteStream::from(bytes.clone()))
            .set_request_payer(connection.payer())
            .send()
    };
    let more = time_for(bytes.len());
    let sent = connection.send(&call(&bucket, &key), more, request).await?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .set_checksum_crc32_c(sent.checksum_crc32_c)
        .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
        .build())
}

/// Makes an object of its parts.
async fn complete(
    bucket: &Bucket,
    key: &str,
    id: &str,
    parts: Vec<CompletedPart>,
    bytes: u64,
) -> Result<()> {
    let connection = &bucket.connection;
    let call = call(bucket, key);
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let request = || {
        connection
            .client()
            .complete_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .upload_id(id)
            .multipart_upload(parts.clone())
            .set_request_payer(connection.payer())
            .send()
    };
    // Putting many parts together takes S3 up to minutes.
    let more = Duration::from_secs(120);
    match connection.send(&call, more, request).await {
        Ok(_) => Ok(()),
        // An earlier try did it, and its answer was lost on the way.
        Err((failure, tried))
            if tried > 1
                && failure.code() == "NoSuchUpload"
                && is_there(bucket, key, bytes).await =>
        {
            Ok(())
        }
        Err(failed) => Err(connection.error(&call, &failed)),
    }
}

/// Whether an object is there, of so many bytes.
async fn is_there(bucket: &Bucket, key: &str, bytes: u64) -> bool {
    let connection = &bucket.connection;
    let request = || {
        let request = connection.client().head_object().bucket(&bucket.name);
        request
            .key(key)
            .set_request_payer(connection.payer())
            .send()
    };
    let found = connection
        .send(&call(bucket, key), Duration::ZERO, request)
        .await;
    found.is_ok_and(|found| found.content_length().map(i64::unsigned_abs) == Some(bytes))
}

/// Aborts an upload in parts. One that is not there any more is no error.
pub async fn abort(bucket: &Bucket, key: &str, id: &str) -> Result<()> {
    let connection = &bucket.connection;
    let call = Operation {
        cannot: "cannot abort the upload of",
        permission: "s3:AbortMultipartUpload",
        ..call(bucket, key)
    };
    let request = || {
        connection
            .client()
            .abort_multipart_upload()
            .bucket(&bucket.name)
            .key(key)
            .upload_id(id)
            .set_request_payer(connection.payer())
            .send()
    };
    match connection.send(&call, Duration::ZERO, request).await {
        Ok(_) => Ok(()),
        Err((failure, _)) if failure.code() == "NoSuchUpload" => Ok(()),
        Err(failed) => Err(connection.error(&call, &failed)),
    }
}

/// An upload in parts that was begun and neither finished nor aborted.
#[derive(Debug)]
pub struct IncompleteUpload {
    /// The key of the object that it would become.
    pub key: String,
    /// The id of the upload.
    pub id: String,
    /// When it was begun, by the clock of the store, in seconds since 1970.
    pub begun: Option<i64>,
}

/// Uploads in parts that are neither finished nor aborted, of keys that begin so, as S3 knows them.
pub fn unfinished(bucket: &Bucket, prefix: &str) -> Result<Vec<IncompleteUpload>> {
    let connection = &bucket.connection;
    let call = Operation {
        cannot: "cannot list uploads below",
        url: bucket.url(prefix),
        permission: "s3:ListBucketMultipartUploads",
    };
    let mut found = Vec::new();
    let (mut key, mut id) = (None::<String>, None::<String>);
    loop {
        let request = || {
            connection
                .client()
                .list_multipart_uploads()
                .bucket(&bucket.name)
                .prefix(prefix)
                .set_key_marker(key.clone())
                .set_upload_id_marker(id.clone())
                .set_request_payer(connection.payer())
                .send()
        };
        let page = match connection.wait(connection.send(&call, Duration::ZERO, request)) {
            Ok(page) => page,
            // A server that does not tell has none to abort.
            Err((failure, _)) if failure.status() == Some(501) => return Ok(found),
            Err(failed) => return Err(connection.error(&call, &failed)),
        };
        for upload in page.uploads() {
            if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                found.push(IncompleteUpload {
                    key: key.to_owned(),
                    id: id.to_owned(),
                    begun: upload.initiated().map(DateTime::secs),
                });
            }
        }
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) || key.is_none() {
            return Ok(found);
        }
    }
}
