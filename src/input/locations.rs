//! What a user names as one input.

use std::fmt;

use super::glob::Glob;
use crate::storage::Location;

/// The places of one input, songs or logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputSpec {
    /// Folders, files, prefixes and globs, at least one. What several of them name is read once.
    pub places: Vec<Location>,
    /// Which objects count as input whatever their names end in.
    pub include: Vec<Glob>,
}

impl From<Location> for InputSpec {
    fn from(place: Location) -> Self {
        vec![place].into()
    }
}

impl From<Vec<Location>> for InputSpec {
    fn from(places: Vec<Location>) -> Self {
        Self {
            places,
            include: Vec::new(),
        }
    }
}

/// Places in messages at most: a shell may have made thousands of one glob.
const SHOWN: usize = 3;

impl fmt::Display for InputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, place) in self.places.iter().take(SHOWN).enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            place.fmt(f)?;
        }
        match self.places.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
