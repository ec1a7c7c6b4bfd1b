//! Builds the `users` dimension: each user as of the latest event.
//!
//! The [`UserDelta`] of some events merges into the [`LatestUsers`] of all events, in any order. The latest
//! event by (ts, sessionId, itemInSession) wins. Events of a user that tie are deliveries of one event, of
//! which the smallest by (level, first_name, last_name, gender) wins, null last.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, Int32Array, PrimitiveArray, RecordBatch};
use foldhash::fast::FixedState;

use super::sort_order::NullsLast;
use super::string_pool::{ColumnInterner, StringPool};
use super::text_array::text_array;
use super::typed_batches::{EventBatch, dict_value};
use crate::error::{Error, Result};
use crate::model::sparkify::{STATE_USERS, USERS};

/// `first_name`, `last_name`, `gender` and `level`.
const TEXT_COLUMNS: usize = 4;

/// The order in which texts break ties between events: `level` comes first.
const TIE_BREAK_ORDER: [usize; TEXT_COLUMNS] = [3, 0, 1, 2];

/// Returns a sort key. Of events that tie, the one with the smallest key wins.
fn tie_break_key<'a>(
    text: impl Fn(usize) -> Option<&'a str>,
) -> [NullsLast<&'a str>; TEXT_COLUMNS] {
    TIE_BREAK_ORDER.map(|i| text(i).into())
}

#[derive(Debug, Clone, Copy)]
struct UserCandidate {
    event_key: (i64, i32, i32),
    text_ids: [u32; TEXT_COLUMNS],
}

impl UserCandidate {
    /// Returns true if `self` wins over `other`. Each row comes with the pools of its text ids.
    fn wins_over(
        &self,
        strings: &[StringPool; TEXT_COLUMNS],
        other: &Self,
        other_strings: &[StringPool; TEXT_COLUMNS],
    ) -> bool {
        self.event_key.cmp(&other.event_key).then_with(|| {
            let ours = tie_break_key(|i| strings[i].get(self.text_ids[i]));
            tie_break_key(|i| other_strings[i].get(other.text_ids[i])).cmp(&ours)
        }) == Ordering::Greater
    }
}

/// The part of a [`UserDelta`] that belongs to one shard.
#[derive(Debug, Clone, Default)]
pub struct UserDeltaShard(Vec<(i32, UserCandidate)>);

/// The minimum length of a list that is compacted to one entry for each user.
const MIN_COMPACT_LEN: usize = 64 * 1024;

/// The partial state of one split: the latest event of each user in each batch, compacted to the latest
/// event of each user when the list has doubled.
#[derive(Debug, Clone, Default)]
pub struct UserDelta {
    users: Vec<(i32, UserCandidate)>,
    /// The number of users after the last compaction.
    compacted_len: usize,
    strings: [StringPool; TEXT_COLUMNS],
}

impl UserDelta {
    /// Adds a batch of events.
    pub fn add(&mut self, events: &EventBatch) {
        let event_key = |row: usize| {
            (
                events.ts.value(row),
                events.session_id.value(row),
                events.item_in_session.value(row),
            )
        };
        let columns = [
            &events.first_name,
            &events.last_name,
            &events.gender,
            &events.level,
        ];
        let tie_break_at = |row: usize| tie_break_key(|i| dict_value(columns[i], row));
        let wins_over = |row: usize, other: usize| match event_key(row).cmp(&event_key(other)) {
            Ordering::Equal => tie_break_at(row) < tie_break_at(other),
            order => order == Ordering::Greater,
        };
        let mut rows: HashMap<i32, u32, FixedState> =
            HashMap::with_capacity_and_hasher(events.num_rows() / 4, FixedState::default());
        for (row, &id) in events.user_id.values().iter().enumerate() {
            rows.entry(id)
                .and_modify(|other| {
                    if wins_over(row, *other as usize) {
                        *other = row as u32;
                    }
                })
                .or_insert(row as u32);
        }
        let mut interners = columns.map(ColumnInterner::new);
        self.users.reserve(rows.len());
        for (id, row) in rows {
            let mut text_ids = [0; TEXT_COLUMNS];
            for (i, interner) in interners.iter_mut().enumerate() {
                text_ids[i] = interner.intern(&mut self.strings[i], row as usize);
            }
            let user = UserCandidate {
                event_key: event_key(row as usize),
                text_ids,
            };
            self.users.push((id, user));
        }
        // Compacting after each doubling costs little and keeps the list short.
        if self.users.len() > MIN_COMPACT_LEN.max(2 * self.compacted_len) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut latest: HashMap<i32, UserCandidate, FixedState> = HashMap::default();
        for (id, user) in std::mem::take(&mut self.users) {
            let current = latest.entry(id).or_insert(user);
            if user.wins_over(&self.strings, current, &self.strings) {
                *current = user;
            }
        }
        self.compacted_len = latest.len();
        self.users = latest.into_iter().collect();
    }

