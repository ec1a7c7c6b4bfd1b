//! Selects the delivery of an event that is kept.
//!
//! Queues deliver an event at least once, and not always with the same content. The first delivery by the order of the
//! model is kept, so the choice does not depend on the order of the input.

use std::cmp::Ordering;
use std::ops::Deref;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::compact_rows::{CompactRow, RowLayout};
use super::fact::FactKernel;
use super::record_columns::{FieldColumn, RecordColumns};
use super::row_column::{Row, RowColumn};
use super::row_order::RowOrder;
use super::string_pool::{ColumnInterner, StringPool};
use super::value::Value;
use crate::error::{Error, Result};
use crate::model::{ColumnSchema, Model, TableSchema, ValueSource};

/// Compares the deliveries of an event.
///
/// The columns that the order of the model does not have come last. They are hashed into the id, and differ only if two
/// events have the same hash, which happens in about one of ten million inputs of two million events.
#[derive(Debug)]
pub struct DeliveryKernel {
    fact_table: &'static TableSchema,
    /// The compared columns of the fact table, and then those of the keys of the lookup.
    compared: Vec<&'static ColumnSchema>,
    /// How many of them are columns of the fact table.
    num_fact_columns: usize,
    /// The same columns for an event.
    columns: Vec<RowColumn>,
    /// The fields of an event without which it has no keys of the lookup.
    lookup_fields: Vec<usize>,
    order: RowOrder,
    /// The order of deliveries with equal texts.
    order_of_equal_texts: RowOrder,
    layout: RowLayout,
}

impl DeliveryKernel {
    /// Returns the kernel for the fact table of a model.
    pub(super) fn new(model: &Model, fact: &FactKernel) -> Self {
        let (fact_table, rule) = model.fact();
        let event = model.record(rule.record);
        let is_looked_up = |column: &ColumnSchema| matches!(column.source, ValueSource::Lookup(_));
        let fact_columns = fact_table.values().iter();
        let mut compared: Vec<&ColumnSchema> = fact_columns
            .filter(|column| !is_looked_up(column))
            .collect();
        let num_fact_columns = compared.len();
        let key_columns = &fact.lookup.keys_table().columns[fact_table.key_len..];
        compared.extend(key_columns);
        let columns = compared
            .iter()
            .map(|column| RowColumn::new(event, column))
            .collect();
        let names: Vec<&str> = compared.iter().map(|column| column.name).collect();
        let is_ordered = |name: &str| rule.order.iter().any(|term| term.columns().contains(&name));
        let others = (0..names.len()).filter(|&column| !is_ordered(names[column]));
        let order = RowOrder::new(rule.order, &names).then_by(others);
        let stored = compared.iter().enumerate();
        let stored: Vec<ColumnSchema> = stored
            .map(|(position, column)| match position < num_fact_columns {
                true => **column,
                false => column.or_null(),
            })
            .collect();
        let layout = RowLayout::new(&stored);
        Self {
            fact_table,
            columns,
            lookup_fields: fact.lookup.event_fields().collect(),
            compared,
            num_fact_columns,
            order_of_equal_texts: order.without_columns(|column| layout.is_text(column)),
            order,
            layout,
        }
    }

    /// Returns true if the event in row `row` is kept instead of the one in row `other`, another delivery of the same
    /// event.
    pub(crate) fn is_before(&self, events: &RecordColumns, row: usize, other: usize) -> bool {
        let row_at = |row| EventDelivery {
            kernel: self,
            events,
            row,
        };
        self.order.compare(&row_at(row), &row_at(other)) == Ordering::Less
    }

