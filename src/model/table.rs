//! Describes tables.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};

use super::column::{ColumnSchema, EngineValue, ValueSource};
use super::rule::TableRule;

/// A table of the star schema, of the merge state, or of the history of loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSchema {
    /// The name of the table.
    pub name: &'static str,
    /// The names that builds before version 0.1.0 gave the table in a warehouse. It had the same columns then, without
    /// those that were [added](ColumnSchema::added) later.
    pub former_names: &'static [&'static str],
    /// The directory of its Parquet parts in a dataset; empty for a table that only a warehouse has.
    pub dir: &'static str,
    /// What a row is, in full sentences: a comment of the SQL, and an entry of the data dictionary.
    pub description: &'static str,
    /// The columns, in order.
    pub columns: &'static [ColumnSchema],
    /// The number of columns, from the first, that are the primary key; 0 if there is none.
    pub key_len: usize,
    /// The foreign keys.
    pub references: &'static [Reference],
    /// The rule by which the rows follow from the records.
    pub rule: TableRule,
    /// How Redshift stores the rows.
    pub redshift: RedshiftLayout,
}

/// A foreign key of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The name of the constraint.
    pub name: &'static str,
    /// The name of the column.
    pub column: &'static str,
    /// The name of the table whose primary key it refers to.
    pub table: &'static str,
}

/// How Redshift distributes and sorts the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedshiftLayout {
    /// How the rows are distributed among the slices.
    pub distribution: Distribution,
    /// The name of the column by which they are sorted.
    pub sort_key: &'static str,
    /// Why, in full sentences: a comment of the SQL; empty if there is nothing to say.
    pub reason: &'static str,
}

impl RedshiftLayout {
    /// Returns the layout of a table that each node has a copy of.
    pub(in crate::model) const fn replicated(sort_key: &'static str, reason: &'static str) -> Self {
        Self {
            distribution: Distribution::All,
            sort_key,
            reason,
        }
    }
}

/// How the rows of a table are distributed among the slices of a Redshift cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Each node has all rows.
    All,
    /// The rows are distributed in turn.
    Even,
    /// Rows with equal values of this column are on the same slice.
    Key(&'static str),
}

impl TableSchema {
    /// Returns the schema of the table's record batches and Parquet files.
    pub fn arrow_schema(&self) -> SchemaRef {
        let field = |c: &ColumnSchema| Field::new(c.name, c.ty.data_type(), c.nullable);
        Arc::new(Schema::new(
            self.columns.iter().map(field).collect::<Vec<_>>(),
        ))
    }

    /// Returns the columns of the primary key.
    pub fn key(&self) -> &'static [ColumnSchema] {
        &self.columns[..self.key_len]
    }

    /// Returns the columns after the primary key.
    pub fn values(&self) -> &'static [ColumnSchema] {
        &self.columns[self.key_len..]
    }

    /// Returns the position of a column; `None` if the table does not have it.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Returns a column; `None` if the table does not have it.
    pub fn column(&self, name: &str) -> Option<&'static ColumnSchema> {
        Some(&self.columns[self.position(name)?])
    }

    /// Returns the column that has a value of sparkify; `None` if the table does not have it.
    pub fn engine_column(&self, value: EngineValue) -> Option<&'static ColumnSchema> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.source == ValueSource::Engine(value))
    }
}