    /// Takes all users, partitioned into `shard_count` shards by user id.
    pub fn drain_shards(&mut self, shard_count: usize) -> Vec<UserDeltaShard> {
        let mut shards = vec![UserDeltaShard::default(); shard_count];
        for (id, user) in std::mem::take(&mut self.users) {
            shards[id.cast_unsigned() as usize % shard_count]
                .0
                .push((id, user));
        }
        shards
    }
}

/// The latest event of each user among all merged events.
#[derive(Debug, Clone, Default)]
pub struct LatestUsers {
    users: HashMap<i32, UserCandidate, FixedState>,
    strings: [StringPool; TEXT_COLUMNS],
}

impl LatestUsers {
    /// Merges a shard of `other`.
    pub fn merge(&mut self, other: &UserDelta, shard: &UserDeltaShard) {
        let mut translated_ids =
            std::array::from_fn::<_, TEXT_COLUMNS, _>(|i| vec![0; other.strings[i].num_ids()]);
        for (id, theirs) in &shard.0 {
            let entry = self.users.entry(*id);
            if let Entry::Occupied(ours) = &entry
                && !theirs.wins_over(&other.strings, ours.get(), &self.strings)
            {
                continue;
            }
            let mut text_ids = [0; TEXT_COLUMNS];
            for (i, &their_id) in theirs.text_ids.iter().enumerate() {
                let our_id = &mut translated_ids[i][their_id as usize];
                if *our_id == 0
                    && let Some(text) = other.strings[i].get(their_id)
                {
                    *our_id = self.strings[i].intern(text);
                }
                text_ids[i] = *our_id;
            }
            entry.insert_entry(UserCandidate {
                text_ids,
                ..*theirs
            });
        }
    }

    /// Builds the `users` table and its merge state, sorted by `user_id`, from states that share no user.
    ///
    /// # Errors
    /// Returns an error if a column of the table exceeds the limit of Arrow (2 GiB).
    pub fn build_tables<'a>(
        states: impl IntoIterator<Item = &'a Self>,
    ) -> Result<[RecordBatch; 2]> {
        let mut rows: Vec<(i32, &UserCandidate, &Self)> = states
            .into_iter()
            .flat_map(|state| state.users.iter().map(move |(&id, user)| (id, user, state)))
            .collect();
        rows.sort_unstable_by_key(|&(id, ..)| id);
        let text_column = |i: usize| -> Result<ArrayRef> {
            let values = rows
                .iter()
                .map(|&(_, user, state)| state.strings[i].get(user.text_ids[i]));
            Ok(Arc::new(text_array(values)?))
        };
        let integers = |field: fn((i32, &UserCandidate)) -> i32| -> ArrayRef {
            let values = rows.iter().map(|&(id, user, _)| field((id, user)));
            Arc::new(values.collect::<Int32Array>())
        };
        let ids = integers(|(id, _)| id);
        let times = rows.iter().map(|(_, user, _)| user.event_key.0 * 1000);
        let times: PrimitiveArray<TimestampMicrosecondType> = times.collect::<Vec<_>>().into();
        let state_columns = vec![
            Arc::clone(&ids),
            Arc::new(times),
            integers(|(_, user)| user.event_key.1),
            integers(|(_, user)| user.event_key.2),
        ];
        let mut columns = vec![ids];
        for i in 0..TEXT_COLUMNS {
            columns.push(text_column(i)?);
        }
        Ok([
            RecordBatch::try_new(USERS.arrow_schema(), columns).map_err(Error::from_arrow)?,
            RecordBatch::try_new(STATE_USERS.arrow_schema(), state_columns)
                .map_err(Error::from_arrow)?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::padded_bytes::PADDING;
    use crate::decode::{Decoder, InputChunk, InputState};
    use crate::model::sparkify::EVENT_RECORD;

    /// Returns a batch with one event at `ts` of each user below `users`.
    fn batch(users: usize, ts: i64) -> EventBatch {
        let event = |user| {
            format!(
                r#"{{"page":"NextSong","ts":{ts},"userId":{user},"sessionId":1,"itemInSession":0,"level":"paid"}}"#
            )
        };
        let mut log = (0..users)
            .map(event)
            .collect::<Vec<_>>()
            .join("\n")
            .into_bytes();
        let len = log.len();
        log.extend([0; PADDING]);
        let mut decoder = Decoder::new(&EVENT_RECORD, users + 1);
        let chunk = InputChunk {
            padded: &log,
            len,
            offset: 0,
            input_state: InputState::Eof,
        };
        decoder.decode(chunk, u64::MAX);
        EventBatch::new(&decoder.finish().unwrap()).unwrap()
    }

    /// A compressed object is one split of any size, so its state must not grow with the number of events.
    #[test]
    fn user_delta_is_compacted_in_long_splits() {
        const USERS: usize = 40_000;
        let mut delta = UserDelta::default();
        for ts in 0..20 {
            delta.add(&batch(USERS, ts));
            assert!(delta.users.len() <= MIN_COMPACT_LEN.max(2 * USERS) + USERS);
        }
        let mut users = LatestUsers::default();
        for shard in delta.drain_shards(1) {
            users.merge(&delta, &shard);
        }
        assert_eq!(users.users.len(), USERS);
        assert!(users.users.values().all(|user| user.event_key.0 == 19));
    }
}
