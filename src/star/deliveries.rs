//! Deliveries of one event: which of them stays.
//!
//! Queues deliver an event at least once, and not always with the same content. The smallest delivery
//! by content stays, so the choice does not depend on the order of the input.

use std::num::NonZeroU32;
use std::ops::Deref;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};

use super::fnv::song_key;
use super::records::{DictText, EventBatch};
use super::songs::TotalOrder;
use super::users::{symbol, text};
use crate::error::{Error, Result};

pub use super::users::StringPool;

/// The content that deliveries of one event are compared by.
///
/// It is ordered by level, location, user agent, song_key and duration, column by column: text
/// bytewise, null last. The columns that `songplay_id` is a hash of come after them. They only differ
/// where two events have the same hash: one input of two million events in ten million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery<'a> {
    level: &'a str,
    location: NullsLast<&'a str>,
    user_agent: NullsLast<&'a str>,
    rest: Scalars,
}

/// The content but for the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Scalars {
    /// song_key and duration; null if the event lacks song, artist or length.
    song: NullsLast<(i64, TotalOrder)>,
    start_time: i64,
    user_id: i32,
    session_id: i32,
}

/// A nullable value. Null is ordered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NullsLast<T> {
    Value(T),
    Null,
}

impl<T> From<Option<T>> for NullsLast<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

impl<'a> Delivery<'a> {
    /// Returns the content of the event in a row of `events`.
    pub fn from_event(events: &'a EventBatch, row: usize) -> Self {
        let song = events.has_song(row).then(|| {
            let key = song_key(events.song.value(row), events.artist.value(row));
            // As it is written: adding zero makes -0.0 the 0.0 that it equals.
            (key, TotalOrder(events.length.value(row) + 0.0))
        });
        Self {
            level: text(&events.level, row).unwrap_or_default(),
            location: text(&events.location, row).into(),
            user_agent: text(&events.user_agent, row).into(),
            rest: Scalars {
                song: song.into(),
                start_time: events.ts.value(row) * 1000,
                user_id: events.user_id.value(row),
                session_id: events.session_id.value(row),
            },
        }
    }
}

/// Returns the ids of rows of `songplays`, or of their ledger, that were read back.
///
/// # Errors
/// There is no such column.
pub fn ids(rows: &RecordBatch) -> Result<&[i64]> {
    values::<Int64Type>(rows, "songplay_id")
}

/// A delivery that was read back, in 48 bytes: its texts are numbers of [`StringPool`].
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The batch that it is in, among those of the whole input.
    pub batch: u32,
    /// Never null, so that there is room to say that there is no candidate.
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

impl Candidate {
    /// Returns true if this delivery stays and not `other`, another one of the same event: if it is smaller,
    /// or the same in an earlier batch. `symbols` are those of both.
    pub fn wins<S: Deref<Target = StringPool>>(
        &self,
        other: &Self,
        symbols: impl FnOnce() -> S,
    ) -> bool {
        let numbers =
            |candidate: &Self| (candidate.level, candidate.location, candidate.user_agent);
        if numbers(self) == numbers(other) {
            return (self.rest(), self.batch) < (other.rest(), other.batch);
        }
        let symbols = symbols();
        self.delivery(&symbols) < other.delivery(&symbols)
    }

    fn delivery<'a>(&self, symbols: &'a StringPool) -> Delivery<'a> {
        Delivery {
            level: symbols.text(self.level.get()).unwrap_or_default(),
            location: symbols.text(self.location).into(),
            user_agent: symbols.text(self.user_agent).into(),
            rest: self.rest(),
        }
    }

    fn rest(&self) -> Scalars {
        let song = (self.song_key, TotalOrder(self.duration));
        Scalars {
            song: (!self.duration.is_nan()).then_some(song).into(),
            start_time: self.start_time,
            user_id: self.user_id,
            session_id: self.session_id,
        }
    }
}

/// Returns the deliveries that some songplays are of, all in one batch. No two of them have the same id. `ledger` are the rows of `ledger_songplays` with these ids. Both are in the order in which they
/// were written.
///
/// # Errors
/// A column is absent or of another type, or a row of the ledger belongs to no songplay.
pub fn candidates(
    songplays: &RecordBatch,
    ledger: &RecordBatch,
    batch: u32,
    symbols: &mut StringPool,
) -> Result<Vec<Candidate>> {
    let song_keys = values::<Int64Type>(ledger, "song_key")?;
    let durations = values::<Float64Type>(ledger, "duration")?;
    let songs = song_keys.iter().copied().zip(durations.iter().copied());
    let mut songs = ids(ledger)?.iter().zip(songs).peekable();
    let start_times = values::<TimestampMicrosecondType>(songplays, "start_time")?;
    let user_ids = values::<Int32Type>(songplays, "user_id")?;
    let session_ids = values::<Int32Type>(songplays, "session_id")?;
    let mut numbers = |name| -> Result<Vec<u32>> {
        let column = texts(songplays, name)?;
        let mut known = vec![0; column.values().len()];
        let rows = 0..column.len();
        Ok(rows
            .map(|row| symbol(symbols, &mut known, column, row))
            .collect())
    };
    let levels = numbers("level")?;
    let locations = numbers("location")?;
    let user_agents = numbers("user_agent")?;
    let candidates = ids(songplays)?.iter().enumerate().map(|(row, id)| {
        let song = songs.next_if(|(keyed, _)| *keyed == id);
        let (song_key, duration) = song.map_or((0, f64::NAN), |(_, song)| song);
        Ok(Candidate {
            batch,
            level: NonZeroU32::new(levels[row]).ok_or_else(|| mismatch("level"))?,
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
        Some(_) => Err(mismatch("songplay_id")),
    }
}

fn values<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a [T::Native]> {
    let column = batch.column_by_name(name);
    let column = column.and_then(|column| column.as_primitive_opt::<T>());
    let column = column.filter(|column| column.null_count() == 0);
    Ok(column.ok_or_else(|| mismatch(name))?.values())
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a DictText> {
    let column = batch.column_by_name(name);
    let column = column.and_then(|column| column.as_dictionary_opt::<Int32Type>());
    column.ok_or_else(|| mismatch(name))
}

fn mismatch(name: &str) -> Error {
    Error::failed(format!("column {name} is not what was written"))
        .because("it is absent, of another type or of other rows")
        .hint("check whether something else writes to --out, and run again")
}
