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
const REMOVED_AT_ONCE: usize = 1000;

/// A prefix of a bucket, or one object.
#[derive(Debug)]
pub struct S3 {
    bucket: Arc<Bucket>,
    /// The only object, where the place is one.
    file: Option<ObjectMeta>,
    /// How keys begin below the prefix: others are not listed.
    stem: String,
}

/// What every request is about.
#[derive(Debug)]
struct Bucket {
    connection: Arc<S3Client>,
    name: String,
    /// What all keys begin with: nothing, or a prefix that ends in `/`.
    root: String,
}

impl Bucket {
    /// A key as S3 knows it.
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.root)
    }

    /// The URL of a key as S3 knows it.
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// One page of a listing of what begins with `prefix`.
    async fn page(
        &self,
        prefix: &str,
        depth: ListMode,
        after: Option<String>,
        most: Option<i32>,
    ) -> Result<ListObjectsV2Output> {
        let connection = &self.connection;
        let call = Operation {
            cannot: "cannot list",
            url: self.url(prefix),
            permission: "s3:ListBucket",
        };
        // The semaphore is never closed.
        let _permit = connection.reads().acquire().await;
        let request = || {
            connection
                .client()
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                .set_delimiter((depth == ListMode::Delimited).then(|| "/".to_owned()))
                .set_continuation_token(after.clone())
                .set_max_keys(most)
                .set_request_payer(connection.payer())
                .send()
        };
        let page = connection.send(&call, Duration::ZERO, request).await;
        page.map_err(|failed| connection.error(&call, &failed))
    }
}

impl S3 {
    /// The store for a place to read from: the object that has exactly this name, or all that is
    /// below it.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn open(connection: Arc<S3Client>, bucket: &str, prefix: &str) -> Result<Self> {
        let named = (!prefix.is_empty() && !prefix.ends_with('/')).then_some(prefix);
        let Some(key) = named else {
            return Ok(Self::below(connection, bucket, prefix));
        };
        let at = key.rfind('/').map_or(0, |slash| slash + 1);
        let (root, name) = key.split_at(at);
        let alone = Self::below(Arc::clone(&connection), bucket, root);
        // Of all that begins with the name, the object of that name comes first.
        let page = alone.bucket.page(key, ListMode::Recursive, None, Some(1));
        let page = connection.wait(page)?;
        let first = page.contents().first().filter(|o| o.key() == Some(key));
        let Some(object) = first.filter(|object| object.size() > Some(0)) else {
            return Ok(Self::below(connection, bucket, key));
        };
        Ok(Self {
            file: Some(ObjectMeta {
                key: name.to_owned(),
                size: object.size().unwrap_or_default().unsigned_abs(),
                version: version(object.e_tag(), object.last_modified()),
            }),
            ..alone
        })
    }

    /// The store for all that is below a prefix, whether there is anything or not.
    pub fn below(connection: Arc<S3Client>, bucket: &str, prefix: &str) -> Self {
        let slash = !prefix.is_empty() && !prefix.ends_with('/');
        Self {
            bucket: Arc::new(Bucket {
                connection,
                name: bucket.to_owned(),
                root: format!("{prefix}{}", if slash { "/" } else { "" }),
            }),
            file: None,
            stem: String::new(),
        }
    }

    /// Opens the same store, but only what begins with `stem` is listed.
    pub fn with_stem(self, stem: &str) -> Self {
        let stem = stem.to_owned();
        Self { stem, ..self }
    }

    /// The store for a folder in this one.
    pub fn folder(&self, name: &str) -> Self {
        let Bucket {
            connection,
            name: bucket,
            root,
        } = self.bucket.as_ref();
        Self::below(Arc::clone(connection), bucket, &format!("{root}{name}"))
    }

    /// The contents of a small object, and what they are told by; nothing if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<(Vec<u8>, ObjectVersion)>> {
        let bucket = &self.bucket;
        let connection = &bucket.connection;
        // Who may not list is not told either that there is nothing.
        let call = self.call("cannot read", key, "s3:GetObject and s3:ListBucket");
        let key = bucket.key(key);
        let request = || async {
            let request = connection.client().get_object().bucket(&bucket.name);
            let request = request.key(&key).set_request_payer(connection.payer());
            let answer = match request.send().await {
                Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => {
                    return Ok(None);
                }
                answer => answer?,
            };
            let version = version(answer.e_tag(), answer.last_modified());
            let body = answer.body.collect().await;
            let broken = |e| SdkError::dispatch_failure(ConnectorError::io(Box::new(e)));
            Ok(Some((body.map_err(broken)?.to_vec(), version)))
        };
        let found = connection.wait(connection.send(&call, Duration::ZERO, request));
        found.map_err(|failed| connection.error(&call, &failed))
    }

    /// Writes a small object, if what is there is still that version (none: if nothing is there). Says
    /// whether it was.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, key: &str, bytes: Vec<u8>, was: Option<&ObjectVersion>) -> Result<bool> {
        multipart::replace(&self.bucket, key, bytes, was)
    }

    /// Uploads in parts that were begun and neither finished nor aborted.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn unfinished(&self) -> Result<Vec<IncompleteUpload>> {
        let root = &self.bucket.root;
        let mut found = multipart::unfinished(&self.bucket, root)?;
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
    pub fn abort(&self, key: &str, upload: &str) -> Result<()> {
        let bucket = &self.bucket;
        let key = bucket.key(key);
        bucket
            .connection
            .wait(multipart::abort(bucket, &key, upload))
    }

    /// From now on nothing is tried twice on this connection.
    pub fn hurry(&self) {
        self.bucket.connection.hurry();
    }

    fn call(&self, cannot: &'static str, key: &str, permission: &'static str) -> Operation {
        Operation {
            cannot,
            url: self.display(key),
            permission,
        }
    }
}

