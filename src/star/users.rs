//! The `users` dimension: each user as of the latest event.
//!
//! What was [`UserDelta`] in some events merges into the [`LatestUsers`] of all, in any order: the latest event by
//! (ts, sessionId, itemInSession) wins. Events of a user that tie are deliveries of one event, of which
//! the smallest by (level, first_name, last_name, gender) wins, null last.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Int32Array, PrimitiveArray, RecordBatch};
use foldhash::fast::FixedState;

use super::records::{DictText, EventBatch};
use super::schema::{LEDGER_USERS, USERS};
use super::text_array;
use crate::error::{Error, Result};

/// Texts by number; number 0 is null.
#[derive(Debug, Clone, Default)]
pub struct StringPool {
    numbers: HashMap<Arc<str>, u32, FixedState>,
    texts: Vec<Arc<str>>,
}

impl StringPool {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        let number = self.texts.len() as u32;
        self.numbers.insert(text, number);
        number
    }

    pub(super) fn text(&self, number: u32) -> Option<&str> {
        self.texts
            .get(number.checked_sub(1)? as usize)
            .map(|t| &**t)
    }
}

/// `first_name`, `last_name`, `gender` and `level`.
const TEXTS: usize = 4;

/// The order in which texts decide between events that tie: `level` comes first.
const TIE_BREAK: [usize; TEXTS] = [3, 0, 1, 2];

