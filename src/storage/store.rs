//! Defines the [`Store`] trait and the words of its operations.

use std::fmt;
use std::io::{Read, Write};
use std::time::Duration;

use crate::error::{Error, Result};

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
    pub unreadable: Vec<(String, Error)>,
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

/// An object as it was read in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectContents {
    /// The contents.
    pub bytes: Vec<u8>,
    /// The version of these contents.
    pub version: ObjectVersion,
}

/// The condition on which [`Store::put`] writes an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutMode {
    /// Writes the object, whatever is there.
    Overwrite,
    /// Writes the object only if there is none.
    Create,
    /// Writes the object only if the existing one has this version. A server that gives objects no ETag, or that does
    /// not support conditional writes, writes it in any case.
    Update(ObjectVersion),
}

/// Whether [`Store::put`] wrote the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PutResult {
    /// The object was written.
    Written,
    /// The condition does not hold, and nothing was written.
    ConditionFailed,
}

/// A multipart upload that was neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteUpload {
    /// The key of the object, relative to the store.
    pub key: String,
    /// The id of the upload.
    pub id: String,
    /// When the upload was created, in seconds since 1970 on the clock of the store.
    pub initiated: Option<i64>,
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

    /// Returns the contents of a small object, or `None` if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the object cannot be read.
    fn get(&self, key: &str) -> Result<Option<ObjectContents>>;

    /// Writes a small object in one step: readers find the old contents or the new ones. If several writers
    /// update the same version at the same time, one of them succeeds.
    ///
    /// # Errors
    /// Returns an error if the object cannot be written.
    fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<PutResult>;

    /// Starts to write an object of any size.
    ///
    /// # Errors
    /// Returns an error if the object cannot be written.
    fn create(&self, key: &str) -> Result<Box<dyn Upload>>;

    /// Removes objects. An object that does not exist is not an error.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed.
    fn delete(&self, keys: &[String]) -> Result<()>;

    /// Lists the uploads of killed writers, which keep their data in the store until they are aborted. There are
    /// none in a store whose uploads end with their writer.
    ///
    /// # Errors
    /// Returns an error if they cannot be listed.
    fn list_incomplete_uploads(&self) -> Result<Vec<IncompleteUpload>> {
        Ok(Vec::new())
    }

    /// Aborts a listed upload. An upload that does not exist is not an error.
    ///
    /// # Errors
    /// Returns an error if the upload cannot be aborted.
    fn abort_upload(&self, _upload: &IncompleteUpload) -> Result<()> {
        Ok(())
    }

    /// Removes the folders below a prefix that contain no object. A store without folders has nothing to do.
    fn remove_empty_folders(&self, _prefix: &str) {}

    /// Removes what writers that were killed left at the top of the store, if it is older than `age`. A store whose
    /// writers leave nothing has nothing to do.
    fn remove_temporary_files(&self, _age: Duration) {}

    /// Makes requests fail at the first error from now on, for cleanup that is not worth waiting for.
    fn disable_retries(&self) {}

    /// Returns the store for everything below a prefix of this one. The prefix has no `/` at its end.
    fn subfolder(&self, prefix: &str) -> Box<dyn Store>;

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
