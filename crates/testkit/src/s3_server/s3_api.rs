//! The S3 API over a local directory: s3s-fs, with the operations replaced in which it differs from S3.
//!
//! This module implements listings (ETags, pages of at most 1000 keys, opaque tokens), reads (If-Match, the
//! current ETag of the file, missing buckets), conditional writes (the check and the write are atomic), and
//! the registry of multipart uploads. s3s-fs writes the objects.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use http_body_util::BodyExt;
use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::Mutex;

use crate::s3_server::bucket_dir::{BucketDir, ObjectMeta};
use crate::s3_server::listing;
use crate::s3_server::pending_uploads::PendingUploadRegistry;
use crate::s3_server::policy::Policy;

/// The S3 API over a local directory.
pub struct S3Api {
    pub file_system: FileSystem,
    pub bucket_dir: Arc<BucketDir>,
    pub uploads: Arc<PendingUploadRegistry>,
    /// The maximum number of keys in a page of a listing.
    pub page_size: i32,
    /// The suffix of keys that cannot be deleted.
    pub undeletable_suffix: Option<String>,
    /// What requests may do; `None` for everything.
    pub policy: Option<Policy>,
    /// Whether listings have no encoded keys.
    pub ignores_encoding_type: bool,
    /// The region of all buckets.
    pub region: &'static str,
    /// The policy of all buckets.
    pub bucket_policy: Option<String>,
    /// Serializes conditional writes.
    pub conditional_write_lock: Arc<Mutex<()>>,
}

type OperationResult<T> = S3Result<S3Response<T>>;

impl S3Api {
    /// Returns the object to read, after checking the condition of the request.
    fn object_if_match(
        &self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
    ) -> S3Result<ObjectMeta> {
        let object = self.bucket_dir.object(bucket, key)?;
        let object = object.ok_or_else(no_such_key)?;
        if if_match.is_some_and(|condition| !matches_etag(condition, &object)) {
            return Err(precondition_failed());
        }
        Ok(object)
    }

    /// Checks the condition of a write.
    fn check_preconditions(
        &self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let object = self.bucket_dir.object(bucket, key)?;
        match (&object, if_match) {
            (None, Some(_)) => return Err(no_such_key()),
            (Some(object), Some(condition)) if !matches_etag(condition, object) => {
                return Err(precondition_failed());
            }
            _ => {}
        }
        match (object, if_none_match) {
            (Some(_), Some(_)) => Err(precondition_failed()),
            _ => Ok(()),
        }
    }

    fn record_etag(&self, path: &Path, etag: Option<&ETag>) {
        if let Some(etag) = etag {
            self.bucket_dir.record_etag(path, etag.value());
        }
    }
}

fn matches_etag(condition: &ETagCondition, object: &ObjectMeta) -> bool {
    let etag = condition.as_etag();
    etag.is_none_or(|etag| etag.value() == object.etag)
}

/// Returns the error for an object of a batch that was not deleted.
fn access_denied_error(object: ObjectIdentifier) -> Error {
    Error {
        code: Some("AccessDenied".to_owned()),
        key: Some(object.key),
        message: Some("Access Denied".to_owned()),
        ..Error::default()
    }
}

fn no_such_key() -> s3s::S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn precondition_failed() -> s3s::S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

