//! Finds a row of another table for each event, by equal values: the song by its title, artist name and duration.
//!
//! The lookup is built in shards, so that several threads can build it for a large catalog.

use std::collections::HashMap;
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
use super::row_column::{Row, RowColumn};
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
        let mut first: FirstRows<RecordRef> = FirstRows::default();
        let row_at = |record: RecordRef| record.row(&kernel.columns, batches);
        for (batch, hashes) in hashes.iter().enumerate() {
            let rows = hashes.iter().enumerate();
            for (row, &hash) in rows.filter(|&(_, &hash)| shard_index(hash) == shard) {
                let record = RecordRef::new(batch, row);
                let row = row_at(record);
                let has_same_key = |other: RecordRef| {
                    let other = row_at(other);
                    kernel.equal_fields.iter().all(|fields| {
                        let value = row.records.column(fields.record).value(row.row);
                        value == other.records.column(fields.record).value(other.row)
                    })
                };
                let is_before = |other| kernel.order.compare(&row, &row_at(other)).is_lt();
                first.offer(hash, record, has_same_key, is_before);
            }
        }
        let records: Vec<RecordRef> = first.rows().collect();
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
            index: first.into_index(),
        })
    }
}

/// The values of one column that events take from the table, dictionary-encoded.
#[derive(Debug)]
pub struct LookupOutput {
    /// The key of each entry, shard after shard.
    keys: Vec<i32>,
    values: Arc<StringArray>,
}

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
        let column = &kernel.columns[kernel.outputs[number]];
        let mut key_by_text: HashMap<&str, i32, FixedState> = HashMap::default();
        let mut values = Vec::new();
        let records = shards.iter().flat_map(|shard| &shard.records);
        let keys = records.map(|record| {
            let row = record.row(&kernel.columns, batches);
            let Value::Text(text) = column.value(row.records, row.row) else {
                panic!("a column that is looked up has texts, and no nulls")
            };
            *key_by_text.entry(text).or_insert_with(|| {
                values.push(text);
                values.len() as i32 - 1
            })
        });
        Ok(Self {
            keys: keys.collect(),
            values: Arc::new(text_array(values.into_iter().map(Some))?),
        })
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
    /// The hash in the table, of each entry.
    hashes: Vec<i64>,
    outputs: Vec<LookupOutput>,
}

impl Lookup {
    /// Returns the lookup of all `shards`, in order, with the columns that events take from it.
    pub fn new(outputs: Vec<LookupOutput>, shards: Vec<LookupShard>) -> Self {
        let count: usize = shards.iter().map(|shard| shard.records.len()).sum();
        let mut filter = BloomFilter::new(count);
        let mut first_entries = Vec::with_capacity(shards.len());
        let mut hashes = Vec::with_capacity(count);
        for shard in &shards {
            first_entries.push(hashes.len() as i32);
            hashes.extend_from_slice(&shard.hashes);
            for entry in 0..shard.records.len() {
                filter.insert(hash_values([shard.keys[0].value(entry)].into_iter()));
            }
        }
        Self {
            shards,
            first_entries,
            filter,
            hashes,
            outputs,
        }
    }

    /// Builds the rows of the table from all shards, sorted by key. If different values have the same hash, the first
    /// record by the order is taken.
    ///
    /// # Errors
    /// Returns an error if a column of the table exceeds the limit of Arrow (2 GiB).
    pub(crate) fn build_table(
        &self,
        kernel: &LookupKernel,
        batches: &[RecordColumns],
    ) -> Result<TableRows> {
        let table = kernel.table;
        let records = self.shards.iter().flat_map(|shard| &shard.records);
        let rows = records.map(|record| record.row(&kernel.columns, batches));
        let mut rows: Vec<_> = self.hashes.iter().copied().zip(rows).collect();
        // The hash is the first column, and is not computed again.
        let key_columns = 1..table.key_len;
        rows.sort_unstable_by(|(a_hash, a), (b_hash, b)| {
            let compare = |column| a.value(column).cmp(&b.value(column));
            a_hash.cmp(b_hash).then_with(|| {
                let by_key = key_columns.clone().map(compare).find(|order| order.is_ne());
                by_key.unwrap_or_else(|| kernel.order.compare(a, b))
            })
        });
        rows.dedup_by(|(later_hash, later), (hash, row)| {
            let mut columns = key_columns.clone();
            later_hash == hash && columns.all(|column| later.value(column) == row.value(column))
        });
        let hashes = rows.iter().map(|&(hash, _)| Value::Integer(hash));
        let mut arrays = vec![build_array(table.columns[0].ty, hashes)?];
        for (position, column) in table.columns.iter().enumerate().skip(1) {
            arrays.push(build_array(
                column.ty,
                rows.iter().map(|(_, row)| row.value(position)),
            )?);
        }
        let batch = RecordBatch::try_new(table.arrow_schema(), arrays);
        Ok(TableRows {
            table,
            rows: batch.map_err(Error::from_arrow)?,
        })
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
            if !is_dropped(row) {
                matched.keyed.rows.push(row as u32);
                matched.keyed.hashes.push(match entry {
                    Some(entry) => self.hashes[entry as usize],
                    None => kernel.event_hash.value_of_present(events, row),
                });
            }
        };
        match kernel.has_key(events) {
            None => (0..events.num_rows()).for_each(match_row),
            Some(has_key) => has_key.valid_indices().for_each(match_row),
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
                keys[found.row as usize] = output.keys[found.entry as usize];
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