/// Returns what is smaller for the event that wins a tie. Null is last.
fn tie_break<'a>(text: impl Fn(usize) -> Option<&'a str>) -> [(bool, Option<&'a str>); TEXTS] {
    TIE_BREAK.map(|i| (text(i).is_none(), text(i)))
}

#[derive(Debug, Clone, Copy)]
struct UserRow {
    latest: (i64, i32, i32),
    texts: [u32; TEXTS],
}

impl UserRow {
    /// Returns true if `self` wins over `other`. Each comes with the texts that its numbers are of.
    fn wins(
        &self,
        symbols: &[StringPool; TEXTS],
        other: &Self,
        others: &[StringPool; TEXTS],
    ) -> bool {
        self.latest.cmp(&other.latest).then_with(|| {
            let ours = tie_break(|i| symbols[i].text(self.texts[i]));
            tie_break(|i| others[i].text(other.texts[i])).cmp(&ours)
        }) == Ordering::Greater
    }
}

/// Some of the users of some events.
#[derive(Debug, Clone, Default)]
pub struct UserShard(Vec<(i32, UserRow)>);

/// Users in a list, beyond which it is looked through for those that are in it more than once.
const COMPACT: usize = 64 * 1024;

/// Some events, batch by batch: the latest of each user in each batch, and once in a while of each user
/// in all of them.
#[derive(Debug, Clone, Default)]
pub struct UserDelta {
    users: Vec<(i32, UserRow)>,
    /// Users that were left when the list was last looked through.
    compacted: usize,
    symbols: [StringPool; TEXTS],
}

impl UserDelta {
    /// Takes in a batch of events.
    pub fn add(&mut self, events: &EventBatch) {
        let latest = |row: usize| {
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
        let texts = |row: usize| tie_break(|i| text(columns[i], row));
        let wins = |row: usize, other: usize| match latest(row).cmp(&latest(other)) {
            Ordering::Equal => texts(row) < texts(other),
            order => order == Ordering::Greater,
        };
        let mut rows: HashMap<i32, u32, FixedState> =
            HashMap::with_capacity_and_hasher(events.rows() / 4, FixedState::default());
        for (row, &id) in events.user_id.values().iter().enumerate() {
            rows.entry(id)
                .and_modify(|other| {
                    if wins(row, *other as usize) {
                        *other = row as u32;
                    }
                })
                .or_insert(row as u32);
        }
        let mut translations = columns.map(|column| vec![0; column.values().len()]);
        self.users.reserve(rows.len());
        for (id, row) in rows {
            let mut texts = [0; TEXTS];
            for (i, column) in columns.iter().enumerate() {
                texts[i] = symbol(
                    &mut self.symbols[i],
                    &mut translations[i],
                    column,
                    row as usize,
                );
            }
            let user = UserRow {
                latest: latest(row as usize),
                texts,
            };
            self.users.push((id, user));
        }
        // As often as the list has doubled, so that it costs little and the list stays short.
        if self.users.len() > COMPACT.max(2 * self.compacted) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut latest: HashMap<i32, UserRow, FixedState> = HashMap::default();
        for (id, user) in std::mem::take(&mut self.users) {
            let known = latest.entry(id).or_insert(user);
            if user.wins(&self.symbols, known, &self.symbols) {
                *known = user;
            }
        }
        self.compacted = latest.len();
        self.users = latest.into_iter().collect();
    }

    /// Takes out the users, dealt out to so many shards, always the same one for a user.
    pub fn take_shards(&mut self, shards: usize) -> Vec<UserShard> {
        let mut dealt = vec![UserShard::default(); shards];
        for (id, user) in std::mem::take(&mut self.users) {
            if let Some(shard) = dealt.get_mut(id.cast_unsigned() as usize % shards) {
                shard.0.push((id, user));
            }
        }
        dealt
    }
}

/// The latest event of each user among all events taken in.
#[derive(Debug, Clone, Default)]
pub struct LatestUsers {
    users: HashMap<i32, UserRow, FixedState>,
    symbols: [StringPool; TEXTS],
}

impl LatestUsers {
    /// Takes in a shard of `other`.
    pub fn merge(&mut self, other: &UserDelta, shard: &UserShard) {
        let mut translations =
            std::array::from_fn::<_, TEXTS, _>(|i| vec![0; other.symbols[i].texts.len() + 1]);
        for (id, theirs) in &shard.0 {
            let known = self.users.entry(*id);
            if let Entry::Occupied(ours) = &known
                && !theirs.wins(&other.symbols, ours.get(), &self.symbols)
            {
                continue;
            }
            let mut texts = [0; TEXTS];
            for (i, &number) in theirs.texts.iter().enumerate() {
                let known = &mut translations[i][number as usize];
                if *known == 0
                    && let Some(text) = other.symbols[i].text(number)
                {
                    *known = self.symbols[i].number(text);
                }
                texts[i] = *known;
            }
            known.insert_entry(UserRow { texts, ..*theirs });
        }
    }

    /// The `users` table and its ledger, sorted by `user_id`, from states that share no user.
    ///
    /// # Errors
    /// The table is larger than Arrow can hold (2 GiB of one column).
    pub fn tables<'a>(states: impl IntoIterator<Item = &'a Self>) -> Result<[RecordBatch; 2]> {
        let mut rows: Vec<(i32, &UserRow, &Self)> = states
            .into_iter()
            .flat_map(|state| state.users.iter().map(move |(&id, user)| (id, user, state)))
            .collect();
        rows.sort_unstable_by_key(|&(id, ..)| id);
        let texts = |i: usize| -> Result<ArrayRef> {
            let values = rows
                .iter()
                .map(|&(_, user, state)| state.symbols[i].text(user.texts[i]));
            Ok(Arc::new(text_array(values)?))
        };
        let integers = |of: fn((i32, &UserRow)) -> i32| -> ArrayRef {
            let values = rows.iter().map(|&(id, user, _)| of((id, user)));
            Arc::new(values.collect::<Int32Array>())
        };
        let ids = integers(|(id, _)| id);
        let times = rows.iter().map(|(_, user, _)| user.latest.0 * 1000);
        let times: PrimitiveArray<TimestampMicrosecondType> = times.collect::<Vec<_>>().into();
        let ledger = vec![
            Arc::clone(&ids),
            Arc::new(times),
            integers(|(_, user)| user.latest.1),
            integers(|(_, user)| user.latest.2),
        ];
        let mut columns = vec![ids];
        for i in 0..TEXTS {
            columns.push(texts(i)?);
        }
        Ok([
            RecordBatch::try_new(USERS.arrow(), columns).map_err(Error::arrow)?,
            RecordBatch::try_new(LEDGER_USERS.arrow(), ledger).map_err(Error::arrow)?,
        ])
    }
}

/// Returns the text of a row.
pub(super) fn text(column: &DictText, row: usize) -> Option<&str> {
    let key = column.key(row)?;
    Some(column.values().as_string_opt::<i32>()?.value(key))
}

/// The number of a row's text, asked of `symbols` once a text and batch.
pub(super) fn symbol(
    symbols: &mut StringPool,
    known: &mut [u32],
    column: &DictText,
    row: usize,
) -> u32 {
    let Some(key) = column.key(row) else { return 0 };
    let Some(known) = known.get_mut(key) else {
        return 0;
    };
    if *known == 0
        && let Some(values) = column.values().as_string_opt::<i32>()
    {
        *known = symbols.number(values.value(key));
    }
    *known
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decode::bytes::PADDING;
    use crate::decode::{Chunk, Decoder, InputState};
    use crate::star::schema::EVENT_RECORD;

    /// A batch with one event of each user below `users`, at `ts`.
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
        let chunk = Chunk {
            padded: &log,
            len,
            offset: 0,
            rest: InputState::Eof,
        };
        decoder.decode(chunk, u64::MAX);
        EventBatch::new(&decoder.finish().unwrap()).unwrap()
    }

    /// A compressed object is one split of any size: what is kept of it must not grow with its events.
    #[test]
    fn a_long_split_keeps_each_user_a_few_times_at_most() {
        const USERS: usize = 40_000;
        let mut seen = UserDelta::default();
        for ts in 0..20 {
            seen.add(&batch(USERS, ts));
            assert!(seen.users.len() <= COMPACT.max(2 * USERS) + USERS);
        }
        let mut users = LatestUsers::default();
        for shard in seen.take_shards(1) {
            users.merge(&seen, &shard);
        }
        assert_eq!(users.users.len(), USERS);
        assert!(users.users.values().all(|user| user.latest.0 == 19));
    }
}
