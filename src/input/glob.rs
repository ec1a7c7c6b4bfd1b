//! Globs: `*`, `?`, `[...]` and `**` in the names of places and objects.
//!
//! A key is matched name by name: `*` and `?` stay within one name, and `**` matches any number of
//! folders. A wildcard never matches the beginning of a name that is hidden (`.` or `_`), as in a
//! shell; a glob that writes the `.` or `_` does.

use std::fmt;

use glob::Pattern;

use super::is_hidden;
use crate::storage::GLOB_METACHARACTERS;

/// The most names in a glob: states are the bits of one word.
const MAX_COMPONENTS: usize = 60;

/// A glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    components: Vec<Component>,
    /// Whether it ends in `/` and so matches no object.
    is_folders_only: bool,
}

/// What matches one name of a key, or any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    /// `**`: any number of folders.
    Globstar,
    Name {
        pattern: Pattern,
        /// The first character, if it is not a wildcard.
        literal_first_char: Option<char>,
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
        let parse_component = |name: &str| {
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
                literal_first_char: first.filter(|first| !GLOB_METACHARACTERS.contains(first)),
            })
        };
        let components: Vec<_> = names
            .split('/')
            .map(parse_component)
            .collect::<Result<_, String>>()?;
        if components.len() > MAX_COMPONENTS {
            return Err(format!("'{text}' has more than {MAX_COMPONENTS} names"));
        }
        Ok(Self {
            text: text.to_owned(),
            components,
            is_folders_only: names.len() < text.len(),
        })
    }

    /// The text before the first wildcard: everything that it matches begins so.
    pub fn literal_prefix(&self) -> &str {
        let end = self
            .text
            .find(GLOB_METACHARACTERS)
            .unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }

    /// Whether it matches an object: its name if the glob has no `/`, otherwise its whole key.
    pub fn matches_object(&self, key: &str) -> bool {
        let key = match self.components.len() {
            1 => key.rsplit('/').next().unwrap_or(key),
            _ => key,
        };
        let mut states = self.epsilon_closure(1);
        for name in key.split('/') {
            (states, _) = self.step(states, name);
        }
        self.is_accepting(states) && !self.is_folders_only
    }

    /// How it relates to a key; one that ends in `/` is a folder.
    pub fn match_key(&self, key: &str) -> GlobMatch {
        let names = key.strip_suffix('/').unwrap_or(key);
        let mut states = self.epsilon_closure(1);
        if self.is_accepting(states) {
            return GlobMatch::Match(0);
        }
        let mut start = 0;
        loop {
            let rest = names.get(start..).unwrap_or_default();
            let length = rest.find('/').unwrap_or(rest.len());
            let end = start + length;
            let is_folder = end < key.len();
            let (next, hidden) = self.step(states, rest.get(..length).unwrap_or_default());
            let ends_here =
                |states| self.is_accepting(states) && (is_folder || !self.is_folders_only);
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
    fn is_accepting(&self, states: u64) -> bool {
        states & (1 << self.components.len()) != 0
    }

    /// The states after one more name: those that match it, and those that would if it were not hidden.
    /// Bit n is set where the first n parts are matched.
    fn step(&self, states: u64, name: &str) -> (u64, u64) {
        let (mut matched, mut hidden) = (0, 0);
        for (n, part) in self.components.iter().enumerate() {
            if states & (1 << n) == 0 {
                continue;
            }
            let (next, is_explicit) = match part {
                Component::Globstar => (n, false),
                Component::Name {
                    pattern,
                    literal_first_char: first,
                } if pattern.matches(name) => {
                    (n + 1, first.is_some() && *first == name.chars().next())
                }
                Component::Name { .. } => continue,
            };
            match is_hidden(name) && !is_explicit {
                true => hidden |= 1 << next,
                false => matched |= 1 << next,
            }
        }
        (self.epsilon_closure(matched), self.epsilon_closure(hidden))
    }

    /// The states and those that follow when `**` matches no folder.
    fn epsilon_closure(&self, mut states: u64) -> u64 {
        for (n, part) in self.components.iter().enumerate() {
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