impl Store for S3 {
    fn list(&self, prefix: &str, depth: ListMode) -> Result<ListResult> {
        let mut level = ListResult::default();
        if let Some(file) = &self.file {
            level.objects.push(file.clone());
            return Ok(level);
        }
        let bucket = &self.bucket;
        let below = match prefix {
            "" => bucket.key(&self.stem),
            prefix => bucket.key(prefix),
        };
        let relative = |key: &str| key.strip_prefix(&bucket.root).map(str::to_owned);
        let mut after = None;
        loop {
            let page = bucket.page(&below, depth, after, None);
            let page = bucket.connection.wait(page)?;
            for object in page.contents() {
                let Some(key) = object.key().and_then(relative) else {
                    continue;
                };
                // What consoles make so that an empty folder shows.
                if key.is_empty() || key.ends_with('/') {
                    continue;
                }
                let modified = object.last_modified().map(DateTime::secs);
                level.last_modified = level.last_modified.max(modified);
                level.objects.push(ObjectMeta {
                    key,
                    size: object.size().unwrap_or_default().unsigned_abs(),
                    version: version(object.e_tag(), object.last_modified()),
                });
            }
            let prefixes = page.common_prefixes().iter();
            level
                .prefixes
                .extend(prefixes.filter_map(|p| p.prefix().and_then(relative)));
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(level);
            }
        }
    }

    fn read(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader> {
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

    fn remove(&self, keys: &[String]) -> Result<()> {
        let bucket = &self.bucket;
        let connection = &bucket.connection;
        for keys in keys.chunks(REMOVED_AT_ONCE) {
            let first = keys.first().map_or("", String::as_str);
            let call = self.call("cannot remove", first, "s3:DeleteObject");
            let objects = keys.iter().filter_map(|key| {
                ObjectIdentifier::builder()
                    .key(bucket.key(key))
                    .build()
                    .ok()
            });
            let delete = Delete::builder()
                .set_objects(Some(objects.collect()))
                .quiet(true)
                .build()
                .map_err(|e| Error::failed("cannot remove objects").because(e))?;
            let request = || {
                let request = connection.client().delete_objects().bucket(&bucket.name);
                let request = request.set_request_payer(connection.payer());
                request.delete(delete.clone()).send()
            };
            let sent = connection.send(&call, Duration::ZERO, request);
            let answer = connection.wait(sent);
            let answer = answer.map_err(|failed| connection.error(&call, &failed))?;
            let failed = answer
                .errors()
                .iter()
                .find(|e| e.code() != Some("NoSuchKey"));
            if let Some(error) = failed {
                let url = bucket.url(error.key().unwrap_or_default());
                let call = Operation { url, ..call };
                let failure = RequestError::refused(error.code(), error.message());
                return Err(connection.error(&call, &(failure, 1)));
            }
        }
        Ok(())
    }

    fn display(&self, key: &str) -> String {
        self.bucket.url(&self.bucket.key(key))
    }

    fn identity(&self, key: &str) -> String {
        self.display(key)
    }

    fn requests(&self) -> Option<usize> {
        Some(self.bucket.connection.options().requests)
    }
}

/// What a listing or an answer tells of an object's contents.
fn version(tag: Option<&str>, modified: Option<&DateTime>) -> ObjectVersion {
    match (tag, modified) {
        (Some(tag), _) => ObjectVersion::ETag(tag.into()),
        (None, Some(time)) => ObjectVersion::LastModified(time.secs()),
        (None, None) => ObjectVersion::Unknown,
    }
}