    /// Returns the names of the columns of the fact table that deliveries are compared by, with the id.
    pub(crate) fn stored_columns(&self) -> Vec<&'static str> {
        let compared = self.compared[..self.num_fact_columns].iter();
        let key = self.fact_table.key().iter();
        key.chain(compared.copied())
            .map(|column| column.name)
            .collect()
    }

    /// Returns the name of the column of the id.
    pub(crate) fn id_column(&self) -> &'static str {
        self.fact_table.columns[0].name
    }

    /// Returns the number of words of a [`StoredDeliveries`] for each delivery.
    pub(crate) fn num_words(&self) -> usize {
        self.layout.num_words()
    }

    /// Returns true if delivery `a` is kept instead of `b`, another delivery of the same event: it comes first, or has
    /// the same content and is in an earlier batch. `strings` returns the pool of both.
    pub(crate) fn is_stored_before<S: Deref<Target = StringPool>>(
        &self,
        a: StoredDelivery<'_>,
        b: StoredDelivery<'_>,
        strings: impl FnOnce() -> S,
    ) -> bool {
        let compare = |order: &RowOrder, strings: &StringPool| {
            let row = |words| CompactRow {
                layout: &self.layout,
                words,
                strings,
            };
            order.compare(&row(a.words), &row(b.words))
        };
        let has_equal_texts = self
            .layout
            .text_words()
            .all(|at| a.words[at] == b.words[at]);
        let order = match has_equal_texts {
            true => compare(&self.order_of_equal_texts, &StringPool::default()),
            false => compare(&self.order, &strings()),
        };
        order.then(a.batch.cmp(&b.batch)) == Ordering::Less
    }

    /// Returns the deliveries of rows of the fact table that were read back, all of which are from one batch and have
    /// distinct ids. `lookup_keys` has the keys of the lookup with these ids. Both are in the order in which they were
    /// written.
    ///
    /// # Errors
    /// Returns an error if a column is missing or has another type, or if a row of `lookup_keys` has no row in `fact`.
    pub(crate) fn read_deliveries(
        &self,
        fact: &RecordBatch,
        lookup_keys: &RecordBatch,
        strings: &mut StringPool,
    ) -> Result<StoredDeliveries> {
        let ids = self.id_values(fact)?;
        let key_ids = self.id_values(lookup_keys)?;
        let (fact_names, key_names) = self.compared.split_at(self.num_fact_columns);
        let (fact, lookup_keys) = (StoredColumns::new(fact)?, StoredColumns::new(lookup_keys)?);
        let fact_columns = fact.find_all(fact_names)?;
        let key_columns = lookup_keys.find_all(key_names)?;
        let mut interners: Vec<_> = fact_columns
            .iter()
            .map(|column| ColumnInterner::new(column))
            .collect();
        let mut words = Vec::with_capacity(ids.len() * self.layout.num_words());
        let mut next_key = 0;
        for (row, id) in ids.iter().enumerate() {
            for (position, column) in fact_columns.iter().enumerate() {
                let name = self.compared[position].name;
                if column.value(row).is_null() && !self.compared[position].nullable {
                    return Err(stored_column_mismatch(name));
                }
                match self.layout.is_text(position) {
                    true => words.push(interners[position].intern(strings, row)),
                    false => self
                        .layout
                        .push_number(&mut words, position, column.value(row)),
                }
            }
            let has_key = key_ids.get(next_key) == Some(id);
            for (number, column) in key_columns.iter().enumerate() {
                let value = match has_key {
                    true => column.value(next_key),
                    false => Value::Null,
                };
                self.layout
                    .push_number(&mut words, self.num_fact_columns + number, value);
            }
            next_key += usize::from(has_key);
        }
        match next_key == key_ids.len() {
            true => Ok(StoredDeliveries { words }),
            false => Err(stored_column_mismatch(self.id_column())),
        }
    }

    /// Returns the ids of rows of the fact table, or of the keys of its lookup, that were read back.
    ///
    /// # Errors
    /// Returns an error if there is no such column.
    pub(crate) fn id_values<'a>(&self, rows: &'a RecordBatch) -> Result<&'a [i64]> {
        let name = self.id_column();
        let column = rows.column_by_name(name);
        let ids = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
        let ids = ids.ok_or_else(|| stored_column_mismatch(name))?;
        Ok(ids.values())
    }
}

/// A delivery that is in a batch.
#[derive(Debug, Clone, Copy)]
struct EventDelivery<'a> {
    kernel: &'a DeliveryKernel,
    events: &'a RecordColumns,
    row: usize,
}

impl<'a> Row<'a> for EventDelivery<'a> {
    fn value(&self, column: usize) -> Value<'a> {
        let is_null = |field: &usize| self.events.column(*field).value(self.row).is_null();
        let is_key = column >= self.kernel.num_fact_columns;
        // An event that lacks a value of the lookup has no key.
        match is_key && self.kernel.lookup_fields.iter().any(is_null) {
            true => Value::Null,
            false => self.kernel.columns[column].value(self.events, self.row),
        }
    }
}

/// The index of a batch of events among the batches of the whole input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchIndex(pub u32);

/// Deliveries that were read back. The words of their texts are ids in a [`StringPool`].
#[derive(Debug)]
pub(crate) struct StoredDeliveries {
    /// The words of one delivery after the other.
    pub words: Vec<u32>,
}

/// One delivery that was read back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredDelivery<'a> {
    /// Its words.
    pub words: &'a [u32],
    /// The batch that it is in.
    pub batch: BatchIndex,
}

/// The columns of rows that were read back.
struct StoredColumns {
    names: Vec<String>,
    columns: RecordColumns,
}

impl StoredColumns {
    fn new(rows: &RecordBatch) -> Result<Self> {
        let schema = rows.schema();
        Ok(Self {
            names: schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
            columns: RecordColumns::new(rows)?,
        })
    }

    /// Returns the columns with the names and types of the model.
    fn find_all(&self, columns: &[&ColumnSchema]) -> Result<Vec<&FieldColumn>> {
        let find = |column: &&ColumnSchema| {
            let position = self.names.iter().position(|name| name == column.name);
            let found = position.map(|position| self.columns.column(position));
            let found = found.filter(|found| found.has_type(column.ty));
            found.ok_or_else(|| stored_column_mismatch(column.name))
        };
        columns.iter().map(find).collect()
    }
}

fn stored_column_mismatch(name: &str) -> Error {
    Error::failed(format!("column {name} does not match what was written"))
        .with_reason("it is missing, or its type or rows differ")
        .with_hint("check whether another process writes to --out, and run again")
}
