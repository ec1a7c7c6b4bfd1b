//! Compares the rows of a table with the model: limits of values, references, parts of times, and columns that are null
//! together.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use chrono::DateTime;

use super::calendar_parts::CalendarParts;
use super::finding::row_finding;
use super::integers::integers;
use super::keys::{Keys, positions};
use super::state_hash::StateHash;
use crate::error::Result;
use crate::model::{
    ColumnSchema, ColumnType, FieldType, Model, TableRule, TableSchema, ValueSource,
};

/// What the rows of a table must be like.
#[derive(Debug)]
pub(super) struct TableRows<'a> {
    table: &'static TableSchema,
    key_positions: Vec<usize>,
    references: Vec<(usize, &'static TableSchema, &'a Keys)>,
    /// The events that the rows name, which are rows of the fact table.
    events: Option<(StateHash, &'static TableSchema, &'a Keys)>,
    calendar: CalendarParts,
    /// The columns of times, with the limits in microseconds since 1970.
    times: Vec<(usize, i64, i64)>,
    /// The columns that are filled from the lookup: all of a row, or none.
    lookup_columns: Vec<usize>,
}

/// What was counted in rows.
#[derive(Debug, Default)]
pub(super) struct RowCounts {
    /// References that were resolved.
    pub references: u64,
    /// Rows that are filled from the lookup.
    pub matched: u64,
}

impl<'a> TableRows<'a> {
    /// Prepares to check the rows of a table. `keys_of` returns the sorted keys of a table that was checked before.
    pub(super) fn new(
        model: &Model,
        table: &'static TableSchema,
        keys_of: impl Fn(&'static str) -> Option<&'a Keys>,
    ) -> Self {
        let (fact, _) = model.fact();
        let references = references(model, table).into_iter();
        let references = references
            .filter_map(|(position, target)| Some((position, target, keys_of(target.name)?)));
        let events = StateHash::new(model, table).zip(keys_of(fact.name));
        let is_filled =
            |position: &usize| matches!(table.columns[*position].source, ValueSource::Lookup(_));
        Self {
            table,
            key_positions: positions(table, unique_columns(model, table)),
            references: references.collect(),
            events: events.map(|(hash, keys)| (hash, fact, keys)),
            calendar: CalendarParts::new(table),
            times: time_limits(model, table),
            lookup_columns: (0..table.columns.len()).filter(is_filled).collect(),
        }
    }

    /// Returns the positions of the columns that are unique together; none if rows may be equal.
    pub(super) fn key_positions(&self) -> &[usize] {
        &self.key_positions
    }

    /// Checks the rows of a batch, which follow `before` rows of the file `name`.
    ///
    /// # Errors
    /// Returns an error that names a row that is wrong.
    pub(super) fn check(&self, name: &str, before: u64, batch: &RecordBatch) -> Result<RowCounts> {
        let wrong = |row: usize, reason: String| row_finding(name, before + row as u64, reason);
        if let Some((row, reason)) = self.first_outside_limits(batch) {
            return Err(wrong(row, reason));
        }
        if let Some(part) = self.calendar.first_wrong(batch) {
            return Err(wrong(part.row, part.to_string()));
        }
        let mut counts = RowCounts::default();
        for &(position, target, keys) in &self.references {
            let column = batch.column(position);
            let (missing, present) = keys.first_missing(column);
            if let Some(row) = missing {
                let column = self.describe(batch, position, row);
                return Err(wrong(row, format!("{column} is not in {}", target.name)));
            }
            counts.references += present;
        }
        if let Some((hash, fact, keys)) = &self.events {
            let events = hash.keys(batch);
            if let Some(row) = events.iter().position(|&key| !keys.contains_integer(key)) {
                return Err(wrong(row, format!("its event is not in {}", fact.name)));
            }
            counts.references += events.len() as u64;
        }
        if let [first, others @ ..] = &self.lookup_columns[..] {
            let is_null = |position: usize, row| batch.column(position).is_null(row);
            for row in 0..batch.num_rows() {
                let differs = |&&other: &&usize| is_null(other, row) != is_null(*first, row);
                if let Some(&other) = others.iter().find(differs) {
                    let (first, other) = (self.column(*first), self.column(other));
                    let reason = format!("only one of {} and {} is null", first.name, other.name);
                    return Err(wrong(row, reason));
                }
            }
            let column = batch.column(*first);
            counts.matched += (column.len() - column.null_count()) as u64;
        }
        Ok(counts)
    }

    /// Returns the first row of a column with a value outside its limits, with the reason.
    fn first_outside_limits(&self, batch: &RecordBatch) -> Option<(usize, String)> {
        for &(position, min, max) in &self.times {
            let times = integers(batch.column(position))?;
            let is_wrong = |&time: &i64| time < min || time > max || time % 1000 != 0;
            if let Some(row) = times.iter().position(is_wrong) {
                let column = self.describe(batch, position, row);
                let reason = format!("{column} is not a time of a record in milliseconds");
                return Some((row, reason));
            }
        }
        for (position, column) in self.table.columns.iter().enumerate() {
            let values = batch.column(position);
            if let ColumnType::Varchar(max) = column.ty
                && let Some(texts) = values.as_string_opt::<i32>()
                && let is_wrong = (|text: &str| text.len() > max || text.contains('\0'))
                && let Some(row) = texts.iter().position(|text| text.is_some_and(is_wrong))
            {
                let reason = format!("{} does not fit {}", column.name, column.ty);
                return Some((row, reason));
            }
            if let Some(doubles) = values.as_primitive_opt::<Float64Type>()
                && let Some(row) = doubles
                    .iter()
                    .position(|value| value.is_some_and(|value| !value.is_finite()))
            {
                return Some((row, format!("{} is not a finite number", column.name)));
            }
        }
        None
    }

    fn column(&self, position: usize) -> &'static ColumnSchema {
        &self.table.columns[position]
    }

