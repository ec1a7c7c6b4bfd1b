//! What the decoder must make of some bytes, by the reference. Also for `fuzz/`, which includes this
//! file by its path.

use std::ops::Range;

use sparkify::star::schema::{EVENT_RECORD, SONG_RECORD};

use crate::drive::{self, Cell, WHOLE};
use crate::reference::value::{Fields, Reason};
use crate::reference::{self, Found, rows};

/// Well-formed records as `Ok`, rejects as `Err`.
pub type Records = Vec<Result<Range<usize>, Range<usize>>>;

/// The reference's records, where a candidate must have one of the keys of [`drive::EVERYTHING`]; those that
/// are not UTF-8 are among the rejects.
pub fn wanted(bytes: &[u8]) -> Records {
    reference::records(bytes, drive::EVERYTHING.known_keys)
        .into_iter()
        .map(|found| match found {
            Found::Record(range) if std::str::from_utf8(&bytes[range.clone()]).is_err() => {
                Err(range)
            }
            Found::Record(range) => Ok(range),
            Found::Broken(range) | Found::Foreign(range) => Err(range),
        })
        .collect()
}

/// Compares rows, rejects and their reasons with the reference, as events and as songs.
pub fn compare_values(bytes: &[u8]) {
    let mut filtered = 0;
    let events = outcomes(bytes, rows::EVENT_KEYS, |fields| {
        if !rows::is_next_song(fields) {
            filtered += 1;
            return Ok(None);
        }
        rows::event(fields).map(|event| Some(event_cells(event)))
    });
    let songs = outcomes(bytes, rows::SONG_KEYS, |fields| {
        rows::song(fields).map(|song| Some(song_cells(song)))
    });
    let decoded = drive::decode(bytes, &EVENT_RECORD, WHOLE);
    assert_eq!(decoded.counts.filtered, filtered);
    assert_outcomes(&decoded, events);
    assert_outcomes(&drive::decode(bytes, &SONG_RECORD, WHOLE), songs);
}

/// The rows of some records, and the rejects with their reasons.
type Outcomes = (Vec<Vec<Cell>>, Vec<(Range<usize>, &'static str)>);

fn outcomes(
    bytes: &[u8],
    keys: &[&str],
    mut row: impl FnMut(&Fields) -> Result<Option<Vec<Cell>>, Reason>,
) -> Outcomes {
    let (mut cells, mut rejects) = (Vec::new(), Vec::new());
    for found in reference::records(bytes, keys) {
        let (range, outcome) = match found {
            Found::Broken(range) => (range, Err("syntax")),
            Found::Foreign(range) => (range, Err("not_json")),
            Found::Record(range) => match std::str::from_utf8(&bytes[range.clone()]) {
                Err(_) => (range, Err("encoding")),
                Ok(text) => (range, row(&Fields::of(text)).map_err(Reason::name)),
            },
        };
        match outcome {
            Ok(row) => cells.extend(row),
            Err(reason) => rejects.push((range, reason)),
        }
    }
    (cells, rejects)
}

fn assert_outcomes(decoded: &drive::Decoded, (rows, rejects): Outcomes) {
    let found: Vec<_> = decoded
        .rejects
        .iter()
        .map(|r| {
            let start = r.offset as usize;
            (start..start + r.bytes as usize, r.reason.name())
        })
        .collect();
    assert_eq!(found, rejects);
    assert_eq!(decoded.rows, rows);
}

fn cell(text: Option<String>) -> Cell {
    text.map_or(Cell::Null, Cell::Text)
}

fn double(value: Option<f64>) -> Cell {
    value.map_or(Cell::Null, |value| Cell::Double(value.to_bits()))
}

fn event_cells(event: rows::Event) -> Vec<Cell> {
    vec![
        Cell::Integer(event.ts),
        Cell::Integer(event.user_id.into()),
        Cell::Integer(event.session_id.into()),
        Cell::Integer(event.item_in_session.into()),
        Cell::Text(event.level),
        cell(event.first_name),
        cell(event.last_name),
        cell(event.gender),
        cell(event.location),
        cell(event.user_agent),
        cell(event.song),
        cell(event.artist),
        double(event.length),
    ]
}

fn song_cells(song: rows::SongRecord) -> Vec<Cell> {
    vec![
        Cell::Text(song.song_id),
        Cell::Text(song.title),
        Cell::Text(song.artist_id),
        Cell::Text(song.artist_name),
        cell(song.artist_location),
        double(song.artist_latitude),
        double(song.artist_longitude),
        song.year
            .map_or(Cell::Null, |year| Cell::Integer(year.into())),
        double(Some(song.duration)),
    ]
}
