//! Builds the `songplays` fact table: one row for each kept event.

use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, PrimitiveArray, RecordBatch};
use arrow_schema::{Field, Schema};
use arrow_select::filter::FilterBuilder;

use super::fnv::songplay_id;
use super::schema::{ColumnSchema, SONGPLAYS, STATE_SONGPLAYS};
use super::song_lookup::{SongLookup, SongMatches};
use super::typed_batches::EventBatch;
use crate::error::{Error, Result};

/// Returns the `songplay_id` of each event.
pub fn compute_songplay_ids(events: &EventBatch) -> Vec<i64> {
    let keys = events.user_id.values().iter().zip(events.ts.values());
    let session_items = events
        .session_id
        .values()
        .iter()
        .zip(events.item_in_session.values());
    keys.zip(session_items)
        .map(|((&user, &ts), (&session, &item))| songplay_id(user, ts, session, item))
        .collect()
}

/// The rows that are built from a batch of events.
#[derive(Debug)]
pub struct SongplayRows {
    /// The rows of [`SONGPLAYS`]. Repeating text is dictionary-encoded in memory.
    pub songplays: RecordBatch,
    /// The rows of [`STATE_SONGPLAYS`].
    pub merge_state: RecordBatch,
}

/// Builds the rows of `events`, whose ids are `ids`, without the events in `dropped_rows`, which are in
/// rising order.
///
/// # Errors
/// Returns an error only on a bug in this module: Arrow checks its input.
pub fn build_songplays(
    events: &EventBatch,
    mut ids: Vec<i64>,
    dropped_rows: &[usize],
    lookup: &SongLookup,
) -> Result<SongplayRows> {
    let mut start_time: Vec<i64> = events.ts().iter().map(|ms| ms * 1000).collect();
    let SongMatches {
        song_id,
        artist_id,
        keyed_songplay_ids: mut keyed,
        mut song_keys,
        mut durations,
    } = lookup.match_songs(events, &ids)?;
    let mut arrays: [ArrayRef; 7] = [
        Arc::new(events.user_id.clone()),
        Arc::new(events.level.clone()),
        Arc::new(song_id),
        Arc::new(artist_id),
        Arc::new(events.session_id.clone()),
        Arc::new(events.location.clone()),
        Arc::new(events.user_agent.clone()),
    ];
    if !dropped_rows.is_empty() {
        let dropped_keyed_rows = match keyed.len() == events.num_rows() {
            true => dropped_rows.to_vec(),
            false => keyed_positions(events, dropped_rows),
        };
        remove_sorted_rows(&mut ids, dropped_rows);
        remove_sorted_rows(&mut start_time, dropped_rows);
        remove_sorted_rows(&mut keyed, &dropped_keyed_rows);
        remove_sorted_rows(&mut song_keys, &dropped_keyed_rows);
        remove_sorted_rows(&mut durations, &dropped_keyed_rows);
        let mut is_kept = vec![true; events.num_rows()];
        dropped_rows.iter().for_each(|&row| is_kept[row] = false);
        let kept_filter = FilterBuilder::new(&is_kept.into()).optimize().build();
        for array in &mut arrays {
            *array = kept_filter.filter(array).map_err(Error::from_arrow)?;
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
    let field = |(column, array): (&ColumnSchema, &ArrayRef)| {
        Field::new(column.name, array.data_type().clone(), column.nullable)
    };
    let fields: Vec<_> = SONGPLAYS.columns.iter().zip(&columns).map(field).collect();
    let songplays = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keyed)),
        Arc::new(Int64Array::from(song_keys)),
        Arc::new(Float64Array::from(durations)),
    ];
    let merge_state = RecordBatch::try_new(STATE_SONGPLAYS.arrow_schema(), columns);
    Ok(SongplayRows {
        songplays: songplays.map_err(Error::from_arrow)?,
        merge_state: merge_state.map_err(Error::from_arrow)?,
    })
}

/// Returns the positions of those of `rows` that have a song key, among all events that have one.
fn keyed_positions(events: &EventBatch, rows: &[usize]) -> Vec<usize> {
    let (mut row, mut keyed_before) = (0, 0);
    let keyed_position = |&next: &usize| {
        keyed_before += (row..next).filter(|&row| events.has_song_key(row)).count();
        row = next;
        events.has_song_key(next).then_some(keyed_before)
    };
    rows.iter().filter_map(keyed_position).collect()
}

/// Removes the values of `rows`, which are in rising order.
fn remove_sorted_rows<T: Copy>(values: &mut Vec<T>, rows: &[usize]) {
    let ends = rows.iter().skip(1).copied().chain([values.len()]);
    let mut write_at = rows.first().copied().unwrap_or(values.len());
    for (&row, end) in rows.iter().zip(ends) {
        values.copy_within(row + 1..end, write_at);
        write_at += end - row - 1;
    }
    values.truncate(write_at);
}

/// Returns the number of rows of [`SONGPLAYS`] that have a song.
pub fn count_matched(rows: &RecordBatch) -> u64 {
    let song_ids = &rows["song_id"];
    (song_ids.len() - song_ids.null_count()) as u64
}
