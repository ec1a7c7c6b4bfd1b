//! Lists, reads and writes objects in local folders and in S3.
//!
//! Input is read from and output is written to a [`Store`], which covers everything below one prefix. A key
//! is an object's name relative to that prefix, with `/` between its parts.

mod chained_reader;
mod local;
mod location;
pub mod s3;

use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

pub use chained_reader::ChainedReader;
pub use local::LocalStore;
pub(crate) use location::s3_url_hint;
pub use location::{GLOB_METACHARACTERS, Location};
use s3::{S3Client, S3Store};

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key, relative to the store.
    pub key: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The version of the contents that was listed.
    pub version: ObjectVersion,
}

/// Distinguishes the contents of an object from earlier and later contents under the same key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ObjectVersion {
    /// Nothing is known except the size.
    #[default]
    Unknown,
    /// When the object was written, in seconds since 1970.
    LastModified(i64),
    /// When a file was written, and its inode.
    Mtime {
        /// The modification time, in nanoseconds since 1970.
        nanoseconds: i64,
        /// The inode number.
        inode: u64,
    },
    /// The entity tag, which changes with the contents.
    ETag(Box<str>),
}

impl ObjectMeta {
    /// Returns the version as one word. It is empty if the version is unknown.
    pub fn etag(&self) -> String {
        match &self.version {
            ObjectVersion::Unknown => String::new(),
            ObjectVersion::LastModified(seconds) => seconds.to_string(),
            ObjectVersion::Mtime { nanoseconds, .. } => format!("{}-{nanoseconds}", self.size),
            ObjectVersion::ETag(tag) => tag.to_string(),
        }
    }
}

/// The objects and prefixes below a prefix.
#[derive(Debug, Default)]
pub struct ListResult {
    /// Objects, in no particular order.
    pub objects: Vec<ObjectMeta>,
    /// Longer prefixes whose objects are not listed, each ending in `/`, in no particular order.
    pub common_prefixes: Vec<String>,
    /// Names that cannot be read, each with the reason, in no particular order. A name that ends in `/` is a
    /// prefix, or may be one.
    pub unreadable: Vec<(String, crate::error::Error)>,
    /// When the newest of the objects was written, in seconds since 1970 on the clock of the store.
    pub last_modified: Option<i64>,
}

/// The depth of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListMode {
    /// Lists down to the next `/`.
    Delimited,
    /// Lists everything below the prefix if the store can do that in one call, otherwise down to the next `/`.
    Recursive,
}

/// A range of an object to read.
#[derive(Debug, Clone)]
pub struct ObjectRange {
    /// The object as it was listed.
    pub object: ObjectMeta,
    /// The first byte to read.
    pub start: u64,
    /// Where reading is expected to end. It may continue up to the end of the object.
    pub expected_end: u64,
}

/// Reads ranges one after the other. A remote store prefetches them.
pub trait RangeReader: Read + Send {
    /// Moves to the beginning of the next range and skips the rest of the current one.
    ///
    /// # Errors
    /// Returns an error if the object no longer exists or cannot be read.
    fn next_range(&mut self) -> Result<()>;

