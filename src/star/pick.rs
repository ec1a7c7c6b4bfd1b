//! Builds the tables that have one row for each key: the first record by an order.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;

use super::compact_rows::RowLayout;
use super::record_columns::{Integers, RecordColumns};
use super::row_column::{RecordRow, Row, RowColumn};
use super::row_order::RowOrder;
use super::table_rows::build_rows;
use super::value::Value;
use crate::error::Result;
use crate::model::{ColumnSchema, Model, PickRule, TableSchema};

/// The rows of a table.
#[derive(Debug)]
pub struct TableRows {
    /// The table.
    pub table: &'static TableSchema,
    /// Its rows.
    pub rows: RecordBatch,
}

/// Picks the rows of a table, and of its merge state, from records.
#[derive(Debug)]
pub struct PickKernel {
    /// The table.
    pub table: &'static TableSchema,
    /// Its merge state, and the positions of the columns of the merge state among `columns`.
    state: Option<(&'static TableSchema, Vec<usize>)>,
    /// The columns of the table, and then those that only the merge state has.
    pub(super) columns: Vec<RowColumn>,
    pub(super) order: RowOrder,
    pub(super) layout: RowLayout,
}

impl PickKernel {
    /// Returns the kernel of a table of a model.
    #[expect(clippy::expect_used, reason = "the state has a column or it is added")]
    pub(super) fn new(model: &Model, table: &'static TableSchema, rule: PickRule) -> Self {
        let record = model.record(rule.record);
        let mut columns: Vec<&ColumnSchema> = table.columns.iter().collect();
        let position =
            |columns: &[&ColumnSchema], name| columns.iter().position(|column| column.name == name);
        let state = rule.state.map(|name| model.table(name));
        for column in state.iter().flat_map(|state| state.columns) {
            if position(&columns, column.name).is_none() {
                columns.push(column);
            }
        }
        let state = state.map(|state| {
            let positions = state.columns.iter().map(|column| {
                position(&columns, column.name).expect("each column of the state was added")
            });
            (state, positions.collect())
        });
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        Self {
            table,
            state,
            columns: columns
                .iter()
                .map(|column| RowColumn::new(record, column))
                .collect(),
            order: RowOrder::new(rule.order, &names),
            layout: RowLayout::new(columns),
        }
    }

    /// Returns the hash of the key of a row.
    #[inline]
    pub(super) fn hash_key<'a>(&self, row: &impl Row<'a>) -> u64 {
        hash_values((0..self.table.key_len).map(|column| row.value(column)))
    }

