//! Deliveries of one event: which of them stays.
//!
//! Queues deliver an event at least once, and not always with the same content. The smallest delivery
//! by content stays, so the choice does not depend on the order of the input.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use foldhash::fast::FixedState;

use super::fnv::song_key;
use super::records::{EventBatch, Repeated};
use super::songs::TotalOrder;
use super::users::{Symbols, text};
use crate::error::{Error, Result};

/// The content that deliveries of one event are compared by.
///
/// It is ordered by level, location, user agent, song_key and duration, column by column: text
/// bytewise, null last. The columns that `songplay_id` is a hash of come after them. They only differ
/// where two events have the same hash: one input of two million events in ten million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery<'a>(Content<&'a str>);

/// A nullable value. Null is ordered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nullable<T> {
    Value(T),
    Null,
}

impl<T> Nullable<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Nullable<U> {
        match self {
            Self::Value(value) => Nullable::Value(change(value)),
            Self::Null => Nullable::Null,
        }
    }
}

impl<T> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Content<T> {
    level: T,
    location: Nullable<T>,
    user_agent: Nullable<T>,
    /// song_key and duration; null if the event lacks song, artist or length.
    song: Nullable<(i64, TotalOrder)>,
    start_time: i64,
    user_id: i32,
    session_id: i32,
}

impl<T> Content<T> {
    /// Returns the same content with other texts.
    fn map<U>(self, mut text: impl FnMut(T) -> U) -> Content<U> {
        Content {
            level: text(self.level),
            location: self.location.map(&mut text),
            user_agent: self.user_agent.map(&mut text),
            song: self.song,
            start_time: self.start_time,
            user_id: self.user_id,
            session_id: self.session_id,
        }
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
        Self(Content {
            level: text(&events.level, row).unwrap_or_default(),
            location: text(&events.location, row).into(),
            user_agent: text(&events.user_agent, row).into(),
            song: song.into(),
            start_time: events.ts.value(row) * 1000,
            user_id: events.user_id.value(row),
            session_id: events.session_id.value(row),
        })
    }
}

/// Returns the ids of rows of `songplays`, or of their ledger, that were read back.
///
/// # Errors
/// There is no such column.
pub fn ids(rows: &RecordBatch) -> Result<&[i64]> {
    values::<Int64Type>(rows, "songplay_id")
}

/// Rows of `songplays` that were read back, with their songs.
#[derive(Debug)]
pub struct WrittenDeliveries<'a> {
    ids: &'a [i64],
    start_times: &'a [i64],
    user_ids: &'a [i32],
    session_ids: &'a [i32],
    levels: &'a Repeated,
    locations: &'a Repeated,
    user_agents: &'a Repeated,
    songs: Vec<Option<(i64, TotalOrder)>>,
}

impl<'a> WrittenDeliveries<'a> {
    /// Takes rows of `songplays`, no two of which have the same id, and the rows of `ledger_songplays`
    /// with the same ids. Both are in the order in which they were written.
    ///
    /// # Errors
    /// A column is absent or of another type, or a row of the ledger belongs to no songplay.
    pub fn new(songplays: &'a RecordBatch, ledger: &RecordBatch) -> Result<Self> {
        let (ids, keyed) = (ids(songplays)?, ids(ledger)?);
        let song_keys = values::<Int64Type>(ledger, "song_key")?;
        let durations = values::<Float64Type>(ledger, "duration")?;
        let mut songs_left = keyed.iter().zip(song_keys.iter().zip(durations)).peekable();
        let songs = ids.iter().map(|id| {
            let (_, (&key, &duration)) = songs_left.next_if(|(keyed, _)| *keyed == id)?;
            Some((key, TotalOrder(duration)))
        });
        let songs = songs.collect();
        if songs_left.next().is_some() {
            return Err(mismatch("songplay_id"));
        }
        Ok(Self {
            ids,
            start_times: values::<TimestampMicrosecondType>(songplays, "start_time")?,
            user_ids: values::<Int32Type>(songplays, "user_id")?,
            session_ids: values::<Int32Type>(songplays, "session_id")?,
            levels: texts(songplays, "level")?,
            locations: texts(songplays, "location")?,
            user_agents: texts(songplays, "user_agent")?,
            songs,
        })
    }

    /// Returns the id and the content of each row.
    pub fn iter(&self) -> impl Iterator<Item = (i64, Delivery<'_>)> {
        let ids = self.ids.iter().zip(&self.songs).enumerate();
        ids.map(|(row, (&id, &song))| {
            let content = Content {
                level: text(self.levels, row).unwrap_or_default(),
                location: text(self.locations, row).into(),
                user_agent: text(self.user_agents, row).into(),
                song: song.into(),
                start_time: self.start_times[row],
                user_id: self.user_ids[row],
                session_id: self.session_ids[row],
            };
            (id, Delivery(content))
        })
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

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Repeated> {
    let column = batch.column_by_name(name);
    let column = column.and_then(|column| column.as_dictionary_opt::<Int32Type>());
    column.ok_or_else(|| mismatch(name))
}

fn mismatch(name: &str) -> Error {
    Error::failed(format!("column {name} is not what was written"))
        .because("it is absent, of another type or of other rows")
        .hint("check whether something else writes to --out, and run again")
}

/// The batch that a delivery is in: the number of its split, and its number in the split. Batches are
/// ordered as the input is.
pub type BatchNumber = (u32, u32);

/// The smallest delivery of each of several events, and the batch that it is in.
///
/// Of deliveries with the same content the one in the first batch stays. Texts are kept once.
#[derive(Debug, Default)]
pub struct Winners {
    winners: HashMap<i64, (Content<u32>, BatchNumber), FixedState>,
    symbols: Symbols,
}

impl Winners {
    /// Takes in a delivery of the event `id` from a batch.
    pub fn add(&mut self, id: i64, delivery: Delivery<'_>, batch: BatchNumber) {
        let symbols = &mut self.symbols;
        let is_new = match self.winners.get(&id) {
            None => true,
            Some((winner, first)) => {
                let winner = winner.map(|number| symbols.text(number).unwrap_or_default());
                (delivery.0, batch) < (winner, *first)
            }
        };
        if is_new {
            let content = delivery.0.map(|text| symbols.number(text));
            self.winners.insert(id, (content, batch));
        }
    }

    /// Returns the batch of the delivery of the event `id` that stays.
    pub fn batch(&self, id: i64) -> Option<BatchNumber> {
        self.winners.get(&id).map(|&(_, batch)| batch)
    }

    /// Returns the batch of each delivery that stays.
    pub fn batches(&self) -> impl Iterator<Item = BatchNumber> {
        self.winners.values().map(|&(_, batch)| batch)
    }
}
