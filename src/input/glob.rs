//! Globs: `*`, `?`, `[...]` and `**` in the names of places and objects.
//!
//! A key is matched name by name: `*` and `?` stay within one name, and `**` matches any number of
//! folders. A wildcard never matches the beginning of a name that is hidden (`.` or `_`), as in a
//! shell; a glob that writes the `.` or `_` does.

use std::fmt;

use glob::Pattern;

use super::is_hidden;
use crate::storage::GLOB_CHARACTERS;

/// The most names in a glob: states are the bits of one word.
const MAX_PARTS: usize = 60;

/// A glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Component>,
    /// Whether it ends in `/` and so matches no object.
    folders_only: bool,
}

/// What matches one name of a key, or any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    /// `**`: any number of folders.
    Globstar,
    Name {
        pattern: Pattern,
        /// The first character, if it is not a wildcard.
        first: Option<char>,
    },
}

/// How a glob relates to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobMatch {
    /// It matches neither the key nor anything below it.
    NoMatch,
    /// It may match something below the key.
    Descend,
    /// It matches the first bytes of the key, up to a whole name: that folder or object is named.
    Match(usize),
    /// It would match these first bytes if the last name in them were not hidden.
    HiddenMatch(usize),
}

impl Glob {
    /// Parses a glob.
    ///
    /// # Errors
    /// What is wrong with it: a `[` without its `]`, or `**` beside other characters of a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names = text.strip_suffix('/').unwrap_or(text);
        let part = |name: &str| {
            if name == "**" {
                return Ok(Component::Globstar);
            }
            let pattern = Pattern::new(name).map_err(|e| match name.contains("**") {
                true => format!("in '{text}' a ** is not a whole name: write ** between slashes"),
                false => format!("in '{text}' {}: [[] matches a [", e.msg),
            })?;
            let first = name.chars().next();
            Ok(Component::Name {
                pattern,
                first: first.filter(|first| !GLOB_CHARACTERS.contains(first)),
            })
        };
        let parts: Vec<_> = names.split('/').map(part).collect::<Result<_, String>>()?;
        if parts.len() > MAX_PARTS {
            return Err(format!("'{text}' has more than {MAX_PARTS} names"));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
            folders_only: names.len() < text.len(),
        })
    }

    /// The text before the first wildcard: everything that it matches begins so.
    pub fn stem(&self) -> &str {
        let end = self.text.find(GLOB_CHARACTERS).unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }

    /// Whether it matches an object: its name if the glob has no `/`, otherwise its whole key.
    pub fn matches_object(&self, key: &str) -> bool {
        let key = match self.parts.len() {
            1 => key.rsplit('/').next().unwrap_or(key),
            _ => key,
        };
        let mut states = self.with_no_folders(1);
        for name in key.split('/') {
            (states, _) = self.step(states, name);
        }
        self.accepts(states) && !self.folders_only
    }

    /// How it relates to a key; one that ends in `/` is a folder.
    pub fn reach(&self, key: &str) -> GlobMatch {
        let names = key.strip_suffix('/').unwrap_or(key);
        let mut states = self.with_no_folders(1);
        if self.accepts(states) {
            return GlobMatch::Match(0);
        }
        let mut start = 0;
        loop {
            let rest = names.get(start..).unwrap_or_default();
            let length = rest.find('/').unwrap_or(rest.len());
            let end = start + length;
            let is_folder = end < key.len();
            let (next, hidden) = self.step(states, rest.get(..length).unwrap_or_default());
            let ends_here = |states| self.accepts(states) && (is_folder || !self.folders_only);
            match next {
                next if ends_here(next) => return GlobMatch::Match(end),
                0 if ends_here(hidden) => return GlobMatch::HiddenMatch(end),
                0 => return GlobMatch::NoMatch,
                next => states = next,
            }
            if end == names.len() {
                return GlobMatch::Descend;
            }
            start = end + 1;
        }
    }

    /// Whether all parts are matched.
    fn accepts(&self, states: u64) -> bool {
        states & (1 << self.parts.len()) != 0
    }

    /// The states after one more name: those that match it, and those that would if it were not hidden.
    /// Bit n is set where the first n parts are matched.
    fn step(&self, states: u64, name: &str) -> (u64, u64) {
        let (mut matched, mut hidden) = (0, 0);
        for (n, part) in self.parts.iter().enumerate() {
            if states & (1 << n) == 0 {
                continue;
            }
            let (next, is_written) = match part {
                Component::Globstar => (n, false),
                Component::Name { pattern, first } if pattern.matches(name) => {
                    (n + 1, first.is_some() && *first == name.chars().next())
                }
                Component::Name { .. } => continue,
            };
            match is_hidden(name) && !is_written {
                true => hidden |= 1 << next,
                false => matched |= 1 << next,
            }
        }
        (self.with_no_folders(matched), self.with_no_folders(hidden))
    }

    /// The states and those that follow when `**` matches no folder.
    fn with_no_folders(&self, mut states: u64) -> u64 {
        for (n, part) in self.parts.iter().enumerate() {
            if *part == Component::Globstar && states & (1 << n) != 0 {
                states |= 1 << (n + 1);
            }
        }
        states
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
