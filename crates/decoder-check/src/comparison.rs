//! The expected output of the decoder, computed by the reference.

use std::collections::HashSet;
use std::ops::Range;

use sparkify::internals::model::sparkify::{EVENT_RECORD, SONG_RECORD};
use testkit::reference::value::{RecordMembers, RejectReason};
use testkit::reference::{self, ScanItem, rows};

use crate::driver::{self, DecodedValue, SINGLE_CHUNK};

/// The ranges of well-formed records as `Ok`, and of rejects as `Err`.
pub type RecordRanges = Vec<Result<Range<usize>, Range<usize>>>;

/// Returns the records of the reference, which resynchronizes at records with one of the keys of
/// [`driver::KEEP_ALL_SCHEMA`]. Records that are not UTF-8 are rejects.
pub fn expected_records(bytes: &[u8]) -> RecordRanges {
    reference::scan_records(bytes, driver::KEEP_ALL_SCHEMA.unused_keys)
        .into_iter()
        .map(|item| match item {
            ScanItem::Record(range) if std::str::from_utf8(&bytes[range.clone()]).is_err() => {
                Err(range)
            }
            ScanItem::Record(range) => Ok(range),
            ScanItem::Malformed(range) | ScanItem::UnsupportedFormat(range) => Err(range),
        })
        .collect()
}

/// Compares rows, rejects with their reasons, and unknown keys with the reference, for events and for songs.
pub fn assert_values_match_reference(bytes: &[u8]) {
    let mut filtered = 0;
    let events = expected_outcomes(bytes, rows::EVENT_KEYS, |fields| {
        if !rows::is_next_song(fields) {
            filtered += 1;
            return Ok(None);
        }
        rows::parse_event(fields).map(|event| Some(event_cells(event)))
    });
    let songs = expected_outcomes(bytes, rows::SONG_KEYS, |fields| {
        rows::parse_song(fields).map(|song| Some(song_cells(song)))
    });
    let decoded = driver::decode(bytes, &EVENT_RECORD, SINGLE_CHUNK);
    assert_eq!(decoded.counts.filtered, filtered);
    assert_outcomes(&decoded, events);
    assert_unknown_keys(bytes, &decoded, rows::EVENT_KEYS);
    let decoded = driver::decode(bytes, &SONG_RECORD, SINGLE_CHUNK);
    assert_outcomes(&decoded, songs);
    assert_unknown_keys(bytes, &decoded, rows::SONG_KEYS);
}

/// The rows of some records, and the rejects with their reasons.
type RowsAndRejects = (Vec<Vec<DecodedValue>>, Vec<(Range<usize>, &'static str)>);

fn expected_outcomes(
    bytes: &[u8],
    keys: &[&str],
    mut row: impl FnMut(&RecordMembers) -> Result<Option<Vec<DecodedValue>>, RejectReason>,
) -> RowsAndRejects {
    let (mut cells, mut rejects) = (Vec::new(), Vec::new());
    for item in reference::scan_records(bytes, keys) {
        let (range, outcome) = match item {
            ScanItem::Malformed(range) => (range, Err("syntax")),
            ScanItem::UnsupportedFormat(range) => (range, Err("not_json")),
            ScanItem::Record(range) => match std::str::from_utf8(&bytes[range.clone()]) {
                Err(_) => (range, Err("encoding")),
                Ok(text) => (
                    range,
                    row(&RecordMembers::parse(text)).map_err(RejectReason::as_str),
                ),
            },
        };
        match outcome {
            Ok(row) => cells.extend(row),
            Err(reason) => rejects.push((range, reason)),
        }
    }
    (cells, rejects)
}

fn assert_outcomes(decoded: &driver::DecodedInput, (rows, rejects): RowsAndRejects) {
    let actual: Vec<_> = decoded
        .rejects
        .iter()
        .map(|r| {
            let start = r.offset as usize;
            (start..start + r.bytes as usize, r.reason.name())
        })
        .collect();
    assert_eq!(actual, rejects);
    assert_eq!(decoded.rows, rows);
}

fn assert_unknown_keys(bytes: &[u8], decoded: &driver::DecodedInput, known: &[&str]) {
    let items = reference::scan_records(bytes, known);
    let mut expected = reference::list_unknown_keys(bytes, &items, known, &mut HashSet::new());
    assert_eq!(decoded.has_more_unknown_keys, expected.len() > 100);
    expected.truncate(100);
    expected.iter_mut().for_each(|(_, line)| *line -= 1);
    assert_eq!(decoded.unknown_keys, expected);
}

fn text_cell(text: Option<String>) -> DecodedValue {
    text.map_or(DecodedValue::Null, DecodedValue::Text)
}

fn double_cell(value: Option<f64>) -> DecodedValue {
    value.map_or(DecodedValue::Null, |value| {
        DecodedValue::Double(value.to_bits())
    })
}

fn event_cells(event: rows::KeptEvent) -> Vec<DecodedValue> {
    vec![
        DecodedValue::Integer(event.ts),
        DecodedValue::Integer(event.user_id.into()),
        DecodedValue::Integer(event.session_id.into()),
        DecodedValue::Integer(event.item_in_session.into()),
        DecodedValue::Text(event.level),
        text_cell(event.first_name),
        text_cell(event.last_name),
        text_cell(event.gender),
        text_cell(event.location),
        text_cell(event.user_agent),
        text_cell(event.song),
        text_cell(event.artist),
        double_cell(event.length),
    ]
}

fn song_cells(song: rows::SongRecord) -> Vec<DecodedValue> {
    vec![
        DecodedValue::Text(song.song_id),
        DecodedValue::Text(song.title),
        DecodedValue::Text(song.artist_id),
        DecodedValue::Text(song.artist_name),
        text_cell(song.artist_location),
        double_cell(song.artist_latitude),
        double_cell(song.artist_longitude),
        song.year.map_or(DecodedValue::Null, |year| {
            DecodedValue::Integer(year.into())
        }),
        double_cell(Some(song.duration)),
    ]
}
