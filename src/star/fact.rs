//! Builds the fact table: one row for each kept event.

use std::sync::Arc;

use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use arrow_select::filter::FilterBuilder;

use super::lookup::{Lookup, LookupMatches};
use super::lookup_kernel::LookupKernel;
use super::record_columns::RecordColumns;
use super::row_column::{FieldHash, RowColumn};
use super::table_rows::{build_array, primitive_array};
use crate::error::{Error, Result};
use crate::model::{ColumnSchema, Model, TableSchema, ValueSource};

/// Builds the fact table of a model.
#[derive(Debug)]
pub struct FactKernel {
    /// The table. Its first column is the id of the event.
    pub(crate) table: &'static TableSchema,
    id: FieldHash,
    /// The columns after the id.
    columns: Vec<FactColumn>,
    /// The lookup of columns from another table.
    pub lookup: LookupKernel,
}

/// Where a column of the fact table comes from.
#[derive(Debug)]
enum FactColumn {
    /// The event.
    Event(RowColumn),
    /// The lookup: the number of the column among those that are looked up.
    Lookup(usize),
}

/// The rows that are built from a batch of events.
#[derive(Debug)]
pub struct FactRows {
    /// The rows of the fact table. Repeating text is dictionary-encoded in memory.
    pub fact: RecordBatch,
    /// The rows of the table with the keys of the lookup.
    pub lookup_keys: RecordBatch,
}

impl FactKernel {
    /// Returns the kernel of the fact table of a model.
    #[expect(clippy::panic, reason = "a model is consistent")]
    pub(super) fn new(model: &Model) -> Self {
        let (table, rule) = model.fact();
        let event = model.record(rule.record);
        let ([key], columns) = (table.key(), table.values()) else {
            panic!("the primary key of a fact table is one column")
        };
        let ValueSource::Hash(id_keys) = key.source else {
            panic!("the primary key of a fact table is a hash")
        };
        let mut output_names = Vec::new();
        let columns = columns.iter().map(|column| match column.source {
            ValueSource::Lookup(name) => {
                output_names.push(name);
                FactColumn::Lookup(output_names.len() - 1)
            }
            ValueSource::Field(_)
            | ValueSource::Hash(_)
            | ValueSource::CalendarPart(..)
            | ValueSource::Engine(_) => FactColumn::Event(RowColumn::new(event, column)),
        });
        Self {
            table,
            id: FieldHash::new(event, id_keys),
            columns: columns.collect(),
            lookup: LookupKernel::new(model, &output_names),
        }
    }

    /// Returns the id of each event.
    pub fn compute_ids(&self, events: &RecordColumns) -> Vec<i64> {
        self.id.values(events)
    }

    /// Builds the rows of `events`, whose ids are `ids`, without the events in `dropped_rows`, which are in rising
    /// order.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub fn build(
        &self,
        events: &RecordColumns,
        ids: Vec<i64>,
        dropped_rows: &[usize],
        lookup: &Lookup,
    ) -> Result<FactRows> {
        assert_eq!(events.num_rows(), ids.len(), "each event has an id");
        let mut is_kept = vec![
            true;
            if dropped_rows.is_empty() {
                0
            } else {
                ids.len()
            }
        ];
        dropped_rows.iter().for_each(|&row| is_kept[row] = false);
        let is_dropped = |row: usize| is_kept.get(row) == Some(&false);
        let LookupMatches {
            columns: looked_up,
            keyed,
        } = lookup.match_events(&self.lookup, events, is_dropped)?;
        let lookup_keys = keyed.into_rows(&self.lookup, events, &ids)?;
        let mut arrays = vec![primitive_array::<Int64Type>(ids)];
        for (column, schema) in self.columns.iter().zip(self.table.values()) {
            arrays.push(match column {
                FactColumn::Lookup(number) => Arc::new(looked_up[*number].clone()),
                FactColumn::Event(RowColumn::Field(field)) => events.column(*field).to_array(),
                FactColumn::Event(RowColumn::Timestamp(field)) => {
                    let milliseconds = events.int64_values(*field).iter();
                    let microseconds = milliseconds.map(|ms| ms * 1000).collect();
                    primitive_array::<TimestampMicrosecondType>(microseconds)
                }
                FactColumn::Event(column) => {
                    let rows = 0..events.num_rows();
                    build_array(schema.ty, rows.map(|row| column.value(events, row)))?
                }
            });
        }
        if !dropped_rows.is_empty() {
            let kept_filter = FilterBuilder::new(&is_kept.into()).optimize().build();
            for array in &mut arrays {
                *array = kept_filter.filter(array).map_err(Error::from_arrow)?;
            }
        }
        Ok(FactRows {
            fact: self.to_batch(arrays)?,
            lookup_keys,
        })
    }

    /// Returns the rows. The fields have the types of the arrays, because repeating text is dictionary-encoded in
    /// memory.
    fn to_batch(&self, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
        let field = |(column, array): (&ColumnSchema, &ArrayRef)| {
            Field::new(column.name, array.data_type().clone(), column.nullable)
        };
        let fields: Vec<_> = self.table.columns.iter().zip(&arrays).map(field).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(Error::from_arrow)
    }

    /// Returns the number of rows of the fact table for which the lookup found something.
    pub(crate) fn count_matched(&self, rows: &RecordBatch) -> u64 {
        let is_lookup = |column: &ColumnSchema| matches!(column.source, ValueSource::Lookup(_));
        let looked_up = self.table.columns.iter().find(|column| is_lookup(column));
        looked_up.map_or(0, |column| {
            let values = &rows[column.name];
            (values.len() - values.null_count()) as u64
        })
    }
}
