//! Names the two kinds of records.

use serde::{Deserialize, Serialize};

/// The kind of the records of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// Song metadata.
    Song,
    /// Log events.
    Log,
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Song, Self::Log];

    /// Returns the name of the kind in the singular.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Song => "song",
            Self::Log => "log",
        }
    }

    /// Returns the name of the kind in the plural.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Song => "songs",
            Self::Log => "logs",
        }
    }
}
