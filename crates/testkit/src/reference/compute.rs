//! Reads both inputs record by record, and computes the complete output.

use std::collections::{BTreeMap, HashSet};
use std::io;

use crate::reference::framing::{ScanItem, scan_records};
use crate::reference::input::{self, ReferenceInput};
use crate::reference::merge_state;
use crate::reference::output::{
    DataLoss, LogCounts, MergeState, ReferenceOutput, Reject, SongCounts, UnknownKey, UnknownKeys,
};
use crate::reference::rows::{self, KeptEvent};
use crate::reference::star;
use crate::reference::unknown_keys::list_unknown_keys;
use crate::reference::value::{RecordMembers, RejectReason};

/// Computes the star schema of two inputs (each a directory, one file, or several locations and globs).
pub fn compute(
    songs: impl Into<ReferenceInput>,
    logs: impl Into<ReferenceInput>,
) -> io::Result<ReferenceOutput> {
    let (songs, logs) = (&songs.into(), &logs.into());
    let mut song_records = Vec::new();
    let mut kept_songs: BTreeMap<String, u64> = BTreeMap::new();
    let song_read = read_input(songs, rows::SONG_KEYS, |object, fields| {
        song_records.push(rows::parse_song(fields)?);
        *kept_songs.entry(object.to_owned()).or_default() += 1;
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

    let mut source_objects =
        merge_state::source_objects("song", songs, &kept_songs, &song_read.rejects)?;
    source_objects.extend(merge_state::source_objects(
        "log",
        logs,
        &kept,
        &log_read.rejects,
    )?);
    let distinct = star::deduplicate(&events);
    let songplays = star::songplays(&song_records, &distinct);
    let matched = songplays.iter().filter(|p| p.song_id.is_some()).count();
    Ok(ReferenceOutput {
        users: star::users(&events),
        songs: star::songs(&song_records),
        artists: star::artists(&song_records),
        time: star::time(&events),
        merge_state: MergeState {
            source_objects,
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
            unknown_keys: first_keys(song_read.unknown_keys),
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
            unknown_keys: first_keys(log_read.unknown_keys),
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
    unknown_keys: Vec<UnknownKey>,
}

/// Returns the unknown keys that a report lists.
fn first_keys(mut keys: Vec<UnknownKey>) -> UnknownKeys {
    let has_more = keys.len() > 100;
    keys.truncate(100);
    UnknownKeys {
        first: keys,
        has_more,
    }
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
    let mut seen_keys = HashSet::new();
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
        let unknown_keys = list_unknown_keys(bytes, &items, keys, &mut seen_keys);
        let unknown_key = |(key, line)| UnknownKey {
            key,
            object: object.key.clone(),
            line,
        };
        read.unknown_keys
            .extend(unknown_keys.into_iter().map(unknown_key));
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
