//! Defines the options of the generator.

use std::io;

/// Maximum number of events, songs or files. Session ids are 32-bit integers.
pub const MAX_COUNT: u64 = 10_000_000_000;

/// Options of the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Number of ordinary log events. Edge cases are added to them.
    pub events: u64,
    /// Number of ordinary songs, one object each. Edge cases are added to them.
    pub songs: u64,
    /// Number of users. With few events some of them have none.
    pub users: u64,
    /// Number of log files, spread over at most a year of consecutive days.
    pub files: u64,
    /// Random seed.
    pub seed: u64,
    /// Whether to add every kind of reject and unusual record: at least one of each, and about 0.4 % rejects.
    pub edge_cases: bool,
}

impl GenerateOptions {
    /// Checks that the numbers are in range.
    ///
    /// # Errors
    /// Returns `InvalidInput` if one is not.
    pub(super) fn validate(&self) -> io::Result<()> {
        let GenerateOptions {
            events,
            songs,
            users,
            files,
            ..
        } = *self;
        let bounds = [
            ("events", events, 0, MAX_COUNT),
            ("songs", songs, 0, MAX_COUNT),
            ("users", users, 1, i32::MAX as u64),
            ("files", files, 1, MAX_COUNT),
        ];
        match bounds
            .iter()
            .find(|(_, value, least, most)| value < least || value > most)
        {
            None => Ok(()),
            Some((name, value, least, most)) => {
                let message = format!("{name} must be from {least} to {most}, not {value}");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    }
}
