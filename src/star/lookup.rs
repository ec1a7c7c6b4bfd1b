//! Finds a row of another table for each event, by equal values: the song by its title, artist name and duration.
//!
//! The lookup is built in shards, so that several threads can build it for a large catalog.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use arrow_select::take::take;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::bloom_filter::BloomFilter;
use super::first_rows::FirstRows;
use super::lookup_kernel::{EqualFields, LookupKernel};
use super::pick::{RecordRef, TableRows, hash_values};
use super::record_columns::{DictText, FieldColumn, RecordColumns};
use super::row_column::{RecordRow, Row, RowColumn};
use super::table_rows::{build_array, primitive_array};
use super::text_array::text_array;
use super::value::{TotalOrderF64, Value};
use crate::error::{Error, Result};

/// The number of shards of the lookup; a power of two.
pub const LOOKUP_SHARDS: usize = 16;

fn shard_index(hash: u64) -> usize {
    // The hash table of a shard uses the bits at both ends.
    (hash >> 32) as usize % LOOKUP_SHARDS
}

/// The records whose keys belong to one shard.
#[derive(Debug)]
pub struct LookupShard {
    /// The indexes of the entries, by the hash of their key.
    index: HashTable<u32>,
    /// The values of each entry that an event must have too, in the order of the kernel's fields.
    keys: Vec<FieldColumn>,
    /// The hash in the table, of each entry.
    hashes: Vec<i64>,
    /// The record that is found, of each entry.
    records: Vec<RecordRef>,
}

impl LookupShard {
    /// Builds shard `shard`, below [`LOOKUP_SHARDS`], from the records of `batches` and the hashes of their keys.
    ///
    /// # Errors
    /// Returns an error if a column exceeds the limit of Arrow (2 GiB).
    pub fn new(
        kernel: &LookupKernel,
        batches: &[RecordColumns],
        hashes: &[Vec<u64>],
        shard: usize,
    ) -> Result<Self> {
        let row_at = |record: RecordRef| record.row(&kernel.pick.columns, batches);
        let hash_of = |record: RecordRef| hashes[record.batch as usize][record.row as usize];
        let in_shard =
            RecordRef::all(batches).filter(|&record| shard_index(hash_of(record)) == shard);
        let has_same_key = |a: RecordRef, b: RecordRef| {
            let (a, b) = (row_at(a), row_at(b));
            kernel.equal_fields.iter().all(|fields| {
                let value = a.records.column(fields.record).value(a.row);
                value == b.records.column(fields.record).value(b.row)
            })
        };
        let is_before = |a, b| kernel.pick.is_before(&row_at(a), &row_at(b));
        let first = FirstRows::pick(in_shard, hash_of, has_same_key, is_before);
        let (index, records) = first.into_parts();
        let key = |fields: &EqualFields| {
            let values = records.iter().map(|&record| {
                let row = row_at(record);
                row.records.column(fields.record).value(row.row)
            });
            FieldColumn::from_values(values)
        };
        Ok(Self {
            keys: kernel.equal_fields.iter().map(key).collect::<Result<_>>()?,
            hashes: records
                .iter()
                .map(|&record| {
                    let row = row_at(record);
                    kernel.record_hash.value_of_present(row.records, row.row)
                })
                .collect(),
            records,
            index,
        })
    }
}

/// The values of one column that events take from the table, as a dictionary.
#[derive(Debug)]
pub struct LookupOutput {
    /// The key of each entry, shard after shard; `None` if each entry has a value of its own.
    keys: Option<Vec<i32>>,
    values: Arc<StringArray>,
}

/// The number of entries by which it is decided whether the values of a column repeat.
const SAMPLED_ENTRIES: usize = 1024;

impl LookupOutput {
    /// Returns the values of the entries of all `shards`, whose records are in `batches`. `number` is the number of the
    /// column among those that events take.
    ///
    /// # Errors
    /// Returns an error if the values exceed the limit of Arrow (2 GiB).
    #[expect(clippy::panic, reason = "the model looks up texts")]
    pub fn new(
        kernel: &LookupKernel,
        batches: &[RecordColumns],
        shards: &[LookupShard],
        number: usize,
    ) -> Result<Self> {
        let column = kernel.outputs[number];
        let records = shards.iter().flat_map(|shard| &shard.records);
        let texts = records.map(|record| {
            let row = record.row(&kernel.pick.columns, batches);
            let Value::Text(text) = row.value(column) else {
                panic!("a column that is looked up has texts, and no nulls")
            };
            text
        });
        let sample: HashSet<&str> = texts.clone().take(SAMPLED_ENTRIES).collect();
        let sampled = texts.clone().take(SAMPLED_ENTRIES).count();
        // A search for values that hardly repeat, such as the ids of songs, would take longer than it saves.
        if sample.len() == sampled {
            return Ok(Self {
                keys: None,
                values: Arc::new(text_array(texts.map(Some))?),
            });
        }
        let mut key_by_text: HashMap<&str, i32, FixedState> = HashMap::default();
        let mut values = Vec::new();
        let keys = texts.map(|text| {
            *key_by_text.entry(text).or_insert_with(|| {
                values.push(text);
                values.len() as i32 - 1
            })
        });
        Ok(Self {
            keys: Some(keys.collect()),
            values: Arc::new(text_array(values.into_iter().map(Some))?),
        })
    }

