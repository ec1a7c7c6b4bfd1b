//! The S3 store: everything below one prefix of a bucket.
//!
//! The only place that knows tokio: its client works on threads of its own, and whoever calls a store
//! waits for it. `surroundings` says where S3 is, `connection` holds the client and its bounds, `read`
//! fetches ahead, `upload` writes in parts, `failure` says what went wrong and what to do.

mod client;
pub(crate) mod error;
mod multipart;
pub(crate) mod options;
mod prefetch;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::{ConnectorError, SdkError};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::{
    ListMode, ListResult, ObjectMeta, ObjectRange, ObjectVersion, RangeReader, Store, Upload,
};
use crate::error::{Error, Result};
use error::{Operation, RequestError};

pub use aws_sdk_s3::types::ServerSideEncryption as Encryption;
pub use client::S3Client;
pub use multipart::IncompleteUpload;
pub use options::S3Options;

/// Objects that one request can remove.
const MAX_KEYS_PER_DELETE: usize = 1000;

/// A prefix of a bucket, or one object.
#[derive(Debug)]
pub struct S3Store {
    bucket: Arc<Bucket>,
    /// The only object, where the place is one.
    single_object: Option<ObjectMeta>,
    /// How keys begin below the prefix: others are not listed.
    name_prefix: String,
}

/// What every request is about.
#[derive(Debug)]
struct Bucket {
    client: Arc<S3Client>,
    name: String,
    /// What all keys begin with: nothing, or a prefix that ends in `/`.
    prefix: String,
}

impl Bucket {
    /// A key as S3 knows it.
    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The URL of a key as S3 knows it.
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// One page of a listing of what begins with `prefix`.
    async fn list_page(
        &self,
        prefix: &str,
        mode: ListMode,
        continuation_token: Option<String>,
        max_keys: Option<i32>,
    ) -> Result<ListObjectsV2Output> {
        let client = &self.client;
        let operation = Operation {
            error_prefix: "cannot list",
            url: self.url(prefix),
            permission: "s3:ListBucket",
        };
        // The semaphore is never closed.
        let _permit = client.read_permits().acquire().await;
        let request = || {
            client
                .sdk()
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                .set_delimiter((mode == ListMode::Delimited).then(|| "/".to_owned()))
                .set_continuation_token(continuation_token.clone())
                .set_max_keys(max_keys)
                .set_request_payer(client.request_payer())
                .send()
        };
        let page = client
            .send_with_retry(&operation, Duration::ZERO, request)
            .await;
        page.map_err(|failed| client.to_error(&operation, &failed))
    }
}

impl S3Store {
    /// The store for a place to read from: the object that has exactly this name, or all that is
    /// below it.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn open(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Result<Self> {
        let object_key = (!prefix.is_empty() && !prefix.ends_with('/')).then_some(prefix);
        let Some(key) = object_key else {
            return Ok(Self::new(client, bucket, prefix));
        };
        let name_start = key.rfind('/').map_or(0, |slash| slash + 1);
        let (root, name) = key.split_at(name_start);
        let parent = Self::new(Arc::clone(&client), bucket, root);
        // Of all that begins with the name, the object of that name comes first.
        let page = parent
            .bucket
            .list_page(key, ListMode::Recursive, None, Some(1));
        let page = client.block_on(page)?;
        let first = page.contents().first().filter(|o| o.key() == Some(key));
        let Some(object) = first.filter(|object| object.size() > Some(0)) else {
            return Ok(Self::new(client, bucket, key));
        };
        Ok(Self {
            single_object: Some(ObjectMeta {
                key: name.to_owned(),
                size: object.size().unwrap_or_default().unsigned_abs(),
                version: object_version(object.e_tag(), object.last_modified()),
            }),
            ..parent
        })
    }

    /// The store for all that is below a prefix, whether there is anything or not.
    pub fn new(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Self {
        let needs_slash = !prefix.is_empty() && !prefix.ends_with('/');
        Self {
            bucket: Arc::new(Bucket {
                client,
                name: bucket.to_owned(),
                prefix: format!("{prefix}{}", if needs_slash { "/" } else { "" }),
            }),
            single_object: None,
            name_prefix: String::new(),
        }
    }

    /// Opens the same store, but only what begins with `stem` is listed.
    pub fn with_name_prefix(self, name_prefix: &str) -> Self {
        let name_prefix = name_prefix.to_owned();
        Self {
            name_prefix,
            ..self
        }
    }

    /// The store for a folder in this one.
    pub fn subfolder(&self, name: &str) -> Self {
        let Bucket {
            client,
            name: bucket,
            prefix: root,
        } = self.bucket.as_ref();
        Self::new(Arc::clone(client), bucket, &format!("{root}{name}"))
    }

    /// The contents of a small object, and what they are told by; nothing if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<(Vec<u8>, ObjectVersion)>> {
        let bucket = &self.bucket;
        let client = &bucket.client;
        // Who may not list is not told either that there is nothing.
        let operation = self.operation("cannot read", key, "s3:GetObject and s3:ListBucket");
        let key = bucket.full_key(key);
        let request = || async {
            let request = client.sdk().get_object().bucket(&bucket.name);
            let request = request.key(&key).set_request_payer(client.request_payer());
            let response = match request.send().await {
                Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => {
                    return Ok(None);
                }
                response => response?,
            };
            let version = object_version(response.e_tag(), response.last_modified());
            let body = response.body.collect().await;
            let body_error = |e| SdkError::dispatch_failure(ConnectorError::io(Box::new(e)));
            Ok(Some((body.map_err(body_error)?.to_vec(), version)))
        };
        let object = client.block_on(client.send_with_retry(&operation, Duration::ZERO, request));
        object.map_err(|failed| client.to_error(&operation, &failed))
    }

    /// Writes a small object, if what is there is still that version (none: if nothing is there). Says
    /// whether it was.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put_if_match(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&ObjectVersion>,
    ) -> Result<bool> {
        multipart::put_if_match(&self.bucket, key, bytes, expected)
    }

    /// Uploads in parts that were begun and neither finished nor aborted.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn list_multipart_uploads(&self) -> Result<Vec<IncompleteUpload>> {
        let root = &self.bucket.prefix;
        let mut found = multipart::list_multipart_uploads(&self.bucket, root)?;
        found.retain_mut(|upload| match upload.key.strip_prefix(root) {
            Some(below) => {
                upload.key = below.to_owned();
                true
            }
            None => false,
        });
        Ok(found)
    }

    /// Aborts an upload in parts.
    ///
    /// # Errors
    /// It cannot be aborted.
    pub fn abort_multipart_upload(&self, key: &str, upload_id: &str) -> Result<()> {
        let bucket = &self.bucket;
        let key = bucket.full_key(key);
        bucket
            .client
            .block_on(multipart::abort_multipart_upload(bucket, &key, upload_id))
    }

    /// From now on nothing is tried twice on this connection.
    pub fn disable_retries(&self) {
        self.bucket.client.disable_retries();
    }

    fn operation(
        &self,
        error_prefix: &'static str,
        key: &str,
        permission: &'static str,
    ) -> Operation {
        Operation {
            error_prefix,
            url: self.display(key),
            permission,
        }
    }
}

