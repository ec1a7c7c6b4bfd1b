//! Input: which objects count, how they are cut into splits, and their bytes in record-aligned
//! chunks.
//!
//! Stands between the stores and the decoder.

use std::collections::HashSet;

use crate::decode::head::Layout;
use crate::error::Result;
use crate::storage::{Entry, Level, Range};

mod chunk;
mod compression;
mod split;

pub use chunk::{ChunkReader, DEFAULT_CHUNK};
pub use compression::Compression;
pub use split::{Plan, Segment, Split, plan};

/// One object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key in its store, its size and version.
    pub entry: Entry,
    /// How it is compressed, if it is.
    pub compression: Option<Compression>,
    /// How its records are arranged, if it was looked at because it can be cut into splits.
    pub layout: Layout,
}

impl Object {
    /// A range of it that is to be read, if it is not compressed; otherwise all of it.
    pub fn range(&self, from: u64, until: u64) -> Range {
        let (from, until) = match self.compression {
            Some(_) => (0, u64::MAX),
            None => (from, until),
        };
        Range {
            entry: self.entry.clone(),
            from,
            until,
        }
    }
}

/// The objects of one prefix that count as input.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that count, in no order.
    pub objects: Vec<Object>,
    /// How many others there are; a hidden folder counts once.
    pub ignored: u64,
    /// How many levels were taken in.
    pub levels: usize,
    /// Hidden folders that objects were seen in.
    hidden: HashSet<String>,
}

impl Listing {
    /// Takes in what a store lists below `prefix` and gives the prefixes that are to be listed next.
    ///
    /// # Errors
    /// A name of an input object, or of a prefix that is not hidden, stands for nothing that can be read.
    pub fn add(&mut self, prefix: &str, level: Level) -> Result<Vec<String>> {
        self.levels += 1;
        for entry in level.objects {
            if let Some(folder) = hidden_folder(&entry.key, prefix.len()) {
                if !self.hidden.contains(folder) {
                    self.hidden.insert(folder.to_owned());
                    self.ignored += 1;
                }
                continue;
            }
            match input_compression(last_part(&entry.key)) {
                Some(compression) => self.objects.push(Object {
                    entry,
                    compression,
                    layout: Layout::default(),
                }),
                None => self.ignored += 1,
            }
        }
        for (key, why) in level.unreadable {
            let name = last_part(&key);
            let wanted = if key.ends_with('/') {
                // All objects below it would be lost.
                !is_hidden(name)
            } else {
                input_compression(name).is_some()
            };
            if wanted {
                return Err(why);
            }
            self.ignored += 1;
        }
        let (hidden, wanted): (Vec<_>, Vec<_>) = level
            .prefixes
            .into_iter()
            .partition(|p| is_hidden(last_part(p)));
        self.ignored += hidden.len() as u64;
        Ok(wanted)
    }
}

fn last_part(key: &str) -> &str {
    let key = key.strip_suffix('/').unwrap_or(key);
    key.rsplit('/').next().unwrap_or(key)
}

/// The first hidden folder on the way to a key, from byte `from` of it on.
fn hidden_folder(key: &str, from: usize) -> Option<&str> {
    let mut start = from;
    while let Some(length) = key.get(start..)?.find('/') {
        let end = start + length;
        if is_hidden(key.get(start..end)?) {
            return key.get(..end);
        }
        start = end + 1;
    }
    None
}

/// Names that begin with `.` or `_` belong to tools, and so does all below them.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// The compression of an input object by its name; none at all if it is not one.
fn input_compression(name: &str) -> Option<Option<Compression>> {
    let (stem, compression) = match Compression::ALL.iter().find(|c| name.ends_with(c.ending())) {
        Some(&c) => (name.strip_suffix(c.ending())?, Some(c)),
        None => (name, None),
    };
    let json = [".json", ".jsonl", ".ndjson"]
        .iter()
        .any(|ending| stem.ends_with(ending));
    (json && !is_hidden(name)).then_some(compression)
}
