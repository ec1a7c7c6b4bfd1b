//! Which log files there are: one a day from 1 November 2018, and when a year of days is not
//! enough, several a day.

use std::io;
use std::path::PathBuf;

use chrono::DateTime;

use super::random::Rng;

/// 2018-11-01T00:00:00Z in milliseconds.
const FIRST_DAY_MS: u64 = 1_541_030_400_000;
const DAY_MS: u64 = 86_400_000;
const MAX_DAYS: u64 = 365;

/// All log files of a run.
pub(super) struct LogFiles {
    files: u64,
    days: u64,
    events: u64,
}

/// One log file.
pub(super) struct LogFile {
    /// Below the folder of all logs: `2018/11/2018-11-01-events.json`, or `…-events-001.json` where
    /// a day has several. In byte order the names are in order of time.
    pub path: PathBuf,
    /// Ordinary events in it.
    pub events: u64,
    start_ms: u64,
    span_ms: u64,
}

impl LogFiles {
    /// `files` is not 0.
    pub(super) fn new(files: u64, events: u64) -> Self {
        Self {
            files,
            days: files.min(MAX_DAYS),
            events,
        }
    }

    /// About how many events happen in that many milliseconds.
    pub(super) fn events_within(&self, span: u64) -> u64 {
        // Not above the number of events while the span is not above a day.
        (u128::from(self.events) * u128::from(span) / u128::from(self.days * DAY_MS)) as u64
    }

    /// File `nth`, from 0.
    pub(super) fn get(&self, nth: u64) -> io::Result<LogFile> {
        let day = nth * self.days / self.files;
        let first_file_of = |day: u64| (day * self.files).div_ceil(self.days);
        let (part, parts) = (
            nth - first_file_of(day),
            first_file_of(day + 1) - first_file_of(day),
        );
        let midnight = FIRST_DAY_MS + day * DAY_MS;
        let date = DateTime::from_timestamp_millis(midnight as i64)
            .ok_or_else(|| io::Error::other("the calendar ends before the log files do"))?;
        let mut path = date.format("%Y/%m/%Y-%m-%d-events").to_string();
        if self.files > self.days {
            let width = self.files.div_ceil(self.days).to_string().len().max(3);
            path.push_str(&format!("-{:0width$}", part + 1));
        }
        path.push_str(".json");
        Ok(LogFile {
            path: path.into(),
            events: even_share(self.events, nth, self.files),
            start_ms: midnight + DAY_MS * part / parts,
            span_ms: DAY_MS / parts,
        })
    }
}

impl LogFile {
    /// When ordinary event `nth` happens, in milliseconds since 1970: the time of the file is dealt
    /// out evenly, and the event is somewhere in its part. Later events are past the last one's
    /// beginning.
    pub(super) fn timestamp_ms(&self, nth: u64, rng: &mut Rng) -> u64 {
        let nth = nth.min(self.events.saturating_sub(1));
        let slot_ms = even_share(self.span_ms, nth, self.events);
        self.start_ms + even_share_before(self.span_ms, nth, self.events) + rng.below(slot_ms)
    }
}

/// What part `nth` of `parts` gets when `whole` is dealt out evenly.
pub(super) fn even_share(whole: u64, nth: u64, parts: u64) -> u64 {
    even_share_before(whole, nth + 1, parts) - even_share_before(whole, nth, parts)
}

/// What all parts before `nth` get.
pub(super) fn even_share_before(whole: u64, nth: u64, parts: u64) -> u64 {
    // Not above `whole` while nth <= parts; nothing is dealt when there are no parts.
    (u128::from(whole) * u128::from(nth))
        .checked_div(u128::from(parts))
        .unwrap_or_default() as u64
}
