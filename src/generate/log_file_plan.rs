//! Divides events and days into log files: one a day from 1 November 2018, or several a day when there are more files
//! than days in a year.

use std::io;
use std::path::PathBuf;

use chrono::DateTime;

use super::random::Rng;

/// 2018-11-01T00:00:00Z in milliseconds.
const FIRST_DAY_MS: u64 = 1_541_030_400_000;
const DAY_MS: u64 = 86_400_000;
const MAX_DAYS: u64 = 365;

/// Plan of all log files.
pub(super) struct LogFilePlan {
    files: u64,
    days: u64,
    events: u64,
}

/// Plan of one log file.
pub(super) struct PlannedLogFile {
    /// Path below the log directory: `2018/11/2018-11-01-events.json`, or `…-events-001.json` if a day has several
    /// files. The byte order of the names is the order of time.
    pub path: PathBuf,
    /// Number of ordinary events in the file.
    pub events: u64,
    start_ms: u64,
    span_ms: u64,
}

impl LogFilePlan {
    /// Creates the plan of the files. `files` must not be 0.
    pub(super) fn new(files: u64, events: u64) -> Self {
        Self {
            files,
            days: files.min(MAX_DAYS),
            events,
        }
    }

    /// Returns the approximate number of events in a time span.
    pub(super) fn events_within(&self, span_ms: u64) -> u64 {
        // At most `events`, as long as the span is at most a day.
        (u128::from(self.events) * u128::from(span_ms) / u128::from(self.days * DAY_MS)) as u64
    }

    /// Returns file number `nth`, counted from 0.
    pub(super) fn get(&self, nth: u64) -> io::Result<PlannedLogFile> {
        let day = nth * self.days / self.files;
        let first_file = |day: u64| (day * self.files).div_ceil(self.days);
        let (part, parts) = (nth - first_file(day), first_file(day + 1) - first_file(day));
        let midnight = FIRST_DAY_MS + day * DAY_MS;
        let date = DateTime::from_timestamp_millis(midnight as i64)
            .ok_or_else(|| io::Error::other("the date of a log file is out of range"))?;
        let mut path = date.format("%Y/%m/%Y-%m-%d-events").to_string();
        if self.files > self.days {
            let width = self.files.div_ceil(self.days).to_string().len().max(3);
            path.push_str(&format!("-{:0width$}", part + 1));
        }
        path.push_str(".json");
        Ok(PlannedLogFile {
            path: path.into(),
            events: even_share(self.events, nth, self.files),
            start_ms: midnight + DAY_MS * part / parts,
            span_ms: DAY_MS / parts,
        })
    }
}

impl PlannedLogFile {
    /// Returns the time of ordinary event `nth` in milliseconds since 1970. The time span of the file is divided evenly,
    /// and the event is at a random time in its slot. Events beyond the last one share its slot.
    pub(super) fn timestamp_ms(&self, nth: u64, rng: &mut Rng) -> u64 {
        let nth = nth.min(self.events.saturating_sub(1));
        let slot_ms = even_share(self.span_ms, nth, self.events);
        self.start_ms + even_share_before(self.span_ms, nth, self.events) + rng.below(slot_ms)
    }
}

/// Returns the share of part `nth` when `whole` is divided evenly into `parts`.
pub(super) fn even_share(whole: u64, nth: u64, parts: u64) -> u64 {
    even_share_before(whole, nth + 1, parts) - even_share_before(whole, nth, parts)
}

/// Returns the sum of the shares of all parts before `nth`.
pub(super) fn even_share_before(whole: u64, nth: u64, parts: u64) -> u64 {
    // At most `whole` as long as nth <= parts, and 0 if there are no parts.
    (u128::from(whole) * u128::from(nth))
        .checked_div(u128::from(parts))
        .unwrap_or_default() as u64
}
