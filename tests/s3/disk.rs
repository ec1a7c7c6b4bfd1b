//! The folder of the buckets: objects are files, put there by requests or by tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use s3s::crypto::{Checksum, Md5};
use s3s::{S3Result, s3_error};

/// The folder of the buckets.
pub struct Disk {
    root: PathBuf,
    markers: Mutex<BTreeSet<(String, String)>>,
    etags: Mutex<HashMap<PathBuf, (Stamp, String)>>,
}

/// An object without its bytes.
#[derive(Clone, Debug)]
pub struct Object {
    pub size: u64,
    pub modified: SystemTime,
    pub etag: String,
}

/// What changes with a file.
type Stamp = (u64, u64, i64, i64);

impl Disk {
    /// A folder that holds a folder for each bucket.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            markers: Mutex::default(),
            etags: Mutex::default(),
        }
    }

    /// The folder of a bucket.
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

    /// The file of a key, which may or may not exist.
    pub fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        Ok(self.bucket(bucket)?.join(key))
    }

    /// Adds an empty object whose name ends in a slash, which no file can stand for.
    pub fn mark(&self, bucket: &str, key: &str) {
        let marker = (bucket.to_owned(), key.to_owned());
        self.markers.lock().unwrap().insert(marker);
    }

    /// An object, if there is one.
    pub fn object(&self, bucket: &str, key: &str) -> S3Result<Option<Object>> {
        let path = self.path(bucket, key)?;
        if key.ends_with('/') {
            let marker = (bucket.to_owned(), key.to_owned());
            let marked = self.markers.lock().unwrap().contains(&marker);
            return Ok(marked.then(Object::empty));
        }
        Ok(self.file(&path))
    }

    /// All objects of a bucket whose keys begin with `prefix`.
    pub fn objects(&self, bucket: &str, prefix: &str) -> S3Result<BTreeMap<String, Object>> {
        let folder = self.bucket(bucket)?;
        let mut objects = BTreeMap::new();
        let (above, _) = prefix.split_at(prefix.rfind('/').map_or(0, |slash| slash + 1));
        for key in keys(&folder.join(above)) {
            let key = format!("{above}{key}");
            if key.starts_with(prefix)
                && let Some(object) = self.file(&folder.join(&key))
            {
                objects.insert(key, object);
            }
        }
        for (other, key) in &*self.markers.lock().unwrap() {
            if other == bucket && key.starts_with(prefix) {
                objects.insert(key.clone(), Object::empty());
            }
        }
        Ok(objects)
    }

    /// Notes the ETag of what a request has just written: that of a multipart upload is no MD5.
    pub fn written(&self, path: &Path, etag: &str) {
        if let Ok(metadata) = fs::metadata(path) {
            let known = (stamp(&metadata), etag.to_owned());
            self.etags.lock().unwrap().insert(path.to_owned(), known);
        }
    }

    fn file(&self, path: &Path) -> Option<Object> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let stamp = stamp(&metadata);
        let known = self.etags.lock().unwrap().get(path).cloned();
        let etag = match known {
            Some((other, etag)) if other == stamp => etag,
            _ => {
                let etag = md5(&fs::read(path).ok()?);
                let known = (stamp, etag.clone());
                self.etags.lock().unwrap().insert(path.to_owned(), known);
                etag
            }
        };
        Some(Object {
            size: metadata.len(),
            modified: metadata.modified().unwrap(),
            etag,
        })
    }
}

impl Object {
    fn empty() -> Self {
        Self {
            size: 0,
            modified: SystemTime::UNIX_EPOCH,
            etag: md5(b""),
        }
    }
}

/// The keys of the files in a folder.
pub fn keys(bucket: &Path) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut folders = vec![bucket.to_owned()];
    while let Some(folder) = folders.pop() {
        // What is removed meanwhile is not there.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(bucket).unwrap();
                keys.insert(key.to_str().unwrap().to_owned());
            }
        }
    }
    keys
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    (
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// The MD5 sum of some bytes, as ETags have it.
fn md5(bytes: &[u8]) -> String {
    let sum = Md5::checksum(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
