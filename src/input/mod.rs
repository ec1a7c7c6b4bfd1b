//! Selects the input objects, plans their splits and reads their bytes in chunks for the decoder.
//!
//! This module connects the stores to the decoder.

use std::collections::{BTreeSet, HashSet};

use crate::decode::sniff::RecordLayout;
use crate::error::Result;
use crate::storage::{ListResult, ObjectMeta, ObjectRange};

mod chunk_reader;
mod decompress;
mod glob;
mod ignored_counts;
mod input_spec;
mod record_kind;
mod split;

pub use chunk_reader::{ChunkReader, DEFAULT_CHUNK_BYTES};
pub use decompress::{InputCompression, detect_compression};
pub use glob::{Glob, GlobMatch};
pub use ignored_counts::{IgnoredCounts, describe_ignored};
pub use input_spec::InputSpec;
pub use record_kind::RecordKind;
pub use split::{Segment, Split, SplitSet, plan_splits};

/// One object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputObject {
    /// The key in the store, the size and the version.
    pub meta: ObjectMeta,
    /// The index of its location among the locations of the input.
    pub location_index: u32,
    /// Its compression, if any: the one that its name suggests until the object is sniffed.
    pub compression: Option<InputCompression>,
    /// The layout of its records; the default until the object is sniffed.
    pub layout: RecordLayout,
    /// Whether its format was detected from its first bytes. If not, the first reader detects it.
    pub is_sniffed: bool,
}

impl InputObject {
    /// Returns true if the object can be read from the middle: it is neither compressed nor of another format.
    pub fn is_splittable(&self) -> bool {
        self.compression.is_none() && !matches!(self.layout, RecordLayout::NotJson(_))
    }

    /// Returns the range to read: `from..until`, or the complete object if it is compressed.
    pub fn range(&self, from: u64, until: u64) -> ObjectRange {
        let (from, until) = match self.compression {
            Some(_) => (0, u64::MAX),
            None => (from, until),
        };
        ObjectRange {
            object: self.meta.clone(),
            start: from,
            expected_end: until,
        }
    }
}

/// The rules that decide which objects of one location are input.
#[derive(Debug, Default)]
pub struct InputSelectionRules {
    /// The index of the location among the locations of the input.
    pub location_index: u32,
    /// The glob that selects objects; `None` selects all of them.
    pub glob: Option<Glob>,
    /// Globs of objects that are input whatever their extension.
    pub include: Vec<Glob>,
    /// Whether to keep the keys of ignored objects, because other locations may contain them too.
    pub collects_ignored_keys: bool,
}

impl InputSelectionRules {
    /// Matches the glob against a key. Without a glob everything matches.
    fn match_key(&self, key: &str) -> GlobMatch {
        let glob = self.glob.as_ref();
        glob.map_or(GlobMatch::Match(0), |glob| glob.match_key(key))
    }

    /// Returns the compression that the name of an input object suggests; `None` if the object is not input.
    fn input_compression(&self, key: &str, is_hidden: bool) -> Option<Option<InputCompression>> {
        let name = file_name(key);
        let by_name = InputCompression::from_file_name(name);
        let is_input = !is_hidden && has_input_extension(name);
        let is_included = || self.include.iter().any(|glob| glob.matches_object(key));
        (is_input || is_included()).then_some(by_name)
    }
}

/// The objects of one location, separated into input and ignored.
#[derive(Debug, Default)]
pub struct InputListing {
    /// The input objects, in no particular order.
    pub objects: Vec<InputObject>,
    /// The counts of ignored objects. A hidden folder counts once.
    pub ignored: IgnoredCounts,
    /// The keys of ignored objects, if the rules collect them.
    pub ignored_keys: Vec<String>,
    /// The number of listed prefixes.
    pub listed_prefixes: usize,
    /// The folders that the glob matched, or in which it matched an object.
    pub matched_folders: BTreeSet<String>,
    /// The hidden folders that contain a listed object.
    hidden_folders: HashSet<String>,
}

