//! Describes how rows of another table are found for events: which values must be equal, which of several records is
//! found, and what the events take from it.

use arrow_buffer::NullBuffer;

use super::pick::{PickKernel, hash_values};
use super::record_columns::RecordColumns;
use super::row_column::{FieldHash, RowColumn, field_index};
use crate::model::{Model, RecordSchema, TableSchema, ValueSource};

/// Looks up rows of a table for the events of a model.
#[derive(Debug)]
pub struct LookupKernel {
    /// The table that is looked up in, and which of several records with equal values is found.
    pub(super) pick: PickKernel,
    /// The fields that must be equal, in the looked-up record and in the event. Numbers come first, because they are
    /// compared faster.
    pub(super) equal_fields: Vec<EqualFields>,
    /// The hash of some of these values, which is the first column of `table`, for a looked-up record.
    pub(super) record_hash: FieldHash,
    /// The positions in `table` of the columns that events take from it, all of them texts.
    pub(super) outputs: Vec<usize>,
    /// The table of the keys by which events are looked up again: the key of the event, the hash, and `key_columns`.
    pub(super) keys_table: &'static TableSchema,
    /// The same hash for an event.
    pub(super) event_hash: FieldHash,
    /// The other columns of the primary key of `table`, for an event.
    pub(super) key_columns: Vec<RowColumn>,
}

/// Two fields with equal values.
#[derive(Debug, Clone, Copy)]
pub(super) struct EqualFields {
    pub(super) record: usize,
    pub(super) event: usize,
}

impl LookupKernel {
    /// Returns the kernel of the fact table of a model, which takes the named columns.
    #[expect(clippy::expect_used, reason = "a model is consistent")]
    pub(super) fn new(model: &Model, output_names: &[&str]) -> Self {
        let (table, pick) = model.lookup();
        let (fact, rule) = model.fact();
        let (record, event) = (model.record(pick.record), model.record(rule.record));
        let keys_table = model.table(rule.lookup.keys);
        let mut equal_fields: Vec<EqualFields> = rule
            .lookup
            .equal
            .iter()
            .map(|(event_key, record_key)| EqualFields {
                record: field_index(record, record_key),
                event: field_index(event, event_key),
            })
            .collect();
        equal_fields.sort_by_key(|fields| record.fields[fields.record].ty.is_text());
        let [hash, key_columns @ ..] = &keys_table.columns[fact.key_len..] else {
            unreachable!("{} has a hash", keys_table.name)
        };
        let output = |name: &&str| {
            let position = table.position(name);
            position.expect("a column that is looked up belongs to the table of the lookup")
        };
        Self {
            pick: PickKernel::new(model, table, pick),
            equal_fields,
            record_hash: field_hash(record, table.columns[0].source),
            outputs: output_names.iter().map(output).collect(),
            keys_table,
            event_hash: field_hash(event, hash.source),
            key_columns: key_columns
                .iter()
                .map(|column| RowColumn::new(event, column))
                .collect(),
        }
    }

    /// Returns the number of columns that events take from the table.
    pub fn num_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Returns the fields of an event that must have a value.
    pub(super) fn event_fields(&self) -> impl Iterator<Item = usize> {
        self.equal_fields.iter().map(|fields| fields.event)
    }

    /// Returns which events have all values by which they are looked up; `None` if all have.
    pub(super) fn has_key(&self, events: &RecordColumns) -> Option<NullBuffer> {
        self.event_fields().fold(None, |nulls, field| {
            NullBuffer::union(nulls.as_ref(), events.column(field).nulls())
        })
    }

    /// Returns the table of the keys by which events are looked up again.
    pub(crate) fn keys_table(&self) -> &'static TableSchema {
        self.keys_table
    }

    /// Returns the hash of the values of each record that an event must have too.
    pub fn hash_keys(&self, records: &RecordColumns) -> Vec<u64> {
        let hash = |row| {
            let fields = self.equal_fields.iter();
            hash_values(fields.map(|fields| records.column(fields.record).value(row)))
        };
        (0..records.num_rows()).map(hash).collect()
    }
}

/// Returns the hash that a column has.
fn field_hash(record: &RecordSchema, source: ValueSource) -> FieldHash {
    match source {
        ValueSource::Hash(keys) => FieldHash::new(record, keys),
        ValueSource::Field(_)
        | ValueSource::CalendarPart(..)
        | ValueSource::Lookup(_)
        | ValueSource::Engine(_) => unreachable!("the key of a lookup begins with a hash"),
    }
}
