//! Computes the values of a table's column from records.

use super::fnv::FnvHash;
use super::record_columns::{DictText, FieldColumn, RecordColumns, dict_value};
use super::value::Value;
use crate::model::{ColumnSchema, ColumnType, RecordSchema, ValueSource};

/// A row whose values can be read by the position of their columns.
pub(crate) trait Row<'a> {
    /// Returns the value of a column.
    fn value(&self, column: usize) -> Value<'a>;
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

impl<'a> Row<'a> for RecordRow<'a> {
    #[inline(always)]
    fn value(&self, column: usize) -> Value<'a> {
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
            ValueSource::CalendarPart(..) | ValueSource::Lookup(_) | ValueSource::Engine(_) => {
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
        let is_null = |field: &HashedField| records.column(field.index).value(row).is_null();
        match self.fields.iter().any(is_null) {
            true => Value::Null,
            false => Value::Integer(self.value_of_present(records, row)),
        }
    }

    /// Returns the hash for a record whose fields have values.
    #[inline]
    pub(super) fn value_of_present(&self, records: &RecordColumns, row: usize) -> i64 {
        let mut hash = FnvHash::default();
        for field in &self.fields {
            let column = records.column(field.index);
            field.hash_each(
                column,
                std::iter::once(row),
                std::slice::from_mut(&mut hash),
            );
        }
        hash.finish()
    }

    /// Returns the hash for each record. The fields are never null.
    pub(super) fn values(&self, records: &RecordColumns) -> Vec<i64> {
        let mut hashes = vec![FnvHash::default(); records.num_rows()];
        // The fields are added one after the other, because the hashes of different records do not wait for each other.
        for field in &self.fields {
            let column = records.column(field.index);
            assert!(column.nulls().is_none(), "a hashed field is required");
            field.hash_each(column, 0..records.num_rows(), &mut hashes);
        }
        hashes.iter().map(FnvHash::finish).collect()
    }

    /// Returns the hash for the records in some rows, whose fields have values.
    pub(super) fn values_at(&self, records: &RecordColumns, rows: &[u32]) -> Vec<i64> {
        let mut hashes = vec![FnvHash::default(); rows.len()];
        for field in &self.fields {
            let rows = rows.iter().map(|&row| row as usize);
            field.hash_each(records.column(field.index), rows, &mut hashes);
        }
        hashes.iter().map(FnvHash::finish).collect()
    }
}

impl HashedField {
    /// Adds the values of some rows to their hashes. The values are not null.
    #[inline]
    fn hash_each(
        self,
        column: &FieldColumn,
        rows: impl Iterator<Item = usize>,
        hashes: &mut [FnvHash],
    ) {
        let hashed = hashes.iter_mut().zip(rows);
        match column {
            FieldColumn::Int32(array) => {
                hashed.for_each(|(hash, row)| hash.write(&array.value(row).to_le_bytes()));
            }
            FieldColumn::Int64(array) => {
                hashed.for_each(|(hash, row)| hash.write(&array.value(row).to_le_bytes()));
            }
            FieldColumn::Text(array) => {
                hashed.for_each(|(hash, row)| self.hash_text(array.value(row), hash));
            }
            FieldColumn::DictText(array) => {
                hashed.for_each(|(hash, row)| self.hash_dict_text(array, row, hash));
            }
            FieldColumn::Double(_) => undocumented_hash(),
        }
    }

    #[inline(always)]
    fn hash_text(self, text: &str, hash: &mut FnvHash) {
        hash.write(text.as_bytes());
        if self.has_separator {
            hash.write(&0i16.to_le_bytes());
        }
    }

    #[expect(clippy::expect_used, reason = "the caller has checked the fields")]
    fn hash_dict_text(self, texts: &DictText, row: usize, hash: &mut FnvHash) {
        let text = dict_value(texts, row).expect("a hashed field has a value");
        self.hash_text(text, hash);
    }
}

/// Panics, because `FNV_HASH` of a double is not documented, so a model does not hash one.
#[cold]
#[expect(
    clippy::panic,
    reason = "a model hashes only what has a documented hash"
)]
fn undocumented_hash() -> ! {
    panic!("FNV_HASH of a double is not documented")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::model::sparkify::{EVENT_RECORD, SONG_RECORD};

    /// The values were computed by another implementation of
    /// `fnv_hash(artist_name, fnv_hash(0::smallint, fnv_hash(title)))`.
    #[test]
    fn texts_are_hashed_with_a_separator() {
        let songs = [
            ("Title", "Artist"),
            ("", ""),
            ("Café del Mar", "Björk"),
            ("ab", "c"),
            ("a", "bc"),
        ];
        let names = ["song_id", "title", "artist_id", "artist_name"];
        let text = |text: fn(&(&'static str, &'static str)) -> &'static str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(songs.iter().map(text)))
        };
        let [title, artist] = [text(|song| song.0), text(|song| song.1)];
        let arrays = [title.clone(), title, artist.clone(), artist];
        let batch = RecordBatch::try_from_iter(names.into_iter().zip(arrays)).unwrap();
        let songs = RecordColumns::new(&batch).unwrap();
        let hash = FieldHash::new(&SONG_RECORD, &["title", "artist_name"]);
        let hashes = hash.values(&songs);
        let expected = [
            1_465_977_823_591_457_354,
            590_684_067_820_433_389,
            6_237_502_759_999_602_554,
        ];
        assert_eq!(hashes[..3], expected);
        assert_ne!(hashes[3], hashes[4]);
        let one_by_one = (0..5).map(|row| hash.value_of_present(&songs, row));
        assert_eq!(hashes, one_by_one.collect::<Vec<_>>());
        assert_eq!(hash.values_at(&songs, &[4, 1]), [hashes[4], hashes[1]]);
    }

    #[test]
    fn hashes_of_numbers_do_not_depend_on_how_they_are_computed() {
        let arrays: [ArrayRef; 4] = [
            Arc::new(Int64Array::from(vec![1, -1])),
            Arc::new(Int32Array::from(vec![i32::MIN, 7])),
            Arc::new(Int32Array::from(vec![0, i32::MAX])),
            Arc::new(Int32Array::from(vec![3, 4])),
        ];
        let names = ["ts", "userId", "sessionId", "itemInSession"];
        let batch = RecordBatch::try_from_iter(names.into_iter().zip(arrays)).unwrap();
        let events = RecordColumns::new(&batch).unwrap();
        let hash = FieldHash::new(
            &EVENT_RECORD,
            &["userId", "ts", "sessionId", "itemInSession"],
        );
        let one_by_one = [0, 1].map(|row| hash.value_of_present(&events, row));
        assert_eq!(hash.values(&events), one_by_one);
        assert_eq!(hash.value(&events, 1), Value::Integer(one_by_one[1]));
    }
}