#[async_trait::async_trait]
impl S3 for S3Api {
    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> OperationResult<ListObjectsV2Output> {
        let page = listing::list_page(
            &self.bucket_dir,
            req.input,
            self.page_size,
            self.ignores_encoding_type,
        )?;
        Ok(S3Response::new(page))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> OperationResult<GetObjectOutput> {
        let input = req.input;
        let object = self.object_if_match(&input.bucket, &input.key, input.if_match.as_ref())?;
        let range = match input.range {
            Some(range) => range.check(object.size)?,
            None => 0..object.size,
        };
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        if !bytes.is_empty() {
            let read = fs::File::open(self.bucket_dir.path(&input.bucket, &input.key)?)
                .and_then(|file| file.read_exact_at(&mut bytes, range.start));
            // An object that is removed or changed right now counts as removed or changed before the request.
            self.object_if_match(&input.bucket, &input.key, input.if_match.as_ref())?;
            read.map_err(|_| no_such_key())?;
        }
        let content_range = input.range.map(|_| {
            let last = range.end - 1;
            format!("bytes {}-{last}/{}", range.start, object.size)
        });
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(bytes.len()).ok(),
            content_range,
            body: Some(Body::from(bytes).into()),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            accept_ranges: Some("bytes".to_owned()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> OperationResult<HeadObjectOutput> {
        let input = req.input;
        let object = self.object_if_match(&input.bucket, &input.key, input.if_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(object.size).ok(),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            accept_ranges: Some("bytes".to_owned()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> OperationResult<PutObjectOutput> {
        let path = self.bucket_dir.path(&req.input.bucket, &req.input.key)?;
        let if_match = req.input.if_match.take();
        let if_none_match = req.input.if_none_match.take();
        let _guard = if if_match.is_some() || if_none_match.is_some() {
            // The body is read before the lock is taken, so that a slow client does not delay others.
            let body = req.input.body.take().map(Body::from).unwrap_or_default();
            let body = body
                .collect()
                .await
                .map_err(|_| s3_error!(IncompleteBody))?;
            req.input.body = Some(Body::from(body.to_bytes()).into());
            let guard = self.conditional_write_lock.lock().await;
            self.check_preconditions(
                &req.input.bucket,
                &req.input.key,
                if_match.as_ref(),
                if_none_match.as_ref(),
            )?;
            Some(guard)
        } else {
            None
        };
        let response = self.file_system.put_object(req).await?;
        self.record_etag(&path, response.output.e_tag.as_ref());
        Ok(response)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> OperationResult<CreateMultipartUploadOutput> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.bucket_dir.bucket(&bucket)?;
        let response = self.file_system.create_multipart_upload(req).await?;
        if let Some(id) = &response.output.upload_id {
            self.uploads.insert(id, &bucket, &key);
        }
        Ok(response)
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> OperationResult<UploadPartOutput> {
        let (id, number) = (req.input.upload_id.clone(), req.input.part_number);
        let length = req.input.content_length;
        let length = length.and_then(|length| u64::try_from(length).ok());
        self.uploads.ensure_exists(&id)?;
        let response = self.file_system.upload_part(req).await?;
        if let Some(etag) = response.output.e_tag.clone() {
            self.uploads
                .add_part(&id, number, etag, length.unwrap_or_default());
        }
        Ok(response)
    }

    async fn complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> OperationResult<CompleteMultipartUploadOutput> {
        let input = &mut req.input;
        let (id, path) = (
            input.upload_id.clone(),
            self.bucket_dir.path(&input.bucket, &input.key)?,
        );
        let requested_parts = input.multipart_upload.clone().unwrap_or_default();
        let _guard = self.conditional_write_lock.lock().await;
        self.uploads.check_parts(&id, &requested_parts)?;
        let (if_match, if_none_match) = (input.if_match.take(), input.if_none_match.take());
        self.check_preconditions(
            &input.bucket,
            &input.key,
            if_match.as_ref(),
            if_none_match.as_ref(),
        )?;
        let response = self.file_system.complete_multipart_upload(req).await?;
        self.uploads.remove(&id);
        let output = match response.output.future {
            Some(output) => output.await?,
            None => response.output,
        };
        self.record_etag(&path, output.e_tag.as_ref());
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> OperationResult<AbortMultipartUploadOutput> {
        let id = req.input.upload_id.clone();
        self.uploads.ensure_exists(&id)?;
        let response = self.file_system.abort_multipart_upload(req).await?;
        self.uploads.remove(&id);
        Ok(response)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> OperationResult<ListMultipartUploadsOutput> {
        self.bucket_dir.bucket(&req.input.bucket)?;
        let prefix = req.input.prefix.clone().unwrap_or_default();
        let uploads = self.uploads.in_bucket(&req.input.bucket);
        let uploads = uploads
            .into_iter()
            .filter(|(_, upload)| upload.key.starts_with(&prefix));
        let uploads = uploads.map(|(id, upload)| MultipartUpload {
            upload_id: Some(id),
            key: Some(upload.key),
            initiated: Some(upload.initiated.into()),
            ..MultipartUpload::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(req.input.bucket),
            prefix: req.input.prefix,
            is_truncated: Some(false),
            uploads: Some(uploads.collect()),
            ..ListMultipartUploadsOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> OperationResult<DeleteObjectOutput> {
        self.file_system.delete_object(req).await
    }

    async fn delete_objects(
        &self,
        mut req: S3Request<DeleteObjectsInput>,
    ) -> OperationResult<DeleteObjectsOutput> {
        self.bucket_dir.bucket(&req.input.bucket)?;
        let bucket = req.input.bucket.clone();
        let is_undeletable = |object: &ObjectIdentifier| {
            let end = self.undeletable_suffix.as_deref();
            let policy = self.policy.as_ref();
            end.is_some_and(|end| object.key.ends_with(end))
                || policy.is_some_and(|policy| !policy.allows_delete(&bucket, &object.key))
        };
        let objects = req.input.delete.objects.into_iter();
        let (denied, deletable) = objects.partition(is_undeletable);
        req.input.delete.objects = deletable;
        let mut response = self.file_system.delete_objects(req).await?;
        response.output.errors = Some(
            Vec::<ObjectIdentifier>::into_iter(denied)
                .map(access_denied_error)
                .collect(),
        );
        Ok(response)
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> OperationResult<HeadBucketOutput> {
        let mut response = self.file_system.head_bucket(req).await?;
        response.output.bucket_region = Some(self.region.to_owned());
        Ok(response)
    }

    async fn get_bucket_policy(
        &self,
        req: S3Request<GetBucketPolicyInput>,
    ) -> OperationResult<GetBucketPolicyOutput> {
        self.bucket_dir.bucket(&req.input.bucket)?;
        match &self.bucket_policy {
            Some(policy) => Ok(S3Response::new(GetBucketPolicyOutput {
                policy: Some(policy.clone()),
            })),
            None => Err(s3_error!(
                NoSuchBucketPolicy,
                "The bucket policy does not exist"
            )),
        }
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> OperationResult<GetBucketLocationOutput> {
        self.file_system.get_bucket_location(req).await
    }
}
