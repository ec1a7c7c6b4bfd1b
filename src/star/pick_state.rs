//! Picks rows from records that pass by in batches: the [`PickDelta`] of some records merges into the [`PickedRows`] of
//! all records, in any order.

use std::cmp::Ordering;
use std::ops::Range;

use hashbrown::HashTable;

use super::compact_rows::CompactRow;
use super::first_rows::FirstRows;
use super::pick::{PickKernel, TableRows, hash_values};
use super::record_columns::RecordColumns;
use super::row_column::{RecordRow, RowColumn};
use super::string_pool::{ColumnInterner, StringPool};
use super::value::Value;
use crate::error::Result;

/// The minimum number of rows that are compacted to one row for each key.
const MIN_COMPACT_ROWS: usize = 64 * 1024;

/// Rows that were copied out of their batches.
#[derive(Debug, Clone, Default)]
struct StoredRows {
    words: Vec<u32>,
    strings: StringPool,
}

impl StoredRows {
    fn len(&self, kernel: &PickKernel) -> usize {
        self.words.len() / kernel.layout.num_words()
    }

    fn word_range(kernel: &PickKernel, row: u32) -> Range<usize> {
        let num_words = kernel.layout.num_words();
        let start = row as usize * num_words;
        start..start + num_words
    }

    #[inline]
    fn row<'a>(&'a self, kernel: &'a PickKernel, row: u32) -> CompactRow<'a> {
        CompactRow {
            layout: &kernel.layout,
            words: &self.words[Self::word_range(kernel, row)],
            strings: &self.strings,
        }
    }
}

/// The partial state of one split: the first row of each key in each batch, compacted to the first row of each key when
/// the list has doubled.
#[derive(Debug, Clone, Default)]
pub struct PickDelta {
    stored: StoredRows,
    /// The number of rows after the last compaction.
    compacted_rows: usize,
}

/// The rows of a [`PickDelta`] that belong to one shard.
#[derive(Debug, Clone, Default)]
pub struct PickDeltaShard(Vec<ShardRow>);

#[derive(Debug, Clone, Copy)]
struct ShardRow {
    key_hash: u64,
    row: u32,
}

impl PickDelta {
    /// Adds a batch of records.
    pub fn add(&mut self, kernel: &PickKernel, records: &RecordColumns) {
        let row_at = |row: u32| RecordRow {
            columns: &kernel.columns,
            records,
            row: row as usize,
        };
        let leading = kernel.order.leading_integers(&kernel.columns, records);
        let is_before = |a: u32, b: u32| {
            let order = leading.map_or(Ordering::Equal, |leading| leading.compare(a, b));
            match order {
                Ordering::Equal => kernel.is_before(&row_at(a), &row_at(b)),
                order => order == Ordering::Less,
            }
        };
        let rows = 0..records.num_rows() as u32;
        let first = match kernel.integer_keys(records) {
            Some(keys) => FirstRows::pick(
                rows,
                |row| hash_values([Value::Integer(keys.at(row))].into_iter()),
                |a, b| keys.at(a) == keys.at(b),
                is_before,
            ),
            None => FirstRows::pick(
                rows,
                |row| kernel.hash_key(&row_at(row)),
                |a, b| kernel.has_same_key(&row_at(a), &row_at(b)),
                is_before,
            ),
        };
        self.store(kernel, records, first.rows());
        // Compacting after each doubling costs little and keeps the list short.
        if self.stored.len(kernel) > MIN_COMPACT_ROWS.max(2 * self.compacted_rows) {
            self.compact(kernel);
        }
    }

    /// Copies the rows of some records.
    fn store(&mut self, kernel: &PickKernel, records: &RecordColumns, rows: &[u32]) {
        let mut interners: Vec<Option<ColumnInterner<'_>>> = kernel
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| match column {
                RowColumn::Field(field) if kernel.layout.is_text(position) => {
                    Some(ColumnInterner::new(records.column(*field)))
                }
                _ => None,
            })
            .collect();
        let StoredRows { words, strings } = &mut self.stored;
        words.reserve(rows.len() * kernel.layout.num_words());
        for &row in rows {
            let columns = kernel.columns.iter().zip(&mut interners).enumerate();
            for (position, (column, interner)) in columns {
                match interner {
                    Some(interner) => words.push(interner.intern(strings, row as usize)),
                    None => {
                        let value = column.value(records, row as usize);
                        kernel.layout.push_number(words, position, value);
                    }
                }
            }
        }
    }

    fn compact(&mut self, kernel: &PickKernel) {
        let row_at = |row: u32| self.stored.row(kernel, row);
        let first = FirstRows::pick(
            0..self.stored.len(kernel) as u32,
            |row| kernel.hash_key(&row_at(row)),
            |a, b| kernel.has_same_key(&row_at(a), &row_at(b)),
            |a, b| kernel.is_before(&row_at(a), &row_at(b)),
        );
        let rows = first.rows();
        let mut words = Vec::with_capacity(rows.len() * kernel.layout.num_words());
        for &row in rows {
            words.extend_from_slice(row_at(row).words);
        }
        self.compacted_rows = rows.len();
        self.stored.words = words;
    }

    /// Divides the rows into `shard_count` shards by their keys.
    pub fn to_shards(&self, kernel: &PickKernel, shard_count: usize) -> Vec<PickDeltaShard> {
        let mut shards = vec![PickDeltaShard::default(); shard_count];
        for row in 0..self.stored.len(kernel) as u32 {
            let key_hash = kernel.hash_key(&self.stored.row(kernel, row));
            // The hash table of a shard uses the bits at both ends.
            let shard = (key_hash >> 32) as usize % shard_count;
            shards[shard].0.push(ShardRow { key_hash, row });
        }
        shards
    }
}

