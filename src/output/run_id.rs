//! Identifies runs.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};

/// The id of a run: its start time in UTC, to the millisecond, and eight random hexadecimal digits. Ids sort by
/// time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(String);

const RUN_ID_TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";

impl RunId {
    /// Creates the id of a run that begins now.
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let now = Utc::now();
        // `RandomState` is seeded by the random numbers of the system.
        let random = RandomState::new().hash_one((now, std::process::id()));
        Self(format!(
            "{}-{:08x}",
            now.format(RUN_ID_TIME_FORMAT),
            random as u32
        ))
    }

    /// Returns the start time of the run.
    pub(crate) fn started_at(&self) -> Option<DateTime<Utc>> {
        parse_start_time(&self.0)
    }
}

fn parse_start_time(id: &str) -> Option<DateTime<Utc>> {
    let (text, _) = id.split_once('-')?;
    let time = NaiveDateTime::parse_from_str(text, RUN_ID_TIME_FORMAT)
        .ok()?
        .and_utc();
    // The parser also accepts white space and signs, which no run id contains.
    (time.format(RUN_ID_TIME_FORMAT).to_string() == text).then_some(time)
}

impl FromStr for RunId {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let is_random_suffix =
            |digits: &str| digits.len() == 8 && digits.bytes().all(is_lower_hex_digit);
        let is_valid = text
            .split_once('-')
            .is_some_and(|(_, d)| is_random_suffix(d))
            && parse_start_time(text).is_some();
        is_valid.then(|| Self(text.to_owned())).ok_or(())
    }
}

fn is_lower_hex_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
