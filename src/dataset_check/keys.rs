//! Collects the keys of a table, to find those that occur twice and to resolve references to them.
//!
//! A key of one integer or time takes 8 bytes. Any other key is a short text of its columns.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use rayon::slice::ParallelSliceMut;

use super::integers::integers;
use crate::model::{ColumnSchema, TableSchema};

/// Some keys.
#[derive(Debug)]
pub(super) enum Keys {
    /// Keys of one integer or time.
    Integers(Vec<i64>),
    /// Any other keys.
    Texts(Vec<Box<[u8]>>),
}

impl Keys {
    /// Returns no key, for keys of these columns.
    pub(super) fn new(columns: &[ColumnSchema]) -> Self {
        match columns {
            [column] if !column.ty.is_text() => Self::Integers(Vec::new()),
            _ => Self::Texts(Vec::new()),
        }
    }

    /// Adds the keys of a batch in columns at these positions.
    pub(super) fn extend_from(&mut self, batch: &RecordBatch, positions: &[usize]) {
        match self {
            Self::Integers(keys) => {
                let columns = positions.iter().map(|&at| batch.column(at));
                let values = columns.filter_map(|column| integers(column));
                values.for_each(|values| keys.extend_from_slice(&values));
            }
            Self::Texts(keys) => {
                let key = |row| text_key(batch, positions, row).into_boxed_slice();
                keys.extend((0..batch.num_rows()).map(key));
            }
        }
    }

    /// Makes room for keys of other parts of the table.
    pub(super) fn reserve(&mut self, additional: usize) {
        match self {
            Self::Integers(keys) => keys.reserve_exact(additional),
            Self::Texts(keys) => keys.reserve_exact(additional),
        }
    }

    /// Adds the keys of another part of the table.
    pub(super) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Integers(keys), Self::Integers(mut others)) => keys.append(&mut others),
            (Self::Texts(keys), Self::Texts(mut others)) => keys.append(&mut others),
            (Self::Integers(_), Self::Texts(_)) | (Self::Texts(_), Self::Integers(_)) => {
                debug_assert!(false, "the keys of a table are alike");
            }
        }
    }

    /// Sorts the keys, so that they can be found.
    pub(super) fn sort(&mut self) {
        match self {
            Self::Integers(keys) => keys.par_sort_unstable(),
            Self::Texts(keys) => keys.par_sort_unstable(),
        }
    }

    /// Returns the number of keys.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(keys) => keys.len(),
            Self::Texts(keys) => keys.len(),
        }
    }

    /// Returns a key that occurs twice, alone; `None` if there is none. The keys must be sorted.
    pub(super) fn first_duplicate(&self) -> Option<Self> {
        match self {
            Self::Integers(keys) => {
                let pair = keys.windows(2).find(|pair| pair[0] == pair[1])?;
                Some(Self::Integers(vec![pair[0]]))
            }
            Self::Texts(keys) => {
                let pair = keys.windows(2).find(|pair| pair[0] == pair[1])?;
                Some(Self::Texts(vec![pair[0].clone()]))
            }
        }
    }

    /// Returns true if one of the sorted keys is this integer.
    pub(super) fn contains_integer(&self, value: i64) -> bool {
        matches!(self, Self::Integers(keys) if keys.binary_search(&value).is_ok())
    }

    /// Returns the first row of a batch whose value in a column is none of the sorted keys, except null, and the number of
    /// rows that have a value.
    pub(super) fn first_missing(&self, column: &dyn Array) -> (Option<usize>, u64) {
        let present = (column.len() - column.null_count()) as u64;
        let missing = match self {
            Self::Integers(keys) => integers(column).and_then(|values| {
                // The same value often follows itself.
                let mut last = None;
                let mut rows = values.iter().enumerate();
                rows.find_map(|(row, value)| {
                    let is_known = last == Some(value)
                        || column.is_null(row)
                        || keys.binary_search(value).is_ok();
                    last = Some(value).filter(|_| column.is_valid(row));
                    (!is_known).then_some(row)
                })
            }),
            Self::Texts(keys) => column.as_string_opt::<i32>().and_then(|values| {
                values.iter().position(|value| {
                    value.is_some_and(|value| {
                        keys.binary_search_by(|key| key.as_ref().cmp(value.as_bytes()))
                            .is_err()
                    })
                })
            }),
        };
        (missing, present)
    }

    /// Returns the positions in a batch of the rows that have one of the sorted keys.
    pub(super) fn rows_with(&self, batch: &RecordBatch, positions: &[usize]) -> Vec<usize> {
        let mut keys = match self {
            Self::Integers(_) => Self::Integers(Vec::new()),
            Self::Texts(_) => Self::Texts(Vec::new()),
        };
        keys.extend_from(batch, positions);
        let rows = 0..batch.num_rows();
        match (self, &keys) {
            (Self::Integers(wanted), Self::Integers(found)) => rows
                .filter(|&row| wanted.binary_search(&found[row]).is_ok())
                .collect(),
            (Self::Texts(wanted), Self::Texts(found)) => rows
                .filter(|&row| wanted.binary_search(&found[row]).is_ok())
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Returns the positions of columns in a table.
pub(super) fn positions(table: &TableSchema, columns: &[ColumnSchema]) -> Vec<usize> {
    let positions = columns.iter().map(|column| table.position(column.name));
    positions.flatten().collect()
}

/// Returns the key of a row: the text of its only column, or that of each column with a zero after it. No text of a table
/// contains a zero.
fn text_key(batch: &RecordBatch, positions: &[usize], row: usize) -> Vec<u8> {
    let mut key = Vec::new();
    for &position in positions {
        let column = batch.column(position);
        if let Some(texts) = column.as_string_opt::<i32>() {
            key.extend_from_slice(texts.value(row).as_bytes());
            if positions.len() > 1 {
                key.push(0);
            }
        } else if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
            key.extend_from_slice(&doubles.value(row).to_le_bytes());
        } else if let Some(values) = integers(column) {
            key.extend_from_slice(&values[row].to_le_bytes());
        }
    }
    key
}
