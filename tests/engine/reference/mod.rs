//! A second, independent statement of what the engine must compute: JSON songs and logs in, the
//! five tables and the counts out. It favours being obviously right over being fast: one thread,
//! everything in memory, and the JSON grammar left to `serde_json`. Tests compare the engine to it.
//!
//! - `input`: which objects count as input, and their decompressed bytes
//! - `split`: where the records of an object begin and end, and where the grammar breaks
//! - `value`: one record's keys, and a JSON value as a column of the wanted type
//! - `rows`: a record as a song or as a kept event, or the one reason it is rejected
//! - `star`: the five tables from the accepted songs and the kept events, and which of repeated events stays
//! - `ledger`: what tells a later load of these songs and events

// Each test binary that includes this module uses only a part of it.
#![allow(dead_code)]

mod framing;
mod input;
mod merge_state;
pub mod rows;
mod star;
pub mod value;

use std::collections::BTreeMap;
use std::io;

use rows::Event;
use value::{Fields, RejectReason};

pub use framing::{ScanItem, scan_records};
pub use input::{ReferenceInput, list};

pub use merge_state::{ArtistState, MergeState, SongState, SongplayState, SourceObject, UserState};

/// The whole result of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceOutput {
    /// In input order.
    pub songplays: Vec<Songplay>,
    /// By `user_id`.
    pub users: Vec<User>,
    /// By the bytes of `song_id`.
    pub songs: Vec<Song>,
    /// By the bytes of `artist_id`.
    pub artists: Vec<Artist>,
    /// By `start_time`.
    pub time: Vec<Time>,
    pub merge_state: MergeState,
    pub song_counts: SongCounts,
    pub log_counts: LogCounts,
    /// Songplays whose song was found.
    pub matched_songplays: u64,
    /// In input order.
    pub song_rejects: Vec<Reject>,
    /// In input order.
    pub log_rejects: Vec<Reject>,
}

/// What was read below the song prefix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SongCounts {
    pub objects: u64,
    pub ignored_objects: u64,
    /// By the endings of their names.
    pub ignored_extensions: BTreeMap<String, u64>,
    /// Bytes of the objects as stored, before decompression.
    pub bytes: u64,
    pub records: u64,
    pub rejected: u64,
    pub rejected_by_reason: BTreeMap<String, u64>,
    pub data_loss: DataLoss,
}

/// What the budget is about beside records, of songs or of logs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DataLoss {
    /// Bytes of all objects, decompressed.
    pub decompressed_bytes: u64,
    /// Bytes of all rejects.
    pub rejected_bytes: u64,
    /// Objects with records of which none is well-formed JSON, and objects whose stream is damaged.
    pub unreadable_objects: u64,
}

/// What was read below the log prefix: records = kept + filtered + duplicates + rejected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogCounts {
    pub objects: u64,
    pub ignored_objects: u64,
    /// By the endings of their names.
    pub ignored_extensions: BTreeMap<String, u64>,
    /// Bytes of the objects as stored, before decompression.
    pub bytes: u64,
    pub records: u64,
    pub rejected: u64,
    pub rejected_by_reason: BTreeMap<String, u64>,
    pub data_loss: DataLoss,
    pub kept: u64,
    pub filtered: u64,
    pub duplicates: u64,
}

/// A record (or a stretch of bytes that is none) that was not loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    pub reason: String,
    /// Key below the only place, `/` between components; the file's name when that is one file. With
    /// several places or a glob the whole path.
    pub object: String,
    /// From 1, in the decompressed object.
    pub line: u64,
    /// From 0, in the decompressed object; a byte order mark counts.
    pub offset: u64,
    /// The record's bytes, uncut.
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
    /// ISO 8601.
    pub week: i16,
    pub month: i16,
    pub year: i16,
    /// 0-6 from Sunday.
    pub weekday: i16,
}

