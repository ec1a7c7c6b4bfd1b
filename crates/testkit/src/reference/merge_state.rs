//! The merge state of the accepted songs and the kept events.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::input;
use super::rows::{KeptEvent, SongRecord};
use super::star::{self, FNV_BASIS, fnv_hash};

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
    pub object: String,
    pub etag: String,
    pub rows: i64,
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

/// Computes `fnv_hash(artist_name, fnv_hash(0::smallint, fnv_hash(title)))` as Redshift does.
pub fn song_key(title: &str, artist_name: &str) -> i64 {
    let hash = fnv_hash(title.as_bytes(), FNV_BASIS);
    let hash = fnv_hash(&[0, 0], hash);
    fnv_hash(artist_name.as_bytes(), hash).cast_signed()
}

/// Returns the objects of an input with the number of events kept from each.
pub fn source_objects(
    input: &input::ReferenceInput,
    kept: &BTreeMap<String, u64>,
) -> io::Result<Vec<SourceObject>> {
    let row = |object: input::InputObject| {
        let metadata = std::fs::metadata(&object.path)?;
        let nanoseconds = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        Ok(SourceObject {
            object: object
                .resolved_path
                .to_str()
                .expect("paths are UTF-8")
                .to_owned(),
            etag: format!("{}-{nanoseconds}", metadata.len()),
            rows: kept.get(&object.key).copied().unwrap_or_default() as i64,
        })
    };
    input::list(input)?.objects.into_iter().map(row).collect()
}

pub fn users(events: &[KeptEvent]) -> Vec<UserStateRow> {
    let row = |event: &KeptEvent| UserStateRow {
        user_id: event.user_id,
        start_time: star::start_time(event),
        session_id: event.session_id,
        item_in_session: event.item_in_session,
    };
    star::latest_events(events).into_iter().map(row).collect()
}

pub fn artists(songs: &[SongRecord]) -> Vec<ArtistStateRow> {
    let row = |song: &SongRecord| ArtistStateRow {
        artist_id: song.artist_id.clone(),
        song_id: song.song_id.clone(),
    };
    star::preferred_artist_records(songs)
        .into_iter()
        .map(row)
        .collect()
}

pub fn songs(songs: &[SongRecord]) -> Vec<SongStateRow> {
    let row = |song: &SongRecord| SongStateRow {
        song_key: song_key(&song.title, &song.artist_name),
        duration: star::normalize_negative_zero(song.duration),
        song_id: song.song_id.clone(),
        artist_id: song.artist_id.clone(),
    };
    let mut rows: Vec<SongStateRow> = songs.iter().map(row).collect();
    rows.sort_by(|a, b| {
        let key = a.song_key.cmp(&b.song_key);
        let key = key.then(a.duration.total_cmp(&b.duration));
        key.then_with(|| (&a.song_id, &a.artist_id).cmp(&(&b.song_id, &b.artist_id)))
    });
    rows.dedup_by_key(|row| (row.song_key, row.duration));
    rows
}

pub fn songplays(events: &[KeptEvent]) -> Vec<SongplayStateRow> {
    let row = |event: &KeptEvent| {
        let (song, artist) = (event.song.as_deref()?, event.artist.as_deref()?);
        Some(SongplayStateRow {
            songplay_id: star::songplay_id(event),
            song_key: song_key(song, artist),
            duration: star::normalize_negative_zero(event.length?),
        })
    };
    events.iter().filter_map(row).collect()
}
