//! Stores: where objects are listed and read from.
//!
//! The first stage of the data path. A [`Store`] stands for everything below one prefix; a key is an
//! object's name below it, with `/` between its parts.

mod local;

use std::fmt;
use std::io::Read;

use crate::error::{Error, Result};

pub use local::Local;

/// One object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its size in bytes, as stored.
    pub size: u64,
}

/// What stands directly below a prefix.
#[derive(Debug, Default)]
pub struct Level {
    /// Objects, in no order.
    pub objects: Vec<Entry>,
    /// Longer prefixes, each ending in `/`, in no order.
    pub prefixes: Vec<String>,
    /// Names that stand for nothing readable, and why; in no order. Those that end in `/` are
    /// prefixes, or may be.
    pub unreadable: Vec<(String, Error)>,
}

/// Objects below one prefix.
pub trait Store: fmt::Debug + Send + Sync {
    /// Lists one level: `""` for the top, or a prefix that a listing gave.
    ///
    /// # Errors
    /// The level does not exist or may not be listed.
    fn list(&self, prefix: &str) -> Result<Level>;

    /// Opens an object for reading from byte `from` on.
    ///
    /// # Errors
    /// The object does not exist any more or may not be read.
    fn open(&self, key: &str, from: u64) -> Result<Box<dyn Read>>;

    /// How people name an object: a path or a URL.
    fn display(&self, key: &str) -> String;
}

/// Whether a place is a URL: no folder is meant by `s3://bucket`.
pub fn is_remote(place: &str) -> bool {
    let scheme = place.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The store for a place that a user named.
///
/// # Errors
/// The place does not exist, or its kind is not known.
pub fn open(place: &str) -> Result<Box<dyn Store>> {
    if is_remote(place) {
        return Err(Error::usage(format!("cannot read {place}"))
            .because("this version reads and writes local folders only")
            .hint("copy the objects to a folder first"));
    }
    Ok(Box::new(Local::new(place.as_ref())?))
}
