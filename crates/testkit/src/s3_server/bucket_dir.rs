//! The directory of the buckets: each object is a file, written by a request or by a test.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use s3s::crypto::{Checksum, Md5};
use s3s::{S3Result, s3_error};

use crate::dir_contents::list_remaining_files;
use crate::s3_server::directory_bucket::{is_directory_bucket, opaque_etag};

/// The directory of the buckets.
pub struct BucketDir {
    root: PathBuf,
    folder_markers: Mutex<BTreeSet<(String, String)>>,
    etags: Mutex<HashMap<PathBuf, (FileStamp, String)>>,
}

/// The metadata of an object.
#[derive(Clone, Debug)]
pub struct ObjectMeta {
    pub size: u64,
    pub modified: SystemTime,
    pub etag: String,
}

/// Values that change when a file changes.
type FileStamp = (u64, u64, i64, i64);

impl BucketDir {
    /// Creates the view of a directory that holds one directory for each bucket.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folder_markers: Mutex::default(),
            etags: Mutex::default(),
        }
    }

    /// Returns the directory of a bucket.
    pub fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.root.join(bucket);
        if path.is_dir() {
            Ok(path)
        } else {
            Err(s3_error!(
                NoSuchBucket,
                "The specified bucket does not exist"
            ))
        }
    }

    /// Returns the file of a key, which may or may not exist.
    pub fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        Ok(self.bucket(bucket)?.join(key))
    }

    /// Adds an empty object whose name ends in a slash, which cannot be a file.
    pub fn add_folder_marker(&self, bucket: &str, key: &str) {
        let marker = (bucket.to_owned(), key.to_owned());
        self.folder_markers.lock().unwrap().insert(marker);
    }

    /// Returns the metadata of an object, or `None` if it does not exist.
    pub fn object(&self, bucket: &str, key: &str) -> S3Result<Option<ObjectMeta>> {
        let path = self.path(bucket, key)?;
        if key.ends_with('/') {
            let marker = (bucket.to_owned(), key.to_owned());
            let marked = self.folder_markers.lock().unwrap().contains(&marker);
            return Ok(marked.then(ObjectMeta::empty));
        }
        Ok(self.file_meta(bucket, &path))
    }

    /// Returns all objects of a bucket whose keys begin with `prefix`.
    pub fn objects(&self, bucket: &str, prefix: &str) -> S3Result<BTreeMap<String, ObjectMeta>> {
        let folder = self.bucket(bucket)?;
        let mut objects = BTreeMap::new();
        let (parent_prefix, _) = prefix.split_at(prefix.rfind('/').map_or(0, |slash| slash + 1));
        for key in list_remaining_files(&folder.join(parent_prefix)) {
            let key = format!("{parent_prefix}{key}");
            if key.starts_with(prefix)
                && let Some(object) = self.file_meta(bucket, &folder.join(&key))
            {
                objects.insert(key, object);
            }
        }
        for (other, key) in &*self.folder_markers.lock().unwrap() {
            if other == bucket && key.starts_with(prefix) {
                objects.insert(key.clone(), ObjectMeta::empty());
            }
        }
        Ok(objects)
    }

    /// Records the ETag of an object that was just written: the ETag of a multipart upload is not an MD5
    /// digest.
    pub fn record_etag(&self, path: &Path, etag: &str) {
        if let Ok(metadata) = fs::metadata(path) {
            let recorded = (file_stamp(&metadata), etag.to_owned());
            self.etags.lock().unwrap().insert(path.to_owned(), recorded);
        }
    }

    fn file_meta(&self, bucket: &str, path: &Path) -> Option<ObjectMeta> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let stamp = file_stamp(&metadata);
        let recorded = self.etags.lock().unwrap().get(path).cloned();
        let etag = match recorded {
            Some((other, etag)) if other == stamp => etag,
            _ => {
                let etag = md5_hex(&fs::read(path).ok()?);
                let recorded = (stamp, etag.clone());
                self.etags.lock().unwrap().insert(path.to_owned(), recorded);
                etag
            }
        };
        let etag = match is_directory_bucket(bucket) {
            true => opaque_etag(&etag),
            false => etag,
        };
        Some(ObjectMeta {
            size: metadata.len(),
            modified: metadata.modified().unwrap(),
            etag,
        })
    }
}

impl ObjectMeta {
    fn empty() -> Self {
        Self {
            size: 0,
            modified: SystemTime::UNIX_EPOCH,
            etag: md5_hex(b""),
        }
    }
}

fn file_stamp(metadata: &fs::Metadata) -> FileStamp {
    (
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// Returns the MD5 digest of some bytes, formatted as in ETags.
fn md5_hex(bytes: &[u8]) -> String {
    let sum = Md5::checksum(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
