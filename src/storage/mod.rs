//! Stores: where objects are listed, read from and written to.
//!
//! Both ends of the data path. A [`Store`] stands for everything below one prefix; a key is an
//! object's name below it, with `/` between its parts.

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
pub use location::{GLOB_METACHARACTERS, Location};
use s3::{S3Client, S3Store};

/// One object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: String,
    /// Its size in bytes, as stored.
    pub size: u64,
    /// Which of the contents that it had at one time or another.
    pub version: ObjectVersion,
}

/// What tells the contents of an object from those that it had before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ObjectVersion {
    /// Nothing but the size.
    #[default]
    Unknown,
    /// When it was written, in seconds since 1970.
    LastModified(i64),
    /// A file: when it was written, in nanoseconds since 1970, and its number in the file system.
    Mtime {
        /// The time.
        nanoseconds: i64,
        /// The number.
        inode: u64,
    },
    /// Its entity tag, which changes with every write.
    ETag(Box<str>),
}

impl ObjectMeta {
    /// What tells the contents of the object from others in one word; empty if nothing does.
    pub fn etag(&self) -> String {
        match &self.version {
            ObjectVersion::Unknown => String::new(),
            ObjectVersion::LastModified(seconds) => seconds.to_string(),
            ObjectVersion::Mtime { nanoseconds, .. } => format!("{}-{nanoseconds}", self.size),
            ObjectVersion::ETag(tag) => tag.to_string(),
        }
    }
}

/// What stands below a prefix.
#[derive(Debug, Default)]
pub struct ListResult {
    /// Objects, in no order.
    pub objects: Vec<ObjectMeta>,
    /// Longer prefixes that are not looked into, each ending in `/`, in no order.
    pub common_prefixes: Vec<String>,
    /// Names that stand for nothing readable, and why; in no order. Those that end in `/` are
    /// prefixes, or may be.
    pub unreadable: Vec<(String, crate::error::Error)>,
    /// When the newest of the objects was written, by the clock of the store, in seconds since 1970.
    pub last_modified: Option<i64>,
}

/// How far down a listing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListMode {
    /// To the next `/`.
    Delimited,
    /// All the way, where the store can do that in one go; to the next `/` where it cannot.
    Recursive,
}

/// A range of an object that is to be read.
#[derive(Debug, Clone)]
pub struct ObjectRange {
    /// The object as it was listed.
    pub object: ObjectMeta,
    /// The first byte to read.
    pub start: u64,
    /// How far reading is likely to go. It may go on to the end of the object.
    pub expected_end: u64,
}

/// Reads ranges one after the other. A store that is far away fetches them ahead.
pub trait RangeReader: Read + Send {
    /// Goes to the beginning of the next range. What is left of the one before is not read.
    ///
    /// # Errors
    /// The object does not exist any more or may not be read.
    fn next_range(&mut self) -> Result<()>;

    /// Confirms that all that was read of this range is of the object as it was listed. A store whose
    /// every read is of that object has nothing to do.
    ///
    /// # Errors
    /// The object has changed since.
    fn check_unchanged(&mut self) -> Result<()> {
        Ok(())
    }
}

/// An object that is being written. Nobody sees it before it is finished, and nothing is left of it if
/// it never is (in a folder: a file that is cut short).
pub trait Upload: Write + Send {
    /// Writes what is left and puts the object in its place, whatever was there. Gives its length in
    /// bytes.
    ///
    /// # Errors
    /// It cannot be written.
    fn finish(self: Box<Self>) -> Result<u64>;
}

/// Objects below one prefix.
pub trait Store: fmt::Debug + Send + Sync {
    /// Lists what stands below `""` or a prefix that a listing gave.
    ///
    /// # Errors
    /// There is no such prefix, or it may not be listed.
    fn list(&self, prefix: &str, mode: ListMode) -> Result<ListResult>;

    /// Lists all that is below `""` or a prefix that a listing gave, however far down.
    ///
    /// # Errors
    /// There is no such prefix, or it may not be listed.
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

    /// A reader of ranges, in this order.
    fn read_ranges(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader>;

    /// Begins to write an object.
    ///
    /// # Errors
    /// It cannot be written.
    fn create(&self, key: &str) -> Result<Box<dyn Upload>>;

    /// Removes objects. One that does not exist is no error.
    ///
    /// # Errors
    /// One cannot be removed.
    fn delete(&self, keys: &[String]) -> Result<()>;

    /// How people name an object: a path or a URL.
    fn display(&self, key: &str) -> String;

    /// What names an object, wherever it is looked at from: a URL, or a path that neither links nor the
    /// current directory change.
    fn absolute_name(&self, key: &str) -> String;

    /// The identity of what an object is when all links on the way to it are followed.
    fn canonical_name(&self, key: &str) -> String {
        self.absolute_name(key)
    }

    /// How many requests can be under way at a time, if it is reached by requests: then whoever reads
    /// from it mostly waits.
    fn max_concurrent_requests(&self) -> Option<usize> {
        None
    }
}

/// Opens stores; all that are far away share one connection.
#[derive(Debug, Default)]
pub struct StoreRegistry {
    options: s3::S3Options,
    s3_client: Mutex<Option<Arc<S3Client>>>,
}

impl StoreRegistry {
    /// None opened yet.
    pub fn new(options: s3::S3Options) -> Self {
        Self {
            options,
            s3_client: Mutex::default(),
        }
    }

    /// The store for a place to read from.
    ///
    /// # Errors
    /// The place does not exist or may not be looked at.
    pub fn open(&self, location: &Location) -> Result<Box<dyn Store>> {
        Ok(match location {
            Location::Local(path) => Box::new(LocalStore::new(path)?),
            Location::S3 { bucket, prefix } => {
                Box::new(S3Store::open(self.s3_client()?, bucket, prefix)?)
            }
        })
    }

    /// The store for the names in a folder that begin with `stem` or, where the store cannot list by that,
    /// for all that is in the folder.
    ///
    /// # Errors
    /// The folder does not exist or may not be looked at.
    pub fn open_folder(&self, folder: &Location, stem: &str) -> Result<Box<dyn Store>> {
        Ok(match folder {
            Location::Local(path) => Box::new(LocalStore::open_folder(path)?),
            Location::S3 { bucket, prefix } => {
                Box::new(S3Store::new(self.s3_client()?, bucket, prefix).with_name_prefix(stem))
            }
        })
    }

    /// The store for a prefix of a bucket, to write to.
    ///
    /// # Errors
    /// There is no way to reach it.
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
