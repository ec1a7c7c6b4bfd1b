//! Columns under construction: one decoded value appended a record, an Arrow array at the end.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::bytes::byte_at;
use super::interner::{Interner, take_keeping_capacity};
use super::lexer::is_number;
use super::reject::RejectReason;
use super::scanner::{ValueKind, ValueSpan};
use super::schema::{Field, FieldType};
use super::value::{self, ValueError};

/// Records for which room is made at first.
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

/// The column of one field.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    field: &'static Field,
    values: ValueBuffer,
    validity: NullBufferBuilder,
    scratch: Vec<u8>,
}

impl ColumnBuilder {
    /// An empty column.
    pub(super) fn new(field: &'static Field) -> Self {
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

    /// The field.
    pub(super) fn field(&self) -> &'static Field {
        self.field
    }

    /// Appends the values in `slots` of `bytes`, which are UTF-8 there. On a fault some of them are
    /// appended: [`truncate`](Self::truncate) takes them back.
    ///
    /// # Errors
    /// The first value that the column cannot take.
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
                rows.append_options(values, |slot| match integer_value(bytes, slot, scratch)? {
                    None => Ok(None),
                    Some(wide) => i32::try_from(wide)
                        .map(Some)
                        .map_err(|_| (RejectReason::Range, "number does not fit 32 bits")),
                })
            }
            ValueBuffer::Int64 { values, min, max } => {
                rows.append_options(values, |slot| match integer_value(bytes, slot, scratch)? {
                    Some(wide) if wide < *min || wide > *max => {
                        Err((RejectReason::Range, "number out of range"))
                    }
                    fits => Ok(fits),
                })
            }
            ValueBuffer::Double(values) => rows.append_options(values, |slot| {
                match number_text(slot.kind, raw_bytes(bytes, slot), scratch)? {
                    None => Ok(None),
                    Some(number) => value::parse_double(number).map(Some),
                }
            }),
            ValueBuffer::Text {
                offsets,
                bytes: text,
                max_bytes,
            } => rows.append_with_validity(offsets, |slot| {
                let start = text.len();
                let raw = raw_bytes(bytes, slot);
                let is_valid = match slot.kind {
                    ValueKind::Absent | ValueKind::Null => false,
                    ValueKind::Nested => return Err(NESTED),
                    ValueKind::Bool | ValueKind::Number | ValueKind::PlainString => {
                        append_text(text, bytes, slot.start, raw);
                        true
                    }
                    ValueKind::EscapedString => {
                        value::unescape(raw, text)?;
                        true
                    }
                };
                if text.len() - start > *max_bytes {
                    return Err(TOO_LONG);
                }
                // A batch is full long before it holds 2 GiB of text: see `super::MAX_BATCH_BYTES`.
                Ok((text.len() as i32, is_valid))
            }),
            ValueBuffer::DictText {
                keys,
                interner,
                max_bytes,
            } => rows.append_options(keys, |slot| {
                let raw = raw_bytes(bytes, slot);
                match slot.kind {
                    ValueKind::Absent | ValueKind::Null => Ok(None),
                    ValueKind::Nested => Err(NESTED),
                    ValueKind::Bool | ValueKind::Number | ValueKind::PlainString
                        if raw.len() > *max_bytes =>
                    {
                        Err(TOO_LONG)
                    }
                    ValueKind::Bool | ValueKind::Number | ValueKind::PlainString => {
                        Ok(Some(interner.intern_plain(bytes, slot.start, raw)))
                    }
                    ValueKind::EscapedString => {
                        let decode = |raw: &[u8], out: &mut Vec<u8>| {
                            value::unescape(raw, out)?;
                            if out.len() > *max_bytes {
                                Err(TOO_LONG)
                            } else {
                                Ok(())
                            }
                        };
                        interner.intern_escaped(raw, decode).map(Some)
                    }
                }
            }),
        }
    }

    /// Drops all values from row `rows` on.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            ValueBuffer::Int32(values) => values.truncate(rows),
            ValueBuffer::Int64 { values, .. } => values.truncate(rows),
            ValueBuffer::Double(values) => values.truncate(rows),
            ValueBuffer::Text { offsets, bytes, .. } => {
                offsets.truncate(rows + 1);
                bytes.truncate(offsets.last().map_or(0, |&end| end as usize));
            }
            ValueBuffer::DictText { keys, .. } => keys.truncate(rows),
        }
        self.validity.truncate(rows);
    }

    /// Drops all values.
    pub(super) fn clear(&mut self) {
        self.truncate(0);
        if let ValueBuffer::DictText { interner, .. } = &mut self.values {
            interner.take();
        }
    }

    /// The array of all values; the column is empty again, and has room for as many.
    ///
    /// # Errors
    /// None that a caller can cause: the Arrow constructors check what this module promises.
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

