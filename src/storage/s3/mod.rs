//! Implements [`Store`] for S3: everything below one prefix of a bucket.
//!
//! Only this module uses tokio. The client runs on threads of its own, and the caller of a store blocks until
//! the operation is done. `client` wraps the client with its limits, `prefetch` reads, `multipart` writes, and
//! `error` turns failed requests into messages. The configuration is in `aws::config`.

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
use error::{FailedRequest, OperationContext, RequestError};

pub use aws_sdk_s3::types::ServerSideEncryption as Encryption;
pub use client::S3Client;
pub use multipart::IncompleteUpload;
pub use options::S3Options;

/// Maximum number of objects that one DeleteObjects request can remove.
const MAX_KEYS_PER_DELETE: usize = 1000;

/// A store of the objects below a prefix of a bucket, or of a single object.
#[derive(Debug)]
pub struct S3Store {
    bucket: Arc<BucketClient>,
    /// The only object, if the location is an object.
    single_object: Option<ObjectMeta>,
    /// Only keys that begin so below the prefix are listed.
    name_prefix: String,
}

/// The client, bucket and prefix that the requests of a store share.
#[derive(Debug)]
struct BucketClient {
    client: Arc<S3Client>,
    name: String,
    /// The prefix of all keys: empty, or ending in `/`.
    prefix: String,
}

impl BucketClient {
    /// Returns the key in the bucket for a key of the store.
    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Returns the URL of a key in the bucket.
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Lists one page of the keys that begin with `prefix`.
    async fn list_page(
        &self,
        prefix: &str,
        mode: ListMode,
        continuation_token: Option<String>,
        max_keys: Option<i32>,
    ) -> Result<ListObjectsV2Output> {
        let client = &self.client;
        let operation = OperationContext {
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
    /// Opens the store for a location to read from: the object with exactly this key if there is one,
    /// otherwise everything below the prefix.
    ///
    /// # Errors
    /// Returns an error if the prefix cannot be listed.
    pub fn open(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Result<Self> {
        let object_key = (!prefix.is_empty() && !prefix.ends_with('/')).then_some(prefix);
        let Some(key) = object_key else {
            return Ok(Self::new(client, bucket, prefix));
        };
        let name_start = key.rfind('/').map_or(0, |slash| slash + 1);
        let (root, name) = key.split_at(name_start);
        let parent = Self::new(Arc::clone(&client), bucket, root);
        // Of all keys that begin with the name, the name itself comes first.
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

    /// Creates the store for everything below a prefix, without checking that anything exists there.
    pub fn new(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Self {
        let needs_slash = !prefix.is_empty() && !prefix.ends_with('/');
        Self {
            bucket: Arc::new(BucketClient {
                client,
                name: bucket.to_owned(),
                prefix: format!("{prefix}{}", if needs_slash { "/" } else { "" }),
            }),
            single_object: None,
            name_prefix: String::new(),
        }
    }

    /// Restricts listings of the whole store to keys that begin with `name_prefix`.
    pub fn with_name_prefix(self, name_prefix: &str) -> Self {
        let name_prefix = name_prefix.to_owned();
        Self {
            name_prefix,
            ..self
        }
    }

    /// Returns the store for a folder in this one.
    pub fn subfolder(&self, name: &str) -> Self {
        let BucketClient {
            client,
            name: bucket,
            prefix,
        } = self.bucket.as_ref();
        Self::new(Arc::clone(client), bucket, &format!("{prefix}{name}"))
    }

    /// Returns the contents and the version of a small object, or `None` if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the object cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<(Vec<u8>, ObjectVersion)>> {
        let bucket = &self.bucket;
        let client = &bucket.client;
        // Without s3:ListBucket S3 returns AccessDenied instead of NoSuchKey for an object that does not exist.
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

    /// Writes a small object on the condition that the existing one still has the expected version (`None`:
    /// that there is none). Returns false if the condition does not hold.
    ///
    /// # Errors
    /// Returns an error if the object cannot be written.
    pub fn put_if_match(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&ObjectVersion>,
    ) -> Result<bool> {
        multipart::put_if_match(&self.bucket, key, bytes, expected)
    }

    /// Lists the multipart uploads below this store that were neither completed nor aborted.
    ///
    /// # Errors
    /// Returns an error if they cannot be listed.
    pub fn list_multipart_uploads(&self) -> Result<Vec<IncompleteUpload>> {
        let prefix = &self.bucket.prefix;
        let mut uploads = multipart::list_multipart_uploads(&self.bucket, prefix)?;
        uploads.retain_mut(|upload| match upload.key.strip_prefix(prefix) {
            Some(relative) => {
                upload.key = relative.to_owned();
                true
            }
            None => false,
        });
        Ok(uploads)
    }

    /// Aborts a multipart upload.
    ///
    /// # Errors
    /// Returns an error if the upload cannot be aborted.
    pub fn abort_multipart_upload(&self, key: &str, upload_id: &str) -> Result<()> {
        let bucket = &self.bucket;
        let key = bucket.full_key(key);
        bucket
            .client
            .block_on(multipart::abort_multipart_upload(bucket, &key, upload_id))
    }

    /// Disables retries of this store's client from now on.
    pub fn disable_retries(&self) {
        self.bucket.client.disable_retries();
    }

    fn operation(
        &self,
        error_prefix: &'static str,
        key: &str,
        permission: &'static str,
    ) -> OperationContext {
        OperationContext {
            error_prefix,
            url: self.display(key),
            permission,
        }
    }
}

impl Store for S3Store {
    fn list(&self, prefix: &str, mode: ListMode) -> Result<ListResult> {
        let mut listing = ListResult::default();
        if let Some(object) = &self.single_object {
            listing.objects.push(object.clone());
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
                // S3 consoles create such an object to show an empty folder.
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
                .map_err(|e| Error::failed("cannot remove objects").with_source(e))?;
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
                let operation = OperationContext { url, ..operation };
                let failed = FailedRequest {
                    error: RequestError::from_delete_error(error.code(), error.message()),
                    attempts: 1,
                };
                return Err(client.to_error(&operation, &failed));
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

/// Returns the version of an object from the fields of a listing or response.
fn object_version(tag: Option<&str>, modified: Option<&DateTime>) -> ObjectVersion {
    match (tag, modified) {
        (Some(tag), _) => ObjectVersion::ETag(tag.into()),
        (None, Some(time)) => ObjectVersion::LastModified(time.secs()),
        (None, None) => ObjectVersion::Unknown,
    }
}
