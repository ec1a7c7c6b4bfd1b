//! The merge state of the accepted songs and the kept events.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::input;
use super::output::{
    ArtistStateRow, Reject, SongStateRow, SongplayStateRow, SourceObject, UserStateRow,
};
use super::rows::{KeptEvent, SongRecord};
use super::star::{self, song_key};

/// Returns the objects of an input with the number of records kept from each, and its rejects.
pub fn source_objects(
    kind: &str,
    input: &input::ReferenceInput,
    kept: &BTreeMap<String, u64>,
    rejects: &[Reject],
) -> io::Result<Vec<SourceObject>> {
    let row = |object: input::InputObject| {
        let lengths = rejects
            .iter()
            .filter(|reject| reject.object == object.key)
            .map(|reject| reject.text.len() as i64);
        let metadata = std::fs::metadata(&object.path)?;
        let nanoseconds = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        Ok(SourceObject {
            kind: kind.to_owned(),
            object: object
                .resolved_path
                .to_str()
                .expect("paths are UTF-8")
                .to_owned(),
            etag: format!("{}-{nanoseconds}", metadata.len()),
            rows: kept.get(&object.key).copied().unwrap_or_default() as i64,
            rejected_records: lengths.clone().count() as i64,
            rejected_bytes: lengths.sum(),
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