/// Slots on their way into a column.
struct ColumnAppender<'a, S> {
    spans: S,
    validity: &'a mut NullBufferBuilder,
    required: bool,
}

impl<S: Iterator<Item = ValueSpan>> ColumnAppender<'_, S> {
    /// Appends what `value` makes of each slot; none is a null.
    #[inline(always)]
    fn append_options<T: Default>(
        self,
        values: &mut Vec<T>,
        mut value: impl FnMut(ValueSpan) -> Result<Option<T>, ValueError>,
    ) -> Result<(), ValueError> {
        self.append_with_validity(values, |slot| {
            let value = value(slot)?;
            let is_valid = value.is_some();
            Ok((value.unwrap_or_default(), is_valid))
        })
    }

    /// The same where a null has a value, too.
    #[inline(always)]
    fn append_with_validity<T>(
        self,
        values: &mut Vec<T>,
        mut value: impl FnMut(ValueSpan) -> Result<(T, bool), ValueError>,
    ) -> Result<(), ValueError> {
        for slot in self.spans {
            let (value, is_valid) = value(slot)?;
            if !is_valid && self.required {
                return Err((RejectReason::Missing, "required and null or absent"));
            }
            values.push(value);
            self.validity.append(is_valid);
        }
        Ok(())
    }
}

#[inline(always)]
fn raw_bytes(bytes: &[u8], slot: ValueSpan) -> &[u8] {
    bytes.get(slot.start..slot.end).unwrap_or_default()
}

/// Appends `raw`, which stands in `bytes` at `start`. Short texts are copied at a fixed length, with
/// what stands behind them, and cut: that is a few instructions where a call copies the exact length.
#[inline(always)]
fn append_text(text: &mut Vec<u8>, bytes: &[u8], start: usize, raw: &[u8]) {
    const SHORT_TEXT_BYTES: usize = 32;
    let end = text.len() + raw.len();
    match bytes
        .get(start..)
        .and_then(<[u8]>::first_chunk::<SHORT_TEXT_BYTES>)
    {
        Some(block) if raw.len() <= SHORT_TEXT_BYTES => {
            text.extend_from_slice(block);
            text.truncate(end);
        }
        _ => text.extend_from_slice(raw),
    }
}

const NESTED: ValueError = (
    RejectReason::Type,
    "object or array where a scalar is wanted",
);
const TOO_LONG: ValueError = (RejectReason::TooLong, "more bytes than the column holds");
const NOT_A_NUMBER: ValueError = (RejectReason::Type, "text that is no number");

/// The integer in a slot, which may stand in a string; none where null is meant.
#[inline(always)]
fn integer_value(
    bytes: &[u8],
    slot: ValueSpan,
    scratch: &mut Vec<u8>,
) -> Result<Option<i64>, ValueError> {
    // A number has no needless zero in front. In a string it may have, and is none then.
    let is_plain_integer = slot.kind == ValueKind::Number
        || (slot.kind == ValueKind::PlainString && byte_at(bytes, slot.start) != b'0');
    if is_plain_integer
        && let Some(integer) = value::parse_short_integer(bytes, slot.start, slot.end)
    {
        return Ok(Some(integer));
    }
    match number_text(slot.kind, raw_bytes(bytes, slot), scratch)? {
        None => Ok(None),
        Some(number) => value::parse_integer(number).map(Some),
    }
}

/// The text of the number in a slot, which may stand in a string; none where null is meant.
#[inline]
fn number_text<'a>(
    kind: ValueKind,
    raw: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, ValueError> {
    match kind {
        ValueKind::Number => Ok(Some(raw)),
        ValueKind::Absent | ValueKind::Null => Ok(None),
        ValueKind::PlainString if raw.is_empty() => Ok(None),
        ValueKind::PlainString if is_number(raw) => Ok(Some(raw)),
        ValueKind::PlainString => Err(NOT_A_NUMBER),
        ValueKind::EscapedString => {
            scratch.clear();
            match value::unescape(raw, scratch) {
                Ok(()) if is_number(scratch) => Ok(Some(scratch)),
                _ => Err(NOT_A_NUMBER),
            }
        }
        ValueKind::Bool => Err((RejectReason::Type, "boolean where a number is wanted")),
        ValueKind::Nested => Err(NESTED),
    }
}

/// Checks that every value is UTF-8 once more, for all at once: the price of no `unsafe`.
fn text_array(
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<StringArray, ArrowError> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_from_binary(BinaryArray::try_new(offsets, bytes.into(), nulls)?)
}
