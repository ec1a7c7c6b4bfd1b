//! What a user names as one input.

use std::fmt;

use super::glob::Glob;
use crate::storage::Place;

/// The places of one input, songs or logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputPlaces {
    /// Folders, files, prefixes and globs, at least one. What several of them name is read once.
    pub places: Vec<Place>,
    /// Which objects count as input whatever their names end in.
    pub include: Vec<Glob>,
}

impl From<Place> for InputPlaces {
    fn from(place: Place) -> Self {
        vec![place].into()
    }
}

impl From<Vec<Place>> for InputPlaces {
    fn from(places: Vec<Place>) -> Self {
        Self {
            places,
            include: Vec::new(),
        }
    }
}

/// Places in messages at most: a shell may have made thousands of one glob.
const SHOWN: usize = 3;

impl fmt::Display for InputPlaces {
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