/// The first row of each key among all merged records.
#[derive(Debug, Clone, Default)]
pub struct PickedRows {
    /// The numbers of the rows, by the hashes of their keys. The hashes are not stored, because there can be many rows.
    index: HashTable<u32>,
    stored: StoredRows,
}

impl PickedRows {
    /// Merges a shard of `delta`.
    pub fn merge(&mut self, kernel: &PickKernel, delta: &PickDelta, shard: &PickDeltaShard) {
        let mut translated_ids = vec![0; delta.stored.strings.num_ids()];
        for &ShardRow { key_hash, row } in &shard.0 {
            let theirs = delta.stored.row(kernel, row);
            let Self { index, stored } = self;
            let has_same_key =
                |&ours: &u32| kernel.has_same_key(&theirs, &stored.row(kernel, ours));
            let range = match index.find(key_hash, has_same_key).copied() {
                Some(ours) if kernel.is_before(&theirs, &stored.row(kernel, ours)) => {
                    let range = StoredRows::word_range(kernel, ours);
                    stored.words[range.clone()].copy_from_slice(theirs.words);
                    range
                }
                Some(_) => continue,
                None => {
                    let number = stored.len(kernel) as u32;
                    stored.words.extend_from_slice(theirs.words);
                    index.insert_unique(key_hash, number, |&row| {
                        kernel.hash_key(&stored.row(kernel, row))
                    });
                    StoredRows::word_range(kernel, number)
                }
            };
            let words = &mut stored.words[range];
            for at in kernel.layout.text_words() {
                let our_id = &mut translated_ids[words[at] as usize];
                if *our_id == 0
                    && let Some(text) = delta.stored.strings.get(words[at])
                {
                    *our_id = stored.strings.intern(text);
                }
                words[at] = *our_id;
            }
        }
    }

    /// Builds the table and its merge state, sorted by key, from states that share no key.
    ///
    /// # Errors
    /// Returns an error if a column of a table exceeds the limit of Arrow (2 GiB).
    pub fn build_tables(kernel: &PickKernel, states: &[Self]) -> Result<Vec<TableRows>> {
        let ids = (0..).zip(states).flat_map(|(state, picked)| {
            let rows = 0..picked.stored.len(kernel) as u32;
            rows.map(move |row| PickedRowId { state, row })
        });
        kernel.build_tables(ids, |id| {
            states[id.state as usize].stored.row(kernel, id.row)
        })
    }
}

/// Identifies a row among several states.
#[derive(Debug, Clone, Copy)]
struct PickedRowId {
    state: u32,
    row: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::padded_bytes::PADDING;
    use crate::decode::{Decoder, InputChunk, InputState};
    use crate::model::sparkify::{EVENT_RECORD, SPARKIFY};
    use crate::star::kernels::StarKernels;

    /// Returns a batch with one event at `ts` of each user below `users`.
    fn batch(users: usize, ts: i64) -> RecordColumns {
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
        RecordColumns::new(&decoder.finish().unwrap()).unwrap()
    }

    /// A compressed object is one split of any size, so its state must not grow with the number of events.
    #[test]
    fn delta_is_compacted_in_long_splits() {
        const USERS: usize = 40_000;
        let kernels = StarKernels::new(&SPARKIFY);
        let users = &kernels.event_picks[0];
        let mut delta = PickDelta::default();
        for ts in 0..20 {
            delta.add(users, &batch(USERS, ts));
            assert!(delta.stored.len(users) <= MIN_COMPACT_ROWS.max(2 * USERS) + USERS);
        }
        let mut picked = PickedRows::default();
        for shard in delta.to_shards(users, 3) {
            picked.merge(users, &delta, &shard);
        }
        let tables = PickedRows::build_tables(users, &[picked]).unwrap();
        let state = &tables[1];
        assert_eq!(state.rows.num_rows(), USERS);
        let columns = RecordColumns::new(&state.rows).unwrap();
        let values = |name| {
            let column = columns.column(state.table.position(name).unwrap());
            let integers = column.integers().unwrap();
            (0..USERS as u32).map(move |row| integers.at(row))
        };
        assert!(values("start_time").all(|time| time == 19_000));
        assert!(values("user_id").is_sorted_by(|a, b| a < b));
    }
}
