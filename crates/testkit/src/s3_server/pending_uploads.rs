//! Multipart uploads that are neither completed nor aborted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use s3s::dto::{CompletedMultipartUpload, ETag};
use s3s::{S3Result, s3_error};

const MIN_PART_BYTES: u64 = 5 << 20;

/// Pending uploads by id.
#[derive(Default)]
pub struct PendingUploadRegistry(Mutex<BTreeMap<String, PendingUpload>>);

/// A multipart upload in progress.
#[derive(Clone, Debug)]
pub struct PendingUpload {
    pub bucket: String,
    pub key: String,
    pub initiated: SystemTime,
    parts: BTreeMap<i32, (ETag, u64)>,
}

impl PendingUploadRegistry {
    /// Adds an upload.
    pub fn insert(&self, id: &str, bucket: &str, key: &str) {
        let upload = PendingUpload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            initiated: SystemTime::now(),
            parts: BTreeMap::new(),
        };
        self.0.lock().unwrap().insert(id.to_owned(), upload);
    }

    /// Returns an error if the upload is not in progress.
    pub fn ensure_exists(&self, id: &str) -> S3Result<()> {
        let exists = self.0.lock().unwrap().contains_key(id);
        exists.then_some(()).ok_or_else(no_such_upload)
    }

    /// Records a part that was uploaded.
    pub fn add_part(&self, id: &str, number: i32, etag: ETag, size: u64) {
        if let Some(upload) = self.0.lock().unwrap().get_mut(id) {
            upload.parts.insert(number, (etag, size));
        }
    }

    /// Checks that the parts of a CompleteMultipartUpload were uploaded with these ETags.
    pub fn check_parts(&self, id: &str, requested: &CompletedMultipartUpload) -> S3Result<()> {
        let uploads = self.0.lock().unwrap();
        let upload = uploads.get(id).ok_or_else(no_such_upload)?;
        let requested_parts = requested.parts.as_deref().unwrap_or_default();
        if !requested_parts.is_sorted_by_key(|part| part.part_number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        for (at, part) in requested_parts.iter().enumerate() {
            let uploaded = part
                .part_number
                .and_then(|number| upload.parts.get(&number));
            let Some((_, size)) = uploaded.filter(|(etag, _)| Some(etag) == part.e_tag.as_ref())
            else {
                return Err(s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found."
                ));
            };
            if at + 1 < requested_parts.len() && *size < MIN_PART_BYTES {
                return Err(s3_error!(EntityTooSmall));
            }
        }
        Ok(())
    }

    /// Removes an upload that was completed or aborted.
    pub fn remove(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    /// Moves the start of all uploads whose keys contain `key_part` into the past.
    pub fn backdate(&self, key_part: &str, by: Duration) {
        for upload in self.0.lock().unwrap().values_mut() {
            if upload.key.contains(key_part) {
                upload.initiated -= by;
            }
        }
    }

    /// Returns the pending uploads of a bucket, with their ids.
    pub fn in_bucket(&self, bucket: &str) -> Vec<(String, PendingUpload)> {
        let uploads = self.0.lock().unwrap();
        let matching = uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
        matching
            .map(|(id, upload)| (id.clone(), upload.clone()))
            .collect()
    }
}

fn no_such_upload() -> s3s::S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified multipart upload does not exist. The upload ID might be invalid, or the \
         multipart upload might have been aborted or completed."
    )
}
