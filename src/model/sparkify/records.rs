//! The records.

use super::limits::{
    ID_BYTES, LOCATION_BYTES, NAME_BYTES, SHORT_TEXT_BYTES, TITLE_BYTES, USER_AGENT_BYTES,
};
use crate::model::record::{FieldType, RecordFilter, RecordSchema, optional, required};

/// The fields that identify an event.
pub(super) const EVENT_KEY: &[&str] = &["userId", "ts", "sessionId", "itemInSession"];

/// `0001-01-01T00:00:00.000Z` in milliseconds since 1970.
const MIN_TS_MS: i64 = -62_135_596_800_000;
/// `9999-12-31T23:59:59.999Z` in milliseconds since 1970.
const MAX_TS_MS: i64 = 253_402_300_799_999;

const fn text(max_bytes: usize) -> FieldType {
    FieldType::Text { max_bytes }
}

const fn dict_text(max_bytes: usize) -> FieldType {
    FieldType::DictText { max_bytes }
}

/// The metadata of a song.
pub static SONG_RECORD: RecordSchema = RecordSchema {
    name: "song",
    description: "The metadata of a song.",
    fields: &[
        required("song_id", text(ID_BYTES)),
        required("title", text(TITLE_BYTES)),
        required("artist_id", text(ID_BYTES)),
        required("artist_name", text(TITLE_BYTES)),
        optional("artist_location", text(TITLE_BYTES)),
        optional("artist_latitude", FieldType::Double),
        optional("artist_longitude", FieldType::Double),
        optional("year", FieldType::Int32),
        required("duration", FieldType::Double),
    ],
    filter: None,
    unused_keys: &["num_songs"],
};

/// An event of the activity log. `song`, `artist` and `length` are used only to look up the song. They are
/// stored in no column, so their size is not limited.
pub static EVENT_RECORD: RecordSchema = RecordSchema {
    name: "event",
    description: "An event of the activity log.",
    fields: &[
        required(
            "ts",
            FieldType::Int64 {
                min: MIN_TS_MS,
                max: MAX_TS_MS,
            },
        ),
        required("userId", FieldType::Int32),
        required("sessionId", FieldType::Int32),
        required("itemInSession", FieldType::Int32),
        required("level", dict_text(SHORT_TEXT_BYTES)),
        optional("firstName", dict_text(NAME_BYTES)),
        optional("lastName", dict_text(NAME_BYTES)),
        optional("gender", dict_text(SHORT_TEXT_BYTES)),
        optional("location", dict_text(LOCATION_BYTES)),
        optional("userAgent", dict_text(USER_AGENT_BYTES)),
        optional("song", text(usize::MAX)),
        optional("artist", text(usize::MAX)),
        optional("length", FieldType::Double),
    ],
    filter: Some(RecordFilter {
        key: "page",
        value: "NextSong",
    }),
    unused_keys: &["auth", "method", "registration", "status"],
};