    /// Returns the key of an entry.
    #[inline]
    fn key(&self, entry: i32) -> i32 {
        self.keys
            .as_ref()
            .map_or(entry, |keys| keys[entry as usize])
    }
}

/// All records that events can match.
#[derive(Debug)]
pub struct Lookup {
    shards: Vec<LookupShard>,
    /// The index of the first entry of each shard among all entries.
    first_entries: Vec<i32>,
    /// The first value of the keys of all entries. The filter rejects most events without a match before their texts are
    /// hashed.
    filter: BloomFilter,
    /// The record of each entry.
    records: Vec<RecordRef>,
    /// The hash in the table, of each entry.
    hashes: Vec<i64>,
    outputs: Vec<LookupOutput>,
}

impl Lookup {
    /// Returns the lookup of all `shards`, in order, with the columns that events take from it.
    pub fn new(outputs: Vec<LookupOutput>, mut shards: Vec<LookupShard>) -> Self {
        let count: usize = shards.iter().map(|shard| shard.records.len()).sum();
        let mut filter = BloomFilter::new(count);
        let mut first_entries = Vec::with_capacity(shards.len());
        let mut records = Vec::with_capacity(count);
        let mut hashes = Vec::with_capacity(count);
        for shard in &mut shards {
            first_entries.push(hashes.len() as i32);
            for entry in 0..shard.records.len() {
                filter.insert(hash_values([shard.keys[0].value(entry)].into_iter()));
            }
            records.append(&mut shard.records);
            hashes.append(&mut shard.hashes);
        }
        Self {
            shards,
            first_entries,
            filter,
            records,
            hashes,
            outputs,
        }
    }

    /// Builds the rows of the table from all entries, sorted by key. If different values have the same hash, the first
    /// record by the order is taken.
    ///
    /// # Errors
    /// Returns an error if a column of the table exceeds the limit of Arrow (2 GiB).
    pub(crate) fn build_table(
        &self,
        kernel: &LookupKernel,
        batches: &[RecordColumns],
    ) -> Result<Vec<TableRows>> {
        let row_at = |entry: u32| EntryRow {
            hash: self.hashes[entry as usize],
            row: self.records[entry as usize].row(&kernel.pick.columns, batches),
        };
        kernel
            .pick
            .build_tables(0..self.records.len() as u32, row_at)
    }

    /// Returns the entry that an event matches. Its fields have values.
    fn find(&self, kernel: &LookupKernel, events: &RecordColumns, row: usize) -> Option<i32> {
        let value = |fields: &EqualFields| events.column(fields.event).value(row);
        let hash = hash_values(kernel.equal_fields.iter().map(value));
        let number = shard_index(hash);
        let shard = &self.shards[number];
        let has_same_key = |&entry: &u32| {
            let mut keys = shard.keys.iter().zip(&kernel.equal_fields);
            keys.all(|(key, fields)| key.value(entry as usize) == value(fields))
        };
        let entry = shard.index.find(hash, has_same_key)?;
        Some(self.first_entries[number] + *entry as i32)
    }

