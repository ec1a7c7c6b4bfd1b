//! Provides typed access to the columns of record batches.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::text_array::text_array;
use super::value::{TotalOrderF64, Value};
use crate::error::{Error, Result};
use crate::model::ColumnType;

/// Dictionary-encoded text, for columns with many repeated values.
pub(crate) type DictText = DictionaryArray<Int32Type>;

/// A column by its type.
#[derive(Debug, Clone)]
pub(crate) enum FieldColumn {
    /// 32-bit integers.
    Int32(Int32Array),
    /// 64-bit integers, or times in microseconds.
    Int64(Int64Array),
    /// Doubles, with 0.0 in place of -0.0, so that a choice between equal values cannot depend on their order.
    Double(Float64Array),
    /// Texts.
    Text(StringArray),
    /// Texts with many repeated values.
    DictText(DictText),
}

impl FieldColumn {
    /// Returns the column of an array; `None` if no table has such a type.
    fn from_array(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Int32 => Some(Self::Int32(array.as_primitive::<Int32Type>().clone())),
            DataType::Int64 => Some(Self::Int64(array.as_primitive::<Int64Type>().clone())),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                Some(Self::Int64(times.reinterpret_cast()))
            }
            DataType::Float64 => {
                let doubles = array.as_primitive::<Float64Type>();
                Some(Self::Double(doubles.unary(|value| value + 0.0)))
            }
            DataType::Utf8 => Some(Self::Text(array.as_string().clone())),
            _ => Some(Self::DictText(array.as_dictionary_opt()?.clone())),
        }
    }

    /// Returns a column of values, all of one type.
    ///
    /// # Errors
    /// Returns an error if the texts exceed the limit of Arrow (2 GiB).
    pub(super) fn from_values<'a>(values: impl Iterator<Item = Value<'a>> + Clone) -> Result<Self> {
        Ok(match values.clone().find(|value| !value.is_null()) {
            Some(Value::Integer(_)) => Self::Int64(values.map(Value::integer).collect()),
            Some(Value::Double(_)) => Self::Double(values.map(Value::double).collect()),
            Some(Value::Text(_)) | Some(Value::Null) | None => {
                Self::Text(text_array(values.map(Value::text))?)
            }
        })
    }

    /// Returns true if the column can have the values of a table's column.
    pub(super) fn has_type(&self, ty: ColumnType) -> bool {
        match self {
            Self::Int32(_) => ty == ColumnType::Integer,
            Self::Int64(_) => matches!(ty, ColumnType::BigInt | ColumnType::Timestamp),
            Self::Double(_) => ty == ColumnType::Double,
            Self::Text(_) | Self::DictText(_) => ty.is_text(),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Int32(array) => array,
            Self::Int64(array) => array,
            Self::Double(array) => array,
            Self::Text(array) => array,
            Self::DictText(array) => array,
        }
    }

    /// Returns the array.
    pub(super) fn to_array(&self) -> ArrayRef {
        match self {
            Self::Int32(array) => Arc::new(array.clone()),
            Self::Int64(array) => Arc::new(array.clone()),
            Self::Double(array) => Arc::new(array.clone()),
            Self::Text(array) => Arc::new(array.clone()),
            Self::DictText(array) => Arc::new(array.clone()),
        }
    }

    /// Returns which rows have a value; `None` if all have one.
    pub(super) fn nulls(&self) -> Option<&NullBuffer> {
        self.array().nulls()
    }

    /// Returns the integers of a column that has no nulls; `None` for another one.
    pub(super) fn integers(&self) -> Option<Integers<'_>> {
        match self {
            Self::Int32(array) if array.null_count() == 0 => Some(Integers::Int32(array.values())),
            Self::Int64(array) if array.null_count() == 0 => Some(Integers::Int64(array.values())),
            Self::Int32(_)
            | Self::Int64(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::DictText(_) => None,
        }
    }

    /// Returns the value of a row.
    #[inline(always)]
    pub(super) fn value(&self, row: usize) -> Value<'_> {
        match self {
            Self::Int32(array) if array.is_valid(row) => Value::Integer(array.value(row).into()),
            Self::Int64(array) if array.is_valid(row) => Value::Integer(array.value(row)),
            Self::Double(array) if array.is_valid(row) => {
                Value::Double(TotalOrderF64(array.value(row)))
            }
            Self::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Self::DictText(array) => dict_value(array, row).map_or(Value::Null, Value::Text),
            Self::Int32(_) | Self::Int64(_) | Self::Double(_) | Self::Text(_) => Value::Null,
        }
    }
}

/// The integers of a column that has no nulls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Integers<'a> {
    Int32(&'a [i32]),
    Int64(&'a [i64]),
}

impl Integers<'_> {
    /// Returns the integer of a row.
    #[inline(always)]
    pub(super) fn at(self, row: u32) -> i64 {
        match self {
            Self::Int32(values) => values[row as usize].into(),
            Self::Int64(values) => values[row as usize],
        }
    }
}

/// The columns of a batch of decoded records, or of rows that were read back.
#[derive(Debug, Clone)]
pub struct RecordColumns {
    columns: Vec<FieldColumn>,
    num_rows: usize,
}

impl RecordColumns {
    /// Returns the columns of a batch.
    ///
    /// # Errors
    /// Returns an error if a column has a type that no table has.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, array)| {
            FieldColumn::from_array(array).ok_or_else(|| {
                Error::failed(format!("column {} has an unexpected type", field.name()))
                    .with_hint("this is a bug in sparkify: please report it")
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            num_rows: batch.num_rows(),
        })
    }

    /// Returns the number of records.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Returns a column by its position.
    #[inline]
    pub(crate) fn column(&self, index: usize) -> &FieldColumn {
        &self.columns[index]
    }

    /// Returns the integers of a column that is never null.
    ///
    /// # Panics
    /// Panics if the column has another type: the model says that it has this one.
    #[expect(clippy::panic, reason = "the model and the decoder disagree")]
    pub(super) fn int64_values(&self, index: usize) -> &[i64] {
        match &self.columns[index] {
            FieldColumn::Int64(array) => array.values(),
            _ => panic!("column {index} has 64-bit integers"),
        }
    }
}

/// Returns the distinct texts of a dictionary-encoded column.
pub(super) fn dict_values(column: &DictText) -> &StringArray {
    column.values().as_string()
}

/// Returns the text of a row; `None` for a null.
#[inline]
pub(super) fn dict_value(column: &DictText, row: usize) -> Option<&str> {
    let key = column.key(row)?;
    Some(dict_values(column).value(key))
}
