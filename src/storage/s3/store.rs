//! Implements [`Store`] for everything below a prefix of a bucket, or for one object.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::{ConnectorError, SdkError};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, Object, ObjectIdentifier};

use super::bucket_client::{BucketClient, object_version};
use super::client::S3Client;
use super::customer_key::CustomerKey;
use super::error::{FailedRequest, OperationContext, RequestError};
use super::multipart::MultipartUpload;
use super::prefetch::PrefetchReader;
use super::{incomplete_uploads, put_object};
use crate::error::{Error, Result};
use crate::storage::store::{
    IncompleteUpload, ListMode, ListResult, ObjectContents, ObjectMeta, ObjectRange, PutMode,
    PutResult, RangeReader, Store, Upload,
};

/// Maximum number of objects that one DeleteObjects request can remove.
const MAX_KEYS_PER_DELETE: usize = 1000;

/// A store of the objects below a prefix of a bucket, or of a single object.
#[derive(Debug)]
pub(crate) struct S3Store {
    bucket: Arc<BucketClient>,
    /// The only object, if the location is an object.
    single_object: Option<ObjectMeta>,
    /// Only keys that begin so below the prefix are listed.
    name_prefix: String,
}

impl S3Store {
    /// Opens the store for a location to read from: the object with exactly this key if there is one,
    /// otherwise everything below the prefix.
    ///
    /// The object is requested by its key, and listings name the folder with its slash, so that permission to list
    /// `logs/*` is enough. If the object may not be read, permission to list its key is enough to find it.
    ///
    /// # Errors
    /// Returns an error if the prefix cannot be listed.
    pub(crate) fn open(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Result<Self> {
        let folder = Self::for_input(Arc::clone(&client), bucket, prefix);
        let object_key = (!prefix.is_empty() && !prefix.ends_with('/')).then_some(prefix);
        let Some(key) = object_key else {
            return Ok(folder);
        };
        let name_start = key.rfind('/').map_or(0, |slash| slash + 1);
        let (root, name) = key.split_at(name_start);
        let parent = Self::for_input(Arc::clone(&client), bucket, root);
        let operation = OperationContext {
            permission: match parent.bucket.customer_key {
                None => "s3:ListBucket and s3:GetObject",
                Some(_) => {
                    "s3:ListBucket and s3:GetObject, and --sse-c-key-file must hold the key of the object"
                }
            },
            ..parent.bucket.list_operation(key)
        };
        let object = match client.block_on(parent.bucket.head_object(&operation, key)) {
            Ok(object) => object,
            // The response to a HEAD has no body that tells the reason, and 403 can mean that there is no such object.
            Err(failed) if failed.error.is_final_response() => {
                let listed = parent.find_listed(key);
                if listed.is_none() {
                    folder.ensure_not_empty(|| client.to_error(&operation, &failed))?;
                }
                listed
            }
            Err(failed) => return Err(client.to_error(&operation, &failed)),
        };
        // An empty object can mark a folder.
        let Some(object) = object.filter(|object| object.size() != Some(0)) else {
            return Ok(folder);
        };
        Ok(Self {
            single_object: Some(parent.bucket.object_meta(name.to_owned(), &object)?),
            ..parent
        })
    }

    /// Returns the given error if there is nothing below the prefix, or another one if it cannot be listed.
    fn ensure_not_empty(&self, error: impl FnOnce() -> Error) -> Result<()> {
        let bucket = &self.bucket;
        let page = bucket.list_page(&bucket.prefix, ListMode::Recursive, None, Some(1));
        match bucket.client.block_on(page)?.objects.is_empty() {
            true => Err(error()),
            false => Ok(()),
        }
    }

    /// Creates the store for everything below a prefix of an output, without checking that anything exists there.
    pub(crate) fn new(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Self {
        Self::with_customer_key(client, bucket, prefix, None)
    }

    /// Creates the store for everything below a prefix of an input, whose objects can be encrypted with a
    /// customer-provided key.
    pub(crate) fn for_input(client: Arc<S3Client>, bucket: &str, prefix: &str) -> Self {
        let customer_key = client.options().customer_key.clone();
        Self::with_customer_key(client, bucket, prefix, customer_key)
    }

    fn with_customer_key(
        client: Arc<S3Client>,
        bucket: &str,
        prefix: &str,
        customer_key: Option<CustomerKey>,
    ) -> Self {
        let needs_slash = !prefix.is_empty() && !prefix.ends_with('/');
        Self {
            bucket: Arc::new(BucketClient {
                client,
                name: bucket.to_owned(),
                prefix: format!("{prefix}{}", if needs_slash { "/" } else { "" }),
                customer_key,
            }),
            single_object: None,
            name_prefix: String::new(),
        }
    }

    /// Restricts listings of the whole store to keys that begin with `name_prefix`.
    pub(crate) fn with_name_prefix(self, name_prefix: &str) -> Self {
        let name_prefix = name_prefix.to_owned();
        Self {
            name_prefix,
            ..self
        }
    }

    /// Returns the object with this key of the bucket if a listing has it. A listing that is denied tells nothing.
    fn find_listed(&self, key: &str) -> Option<Object> {
        let bucket = &self.bucket;
        if bucket.is_directory_bucket() {
            return None;
        }
        bucket.client.block_on(bucket.list_object(key)).ok()?
    }

    /// Returns true if a listing shows that there is no object with this key in the bucket. If the permission to list it
    /// is limited to prefixes, S3 denies to read an object that does not exist.
    fn is_absent(&self, key: &str) -> bool {
        let bucket = &self.bucket;
        if bucket.is_directory_bucket() {
            return false;
        }
        let listed = bucket.client.block_on(bucket.list_object(key));
        listed.is_ok_and(|object| object.is_none())
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
            // The names are filtered by those who ask for a prefix.
            "" if bucket.is_directory_bucket() => bucket.prefix.clone(),
            "" => bucket.full_key(&self.name_prefix),
            prefix => bucket.full_key(prefix),
        };
        let relative = |key: &str| key.strip_prefix(&bucket.prefix).map(str::to_owned);
        let mut continuation_token = None;
        loop {
            let page = bucket.list_page(&full_prefix, mode, continuation_token.clone(), None);
            let page = bucket.client.block_on(page)?;
            for (key, object) in &page.objects {
                let Some(key) = relative(key) else {
                    continue;
                };
                // S3 consoles create such an object to show an empty folder.
                if key.is_empty() || key.ends_with('/') {
                    continue;
                }
                let modified = object.last_modified().map(DateTime::secs);
                listing.last_modified = listing.last_modified.max(modified);
                listing.objects.push(bucket.object_meta(key, object)?);
            }
            let prefixes = page.common_prefixes.iter();
            listing
                .common_prefixes
                .extend(prefixes.filter_map(|prefix| relative(prefix)));
            continuation_token = bucket.next_page_token(&full_prefix, &page, continuation_token)?;
            if continuation_token.is_none() {
                return Ok(listing);
            }
        }
    }

    fn read_ranges(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader> {
        Box::new(PrefetchReader::new(Arc::clone(&self.bucket), ranges))
    }

    fn get(&self, key: &str) -> Result<Option<ObjectContents>> {
        let bucket = &self.bucket;
        let client = &bucket.client;
        // Without s3:ListBucket S3 returns AccessDenied instead of NoSuchKey for an object that does not exist.
        let operation = self.operation("cannot read", key, "s3:GetObject and s3:ListBucket");
        let key = bucket.full_key(key);
        let request = || async {
            let request = bucket.sdk().get_object().bucket(&bucket.name);
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
            Ok(Some(ObjectContents {
                bytes: body.map_err(body_error)?.to_vec(),
                version,
            }))
        };
        let object = client.block_on(client.send_with_retry(&operation, Duration::ZERO, request));
        match object {
            Err(failed) if failed.error.status() == Some(403) && self.is_absent(&key) => Ok(None),
            object => object.map_err(|failed| client.to_error(&operation, &failed)),
        }
    }

    fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<PutResult> {
        put_object::put_with_mode(&self.bucket, key, bytes.into(), &mode)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Upload>> {
        Ok(Box::new(MultipartUpload::new(
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
            let objects = keys
                .iter()
                .map(|key| {
                    ObjectIdentifier::builder()
                        .key(bucket.full_key(key))
                        .build()
                })
                .collect::<std::result::Result<Vec<_>, _>>();
            let delete = objects.and_then(|objects| {
                Delete::builder()
                    .set_objects(Some(objects))
                    .quiet(true)
                    .build()
            });
            let delete =
                delete.map_err(|e| Error::failed("cannot remove objects").with_source(e))?;
            let request = || {
                let request = bucket.sdk().delete_objects().bucket(&bucket.name);
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

    fn list_incomplete_uploads(&self) -> Result<Vec<IncompleteUpload>> {
        let prefix = &self.bucket.prefix;
        let mut uploads = incomplete_uploads::list_uploads(&self.bucket, prefix)?;
        uploads.retain_mut(|upload| match upload.key.strip_prefix(prefix) {
            Some(relative) => {
                upload.key = relative.to_owned();
                true
            }
            None => false,
        });
        Ok(uploads)
    }

    fn abort_upload(&self, upload: &IncompleteUpload) -> Result<()> {
        let bucket = &self.bucket;
        let key = bucket.full_key(&upload.key);
        bucket
            .client
            .block_on(incomplete_uploads::abort_upload(bucket, &key, &upload.id))
    }

    fn disable_retries(&self) {
        self.bucket.client.disable_retries();
    }

    fn subfolder(&self, prefix: &str) -> Box<dyn Store> {
        let bucket = &self.bucket;
        let prefix = bucket.full_key(prefix);
        Box::new(Self::new(Arc::clone(&bucket.client), &bucket.name, &prefix))
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
