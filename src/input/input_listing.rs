//! Separates the objects of a location into input and ignored, level by level of a listing.

use std::collections::{BTreeSet, HashSet};

use super::compression::InputCompression;
use super::glob::{Glob, GlobMatch};
use super::ignored_counts::IgnoredCounts;
use super::input_object::InputObject;
use super::object_key::{
    file_name, first_hidden_folder, has_hidden_file_name, has_input_extension,
};
use crate::decode::sniff::RecordLayout;
use crate::error::{Error, Result};
use crate::storage::{ListResult, ObjectMeta};

/// The rules that decide which objects of one location are input.
#[derive(Debug, Default)]
pub(crate) struct InputSelectionRules {
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

    /// Returns true if an object is input. `is_hidden` says whether its name is hidden.
    fn is_input(&self, key: &str, is_hidden: bool) -> bool {
        let has_input_name = !is_hidden && has_input_extension(file_name(key));
        has_input_name || self.include.iter().any(|glob| glob.matches_object(key))
    }
}

/// The objects of one location, separated into input and ignored.
#[derive(Debug, Default)]
pub(crate) struct InputListing {
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
    pub(crate) fn add(
        &mut self,
        rules: &InputSelectionRules,
        prefix: &str,
        level: ListResult,
    ) -> Result<Vec<String>> {
        self.listed_prefixes += 1;
        let prefix = MatchedPrefix::new(rules, prefix);
        for object in level.objects {
            self.add_object(prefix, object);
        }
        for (key, error) in level.unreadable {
            self.add_unreadable(prefix, &key, error)?;
        }
        let mut to_list = Vec::new();
        for key in level.common_prefixes {
            if self.add_folder(prefix, &key) {
                to_list.push(key);
            }
        }
        Ok(to_list)
    }

    /// Adds an object to the input or to what is ignored.
    fn add_object(&mut self, prefix: MatchedPrefix<'_>, object: ObjectMeta) {
        let rules = prefix.rules;
        let Some(from) = self.match_end(prefix.match_key(&object.key), rules, &object.key) else {
            return;
        };
        let from = from.max(prefix.key.len());
        if let Some(folder) = first_hidden_folder(&object.key, from) {
            self.add_hidden_folder(rules, folder);
        } else if rules.is_input(&object.key, has_hidden_file_name(&object.key, from)) {
            self.objects.push(InputObject {
                location_index: rules.location_index,
                compression: InputCompression::from_file_name(file_name(&object.key)),
                meta: object,
                layout: RecordLayout::default(),
                is_sniffed: false,
                rejected_at: None,
            });
        } else {
            self.add_ignored(rules, &object.key);
        }
    }

    /// Adds an object or folder whose name cannot be read to what is ignored.
    ///
    /// # Errors
    /// Returns `error` if it is input, or a folder that can have input.
    fn add_unreadable(&mut self, prefix: MatchedPrefix<'_>, key: &str, error: Error) -> Result<()> {
        let is_folder = key.ends_with('/');
        let key_match = prefix.match_key(key);
        let is_input = match key_match {
            // All objects below the folder would be lost.
            GlobMatch::Descend => is_folder,
            GlobMatch::Match(from) => {
                let is_hidden = has_hidden_file_name(key, from.max(prefix.key.len()));
                match is_folder {
                    true => !is_hidden,
                    false => prefix.rules.is_input(key, is_hidden),
                }
            }
            GlobMatch::NoMatch | GlobMatch::HiddenMatch(_) => false,
        };
        if is_input {
            return Err(error);
        }
        if matches!(key_match, GlobMatch::Match(_) | GlobMatch::HiddenMatch(_)) {
            self.add_ignored(prefix.rules, key);
        }
        Ok(())
    }

    /// Returns true if a folder is to be listed.
    fn add_folder(&mut self, prefix: MatchedPrefix<'_>, key: &str) -> bool {
        let key_match = prefix.match_key(key);
        if key_match == GlobMatch::Descend {
            return true;
        }
        let Some(from) = self.match_end(key_match, prefix.rules, key) else {
            return false;
        };
        let is_hidden = has_hidden_file_name(key, from.max(prefix.key.len()));
        if is_hidden {
            self.add_ignored(prefix.rules, key);
        }
        !is_hidden
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
                if end == key.len() {
                    self.add_ignored(rules, key);
                } else {
                    self.add_hidden_folder(rules, first_bytes(key, end));
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
        let folder = match end < key.len() {
            true => first_bytes(key, end),
            false => key.rsplit_once('/').map_or("", |(folder, _)| folder),
        };
        if !self.matched_folders.contains(folder) {
            self.matched_folders.insert(folder.to_owned());
        }
    }

    /// Counts a hidden folder when its first object is listed.
    fn add_hidden_folder(&mut self, rules: &InputSelectionRules, folder: &str) {
        if !self.hidden_folders.contains(folder) {
            self.hidden_folders.insert(folder.to_owned());
            self.add_ignored(rules, folder);
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

/// Returns the first bytes of a key. A faulty server can list a key that is not below the prefix, and in which
/// a component does not end there.
fn first_bytes(key: &str, end: usize) -> &str {
    key.get(..end).unwrap_or(key)
}

/// A listed prefix, and whether the glob matches all of it.
#[derive(Debug, Clone, Copy)]
struct MatchedPrefix<'a> {
    rules: &'a InputSelectionRules,
    key: &'a str,
    /// The end of the match in the keys below the prefix, if the glob matches the prefix.
    match_end: Option<usize>,
}

impl<'a> MatchedPrefix<'a> {
    fn new(rules: &'a InputSelectionRules, key: &'a str) -> Self {
        let match_end = match rules.match_key(key) {
            GlobMatch::Match(end) => Some(end),
            GlobMatch::NoMatch | GlobMatch::Descend | GlobMatch::HiddenMatch(_) => None,
        };
        Self {
            rules,
            key,
            match_end,
        }
    }

    /// Matches the glob against a key below the prefix.
    fn match_key(self, key: &str) -> GlobMatch {
        // Keys below a folder that the glob matched are not matched again.
        match self.match_end {
            Some(end) => GlobMatch::Match(end),
            None => self.rules.match_key(key),
        }
    }
}