    /// Returns the name and the value of a column in a row.
    pub(super) fn describe(&self, batch: &RecordBatch, position: usize, row: usize) -> String {
        let ColumnSchema { name, ty, .. } = self.column(position);
        let column = batch.column(position);
        if let Some(texts) = column.as_string_opt::<i32>() {
            return format!("{name} {:?}", texts.value(row));
        }
        if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
            return format!("{name} {}", doubles.value(row));
        }
        let value = integers(column).map_or(0, |values| values[row]);
        match DateTime::from_timestamp_micros(value) {
            Some(time) if *ty == ColumnType::Timestamp => {
                format!("{name} {}", time.format("%Y-%m-%dT%H:%M:%S%.6f"))
            }
            _ => format!("{name} {value}"),
        }
    }
}

/// Returns the columns of a table that are unique together.
pub(super) fn unique_columns(model: &Model, table: &TableSchema) -> &'static [ColumnSchema] {
    match table.rule {
        TableRule::LookupKeys { of } => model.table(of).key(),
        TableRule::Fact(_)
        | TableRule::Pick(_)
        | TableRule::Calendar
        | TableRule::PickState { .. }
        | TableRule::SourceObjects
        | TableRule::LoadHistory => table.key(),
    }
}

/// Returns true if the rows of a table refer to the keys of the table with this name.
pub(super) fn refers_to(model: &Model, table: &TableSchema, name: &str) -> bool {
    let (fact, _) = model.fact();
    let names_events = fact.name == name && StateHash::new(model, table).is_some();
    names_events
        || references(model, table)
            .iter()
            .any(|(_, to)| to.name == name)
}

/// Returns the positions of the columns that refer to the key of another table, and that table.
fn references(model: &Model, table: &TableSchema) -> Vec<(usize, &'static TableSchema)> {
    let (fact, _) = model.fact();
    let mut references: Vec<(&str, &str)> = Vec::new();
    references.extend(table.references.iter().map(|to| (to.column, to.table)));
    match table.rule {
        TableRule::PickState { of } | TableRule::LookupKeys { of } => {
            references.extend(model.table(of).key().iter().map(|column| (column.name, of)));
        }
        // What the fact table is filled with refers to the same tables as the fact table.
        TableRule::Pick(_) if model.lookup().0 == table => {
            let filled = fact.references.iter().filter_map(|to| {
                let column = fact.column(to.column)?;
                match column.source {
                    ValueSource::Lookup(name) => Some((name, to.table)),
                    _ => None,
                }
            });
            references.extend(filled);
        }
        TableRule::Fact(_)
        | TableRule::Pick(_)
        | TableRule::Calendar
        | TableRule::SourceObjects
        | TableRule::LoadHistory => {}
    }
    let references = references.into_iter();
    let references =
        references.map(|(column, to)| Some((table.position(column)?, model.table(to))));
    references.flatten().collect()
}

/// Returns the columns of a table that have the time of a record, with the limits in microseconds since 1970.
fn time_limits(model: &Model, table: &TableSchema) -> Vec<(usize, i64, i64)> {
    let Some(record) = model.record_of(table) else {
        return Vec::new();
    };
    let limits = |(position, column): (usize, &ColumnSchema)| {
        let ValueSource::Field(key) = column.source else {
            return None;
        };
        let field = record.fields.iter().find(|field| field.key == key)?;
        match (column.ty, field.ty) {
            (ColumnType::Timestamp, FieldType::Int64 { min, max }) => {
                Some((position, min * 1000, max * 1000))
            }
            _ => None,
        }
    };
    table
        .columns
        .iter()
        .enumerate()
        .filter_map(limits)
        .collect()
}