/// The star schema of everything in the two inputs (each a folder, one file, or several places and globs).
pub fn compute(
    songs: impl Into<ReferenceInput>,
    logs: impl Into<ReferenceInput>,
) -> io::Result<ReferenceOutput> {
    let (songs, logs) = (&songs.into(), &logs.into());
    let mut song_records = Vec::new();
    let song_read = read_input(songs, rows::SONG_KEYS, |_, fields| {
        song_records.push(rows::parse_song(fields)?);
        Ok(())
    })?;

    let mut events: Vec<Event> = Vec::new();
    let mut filtered = 0;
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    let log_read = read_input(logs, rows::EVENT_KEYS, |object, fields| {
        // The filter comes before the columns: an event it drops need only be valid JSON.
        if !rows::is_next_song(fields) {
            filtered += 1;
            return Ok(());
        }
        let event = rows::parse_event(fields)?;
        *kept.entry(object.to_owned()).or_default() += 1;
        events.push(event);
        Ok(())
    })?;

    let distinct = star::deduplicate(&events);
    let songplays = star::songplays(&song_records, &distinct);
    let matched = songplays.iter().filter(|p| p.song_id.is_some()).count();
    Ok(ReferenceOutput {
        users: star::users(&events),
        songs: star::songs(&song_records),
        artists: star::artists(&song_records),
        time: star::time(&events),
        merge_state: MergeState {
            source_objects: merge_state::source_objects(logs, &kept)?,
            users: merge_state::users(&events),
            artists: merge_state::artists(&song_records),
            songs: merge_state::songs(&song_records),
            songplays: merge_state::songplays(&distinct),
        },
        matched_songplays: matched as u64,
        song_counts: SongCounts {
            objects: song_read.objects,
            ignored_objects: song_read.ignored_objects,
            ignored_extensions: song_read.ignored_extensions,
            bytes: song_read.bytes,
            records: song_read.records,
            rejected: song_read.rejects.len() as u64,
            rejected_by_reason: count_by_reason(&song_read.rejects),
            data_loss: song_read.data_loss,
        },
        log_counts: LogCounts {
            objects: log_read.objects,
            ignored_objects: log_read.ignored_objects,
            ignored_extensions: log_read.ignored_extensions,
            bytes: log_read.bytes,
            records: log_read.records,
            rejected: log_read.rejects.len() as u64,
            rejected_by_reason: count_by_reason(&log_read.rejects),
            data_loss: log_read.data_loss,
            kept: songplays.len() as u64,
            filtered,
            duplicates: (events.len() - distinct.len()) as u64,
        },
        songplays,
        song_rejects: song_read.rejects,
        log_rejects: log_read.rejects,
    })
}

/// What reading one prefix gives beside the accepted records themselves.
#[derive(Default)]
struct ReadOutcome {
    objects: u64,
    ignored_objects: u64,
    ignored_extensions: BTreeMap<String, u64>,
    bytes: u64,
    records: u64,
    rejects: Vec<Reject>,
    data_loss: DataLoss,
}

/// Hands every valid record of an input to `accept`, in input order, and notes the rejects.
fn read_input(
    input: &ReferenceInput,
    keys: &[&str],
    mut accept: impl FnMut(&str, &Fields) -> Result<(), RejectReason>,
) -> io::Result<ReadOutcome> {
    let listing = input::list(input)?;
    let mut read = ReadOutcome {
        objects: listing.objects.len() as u64,
        ignored_objects: listing.ignored_objects,
        ignored_extensions: listing.ignored_extensions.clone(),
        ..ReadOutcome::default()
    };
    for object in &listing.objects {
        let stored = std::fs::read(&object.path)?;
        read.bytes += stored.len() as u64;
        let decoded = input::decompress(&object.key, &stored)?;
        let bytes = decoded.bytes.as_slice();
        read.data_loss.decompressed_bytes += bytes.len() as u64;

        // Lines are counted up to `counted`, so that each byte is looked at once.
        let (mut line, mut counted) = (1, 0);
        let mut reject = |reason: RejectReason, start: usize, end: usize| {
            line += count_newlines(&bytes[counted..start]);
            counted = start;
            read.data_loss.rejected_bytes += (end - start) as u64;
            read.rejects.push(Reject {
                reason: reason.as_str().to_string(),
                object: object.key.clone(),
                line,
                offset: start as u64,
                text: bytes[start..end].to_vec(),
            });
        };

        let items = scan_records(bytes, keys);
        read.records += items.len() as u64;
        for record in &items {
            match record {
                ScanItem::Record(range) => {
                    let outcome = std::str::from_utf8(&bytes[range.clone()])
                        .map_err(|_| RejectReason::Encoding)
                        .and_then(|text| accept(&object.key, &Fields::parse(text)));
                    if let Err(reason) = outcome {
                        reject(reason, range.start, range.end);
                    }
                }
                ScanItem::Malformed(range) => reject(RejectReason::Syntax, range.start, range.end),
                ScanItem::UnsupportedFormat(range) => {
                    reject(RejectReason::NotJson, range.start, range.end)
                }
            }
        }
        let is_readable = |record: &ScanItem| match record {
            ScanItem::Record(range) => std::str::from_utf8(&bytes[range.clone()]).is_ok(),
            ScanItem::Malformed(_) | ScanItem::UnsupportedFormat(_) => false,
        };
        let is_unreadable = !items.is_empty() && !items.iter().any(is_readable);
        read.data_loss.unreadable_objects += u64::from(is_unreadable || decoded.is_corrupt);
        // A damaged stream is one reject. Where the bytes end in a record, that record already is
        // it: only a reject that ran to the end of the object can be the last thing found.
        if decoded.is_corrupt
            && !matches!(
                items.last(),
                Some(ScanItem::Malformed(_) | ScanItem::UnsupportedFormat(_))
            )
        {
            read.records += 1;
            reject(RejectReason::Syntax, bytes.len(), bytes.len());
        }
    }
    Ok(read)
}

fn count_newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

fn count_by_reason(rejects: &[Reject]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for reject in rejects {
        *counts.entry(reject.reason.clone()).or_default() += 1;
    }
    counts
}