    /// Checks that everything read from this range belongs to the object as it was listed. A store that
    /// ensures this with every read has nothing to do here.
    ///
    /// # Errors
    /// Returns an error if the object has changed since it was listed.
    fn check_unchanged(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Writes an object. The object is not visible before it is finished, and an unfinished one leaves nothing
/// (in a folder: a truncated file).
pub trait Upload: Write + Send {
    /// Writes buffered data and makes the object visible, in place of an earlier one. Returns its length in
    /// bytes.
    ///
    /// # Errors
    /// Returns an error if the object cannot be written.
    fn finish(self: Box<Self>) -> Result<u64>;
}

/// Accesses the objects below one prefix.
pub trait Store: fmt::Debug + Send + Sync {
    /// Lists the objects below `""` or a prefix that a listing returned.
    ///
    /// # Errors
    /// Returns an error if the prefix does not exist or cannot be listed.
    fn list(&self, prefix: &str, mode: ListMode) -> Result<ListResult>;

    /// Lists all objects below `""` or a prefix that a listing returned, at any depth.
    ///
    /// # Errors
    /// Returns an error if the prefix does not exist or cannot be listed.
    fn list_all(&self, prefix: &str) -> Result<ListResult> {
        let mut all = ListResult::default();
        let mut pending = vec![prefix.to_owned()];
        while let Some(prefix) = pending.pop() {
            let listing = self.list(&prefix, ListMode::Recursive)?;
            pending.extend(listing.common_prefixes);
            all.objects.extend(listing.objects);
            all.unreadable.extend(listing.unreadable);
            all.last_modified = all.last_modified.max(listing.last_modified);
        }
        Ok(all)
    }

    /// Returns a reader of ranges, in the given order.
    fn read_ranges(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader>;

    /// Starts to write an object.
    ///
    /// # Errors
    /// Returns an error if the object cannot be written.
    fn create(&self, key: &str) -> Result<Box<dyn Upload>>;

    /// Removes objects. An object that does not exist is not an error.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed.
    fn delete(&self, keys: &[String]) -> Result<()>;

    /// Returns the name of an object for messages: a path or a URL.
    fn display(&self, key: &str) -> String;

    /// Returns a name of an object that does not depend on the current directory or on links above the
    /// store: a URL or an absolute path.
    fn absolute_name(&self, key: &str) -> String;

    /// Returns the identity of an object, with all symbolic links resolved.
    fn canonical_name(&self, key: &str) -> String {
        self.absolute_name(key)
    }

    /// Returns the maximum number of concurrent requests of a remote store, whose readers mostly wait, or
    /// `None` for a local one.
    fn max_concurrent_requests(&self) -> Option<usize> {
        None
    }
}

/// Opens stores. All S3 stores share one client.
#[derive(Debug, Default)]
pub struct StoreOpener {
    options: s3::S3Options,
    s3_client: Mutex<Option<Arc<S3Client>>>,
}

impl StoreOpener {
    /// Creates a registry without any open store.
    pub fn new(options: s3::S3Options) -> Self {
        Self {
            options,
            s3_client: Mutex::default(),
        }
    }

    /// Opens the store for a location to read from.
    ///
    /// # Errors
    /// Returns an error if the location does not exist or cannot be read.
    pub fn open(&self, location: &Location) -> Result<Box<dyn Store>> {
        Ok(match location {
            Location::Local(path) => Box::new(LocalStore::new(path)?),
            Location::S3 { bucket, prefix } => {
                Box::new(S3Store::open(self.s3_client()?, bucket, prefix)?)
            }
        })
    }

    /// Opens the store for the names in a folder that begin with `name_prefix` or, if the store cannot list by
    /// a prefix, for everything in the folder.
    ///
    /// # Errors
    /// Returns an error if the folder does not exist or cannot be read.
    pub fn open_folder(&self, folder: &Location, name_prefix: &str) -> Result<Box<dyn Store>> {
        Ok(match folder {
            Location::Local(path) => Box::new(LocalStore::open_folder(path)?),
            Location::S3 { bucket, prefix } => Box::new(
                S3Store::new(self.s3_client()?, bucket, prefix).with_name_prefix(name_prefix),
            ),
        })
    }

    /// Opens the store for a prefix of a bucket, to write to.
    ///
    /// # Errors
    /// Returns an error if the S3 client cannot be configured.
    pub fn open_bucket(&self, bucket: &str, prefix: &str) -> Result<S3Store> {
        Ok(S3Store::new(self.s3_client()?, bucket, prefix))
    }

    fn s3_client(&self) -> Result<Arc<S3Client>> {
        let mut shared_client = self
            .s3_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = shared_client.as_ref() {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(S3Client::new(&self.options)?);
        Ok(Arc::clone(shared_client.insert(client)))
    }
}
