//! Converts a record to a song or an event: every column is checked, and the first reason in order counts.

use chrono::{DateTime, Datelike};

use super::value::{FieldValue, RecordMembers, RejectReason, bigint, double, int, text};

/// An accepted song record, the source of songs, artists and the song lookup.
#[derive(Debug, Clone, PartialEq)]
pub struct SongRecord {
    pub song_id: String,
    pub title: String,
    pub artist_id: String,
    pub artist_name: String,
    pub artist_location: Option<String>,
    pub artist_latitude: Option<f64>,
    pub artist_longitude: Option<f64>,
    pub year: Option<i32>,
    pub duration: f64,
}

/// A kept event.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptEvent {
    /// Milliseconds since 1970.
    pub ts: i64,
    pub user_id: i32,
    pub session_id: i32,
    pub item_in_session: i32,
    pub level: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub gender: Option<String>,
    pub location: Option<String>,
    pub user_agent: Option<String>,
    pub song: Option<String>,
    pub artist: Option<String>,
    pub length: Option<f64>,
}

/// The keys of song records in the model.
pub const SONG_KEYS: &[&str] = &[
    "song_id",
    "title",
    "artist_id",
    "artist_name",
    "artist_location",
    "artist_latitude",
    "artist_longitude",
    "year",
    "duration",
    "num_songs",
];

/// The keys of log events in the model.
pub const EVENT_KEYS: &[&str] = &[
    "artist",
    "auth",
    "firstName",
    "gender",
    "itemInSession",
    "lastName",
    "length",
    "level",
    "location",
    "method",
    "page",
    "registration",
    "sessionId",
    "song",
    "status",
    "ts",
    "userAgent",
    "userId",
];

/// `song` and `artist` are used for the lookup only and stored in no column, so their length is not limited.
const UNLIMITED: usize = usize::MAX;

pub fn parse_song(fields: &RecordMembers) -> Result<SongRecord, RejectReason> {
    let mut check = RowCheck::default();
    let record = SongRecord {
        song_id: check.required(text(fields.get("song_id"), 32)),
        title: check.required(text(fields.get("title"), 1024)),
        artist_id: check.required(text(fields.get("artist_id"), 32)),
        artist_name: check.required(text(fields.get("artist_name"), 1024)),
        artist_location: check.optional(text(fields.get("artist_location"), 1024)),
        artist_latitude: check.optional(double(fields.get("artist_latitude"))),
        artist_longitude: check.optional(double(fields.get("artist_longitude"))),
        year: check.optional(int(fields.get("year"))),
        duration: check.required(double(fields.get("duration"))),
    };
    check.finish(record)
}

/// The filter: only events with exactly this value of `page` are kept, and no other value is a reject.
pub fn is_next_song(fields: &RecordMembers) -> bool {
    fields.get("page") == FieldValue::Text(Some("NextSong".to_string()))
}

pub fn parse_event(fields: &RecordMembers) -> Result<KeptEvent, RejectReason> {
    let mut check = RowCheck::default();
    let record = KeptEvent {
        ts: check.required(parse_timestamp(fields.get("ts"))),
        user_id: check.required(int(fields.get("userId"))),
        session_id: check.required(int(fields.get("sessionId"))),
        item_in_session: check.required(int(fields.get("itemInSession"))),
        level: check.required(text(fields.get("level"), 16)),
        first_name: check.optional(text(fields.get("firstName"), 256)),
        last_name: check.optional(text(fields.get("lastName"), 256)),
        gender: check.optional(text(fields.get("gender"), 16)),
        location: check.optional(text(fields.get("location"), 512)),
        user_agent: check.optional(text(fields.get("userAgent"), 1024)),
        song: check.optional(text(fields.get("song"), UNLIMITED)),
        artist: check.optional(text(fields.get("artist"), UNLIMITED)),
        length: check.optional(double(fields.get("length"))),
    };
    check.finish(record)
}

fn parse_timestamp(value: FieldValue) -> Result<Option<i64>, RejectReason> {
    let Some(ts) = bigint(value)? else {
        return Ok(None);
    };
    match DateTime::from_timestamp_millis(ts) {
        Some(time) if (1..=9999).contains(&time.year()) => Ok(Some(ts)),
        _ => Err(RejectReason::Range),
    }
}

/// Collects the reasons of all columns of a record, and keeps the first in order.
#[derive(Default)]
struct RowCheck(Option<RejectReason>);

impl RowCheck {
    fn optional<T>(&mut self, column: Result<Option<T>, RejectReason>) -> Option<T> {
        column.unwrap_or_else(|reason| {
            self.0 = Some(self.0.map_or(reason, |first| first.min(reason)));
            None
        })
    }

    /// Returns a default instead of a missing value; `finish` then discards the row.
    fn required<T: Default>(&mut self, column: Result<Option<T>, RejectReason>) -> T {
        let present = column.and_then(|value| value.ok_or(RejectReason::Missing));
        self.optional(present.map(Some)).unwrap_or_default()
    }

    fn finish<T>(self, row: T) -> Result<T, RejectReason> {
        match self.0 {
            Some(reason) => Err(reason),
            None => Ok(row),
        }
    }
}
