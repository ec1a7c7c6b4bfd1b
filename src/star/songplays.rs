//! The `songplays` fact: one row a kept event.

use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, PrimitiveArray, RecordBatch};
use arrow_schema::{Field, Schema};
use arrow_select::filter::FilterBuilder;

use super::fnv::songplay_id;
use super::lookup::{SongLookup, SongMatches};
use super::records::EventBatch;
use super::schema::{Column, LEDGER_SONGPLAYS, SONGPLAYS};
use crate::error::{Error, Result};

/// The `songplay_id` of each event.
pub fn songplay_ids(events: &EventBatch) -> Vec<i64> {
    let keys = events.user_id.values().iter().zip(events.ts.values());
    let places = events
        .session_id
        .values()
        .iter()
        .zip(events.item_in_session.values());
    keys.zip(places)
        .map(|((&user, &ts), (&session, &item))| songplay_id(user, ts, session, item))
        .collect()
}

/// What is made of some events.
#[derive(Debug)]
pub struct SongplayRows {
    /// The rows of [`SONGPLAYS`]. Repeating text is dictionary-encoded in memory.
    pub songplays: RecordBatch,
    /// Those of [`LEDGER_SONGPLAYS`].
    pub ledger: RecordBatch,
}

/// Returns the rows that are made from `events`, whose ids are `ids`, but for those of the events in the rows
/// `dropped`, which are in rising order.
///
/// # Errors
/// None that a caller can cause: Arrow checks what this module promises.
pub fn songplays(
    events: &EventBatch,
    mut ids: Vec<i64>,
    dropped: &[usize],
    songs: &SongLookup,
) -> Result<SongplayRows> {
    let mut start_time: Vec<i64> = events.ts().iter().map(|ms| ms * 1000).collect();
    let SongMatches {
        song_id,
        artist_id,
        mut keyed,
        mut song_keys,
        mut durations,
    } = songs.match_songs(events, &ids)?;
    let mut arrays: [ArrayRef; 7] = [
        Arc::new(events.user_id.clone()),
        Arc::new(events.level.clone()),
        Arc::new(song_id),
        Arc::new(artist_id),
        Arc::new(events.session_id.clone()),
        Arc::new(events.location.clone()),
        Arc::new(events.user_agent.clone()),
    ];
    if !dropped.is_empty() {
        let dropped_keyed = match keyed.len() == events.rows() {
            true => dropped.to_vec(),
            false => rows_with_song(events, dropped),
        };
        remove_rows(&mut ids, dropped);
        remove_rows(&mut start_time, dropped);
        remove_rows(&mut keyed, &dropped_keyed);
        remove_rows(&mut song_keys, &dropped_keyed);
        remove_rows(&mut durations, &dropped_keyed);
        let mut stays = vec![true; events.rows()];
        dropped.iter().for_each(|&row| stays[row] = false);
        let stays = FilterBuilder::new(&stays.into()).optimize().build();
        for array in &mut arrays {
            *array = stays.filter(array).map_err(Error::arrow)?;
        }
    }
    let [
        user_id,
        level,
        song_id,
        artist_id,
        session_id,
        location,
        user_agent,
    ] = arrays;
    let start_time: PrimitiveArray<TimestampMicrosecondType> = start_time.into();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(start_time),
        user_id,
        level,
        song_id,
        artist_id,
        session_id,
        location,
        user_agent,
    ];
    let field = |(column, array): (&Column, &ArrayRef)| {
        Field::new(column.name, array.data_type().clone(), column.nullable)
    };
    let fields: Vec<_> = SONGPLAYS.columns.iter().zip(&columns).map(field).collect();
    let songplays = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keyed)),
        Arc::new(Int64Array::from(song_keys)),
        Arc::new(Float64Array::from(durations)),
    ];
    let ledger = RecordBatch::try_new(LEDGER_SONGPLAYS.arrow(), columns);
    Ok(SongplayRows {
        songplays: songplays.map_err(Error::arrow)?,
        ledger: ledger.map_err(Error::arrow)?,
    })
}

/// Returns where those of some rows are that have a song among all that have one.
fn rows_with_song(events: &EventBatch, rows: &[usize]) -> Vec<usize> {
    let (mut row, mut before) = (0, 0);
    let place = |&next: &usize| {
        before += (row..next).filter(|&row| events.has_song(row)).count();
        row = next;
        events.has_song(next).then_some(before)
    };
    rows.iter().filter_map(place).collect()
}

/// Removes the values in some rows, which are in rising order.
fn remove_rows<T: Copy>(values: &mut Vec<T>, rows: &[usize]) {
    let ends = rows.iter().skip(1).copied().chain([values.len()]);
    let mut to = rows.first().copied().unwrap_or(values.len());
    for (&row, end) in rows.iter().zip(ends) {
        values.copy_within(row + 1..end, to);
        to += end - row - 1;
    }
    values.truncate(to);
}

/// How many rows of [`SONGPLAYS`] have a song.
pub fn matched(rows: &RecordBatch) -> u64 {
    rows.column_by_name("song_id")
        .map_or(0, |c| (c.len() - c.null_count()) as u64)
}
