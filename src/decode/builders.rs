//! Builds Arrow arrays column by column: each record appends one decoded value to every column.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::interner::{Interner, take_keeping_capacity};
use super::reject::RejectReason;
use super::span_value::{
    append_text_value, bounded_int64_value, double_value, int32_value, interned_value,
};
use super::value::ValueError;
use super::value_span::ValueSpan;
use crate::model::{FieldType, RecordField};

/// The error of a required key without a value.
pub(crate) const MISSING: ValueError = ValueError {
    reason: RejectReason::Missing,
    message: "required key is null or missing",
};

/// The number of records that a new builder has capacity for.
const INITIAL_CAPACITY: usize = 1024;

#[derive(Debug)]
enum ValueBuffer {
    Int32(Vec<i32>),
    Int64 {
        values: Vec<i64>,
        min: i64,
        max: i64,
    },
    Double(Vec<f64>),
    Text {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
        max_bytes: usize,
    },
    DictText {
        keys: Vec<i32>,
        interner: Interner,
        max_bytes: usize,
    },
}

/// Builds the column of one field.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    field: &'static RecordField,
    values: ValueBuffer,
    validity: NullBufferBuilder,
    scratch: Vec<u8>,
}

impl ColumnBuilder {
    /// Returns a builder of an empty column.
    pub(super) fn new(field: &'static RecordField) -> Self {
        let values = match field.ty {
            FieldType::Int32 => ValueBuffer::Int32(Vec::new()),
            FieldType::Int64 { min, max } => ValueBuffer::Int64 {
                values: Vec::new(),
                min,
                max,
            },
            FieldType::Double => ValueBuffer::Double(Vec::new()),
            FieldType::Text { max_bytes } => ValueBuffer::Text {
                offsets: vec![0],
                bytes: Vec::new(),
                max_bytes,
            },
            FieldType::DictText { max_bytes } => ValueBuffer::DictText {
                keys: Vec::new(),
                interner: Interner::default(),
                max_bytes,
            },
        };
        Self {
            field,
            values,
            validity: NullBufferBuilder::new(INITIAL_CAPACITY),
            scratch: Vec::new(),
        }
    }

    pub(super) fn field(&self) -> &'static RecordField {
        self.field
    }

    /// Appends the values at `spans` of `bytes`, which must be UTF-8 there. After an error some values
    /// may be appended; [`truncate`](Self::truncate) removes them.
    ///
    /// # Errors
    /// Returns the error of the first value that does not fit the column.
    #[inline]
    pub(super) fn extend(
        &mut self,
        bytes: &[u8],
        spans: impl Iterator<Item = ValueSpan>,
    ) -> Result<(), ValueError> {
        let rows = ColumnAppender {
            spans,
            validity: &mut self.validity,
            required: self.field.required,
        };
        let scratch = &mut self.scratch;
        match &mut self.values {
            ValueBuffer::Int32(values) => {
                rows.append_options(values, |span| int32_value(bytes, span, scratch))
            }
            ValueBuffer::Int64 { values, min, max } => rows.append_options(values, |span| {
                bounded_int64_value(bytes, span, scratch, *min, *max)
            }),
            ValueBuffer::Double(values) => {
                rows.append_options(values, |span| double_value(bytes, span, scratch))
            }
            ValueBuffer::Text {
                offsets,
                bytes: text,
                max_bytes,
            } => rows.append_with_validity(offsets, |span| {
                let is_valid = append_text_value(text, bytes, span, *max_bytes)?;
                // The offset fits, because the batch builder limits the bytes of a batch.
                Ok((text.len() as i32, is_valid))
            }),
            ValueBuffer::DictText {
                keys,
                interner,
                max_bytes,
            } => rows.append_options(keys, |span| {
                interned_value(interner, bytes, span, *max_bytes)
            }),
        }
    }

    /// Removes the values of row `rows` and of all rows after it.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            ValueBuffer::Int32(values) => values.truncate(rows),
            ValueBuffer::Int64 { values, .. } => values.truncate(rows),
            ValueBuffer::Double(values) => values.truncate(rows),
            ValueBuffer::Text { offsets, bytes, .. } => {
                offsets.truncate(rows + 1);
                bytes.truncate(offsets[offsets.len() - 1] as usize);
            }
            ValueBuffer::DictText { keys, .. } => keys.truncate(rows),
        }
        self.validity.truncate(rows);
    }

    /// Removes all values.
    pub(super) fn clear(&mut self) {
        self.truncate(0);
        if let ValueBuffer::DictText { interner, .. } = &mut self.values {
            interner.take();
        }
    }

    /// Returns the array of all values. The builder is empty afterwards and keeps its capacity.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: the Arrow constructors check their input.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.validity.finish();
        self.validity = NullBufferBuilder::new(INITIAL_CAPACITY);
        Ok(match &mut self.values {
            ValueBuffer::Int32(values) => Arc::new(Int32Array::try_new(
                take_keeping_capacity(values).into(),
                nulls,
            )?),
            ValueBuffer::Int64 { values, .. } => Arc::new(Int64Array::try_new(
                take_keeping_capacity(values).into(),
                nulls,
            )?),
            ValueBuffer::Double(values) => Arc::new(Float64Array::try_new(
                take_keeping_capacity(values).into(),
                nulls,
            )?),
            ValueBuffer::Text { offsets, bytes, .. } => {
                let texts = text_array(
                    take_keeping_capacity(offsets),
                    take_keeping_capacity(bytes),
                    nulls,
                )?;
                offsets.push(0);
                Arc::new(texts)
            }
            ValueBuffer::DictText { keys, interner, .. } => {
                let keys = Int32Array::try_new(take_keeping_capacity(keys).into(), nulls)?;
                let (offsets, bytes) = interner.take();
                let values = Arc::new(text_array(offsets, bytes, None)?);
                Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?)
            }
        })
    }
}

/// Appends the values at some spans to a column.
struct ColumnAppender<'a, S> {
    spans: S,
    validity: &'a mut NullBufferBuilder,
    required: bool,
}

impl<S: Iterator<Item = ValueSpan>> ColumnAppender<'_, S> {
    /// Appends the result of `value` for each span; `None` is a null.
    #[inline(always)]
    fn append_options<T: Default>(
        self,
        values: &mut Vec<T>,
        mut value: impl FnMut(ValueSpan) -> Result<Option<T>, ValueError>,
    ) -> Result<(), ValueError> {
        self.append_with_validity(values, |span| {
            let value = value(span)?;
            let is_valid = value.is_some();
            Ok((value.unwrap_or_default(), is_valid))
        })
    }

    /// Appends the result of `value` for each span: a value, which a null has too, and its validity.
    #[inline(always)]
    fn append_with_validity<T>(
        self,
        values: &mut Vec<T>,
        mut value: impl FnMut(ValueSpan) -> Result<(T, bool), ValueError>,
    ) -> Result<(), ValueError> {
        for span in self.spans {
            let (value, is_valid) = value(span)?;
            if !is_valid && self.required {
                return Err(MISSING);
            }
            values.push(value);
            self.validity.append(is_valid);
        }
        Ok(())
    }
}

/// Returns a text array. It checks all values for UTF-8 a second time, in one pass: the cost of doing
/// without `unsafe`.
fn text_array(
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<StringArray, ArrowError> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_from_binary(BinaryArray::try_new(offsets, bytes.into(), nulls)?)
}
