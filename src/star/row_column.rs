//! Computes the values of a table's column from records.

use super::fnv::FnvHash;
use super::record_columns::{FieldColumn, RecordColumns, dict_value};
use super::value::Value;
use crate::model::{ColumnSchema, ColumnType, RecordSchema, ValueSource};

/// A row whose values can be read by the position of their columns.
pub(crate) trait Row {
    /// Returns the value of a column.
    fn value(&self, column: usize) -> Value<'_>;
}

/// A row of a table that follows from one record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordRow<'a> {
    /// The columns of the table.
    pub columns: &'a [RowColumn],
    /// The records.
    pub records: &'a RecordColumns,
    /// The position of the record.
    pub row: usize,
}

impl Row for RecordRow<'_> {
    #[inline(always)]
    fn value(&self, column: usize) -> Value<'_> {
        self.columns[column].value(self.records, self.row)
    }
}

/// How the values of a table's column follow from a record.
#[derive(Debug, Clone)]
pub(crate) enum RowColumn {
    /// The value of a field.
    Field(usize),
    /// The value of a field in milliseconds, as microseconds.
    Timestamp(usize),
    /// The hash of some fields.
    Hash(FieldHash),
}

impl RowColumn {
    /// Returns the column for records of a kind.
    ///
    /// # Panics
    /// Panics if the column does not follow from such a record alone.
    #[expect(clippy::panic, reason = "the model says where the column comes from")]
    pub(crate) fn new(record: &RecordSchema, column: &ColumnSchema) -> Self {
        match column.source {
            ValueSource::Field(key) => match column.ty {
                ColumnType::Timestamp => Self::Timestamp(field_index(record, key)),
                ColumnType::BigInt
                | ColumnType::Integer
                | ColumnType::SmallInt
                | ColumnType::Double
                | ColumnType::Varchar(_) => Self::Field(field_index(record, key)),
            },
            ValueSource::Hash(keys) => Self::Hash(FieldHash::new(record, keys)),
            ValueSource::CalendarPart(..) | ValueSource::Lookup(_) | ValueSource::Engine => {
                panic!("{} does not follow from one record", column.name)
            }
        }
    }

    /// Returns the value for a record.
    #[inline(always)]
    pub(crate) fn value<'a>(&self, records: &'a RecordColumns, row: usize) -> Value<'a> {
        match self {
            Self::Field(field) => records.column(*field).value(row),
            Self::Timestamp(field) => match records.column(*field).value(row) {
                Value::Integer(ms) => Value::Integer(ms * 1000),
                other => other,
            },
            Self::Hash(hash) => hash.value(records, row),
        }
    }
}

/// Returns the position of a field.
///
/// # Panics
/// Panics if the record does not have it.
#[expect(clippy::expect_used, reason = "a model is consistent")]
pub(crate) fn field_index(record: &RecordSchema, key: &str) -> usize {
    let position = record.fields.iter().position(|field| field.key == key);
    position.expect("a column of the model comes from a field of the record")
}

/// The hash of some fields of a record, as Redshift's `FNV_HASH` computes it.
#[derive(Debug, Clone)]
pub(crate) struct FieldHash {
    fields: Vec<HashedField>,
}

#[derive(Debug, Clone, Copy)]
struct HashedField {
    index: usize,
    /// Whether a zero separates its text from the next one.
    has_separator: bool,
}

impl FieldHash {
    /// Returns the hash of fields, by their keys, for records of a kind.
    pub(super) fn new(record: &RecordSchema, keys: &[&str]) -> Self {
        let field = |(position, key): (usize, &&str)| {
            let index = field_index(record, key);
            HashedField {
                index,
                has_separator: record.fields[index].ty.is_text() && position + 1 < keys.len(),
            }
        };
        Self {
            fields: keys.iter().enumerate().map(field).collect(),
        }
    }

    /// Returns the hash for a record; null if a field is.
    pub(super) fn value(&self, records: &RecordColumns, row: usize) -> Value<'static> {
        let mut hash = FnvHash::default();
        for field in &self.fields {
            let column = records.column(field.index);
            if column.nulls().is_some_and(|nulls| nulls.is_null(row)) {
                return Value::Null;
            }
            field.hash_value(column, row, &mut hash);
        }
        Value::Integer(hash.finish())
    }

    /// Returns the hash for a record whose fields have values.
    #[expect(clippy::expect_used, reason = "the caller has checked the fields")]
    pub(super) fn required_value(&self, records: &RecordColumns, row: usize) -> i64 {
        let hash = self.value(records, row).integer();
        hash.expect("a hashed field has a value")
    }

    /// Returns the hash for each record. The fields are never null.
    pub(super) fn values(&self, records: &RecordColumns) -> Vec<i64> {
        let mut hashes = vec![FnvHash::default(); records.num_rows()];
        for field in &self.fields {
            let column = records.column(field.index);
            assert!(column.nulls().is_none(), "a hashed field is required");
            field.hash_each(column, hashes.iter_mut().enumerate());
        }
        hashes.iter().map(FnvHash::finish).collect()
    }

    /// Returns the hash for the records in some rows, whose fields have values.
    pub(super) fn values_at(&self, records: &RecordColumns, rows: &[u32]) -> Vec<i64> {
        let mut hashes = vec![FnvHash::default(); rows.len()];
        for field in &self.fields {
            let rows = rows.iter().map(|&row| row as usize);
            field.hash_each(records.column(field.index), rows.zip(&mut hashes));
        }
        hashes.iter().map(FnvHash::finish).collect()
    }
}

impl HashedField {
    /// Adds the value of a record, which is not null.
    #[inline]
    fn hash_value(self, column: &FieldColumn, row: usize, hash: &mut FnvHash) {
        self.hash_each(column, std::iter::once((row, hash)));
    }

    /// Adds the value of each record to its hash. The values are not null.
    ///
    /// The fields are added one after the other, because the hashes of different records do not wait for each other.
    #[expect(
        clippy::panic,
        clippy::expect_used,
        reason = "the model hashes only fields that have a documented hash"
    )]
    #[inline]
    fn hash_each<'a>(
        self,
        column: &FieldColumn,
        records: impl Iterator<Item = (usize, &'a mut FnvHash)>,
    ) {
        let has_separator = self.has_separator;
        let write = move |hash: &mut FnvHash, value: &[u8]| {
            hash.write(value);
            if has_separator {
                hash.write(&0i16.to_le_bytes());
            }
        };
        match column {
            FieldColumn::Int32(array) => {
                records.for_each(|(row, hash)| write(hash, &array.value(row).to_le_bytes()));
            }
            FieldColumn::Int64(array) => {
                records.for_each(|(row, hash)| write(hash, &array.value(row).to_le_bytes()));
            }
            FieldColumn::Text(array) => {
                records.for_each(|(row, hash)| write(hash, array.value(row).as_bytes()));
            }
            FieldColumn::DictText(array) => records.for_each(|(row, hash)| {
                let text = dict_value(array, row).expect("a hashed text has a value");
                write(hash, text.as_bytes());
            }),
            FieldColumn::Double(_) => panic!("FNV_HASH of a double is not documented"),
        }
    }
}