impl InputListing {
    /// Adds the listing of `prefix` and returns the prefixes to list next.
    ///
    /// # Errors
    /// Returns an error if an input object, or a prefix that is not hidden, has a name that cannot be read.
    pub fn add(
        &mut self,
        rules: &InputSelectionRules,
        prefix: &str,
        level: ListResult,
    ) -> Result<Vec<String>> {
        self.listed_prefixes += 1;
        // Keys below a folder that the glob matched are not matched again.
        let inherited_match = match rules.match_key(prefix) {
            GlobMatch::Match(end) => Some(end),
            _ => None,
        };
        let match_key =
            |key: &str| inherited_match.map_or_else(|| rules.match_key(key), GlobMatch::Match);
        for entry in level.objects {
            let Some(from) = self.match_end(match_key(&entry.key), rules, &entry.key) else {
                continue;
            };
            let from = from.max(prefix.len());
            if let Some(folder) = first_hidden_folder(&entry.key, from) {
                if !self.hidden_folders.contains(folder) {
                    self.hidden_folders.insert(folder.to_owned());
                    self.add_ignored(rules, folder);
                }
                continue;
            }
            match rules.input_compression(&entry.key, has_hidden_file_name(&entry.key, from)) {
                Some(compression) => self.objects.push(InputObject {
                    meta: entry,
                    location_index: rules.location_index,
                    compression,
                    layout: RecordLayout::default(),
                    is_sniffed: false,
                }),
                None => self.add_ignored(rules, &entry.key),
            }
        }
        for (key, error) in level.unreadable {
            let is_folder = key.ends_with('/');
            let is_input = match match_key(&key) {
                // All objects below the folder would be lost.
                GlobMatch::Descend => is_folder,
                GlobMatch::Match(from) => {
                    let is_hidden = has_hidden_file_name(&key, from.max(prefix.len()));
                    let is_object = || rules.input_compression(&key, is_hidden).is_some();
                    if is_folder { !is_hidden } else { is_object() }
                }
                GlobMatch::NoMatch | GlobMatch::HiddenMatch(_) => false,
            };
            if is_input {
                return Err(error);
            }
            if matches!(
                match_key(&key),
                GlobMatch::Match(_) | GlobMatch::HiddenMatch(_)
            ) {
                self.add_ignored(rules, &key);
            }
        }
        let mut to_list = Vec::new();
        for key in level.common_prefixes {
            let key_match = match_key(&key);
            if key_match == GlobMatch::Descend {
                to_list.push(key);
                continue;
            }
            let Some(from) = self.match_end(key_match, rules, &key) else {
                continue;
            };
            match has_hidden_file_name(&key, from.max(prefix.len())) {
                true => self.add_ignored(rules, &key),
                false => to_list.push(key),
            }
        }
        Ok(to_list)
    }

    /// Returns the position in a key from which hidden names are ignored; `None` if the key does not match.
    fn match_end(
        &mut self,
        key_match: GlobMatch,
        rules: &InputSelectionRules,
        key: &str,
    ) -> Option<usize> {
        match key_match {
            GlobMatch::NoMatch | GlobMatch::Descend => None,
            GlobMatch::HiddenMatch(end) => {
                let name = key.get(..end).unwrap_or(key);
                if end == key.len() {
                    self.add_ignored(rules, name);
                } else if !self.hidden_folders.contains(name) {
                    self.hidden_folders.insert(name.to_owned());
                    self.add_ignored(rules, name);
                }
                self.add_matched_folder(key, end);
                None
            }
            GlobMatch::Match(end) => {
                if rules.glob.is_some() {
                    self.add_matched_folder(key, end);
                }
                Some(end)
            }
        }
    }

    /// Records the folder that the glob matched, or the folder of the object that it matched.
    fn add_matched_folder(&mut self, key: &str, end: usize) {
        let folder = match key.get(..end).unwrap_or(key) {
            name if end < key.len() => name,
            name => name.rfind('/').and_then(|at| name.get(..at)).unwrap_or(""),
        };
        if !self.matched_folders.contains(folder) {
            self.matched_folders.insert(folder.to_owned());
        }
    }

    fn add_ignored(&mut self, rules: &InputSelectionRules, key: &str) {
        let key = key.strip_suffix('/').unwrap_or(key);
        self.ignored.count(key);
        if rules.collects_ignored_keys {
            self.ignored_keys.push(key.to_owned());
        }
    }
}

fn file_name(key: &str) -> &str {
    let key = key.strip_suffix('/').unwrap_or(key);
    key.rsplit('/').next().unwrap_or(key)
}

/// Returns true if the last component of a key is hidden and begins at byte `from` or later.
fn has_hidden_file_name(key: &str, from: usize) -> bool {
    let name = file_name(key);
    let end = key.strip_suffix('/').unwrap_or(key).len();
    end - name.len() >= from && is_hidden(name)
}

/// Returns the first hidden folder in the path of a key, from byte `from` on.
fn first_hidden_folder(key: &str, from: usize) -> Option<&str> {
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

/// Returns true if a name begins with `.` or `_`. Such files and folders belong to tools.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// Returns true if an object is input by the extension of its name, in upper or lower case.
fn has_input_extension(name: &str) -> bool {
    let has_suffix = |name: &str, suffix: &str| {
        let at = name.len().checked_sub(suffix.len());
        let end = at.and_then(|at| name.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    let compression_extension = InputCompression::EXTENSIONS
        .iter()
        .find(|(e, _)| has_suffix(name, e));
    let stem = name.len() - compression_extension.map_or(0, |(extension, _)| extension.len());
    let stem = name.get(..stem).unwrap_or(name);
    [".json", ".jsonl", ".ndjson", ".ldjson"]
        .iter()
        .any(|extension| has_suffix(stem, extension))
}
