//! What the reference computes: tables, counts and rejects.

use std::collections::BTreeMap;

/// The complete output of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceOutput {
    /// The songplays in input order.
    pub songplays: Vec<Songplay>,
    /// The users, sorted by `user_id`.
    pub users: Vec<User>,
    /// The songs, sorted by the bytes of `song_id`.
    pub songs: Vec<Song>,
    /// The artists, sorted by the bytes of `artist_id`.
    pub artists: Vec<Artist>,
    /// The times, sorted by `start_time`.
    pub time: Vec<Time>,
    pub merge_state: MergeState,
    pub song_counts: SongCounts,
    pub log_counts: LogCounts,
    /// The number of songplays that matched a song.
    pub matched_songplays: u64,
    /// The rejects of the songs in input order.
    pub song_rejects: Vec<Reject>,
    /// The rejects of the logs in input order.
    pub log_rejects: Vec<Reject>,
}

/// The counts of the song objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SongCounts {
    pub objects: u64,
    pub ignored_objects: u64,
    /// The ignored objects by extension.
    pub ignored_extensions: BTreeMap<String, u64>,
    /// The bytes of the objects as stored, before decompression.
    pub bytes: u64,
    pub records: u64,
    pub rejected: u64,
    pub rejected_by_reason: BTreeMap<String, u64>,
    pub data_loss: DataLoss,
    pub unknown_keys: UnknownKeys,
}

/// The keys that the model does not know.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnknownKeys {
    /// The first 100 keys, each where it occurs first, in input order.
    pub first: Vec<UnknownKey>,
    /// Whether there are more.
    pub has_more: bool,
}

/// An unknown key and its first occurrence.
#[derive(Debug, Clone, PartialEq)]
pub struct UnknownKey {
    pub key: String,
    /// The key of the object, as in [`Reject`].
    pub object: String,
    /// The line in the decompressed object, from 1.
    pub line: u64,
}

/// The values that the reject limit checks besides records, for songs or for logs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DataLoss {
    /// The bytes of all objects after decompression.
    pub decompressed_bytes: u64,
    /// The bytes of all rejects.
    pub rejected_bytes: u64,
    /// Objects that have records but no well-formed one, and objects whose stream is damaged.
    pub unreadable_objects: u64,
}

/// The counts of the log objects: records = kept + filtered + duplicates + rejected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogCounts {
    pub objects: u64,
    pub ignored_objects: u64,
    /// The ignored objects by extension.
    pub ignored_extensions: BTreeMap<String, u64>,
    /// The bytes of the objects as stored, before decompression.
    pub bytes: u64,
    pub records: u64,
    pub rejected: u64,
    pub rejected_by_reason: BTreeMap<String, u64>,
    pub data_loss: DataLoss,
    pub unknown_keys: UnknownKeys,
    pub kept: u64,
    pub filtered: u64,
    pub duplicates: u64,
}

/// A record, or a malformed range of bytes, that was not loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    pub reason: String,
    /// The key below the only location, with `/` between components, or the name of the file if that location
    /// is one file. With several locations or a glob, the whole path.
    pub object: String,
    /// The line in the decompressed object, from 1.
    pub line: u64,
    /// The byte offset in the decompressed object, from 0; a byte order mark counts.
    pub offset: u64,
    /// The complete bytes of the record.
    pub text: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Songplay {
    pub songplay_id: i64,
    /// Microseconds since 1970.
    pub start_time: i64,
    pub user_id: i32,
    pub level: String,
    pub song_id: Option<String>,
    pub artist_id: Option<String>,
    pub session_id: i32,
    pub location: Option<String>,
    pub user_agent: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub user_id: i32,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub gender: Option<String>,
    pub level: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Song {
    pub song_id: String,
    pub title: String,
    pub artist_id: String,
    pub year: Option<i32>,
    pub duration: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Artist {
    pub artist_id: String,
    pub name: String,
    pub location: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Time {
    /// Microseconds since 1970.
    pub start_time: i64,
    pub hour: i16,
    pub day: i16,
    /// The week by ISO 8601.
    pub week: i16,
    pub month: i16,
    pub year: i16,
    /// The day of the week, 0-6 from Sunday.
    pub weekday: i16,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MergeState {
    /// The source objects in input order.
    pub source_objects: Vec<SourceObject>,
    /// The users, sorted by `user_id`.
    pub users: Vec<UserStateRow>,
    /// The artists, sorted by the bytes of `artist_id`.
    pub artists: Vec<ArtistStateRow>,
    /// The songs, sorted by `song_key` and `duration`.
    pub songs: Vec<SongStateRow>,
    /// The songplays in input order.
    pub songplays: Vec<SongplayStateRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SourceObject {
    /// `song` or `log`.
    pub kind: String,
    pub object: String,
    pub etag: String,
    pub rows: i64,
    pub rejected_records: i64,
    pub rejected_bytes: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UserStateRow {
    pub user_id: i32,
    /// Microseconds since 1970.
    pub start_time: i64,
    pub session_id: i32,
    pub item_in_session: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ArtistStateRow {
    pub artist_id: String,
    pub song_id: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SongStateRow {
    pub song_key: i64,
    pub duration: f64,
    pub song_id: String,
    pub artist_id: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SongplayStateRow {
    pub songplay_id: i64,
    pub song_key: i64,
    pub duration: f64,
}
