//! Builds the `songplays` fact table: one row for each kept event.

use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, PrimitiveArray, RecordBatch};
use arrow_schema::{Field, Schema};
use arrow_select::filter::FilterBuilder;

use super::fnv::songplay_id;
use super::song_lookup::{KeyedEvents, SongLookup, SongMatches};
use super::typed_batches::EventBatch;
use crate::error::{Error, Result};
use crate::model::ColumnSchema;
use crate::model::sparkify::{SONGPLAYS, STATE_SONGPLAYS};

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
    ids: Vec<i64>,
    dropped_rows: &[usize],
    lookup: &SongLookup,
) -> Result<SongplayRows> {
    let SongMatches {
        song_id,
        artist_id,
        mut keyed,
    } = lookup.match_songs(events, &ids)?;
    let mut columns = SongplayColumns {
        ids,
        start_times: events.ts().iter().map(|ms| ms * 1000).collect(),
        others: [
            Arc::new(events.user_id.clone()),
            Arc::new(events.level.clone()),
            Arc::new(song_id),
            Arc::new(artist_id),
            Arc::new(events.session_id.clone()),
            Arc::new(events.location.clone()),
            Arc::new(events.user_agent.clone()),
        ],
    };
    if !dropped_rows.is_empty() {
        if keyed.songplay_ids.len() == events.num_rows() {
            remove_keyed_events(&mut keyed, dropped_rows);
        } else {
            remove_keyed_events(&mut keyed, &keyed_positions(events, dropped_rows));
        }
        columns.remove(dropped_rows)?;
    }
    Ok(SongplayRows {
        songplays: columns.into_batch()?,
        merge_state: merge_state_batch(keyed)?,
    })
}

/// The columns of [`SONGPLAYS`]: the first two, and those that are taken from other arrays.
struct SongplayColumns {
    ids: Vec<i64>,
    start_times: Vec<i64>,
    others: [ArrayRef; 7],
}

impl SongplayColumns {
    /// Removes the rows `rows`, which are in rising order.
    fn remove(&mut self, rows: &[usize]) -> Result<()> {
        let mut is_kept = vec![true; self.ids.len()];
        rows.iter().for_each(|&row| is_kept[row] = false);
        remove_sorted_rows(&mut self.ids, rows);
        remove_sorted_rows(&mut self.start_times, rows);
        let kept_filter = FilterBuilder::new(&is_kept.into()).optimize().build();
        for array in &mut self.others {
            *array = kept_filter.filter(array).map_err(Error::from_arrow)?;
        }
        Ok(())
    }

    /// Returns the rows. The fields have the types of the arrays, because repeating text is
    /// dictionary-encoded in memory.
    fn into_batch(self) -> Result<RecordBatch> {
        let start_times: PrimitiveArray<TimestampMicrosecondType> = self.start_times.into();
        let first: [ArrayRef; 2] = [Arc::new(Int64Array::from(self.ids)), Arc::new(start_times)];
        let columns: Vec<ArrayRef> = first.into_iter().chain(self.others).collect();
        let field = |(column, array): (&ColumnSchema, &ArrayRef)| {
            Field::new(column.name, array.data_type().clone(), column.nullable)
        };
        let fields: Vec<_> = SONGPLAYS.columns.iter().zip(&columns).map(field).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::from_arrow)
    }
}

/// Returns the rows of [`STATE_SONGPLAYS`].
fn merge_state_batch(keyed: KeyedEvents) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keyed.songplay_ids)),
        Arc::new(Int64Array::from(keyed.song_keys)),
        Arc::new(Float64Array::from(keyed.durations)),
    ];
    RecordBatch::try_new(STATE_SONGPLAYS.arrow_schema(), columns).map_err(Error::from_arrow)
}

/// Removes the keyed events at `positions`, which are in rising order.
fn remove_keyed_events(keyed: &mut KeyedEvents, positions: &[usize]) {
    remove_sorted_rows(&mut keyed.songplay_ids, positions);
    remove_sorted_rows(&mut keyed.song_keys, positions);
    remove_sorted_rows(&mut keyed.durations, positions);
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
pub(crate) fn count_matched(rows: &RecordBatch) -> u64 {
    let song_ids = &rows["song_id"];
    (song_ids.len() - song_ids.null_count()) as u64
}
