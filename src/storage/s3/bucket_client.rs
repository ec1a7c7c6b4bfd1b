//! Names and lists the objects of a bucket for the modules that read and write them.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Object;

use super::client::S3Client;
use super::error::OperationContext;
use crate::error::{Error, Result};
use crate::storage::store::{ListMode, ObjectMeta, ObjectVersion};

/// The client, bucket and prefix that the requests of a store share.
#[derive(Debug)]
pub(super) struct BucketClient {
    pub client: Arc<S3Client>,
    /// The name of the bucket.
    pub name: String,
    /// The prefix of all keys: empty, or ending in `/`.
    pub prefix: String,
}

impl BucketClient {
    /// Returns the key in the bucket for a key of the store.
    pub(super) fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Returns the URL of a key in the bucket.
    pub(super) fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Returns the entry of a listing for a key of the store.
    ///
    /// # Errors
    /// Returns an error if the server does not tell the size: data would be lost if it were taken for 0.
    pub(super) fn object_meta(&self, key: String, object: &Object) -> Result<ObjectMeta> {
        let size = object.size().and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| {
            Error::failed(format!("cannot list {}", self.url(&self.full_key(&key))))
                .with_reason("the response of the server has no size for it")
        })?;
        Ok(ObjectMeta {
            key,
            size,
            version: object_version(object.e_tag(), object.last_modified()),
        })
    }

    /// Lists one page of the keys that begin with `prefix`.
    pub(super) async fn list_page(
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

/// Returns the version of an object from the fields of a listing or response.
pub(super) fn object_version(tag: Option<&str>, modified: Option<&DateTime>) -> ObjectVersion {
    match (tag, modified) {
        (Some(tag), _) => ObjectVersion::ETag(tag.into()),
        (None, Some(time)) => ObjectVersion::LastModified(time.secs()),
        (None, None) => ObjectVersion::Unknown,
    }
}
