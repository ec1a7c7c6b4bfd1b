//! The ledger of the accepted songs and the kept events.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::input;
use super::rows::{Event, SongRecord};
use super::star::{self, FNV_BASIS, fnv_hash};

#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// In input order.
    pub objects: Vec<LedgerObject>,
    /// By `user_id`.
    pub users: Vec<LedgerUser>,
    /// By the bytes of `artist_id`.
    pub artists: Vec<LedgerArtist>,
    /// By `song_key` and `duration`.
    pub songs: Vec<LedgerSong>,
    /// In input order.
    pub songplays: Vec<LedgerSongplay>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerObject {
    pub object: String,
    pub etag: String,
    pub rows: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerUser {
    pub user_id: i32,
    /// Microseconds since 1970.
    pub start_time: i64,
    pub session_id: i32,
    pub item_in_session: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerArtist {
    pub artist_id: String,
    pub song_id: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerSong {
    pub song_key: i64,
    pub duration: f64,
    pub song_id: String,
    pub artist_id: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerSongplay {
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

/// Each object of an input, of which so many events are kept.
pub fn objects(
    input: &input::Input,
    kept: &BTreeMap<String, u64>,
) -> io::Result<Vec<LedgerObject>> {
    let row = |object: input::Object| {
        let found = std::fs::metadata(&object.path)?;
        let nanoseconds = found.mtime() * 1_000_000_000 + found.mtime_nsec();
        Ok(LedgerObject {
            object: object
                .identity
                .to_str()
                .expect("tests use UTF-8")
                .to_owned(),
            etag: format!("{}-{nanoseconds}", found.len()),
            rows: kept.get(&object.key).copied().unwrap_or_default() as i64,
        })
    };
    input::list(input)?.objects.into_iter().map(row).collect()
}

pub fn users(events: &[Event]) -> Vec<LedgerUser> {
    let row = |event: &Event| LedgerUser {
        user_id: event.user_id,
        start_time: star::start_time(event),
        session_id: event.session_id,
        item_in_session: event.item_in_session,
    };
    star::latest_events(events).into_iter().map(row).collect()
}

pub fn artists(songs: &[SongRecord]) -> Vec<LedgerArtist> {
    let row = |song: &SongRecord| LedgerArtist {
        artist_id: song.artist_id.clone(),
        song_id: song.song_id.clone(),
    };
    star::artist_records(songs).into_iter().map(row).collect()
}

pub fn songs(songs: &[SongRecord]) -> Vec<LedgerSong> {
    let row = |song: &SongRecord| LedgerSong {
        song_key: song_key(&song.title, &song.artist_name),
        duration: star::without_sign_of_zero(song.duration),
        song_id: song.song_id.clone(),
        artist_id: song.artist_id.clone(),
    };
    let mut rows: Vec<LedgerSong> = songs.iter().map(row).collect();
    rows.sort_by(|a, b| {
        let key = a.song_key.cmp(&b.song_key);
        let key = key.then(a.duration.total_cmp(&b.duration));
        key.then_with(|| (&a.song_id, &a.artist_id).cmp(&(&b.song_id, &b.artist_id)))
    });
    rows.dedup_by_key(|row| (row.song_key, row.duration));
    rows
}

pub fn songplays(events: &[Event]) -> Vec<LedgerSongplay> {
    let row = |event: &Event| {
        let (song, artist) = (event.song.as_deref()?, event.artist.as_deref()?);
        Some(LedgerSongplay {
            songplay_id: star::songplay_id(event),
            song_key: song_key(song, artist),
            duration: star::without_sign_of_zero(event.length?),
        })
    };
    events.iter().filter_map(row).collect()
}
