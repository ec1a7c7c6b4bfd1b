//! An independent implementation of the rules of the engine: it reads JSON songs and logs, and computes the
//! five tables and all counts. It favours simplicity over speed: it uses one thread, keeps everything in
//! memory, and leaves the JSON grammar to `serde_json`. Tests compare the engine with it.
//!
//! - `input`: lists the input objects, and decompresses them
//! - `framing`: finds the start and end of each record, and the malformed ranges between records
//! - `value`: parses a record, and converts JSON values to column types
//! - `rows`: converts a record to a song or a kept event, or finds the reason for its rejection
//! - `star`: computes the five tables from the accepted songs and the kept events, and removes duplicates
//! - `merge_state`: computes the state that later loads need of these songs and events

// Each crate that includes this module uses only some of it.
#![allow(dead_code)]

mod framing;
mod input;
mod merge_state;
pub mod rows;
mod star;
pub mod value;

use std::collections::BTreeMap;
use std::io;

use rows::KeptEvent;
use value::{RecordMembers, RejectReason};

pub use framing::{ScanItem, scan_records};
pub use input::{ReferenceInput, list};

pub use merge_state::{
    ArtistStateRow, MergeState, SongStateRow, SongplayStateRow, SourceObject, UserStateRow,
};

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

/// Computes the star schema of two inputs (each a directory, one file, or several locations and globs).
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

    let mut events: Vec<KeptEvent> = Vec::new();
    let mut filtered = 0;
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    let log_read = read_input(logs, rows::EVENT_KEYS, |object, fields| {
        // The filter precedes the checks of the columns: an event that it drops need only be valid JSON.
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

/// The counts and rejects of one input.
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

/// Passes every valid record of an input to `accept`, in input order, and collects the rejects.
fn read_input(
    input: &ReferenceInput,
    keys: &[&str],
    mut accept: impl FnMut(&str, &RecordMembers) -> Result<(), RejectReason>,
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

        // Lines are counted up to `counted`, so that each byte is counted once.
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
                        .and_then(|text| accept(&object.key, &RecordMembers::parse(text)));
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
        // A damaged stream is one reject. If the bytes end within a record, that record already is the
        // reject, because only a reject that extends to the end of the object can be the last item.
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