    /// Looks up the events of a batch. The keys are those of the events that are not dropped.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub(super) fn match_events(
        &self,
        kernel: &LookupKernel,
        events: &RecordColumns,
        is_dropped: impl Fn(usize) -> bool,
    ) -> Result<LookupMatches> {
        // Nearly every event passes here, so doubles have a loop of their own.
        let MatchedRows { matches, keyed } = match events.column(kernel.equal_fields[0].event) {
            FieldColumn::Double(array) => {
                let first_value = |row| Value::Double(TotalOrderF64(array.value(row)));
                self.match_rows(kernel, events, first_value, is_dropped)
            }
            column => self.match_rows(kernel, events, |row| column.value(row), is_dropped),
        };
        Ok(LookupMatches {
            columns: self.output_columns(events.num_rows(), &matches)?,
            keyed,
        })
    }

    /// Looks up the events of a batch. `first_value` returns the first value of the key of an event.
    #[inline]
    fn match_rows<'a>(
        &self,
        kernel: &LookupKernel,
        events: &RecordColumns,
        first_value: impl Fn(usize) -> Value<'a>,
        is_dropped: impl Fn(usize) -> bool,
    ) -> MatchedRows {
        let mut matched = MatchedRows {
            matches: Vec::new(),
            keyed: KeyedEvents {
                rows: Vec::with_capacity(events.num_rows()),
                hashes: Vec::with_capacity(events.num_rows()),
            },
        };
        // The hashes of these events are computed together afterwards.
        let (mut unmatched_rows, mut unmatched_positions) = (Vec::new(), Vec::new());
        let match_row = |row: usize| {
            let hash = hash_values([first_value(row)].into_iter());
            let entry = match self.filter.may_contain(hash) {
                true => self.find(kernel, events, row),
                false => None,
            };
            if let Some(entry) = entry {
                let row = row as u32;
                matched.matches.push(EventMatch { row, entry });
            }
            if is_dropped(row) {
                return;
            }
            match entry {
                Some(entry) => matched.keyed.hashes.push(self.hashes[entry as usize]),
                None => {
                    unmatched_rows.push(row as u32);
                    unmatched_positions.push(matched.keyed.rows.len());
                    matched.keyed.hashes.push(0);
                }
            }
            matched.keyed.rows.push(row as u32);
        };
        match kernel.has_key(events) {
            None => (0..events.num_rows()).for_each(match_row),
            Some(has_key) => has_key.valid_indices().for_each(match_row),
        }
        let hashes = kernel.event_hash.values_at(events, &unmatched_rows);
        for (position, hash) in unmatched_positions.into_iter().zip(hashes) {
            matched.keyed.hashes[position] = hash;
        }
        matched
    }

    /// Returns the columns that `num_rows` events take from the table.
    fn output_columns(&self, num_rows: usize, matches: &[EventMatch]) -> Result<Vec<DictText>> {
        let mut is_matched = BooleanBufferBuilder::new(num_rows);
        is_matched.append_n(num_rows, false);
        for found in matches {
            is_matched.set_bit(found.row as usize, true);
        }
        let nulls = NullBuffer::new(is_matched.finish());
        let column = |output: &LookupOutput| {
            let mut keys = vec![0; num_rows];
            for found in matches {
                keys[found.row as usize] = output.key(found.entry);
            }
            let keys = Int32Array::try_new(keys.into(), Some(nulls.clone()));
            let values = Arc::clone(&output.values) as ArrayRef;
            keys.and_then(|keys| DictText::try_new(keys, values))
                .map_err(Error::from_arrow)
        };
        self.outputs.iter().map(column).collect()
    }
}

/// The events of a batch that have a key, and their matches.
struct MatchedRows {
    matches: Vec<EventMatch>,
    keyed: KeyedEvents,
}

/// The row of an entry. The hash, which is the first column, is not computed again.
#[derive(Debug, Clone, Copy)]
struct EntryRow<'a> {
    hash: i64,
    row: RecordRow<'a>,
}

impl<'a> Row<'a> for EntryRow<'a> {
    #[inline]
    fn value(&self, column: usize) -> Value<'a> {
        match column {
            0 => Value::Integer(self.hash),
            _ => self.row.value(column),
        }
    }
}

/// An event and the entry that it matches.
#[derive(Debug, Clone, Copy)]
struct EventMatch {
    row: u32,
    entry: i32,
}

/// The matches of the events of a batch.
#[derive(Debug)]
pub(super) struct LookupMatches {
    /// The columns that the events take from the table, in order; null where no record matches.
    pub columns: Vec<DictText>,
    /// The events that can match a record.
    pub keyed: KeyedEvents,
}

/// The keyed events: those that have all values by which they are looked up.
#[derive(Debug)]
pub(super) struct KeyedEvents {
    rows: Vec<u32>,
    hashes: Vec<i64>,
}

impl KeyedEvents {
    /// Builds the rows of the table of keys. `ids` has the id of each event.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub(super) fn into_rows(
        self,
        kernel: &LookupKernel,
        events: &RecordColumns,
        ids: &[i64],
    ) -> Result<RecordBatch> {
        let ids = self.rows.iter().map(|&row| ids[row as usize]).collect();
        let mut arrays = vec![
            primitive_array::<Int64Type>(ids),
            primitive_array::<Int64Type>(self.hashes),
        ];
        let rows = UInt32Array::from(self.rows);
        let schemas = &kernel.keys_table.columns[arrays.len()..];
        for (column, schema) in kernel.key_columns.iter().zip(schemas) {
            arrays.push(match column {
                RowColumn::Field(field) => take(&events.column(*field).to_array(), &rows, None)
                    .map_err(Error::from_arrow)?,
                RowColumn::Timestamp(_) | RowColumn::Hash(_) => {
                    let rows = rows.values().iter();
                    let values = rows.map(|&row| column.value(events, row as usize));
                    build_array(schema.ty, values)?
                }
            });
        }
        RecordBatch::try_new(kernel.keys_table.arrow_schema(), arrays).map_err(Error::from_arrow)
    }
}
