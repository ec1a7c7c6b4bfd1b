//! The `songplays` fact: one row a kept event.

use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch,
};
use arrow_schema::{Field, Schema};
use arrow_select::filter::filter_record_batch;

use super::fnv::songplay_id;
use super::lookup::{Matches, SongLookup};
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
pub struct Plays {
    /// The rows of [`SONGPLAYS`]. Repeating text is dictionary-encoded in memory.
    pub songplays: RecordBatch,
    /// Those of [`LEDGER_SONGPLAYS`].
    pub ledger: RecordBatch,
}

impl Plays {
    /// Returns the rows of those of `events` that `stays` selects, which all rows are made from.
    ///
    /// # Errors
    /// None that a caller can cause: Arrow checks what this module promises.
    pub fn filter(&self, events: &EventBatch, stays: &BooleanArray) -> Result<Self> {
        let keyed = match self.ledger.num_rows() == events.rows() {
            true => stays.clone(),
            false => {
                let keyed = (0..events.rows()).filter(|&row| events.has_song(row));
                let keyed: Vec<bool> = keyed.map(|row| stays.value(row)).collect();
                keyed.into()
            }
        };
        let filter = |rows, stays| filter_record_batch(rows, stays).map_err(Error::arrow);
        Ok(Self {
            songplays: filter(&self.songplays, stays)?,
            ledger: filter(&self.ledger, &keyed)?,
        })
    }
}

/// The rows that are made from `events`, whose ids are `ids`.
///
/// # Errors
/// None that a caller can cause: Arrow checks what this module promises.
pub fn songplays(events: &EventBatch, ids: Vec<i64>, songs: &SongLookup) -> Result<Plays> {
    let start_time: PrimitiveArray<TimestampMicrosecondType> = events
        .ts()
        .iter()
        .map(|ms| ms * 1000)
        .collect::<Vec<_>>()
        .into();
    let Matches {
        song_id,
        artist_id,
        keyed,
        song_keys,
        durations,
    } = songs.match_songs(events, &ids)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(start_time),
        Arc::new(events.user_id.clone()),
        Arc::new(events.level.clone()),
        Arc::new(song_id),
        Arc::new(artist_id),
        Arc::new(events.session_id.clone()),
        Arc::new(events.location.clone()),
        Arc::new(events.user_agent.clone()),
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
    Ok(Plays {
        songplays: songplays.map_err(Error::arrow)?,
        ledger: ledger.map_err(Error::arrow)?,
    })
}

/// How many rows of [`SONGPLAYS`] have a song.
pub fn matched(rows: &RecordBatch) -> u64 {
    rows.column_by_name("song_id")
        .map_or(0, |c| (c.len() - c.null_count()) as u64)
}
