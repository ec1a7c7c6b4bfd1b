//! Selects the delivery of an event that is kept.
//!
//! Queues deliver an event at least once, and not always with the same content. The smallest delivery by
//! content is kept, so the choice does not depend on the order of the input.

use std::num::NonZeroU32;
use std::ops::Deref;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};

use super::fnv::song_key;
use super::sort_order::{NullsLast, TotalOrderF64};
use super::string_pool::{ColumnInterner, StringPool};
use super::typed_batches::{DictText, EventBatch, dict_value};
use crate::error::{Error, Result};

/// The content by which the deliveries of one event are compared.
///
/// The order is by level, location, user agent, song_key and duration, column by column: text bytewise,
/// null last. The columns that are hashed into `songplay_id` come last. They differ only if two events
/// have the same hash, which happens in about one of ten million inputs of two million events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventDelivery<'a> {
    level: &'a str,
    location: NullsLast<&'a str>,
    user_agent: NullsLast<&'a str>,
    scalars: DeliveryScalars,
}

/// The content except for the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DeliveryScalars {
    /// The song_key and the duration; null if the event lacks song, artist or length.
    song: NullsLast<(i64, TotalOrderF64)>,
    start_time: i64,
    user_id: i32,
    session_id: i32,
}

impl<'a> EventDelivery<'a> {
    /// Returns the content of the event in row `row` of `events`.
    #[expect(clippy::expect_used, reason = "the schema of events requires a level")]
    pub(crate) fn from_event(events: &'a EventBatch, row: usize) -> Self {
        let song = events.has_song_key(row).then(|| {
            let key = song_key(events.song.value(row), events.artist.value(row));
            // Adding zero turns -0.0 into 0.0, as in the written table.
            (key, TotalOrderF64(events.length.value(row) + 0.0))
        });
        Self {
            level: dict_value(&events.level, row).expect("an event has a level"),
            location: dict_value(&events.location, row).into(),
            user_agent: dict_value(&events.user_agent, row).into(),
            scalars: DeliveryScalars {
                song: song.into(),
                start_time: events.ts.value(row) * 1000,
                user_id: events.user_id.value(row),
                session_id: events.session_id.value(row),
            },
        }
    }
}

/// Returns the ids of rows of `songplays` or `state_songplays` that were read back.
///
/// # Errors
/// Returns an error if there is no such column.
pub(crate) fn songplay_id_values(rows: &RecordBatch) -> Result<&[i64]> {
    primitive_values::<Int64Type>(rows, "songplay_id")
}

/// The index of a batch of events among the batches of the whole input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchIndex(pub u32);

/// A delivery that was read back, in 48 bytes: its texts are ids in a [`StringPool`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompactDelivery {
    /// The batch that it is in.
    pub batch: BatchIndex,
    /// Never null, so that `Option<CompactDelivery>` needs no extra space.
    level: NonZeroU32,
    location: u32,
    user_agent: u32,
    song_key: i64,
    /// NaN if the event lacks song, artist or length: no length is NaN.
    duration: f64,
    start_time: i64,
    user_id: i32,
    session_id: i32,
}

impl CompactDelivery {
    /// Returns true if this delivery is kept instead of `other`, another delivery of the same event: it is
    /// smaller, or equal and in an earlier batch. `string_pool` returns the pool of both.
    pub(crate) fn wins_over<S: Deref<Target = StringPool>>(
        &self,
        other: &Self,
        string_pool: impl FnOnce() -> S,
    ) -> bool {
        let text_ids =
            |candidate: &Self| (candidate.level, candidate.location, candidate.user_agent);
        if text_ids(self) == text_ids(other) {
            return (self.scalars(), self.batch) < (other.scalars(), other.batch);
        }
        let strings = string_pool();
        self.to_delivery(&strings) < other.to_delivery(&strings)
    }

    fn to_delivery<'a>(self, strings: &'a StringPool) -> EventDelivery<'a> {
        EventDelivery {
            level: strings.text(self.level),
            location: strings.get(self.location).into(),
            user_agent: strings.get(self.user_agent).into(),
            scalars: self.scalars(),
        }
    }

    fn scalars(&self) -> DeliveryScalars {
        let song = (self.song_key, TotalOrderF64(self.duration));
        DeliveryScalars {
            song: (!self.duration.is_nan()).then_some(song).into(),
            start_time: self.start_time,
            user_id: self.user_id,
            session_id: self.session_id,
        }
    }
}

/// Returns the deliveries of the rows of `songplays`, all of which are from one batch and have distinct
/// ids. `merge_state` has the rows of `state_songplays` with these ids. Both are in the order in which they
/// were written.
///
/// # Errors
/// Returns an error if a column is missing or has another type, or if a row of `merge_state` has no
/// songplay.
pub(crate) fn candidates_from_rows(
    songplays: &RecordBatch,
    merge_state: &RecordBatch,
    batch: BatchIndex,
    strings: &mut StringPool,
) -> Result<Vec<CompactDelivery>> {
    let song_keys = primitive_values::<Int64Type>(merge_state, "song_key")?;
    let durations = primitive_values::<Float64Type>(merge_state, "duration")?;
    let songs = song_keys.iter().copied().zip(durations.iter().copied());
    let mut songs = songplay_id_values(merge_state)?
        .iter()
        .zip(songs)
        .peekable();
    let start_times = primitive_values::<TimestampMicrosecondType>(songplays, "start_time")?;
    let user_ids = primitive_values::<Int32Type>(songplays, "user_id")?;
    let session_ids = primitive_values::<Int32Type>(songplays, "session_id")?;
    let mut intern_column = |name| -> Result<Vec<u32>> {
        let column = dict_column(songplays, name)?;
        let mut interner = ColumnInterner::new(column);
        let rows = 0..column.len();
        Ok(rows.map(|row| interner.intern(strings, row)).collect())
    };
    let levels = intern_column("level")?;
    let locations = intern_column("location")?;
    let user_agents = intern_column("user_agent")?;
    let candidates = songplay_id_values(songplays)?
        .iter()
        .enumerate()
        .map(|(row, id)| {
            let song = songs.next_if(|(song_id_row, _)| *song_id_row == id);
            let (song_key, duration) = song.map_or((0, f64::NAN), |(_, song)| song);
            Ok(CompactDelivery {
                batch,
                level: NonZeroU32::new(levels[row])
                    .ok_or_else(|| stored_column_mismatch("level"))?,
                location: locations[row],
                user_agent: user_agents[row],
                song_key,
                duration,
                start_time: start_times[row],
                user_id: user_ids[row],
                session_id: session_ids[row],
            })
        });
    let candidates = candidates.collect::<Result<_>>()?;
    match songs.next() {
        None => Ok(candidates),
        Some(_) => Err(stored_column_mismatch("songplay_id")),
    }
}

fn primitive_values<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a [T::Native]> {
    let column = batch.column_by_name(name);
    let column = column.and_then(|column| column.as_primitive_opt::<T>());
    let column = column.filter(|column| column.null_count() == 0);
    Ok(column.ok_or_else(|| stored_column_mismatch(name))?.values())
}

fn dict_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a DictText> {
    let column = batch.column_by_name(name);
    let column = column.and_then(|column| column.as_dictionary_opt::<Int32Type>());
    column.ok_or_else(|| stored_column_mismatch(name))
}

fn stored_column_mismatch(name: &str) -> Error {
    Error::failed(format!("column {name} does not match what was written"))
        .with_reason("it is missing, or its type or rows differ")
        .with_hint("check whether another process writes to --out, and run again")
}