impl Store for S3Store {
    fn list(&self, prefix: &str, mode: ListMode) -> Result<ListResult> {
        let mut listing = ListResult::default();
        if let Some(file) = &self.single_object {
            listing.objects.push(file.clone());
            return Ok(listing);
        }
        let bucket = &self.bucket;
        let full_prefix = match prefix {
            "" => bucket.full_key(&self.name_prefix),
            prefix => bucket.full_key(prefix),
        };
        let relative = |key: &str| key.strip_prefix(&bucket.prefix).map(str::to_owned);
        let mut continuation_token = None;
        loop {
            let page = bucket.list_page(&full_prefix, mode, continuation_token, None);
            let page = bucket.client.block_on(page)?;
            for object in page.contents() {
                let Some(key) = object.key().and_then(relative) else {
                    continue;
                };
                // What consoles make so that an empty folder shows.
                if key.is_empty() || key.ends_with('/') {
                    continue;
                }
                let modified = object.last_modified().map(DateTime::secs);
                listing.last_modified = listing.last_modified.max(modified);
                listing.objects.push(ObjectMeta {
                    key,
                    size: object.size().unwrap_or_default().unsigned_abs(),
                    version: object_version(object.e_tag(), object.last_modified()),
                });
            }
            let prefixes = page.common_prefixes().iter();
            listing
                .common_prefixes
                .extend(prefixes.filter_map(|p| p.prefix().and_then(relative)));
            continuation_token = page.next_continuation_token;
            if continuation_token.is_none() {
                return Ok(listing);
            }
        }
    }

    fn read_ranges(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader> {
        Box::new(prefetch::PrefetchReader::new(
            Arc::clone(&self.bucket),
            ranges,
        ))
    }

    fn create(&self, key: &str) -> Result<Box<dyn Upload>> {
        Ok(Box::new(multipart::MultipartUpload::new(
            Arc::clone(&self.bucket),
            key,
        )))
    }

    fn delete(&self, keys: &[String]) -> Result<()> {
        let bucket = &self.bucket;
        let client = &bucket.client;
        for keys in keys.chunks(MAX_KEYS_PER_DELETE) {
            let first = keys.first().map_or("", String::as_str);
            let operation = self.operation("cannot remove", first, "s3:DeleteObject");
            let objects = keys.iter().filter_map(|key| {
                ObjectIdentifier::builder()
                    .key(bucket.full_key(key))
                    .build()
                    .ok()
            });
            let delete = Delete::builder()
                .set_objects(Some(objects.collect()))
                .quiet(true)
                .build()
                .map_err(|e| Error::failed("cannot remove objects").with_reason(e))?;
            let request = || {
                let request = client.sdk().delete_objects().bucket(&bucket.name);
                let request = request.set_request_payer(client.request_payer());
                request.delete(delete.clone()).send()
            };
            let deletion = client.send_with_retry(&operation, Duration::ZERO, request);
            let response = client.block_on(deletion);
            let response = response.map_err(|failed| client.to_error(&operation, &failed))?;
            let first_error = response
                .errors()
                .iter()
                .find(|e| e.code() != Some("NoSuchKey"));
            if let Some(error) = first_error {
                let url = bucket.url(error.key().unwrap_or_default());
                let operation = Operation { url, ..operation };
                let request_error = RequestError::from_delete_error(error.code(), error.message());
                return Err(client.to_error(&operation, &(request_error, 1)));
            }
        }
        Ok(())
    }

    fn display(&self, key: &str) -> String {
        self.bucket.url(&self.bucket.full_key(key))
    }

    fn absolute_name(&self, key: &str) -> String {
        self.display(key)
    }

    fn max_concurrent_requests(&self) -> Option<usize> {
        Some(self.bucket.client.options().max_concurrent_requests)
    }
}

/// What a listing or an answer tells of an object's contents.
fn object_version(tag: Option<&str>, modified: Option<&DateTime>) -> ObjectVersion {
    match (tag, modified) {
        (Some(tag), _) => ObjectVersion::ETag(tag.into()),
        (None, Some(time)) => ObjectVersion::LastModified(time.secs()),
        (None, None) => ObjectVersion::Unknown,
    }
}
