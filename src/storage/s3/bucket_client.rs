//! Names and lists the objects of a bucket for the modules that read and write them.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object};

use super::client::S3Client;
use super::customer_key::CustomerKey;
use super::encoded_key::decode_key;
use super::error::{FailedRequest, OperationContext};
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
    /// The key of the objects that are read, if they are encrypted with a customer-provided key.
    pub customer_key: Option<CustomerKey>,
}

/// A page of a listing, with decoded keys.
#[derive(Debug, Default)]
pub(super) struct ListedPage {
    /// The objects, each with its key in the bucket.
    pub objects: Vec<(String, Object)>,
    /// The common prefixes.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins.
    pub next_token: Option<String>,
    /// Whether there is a next page.
    pub is_truncated: bool,
}

impl BucketClient {
    /// Returns true for a directory bucket (S3 Express One Zone), and for an access point of one. They list folders only:
    /// a prefix must end in `/`.
    pub(super) fn is_directory_bucket(&self) -> bool {
        self.name.ends_with("--x-s3") || self.name.ends_with("--xa-s3")
    }

    /// Returns the client of the AWS SDK.
    pub(super) fn sdk(&self) -> &aws_sdk_s3::Client {
        self.client.sdk_for(&self.name)
    }

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

    /// Returns the metadata of an object, or `None` if it does not exist.
    ///
    /// # Errors
    /// Returns the failed request. Without the permission to list the bucket, S3 answers 403 for an object that does not
    /// exist.
    pub(super) async fn head_object(
        &self,
        operation: &OperationContext,
        key: &str,
    ) -> std::result::Result<Option<Object>, FailedRequest> {
        let client = &self.client;
        let request = || async {
            let request = self.sdk().head_object().bucket(&self.name).key(key);
            let request = request.set_request_payer(client.request_payer());
            let customer_key = self.customer_key.as_ref();
            let request = request
                .set_sse_customer_algorithm(customer_key.map(CustomerKey::algorithm))
                .set_sse_customer_key(customer_key.map(CustomerKey::header_value))
                .set_sse_customer_key_md5(customer_key.map(CustomerKey::md5_header_value));
            match request.send().await {
                Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
                response => response.map(Some),
            }
        };
        let head = client
            .send_with_retry(operation, Duration::ZERO, request)
            .await?;
        Ok(head.map(|head| {
            Object::builder()
                .set_size(head.content_length)
                .set_e_tag(head.e_tag)
                .set_last_modified(head.last_modified)
                .build()
        }))
    }

    /// Returns the permission that reads an object of the bucket, for messages.
    pub(super) fn read_permission(&self) -> &'static str {
        match self.customer_key {
            None => "s3:GetObject",
            Some(_) => "s3:GetObject, and --sse-c-key-file must hold the key of the object",
        }
    }

    /// Returns the operation of listing the keys that begin with `prefix`, for messages.
    pub(super) fn list_operation(&self, prefix: &str) -> OperationContext {
        OperationContext {
            error_prefix: "cannot list",
            url: self.url(prefix),
            permission: "s3:ListBucket",
        }
    }

    /// Returns the object with this key if a listing has it. Must not be called for a directory bucket, which cannot list
    /// by a key.
    ///
    /// # Errors
    /// Returns an error if the key cannot be listed.
    pub(super) async fn list_object(&self, key: &str) -> Result<Option<Object>> {
        let mut token = None;
        loop {
            // Of all keys that begin with the key, the key itself comes first.
            let mut page = self
                .list_page(key, ListMode::Recursive, token.clone(), Some(1))
                .await?;
            if !page.objects.is_empty() {
                let (first, object) = page.objects.swap_remove(0);
                return Ok((first == key).then_some(object));
            }
            token = self.next_page_token(key, &page, token)?;
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    /// Returns where the page after `page` begins, or `None` if it is the last one. `token` is where the page began.
    ///
    /// # Errors
    /// Returns an error if there is a next page, and the server does not tell where it begins.
    pub(super) fn next_page_token(
        &self,
        prefix: &str,
        page: &ListedPage,
        token: Option<String>,
    ) -> Result<Option<String>> {
        match &page.next_token {
            None if !page.is_truncated => Ok(None),
            Some(next) if Some(next) != token.as_ref() => Ok(Some(next.clone())),
            _ => Err(Error::failed(format!("cannot list {}", self.url(prefix)))
                .with_reason("the server does not say where the rest of the listing begins")),
        }
    }

    /// Lists one page of the keys that begin with `prefix`.
    pub(super) async fn list_page(
        &self,
        prefix: &str,
        mode: ListMode,
        continuation_token: Option<String>,
        max_keys: Option<i32>,
    ) -> Result<ListedPage> {
        let client = &self.client;
        let operation = self.list_operation(prefix);
        // The semaphore is never closed.
        let _permit = client.read_permits().acquire().await;
        let request = || {
            self.sdk()
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                // XML has no control characters, but keys do.
                .encoding_type(EncodingType::Url)
                .set_delimiter((mode == ListMode::Delimited).then(|| "/".to_owned()))
                .set_continuation_token(continuation_token.clone())
                .set_max_keys(max_keys)
                .set_request_payer(client.request_payer())
                .send()
        };
        let page = client
            .send_with_retry(&operation, Duration::ZERO, request)
            .await;
        page.map(decode_page)
            .map_err(|failed| client.to_error(&operation, &failed))
    }
}

fn decode_page(page: ListObjectsV2Output) -> ListedPage {
    let encoding = page.encoding_type;
    let decode = |key: String| decode_key(key, encoding.as_ref());
    let objects = page.contents.unwrap_or_default().into_iter();
    let prefixes = page.common_prefixes.unwrap_or_default().into_iter();
    ListedPage {
        objects: objects
            .filter_map(|mut object| Some((decode(object.key.take()?), object)))
            .collect(),
        common_prefixes: prefixes.filter_map(|p| p.prefix.map(decode)).collect(),
        next_token: page.next_continuation_token,
        is_truncated: page.is_truncated == Some(true),
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
