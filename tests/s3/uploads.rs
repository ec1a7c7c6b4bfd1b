//! Multipart uploads that are neither completed nor aborted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use s3s::dto::{CompletedMultipartUpload, ETag};
use s3s::{S3Result, s3_error};

const SMALLEST_PART: u64 = 5 << 20;

/// Uploads by their ids.
#[derive(Default)]
pub struct Uploads(Mutex<BTreeMap<String, Upload>>);

/// An upload that is under way.
#[derive(Clone, Debug)]
pub struct Upload {
    pub bucket: String,
    pub key: String,
    pub begun: SystemTime,
    parts: BTreeMap<i32, (ETag, u64)>,
}

impl Uploads {
    /// An upload begins.
    pub fn begin(&self, id: &str, bucket: &str, key: &str) {
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            begun: SystemTime::now(),
            parts: BTreeMap::new(),
        };
        self.0.lock().unwrap().insert(id.to_owned(), upload);
    }

    /// The upload must be under way.
    pub fn is_known(&self, id: &str) -> S3Result<()> {
        let known = self.0.lock().unwrap().contains_key(id);
        known.then_some(()).ok_or_else(no_such_upload)
    }

    /// A part has come.
    pub fn part(&self, id: &str, number: i32, etag: ETag, size: u64) {
        if let Some(upload) = self.0.lock().unwrap().get_mut(id) {
            upload.parts.insert(number, (etag, size));
        }
    }

    /// The parts that an upload is to be completed from must have come as they are told.
    pub fn are_whole(&self, id: &str, told: &CompletedMultipartUpload) -> S3Result<()> {
        let uploads = self.0.lock().unwrap();
        let upload = uploads.get(id).ok_or_else(no_such_upload)?;
        let told = told.parts.as_deref().unwrap_or_default();
        if !told.is_sorted_by_key(|part| part.part_number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        for (at, part) in told.iter().enumerate() {
            let come = part
                .part_number
                .and_then(|number| upload.parts.get(&number));
            let Some((_, size)) = come.filter(|(etag, _)| Some(etag) == part.e_tag.as_ref()) else {
                return Err(s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found."
                ));
            };
            if at + 1 < told.len() && *size < SMALLEST_PART {
                return Err(s3_error!(EntityTooSmall));
            }
        }
        Ok(())
    }

    /// An upload ends.
    pub fn end(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    /// Uploads of keys that contain `part` were begun so much earlier.
    pub fn age(&self, part: &str, by: Duration) {
        for upload in self.0.lock().unwrap().values_mut() {
            if upload.key.contains(part) {
                upload.begun -= by;
            }
        }
    }

    /// Those of a bucket that are under way, with their ids.
    pub fn of(&self, bucket: &str) -> Vec<(String, Upload)> {
        let uploads = self.0.lock().unwrap();
        let ours = uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
        ours.map(|(id, upload)| (id.clone(), upload.clone()))
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
