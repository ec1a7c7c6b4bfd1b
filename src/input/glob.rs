//! Matches globs (`*`, `?`, `[...]` and `**`) against the keys of locations and objects.
//!
//! A key is matched component by component: `*` and `?` stay within one component, and `**` matches any
//! number of folders. As in a shell, a wildcard never matches the first character of a hidden name (`.` or
//! `_`). A glob that contains the `.` or `_` literally does match it.

use std::fmt;

use glob::Pattern;

use super::object_key::is_hidden;
use crate::storage::GLOB_METACHARACTERS;

/// The maximum number of components of a glob: each state is a bit of one word.
const MAX_COMPONENTS: usize = 60;

/// A parsed glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    components: Vec<GlobComponent>,
    /// Whether the glob ends in `/` and so matches no object.
    is_folders_only: bool,
}

/// A part of a glob that matches one component of a key, or any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum GlobComponent {
    /// `**`: any number of folders.
    Globstar,
    Name {
        pattern: Pattern,
        /// The first character, if it is not a wildcard.
        literal_first_char: Option<char>,
    },
}

/// The result of matching a glob against a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobMatch {
    /// The glob matches neither the key nor anything below it.
    NoMatch,
    /// The glob may match something below the key.
    Descend,
    /// The glob matches the first bytes of the key, up to the end of a component: a folder or an object.
    Match(usize),
    /// The glob would match these first bytes if their last component were not hidden.
    HiddenMatch(usize),
}

impl Glob {
    /// Parses a glob.
    ///
    /// # Errors
    /// Returns a message if a `[` has no `]`, a `**` is not a whole component, or there are more than
    /// 60 components.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let parse_component = |name: &str| {
            if name == "**" {
                return Ok(GlobComponent::Globstar);
            }
            let pattern = Pattern::new(name).map_err(|e| match name.contains("**") {
                true => format!(
                    "** in '{text}' is not a whole path component; write ** between slashes"
                ),
                false => format!("{} in '{text}'; write [[] for a literal [", e.msg),
            })?;
            let first = name.chars().next();
            Ok(GlobComponent::Name {
                pattern,
                literal_first_char: first.filter(|first| !GLOB_METACHARACTERS.contains(first)),
            })
        };
        let components: Vec<_> = trimmed
            .split('/')
            .map(parse_component)
            .collect::<Result<_, String>>()?;
        if components.len() > MAX_COMPONENTS {
            return Err(format!(
                "'{text}' has more than {MAX_COMPONENTS} path components"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            components,
            is_folders_only: trimmed.len() < text.len(),
        })
    }

    /// Returns the text before the first wildcard: every match begins with it.
    pub fn literal_prefix(&self) -> &str {
        let first_wildcard = self.text.find(GLOB_METACHARACTERS);
        &self.text[..first_wildcard.unwrap_or(self.text.len())]
    }

    /// Returns true if the glob matches an object: its file name if the glob has no `/`, otherwise its key.
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

    /// Matches the glob against a key. A key that ends in `/` is a folder.
    pub fn match_key(&self, key: &str) -> GlobMatch {
        let names = key.strip_suffix('/').unwrap_or(key);
        let mut states = self.epsilon_closure(1);
        if self.is_accepting(states) {
            return GlobMatch::Match(0);
        }
        let mut start = 0;
        loop {
            let rest = &names[start..];
            let length = rest.find('/').unwrap_or(rest.len());
            let end = start + length;
            let is_folder = end < key.len();
            let (next, hidden) = self.step(states, &rest[..length]);
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

    /// Returns true if all components are matched.
    fn is_accepting(&self, states: u64) -> bool {
        states & (1 << self.components.len()) != 0
    }

    /// Returns the states after one more component of the key: the states that match it, and those that
    /// would match if it were not hidden. Bit n is set if the first n components of the glob are matched.
    fn step(&self, states: u64, name: &str) -> (u64, u64) {
        let (mut matched, mut hidden) = (0, 0);
        for (n, component) in self.components.iter().enumerate() {
            if states & (1 << n) == 0 {
                continue;
            }
            let (next, is_explicit) = match component {
                GlobComponent::Globstar => (n, false),
                GlobComponent::Name {
                    pattern,
                    literal_first_char: first,
                } if pattern.matches(name) => {
                    (n + 1, first.is_some() && *first == name.chars().next())
                }
                GlobComponent::Name { .. } => continue,
            };
            match is_hidden(name) && !is_explicit {
                true => hidden |= 1 << next,
                false => matched |= 1 << next,
            }
        }
        (self.epsilon_closure(matched), self.epsilon_closure(hidden))
    }

    /// Adds the states that are reached when `**` matches no folder.
    fn epsilon_closure(&self, mut states: u64) -> u64 {
        for (n, component) in self.components.iter().enumerate() {
            if *component == GlobComponent::Globstar && states & (1 << n) != 0 {
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