    /// Returns the key of each record, if it is one integer that is never null.
    pub(super) fn integer_keys<'a>(&self, records: &'a RecordColumns) -> Option<Integers<'a>> {
        match (&self.columns[0], self.table.key_len) {
            (RowColumn::Field(field), 1) => records.column(*field).integers(),
            _ => None,
        }
    }

    /// Compares the keys of two rows.
    #[inline]
    pub(super) fn compare_keys<'a>(&self, a: &impl Row<'a>, b: &impl Row<'a>) -> Ordering {
        let mut columns = 0..self.table.key_len;
        let differing = columns.find_map(|column| {
            let order = a.value(column).cmp(&b.value(column));
            order.is_ne().then_some(order)
        });
        differing.unwrap_or(Ordering::Equal)
    }

    /// Returns true if two rows have the same key.
    #[inline]
    pub(super) fn has_same_key<'a>(&self, a: &impl Row<'a>, b: &impl Row<'a>) -> bool {
        (0..self.table.key_len).all(|column| a.value(column) == b.value(column))
    }

    /// Returns true if `a` comes before `b`.
    #[inline]
    pub(super) fn is_before<'a>(&self, a: &impl Row<'a>, b: &impl Row<'a>) -> bool {
        self.order.compare(a, b) == Ordering::Less
    }

    /// Builds the table and its merge state from the records in `batches`, sorted by key.
    ///
    /// # Errors
    /// Returns an error if a column of a table exceeds the limit of Arrow (2 GiB).
    pub fn pick(&self, batches: &[RecordColumns]) -> Result<Vec<TableRows>> {
        let row_at = |record: RecordRef| record.row(&self.columns, batches);
        self.build_tables(RecordRef::all(batches), row_at)
    }

    /// Builds the table and its merge state from rows, sorted by key. Of several rows with the same key the first by the
    /// order is taken. The rows are sorted by what identifies them, because there can be many.
    pub(super) fn build_tables<'a, I: Copy, R: Row<'a>>(
        &self,
        ids: impl Iterator<Item = I> + Clone,
        row_at: impl Fn(I) -> R,
    ) -> Result<Vec<TableRows>> {
        // Most comparisons are decided by the first bytes in which keys differ, which need no access to the rows.
        let common_bytes = common_bytes(ids.clone().map(|id| row_at(id).value(0)));
        let mut sorted: Vec<(u64, I)> = ids
            .map(|id| (row_at(id).value(0).order_prefix(common_bytes), id))
            .collect();
        sorted.sort_unstable_by(|&(a_prefix, a), &(b_prefix, b)| {
            a_prefix.cmp(&b_prefix).then_with(|| {
                let (a, b) = (row_at(a), row_at(b));
                let by_key = self.compare_keys(&a, &b);
                by_key.then_with(|| self.order.compare(&a, &b))
            })
        });
        sorted.dedup_by(|&mut (later_prefix, later), &mut (prefix, first)| {
            later_prefix == prefix && self.has_same_key(&row_at(later), &row_at(first))
        });
        let row_at = &row_at;
        let values = |column: usize| sorted.iter().map(move |&(_, id)| row_at(id).value(column));
        let mut tables = vec![TableRows {
            table: self.table,
            rows: build_rows(self.table, values)?,
        }];
        if let Some((state, positions)) = &self.state {
            tables.push(TableRows {
                table: state,
                rows: build_rows(state, |column| values(positions[column]))?,
            });
        }
        Ok(tables)
    }
}

/// Returns the number of bytes with which all texts begin.
fn common_bytes<'a>(mut values: impl Iterator<Item = Value<'a>>) -> usize {
    let Some(first) = values.next() else {
        return 0;
    };
    let common = values.try_fold(usize::MAX, |common, value| {
        match common.min(first.common_bytes(value)) {
            0 => None,
            common => Some(common),
        }
    });
    match common {
        None | Some(usize::MAX) => 0,
        Some(common) => common,
    }
}

/// Returns the hash of some values.
#[inline]
pub(super) fn hash_values<'a>(values: impl Iterator<Item = Value<'a>>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    values.for_each(|value| value.hash(&mut hasher));
    hasher.finish()
}

/// The position of a record in several batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordRef {
    /// The index of its batch.
    pub batch: u32,
    /// Its row in the batch.
    pub row: u32,
}

impl RecordRef {
    /// Returns the positions of all records.
    pub(super) fn all(batches: &[RecordColumns]) -> impl Iterator<Item = Self> + Clone {
        let rows = batches.iter().map(RecordColumns::num_rows).enumerate();
        rows.flat_map(|(batch, rows)| (0..rows).map(move |row| Self::new(batch, row)))
    }

    /// Returns the position of a record in a batch.
    pub(super) fn new(batch: usize, row: usize) -> Self {
        Self {
            batch: batch as u32,
            row: row as u32,
        }
    }

    /// Returns the row of a table that follows from the record.
    #[inline]
    pub(super) fn row<'a>(
        self,
        columns: &'a [RowColumn],
        batches: &'a [RecordColumns],
    ) -> RecordRow<'a> {
        RecordRow {
            columns,
            records: &batches[self.batch as usize],
            row: self.row as usize,
        }
    }
}
