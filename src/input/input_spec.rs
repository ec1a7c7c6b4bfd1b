//! Defines the locations of one input, as the user specifies them.

use std::fmt;

use super::glob::Glob;
use crate::storage::Location;

/// The locations of one input: songs or logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputSpec {
    /// Folders, files, prefixes and globs, at least one. An object that several of them match is read once.
    pub locations: Vec<Location>,
    /// Globs of objects that count as input whatever their extension.
    pub include: Vec<Glob>,
}

impl From<Location> for InputSpec {
    fn from(location: Location) -> Self {
        vec![location].into()
    }
}

impl From<Vec<Location>> for InputSpec {
    fn from(locations: Vec<Location>) -> Self {
        Self {
            locations,
            include: Vec::new(),
        }
    }
}

/// The maximum number of locations in messages: a shell may expand one glob to thousands.
const MAX_SHOWN: usize = 3;

impl fmt::Display for InputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, location) in self.locations.iter().take(MAX_SHOWN).enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            location.fmt(f)?;
        }
        match self.locations.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
