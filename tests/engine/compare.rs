//! What the decoder must make of some bytes, by the reference. Also for `fuzz/`, which includes this
//! file by its path.

use std::ops::Range;

use sparkify::star::schema::{EVENT_RECORD, SONG_RECORD};

use crate::drive::{self, Cell, WHOLE};
use crate::reference::{self, rows, value::Fields};

/// Well-formed records as `Ok`, rejects as `Err`.
pub type Records = Vec<Result<Range<usize>, Range<usize>>>;

/// The reference's records with those that are not UTF-8 among the rejects.
pub fn wanted(bytes: &[u8]) -> Records {
    reference::records(bytes)
        .into_iter()
        .map(|record| match record {
            Ok(range) if std::str::from_utf8(&bytes[range.clone()]).is_err() => Err(range),
            record => record,
        })
        .collect()
}

/// Compares rows, rejects and their reasons with the reference, as events and as songs.
pub fn compare_values(bytes: &[u8]) {
    let events = drive::decode(bytes, &EVENT_RECORD, WHOLE);
    let songs = drive::decode(bytes, &SONG_RECORD, WHOLE);
    let (mut event_rejects, mut song_rejects) = (Vec::new(), Vec::new());
    let (mut event_rows, mut song_rows) = (Vec::new(), Vec::new());
    let mut filtered = 0;
    for record in reference::records(bytes) {
        let (range, outcome) = match record {
            Err(range) => (range, Err("syntax")),
            Ok(range) => match std::str::from_utf8(&bytes[range.clone()]) {
                Err(_) => (range, Err("encoding")),
                Ok(text) => (range, Ok(Fields::of(text))),
            },
        };
        match &outcome {
            Err(reason) => {
                event_rejects.push((range.clone(), *reason));
                song_rejects.push((range, *reason));
            }
            Ok(fields) => {
                if !rows::is_next_song(fields) {
                    filtered += 1;
                } else {
                    match rows::event(fields) {
                        Ok(event) => event_rows.push(event_cells(event)),
                        Err(reason) => event_rejects.push((range.clone(), reason.name())),
                    }
                }
                match rows::song(fields) {
                    Ok(song) => song_rows.push(song_cells(song)),
                    Err(reason) => song_rejects.push((range, reason.name())),
                }
            }
        }
    }
    assert_eq!(events.counts.filtered, filtered);
    for (decoded, rows, rejects) in [
        (&events, event_rows, event_rejects),
        (&songs, song_rows, song_rejects),
    ] {
        let found: Vec<_> = decoded
            .rejects
            .iter()
            .map(|r| {
                let start = r.offset as usize;
                (start..start + r.text.len(), r.reason.name())
            })
            .collect();
        assert_eq!(found, rejects);
        assert_eq!(decoded.rows, rows);
    }
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
