//! Columns under construction: one decoded value appended a record, an Arrow array at the end.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::interner::Interner;
use super::record::{Kind, Slot, is_number};
use super::reject::Reason;
use super::schema::{Field, FieldType};
use super::value::{self, Fault};

/// Records for which room is made at first.
const ROOM: usize = 1024;

#[derive(Debug)]
enum Values {
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
    Repeated {
        keys: Vec<i32>,
        interner: Interner,
        max_bytes: usize,
    },
}

/// The column of one field.
#[derive(Debug)]
pub struct Column {
    field: &'static Field,
    values: Values,
    valid: NullBufferBuilder,
    scratch: Vec<u8>,
}

impl Column {
    /// An empty column.
    pub fn new(field: &'static Field) -> Self {
        let values = match field.ty {
            FieldType::Int32 => Values::Int32(Vec::new()),
            FieldType::Int64 { min, max } => Values::Int64 {
                values: Vec::new(),
                min,
                max,
            },
            FieldType::Double => Values::Double(Vec::new()),
            FieldType::Text { max_bytes } => Values::Text {
                offsets: vec![0],
                bytes: Vec::new(),
                max_bytes,
            },
            FieldType::Repeated { max_bytes } => Values::Repeated {
                keys: Vec::new(),
                interner: Interner::default(),
                max_bytes,
            },
        };
        Self {
            field,
            values,
            valid: NullBufferBuilder::new(ROOM),
            scratch: Vec::new(),
        }
    }

    /// The field.
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// Appends the value in `slot` of the record in `record`, whose bytes are UTF-8. On a fault
    /// nothing is appended.
    #[inline]
    pub fn push(&mut self, record: &[u8], slot: Slot) -> Result<(), Fault> {
        let raw = record.get(slot.start..slot.end).unwrap_or_default();
        match &mut self.values {
            Values::Int32(values) => match number(slot.kind, raw, &mut self.scratch)? {
                None => return self.push_null(),
                Some(number) => values.push(
                    i32::try_from(value::integer(number)?)
                        .map_err(|_| (Reason::Range, "number does not fit 32 bits"))?,
                ),
            },
            Values::Int64 { values, min, max } => {
                match number(slot.kind, raw, &mut self.scratch)? {
                    None => return self.push_null(),
                    Some(number) => match value::integer(number)? {
                        fits if (*min..=*max).contains(&fits) => values.push(fits),
                        _ => return Err((Reason::Range, "number out of range")),
                    },
                }
            }
            Values::Double(values) => match number(slot.kind, raw, &mut self.scratch)? {
                None => return self.push_null(),
                Some(number) => values.push(value::double(number)?),
            },
            Values::Text {
                offsets,
                bytes,
                max_bytes,
            } => {
                let start = bytes.len();
                match slot.kind {
                    Kind::Absent | Kind::Null => return self.push_null(),
                    Kind::Nested => return Err(NESTED),
                    Kind::Bool | Kind::Number | Kind::Plain => bytes.extend_from_slice(raw),
                    Kind::Escaped => {
                        if let Err(fault) = value::unescape(raw, bytes) {
                            bytes.truncate(start);
                            return Err(fault);
                        }
                    }
                }
                if bytes.len() - start > *max_bytes {
                    bytes.truncate(start);
                    return Err(TOO_LONG);
                }
                // A batch is full long before it holds 2 GiB of text: see `super::MAX_BATCH_BYTES`.
                offsets.push(bytes.len() as i32);
            }
            Values::Repeated {
                keys,
                interner,
                max_bytes,
            } => keys.push(match slot.kind {
                Kind::Absent | Kind::Null => return self.push_null(),
                Kind::Nested => return Err(NESTED),
                Kind::Bool | Kind::Number | Kind::Plain if raw.len() > *max_bytes => {
                    return Err(TOO_LONG);
                }
                Kind::Bool | Kind::Number | Kind::Plain => interner.plain(raw),
                Kind::Escaped => interner.escaped(raw, |raw, out| {
                    value::unescape(raw, out)?;
                    if out.len() > *max_bytes {
                        Err(TOO_LONG)
                    } else {
                        Ok(())
                    }
                })?,
            }),
        }
        self.valid.append_non_null();
        Ok(())
    }

    fn push_null(&mut self) -> Result<(), Fault> {
        if self.field.required {
            return Err((Reason::Missing, "required and null or absent"));
        }
        match &mut self.values {
            Values::Int32(values) => values.push(0),
            Values::Int64 { values, .. } => values.push(0),
            Values::Double(values) => values.push(0.0),
            Values::Text { offsets, bytes, .. } => offsets.push(bytes.len() as i32),
            Values::Repeated { keys, .. } => keys.push(0),
        }
        self.valid.append_null();
        Ok(())
    }

    /// Drops all values from row `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Int32(values) => values.truncate(rows),
            Values::Int64 { values, .. } => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Text { offsets, bytes, .. } => {
                offsets.truncate(rows + 1);
                bytes.truncate(offsets.last().map_or(0, |&end| end as usize));
            }
            Values::Repeated { keys, .. } => keys.truncate(rows),
        }
        self.valid.truncate(rows);
    }

    /// The array of all values; the column is empty again.
    ///
    /// # Errors
    /// None that a caller can cause: the Arrow constructors check what this module promises.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.valid.finish();
        self.valid = NullBufferBuilder::new(ROOM);
        Ok(match &mut self.values {
            Values::Int32(values) => {
                Arc::new(Int32Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            Values::Int64 { values, .. } => {
                Arc::new(Int64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            Values::Double(values) => {
                Arc::new(Float64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            Values::Text { offsets, bytes, .. } => Arc::new(text_array(
                std::mem::replace(offsets, vec![0]),
                std::mem::take(bytes),
                nulls,
            )?),
            Values::Repeated { keys, interner, .. } => {
                let keys = Int32Array::try_new(std::mem::take(keys).into(), nulls)?;
                let (offsets, bytes) = std::mem::take(interner).into_values();
                let values = Arc::new(text_array(offsets, bytes, None)?);
                Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?)
            }
        })
    }
}

const NESTED: Fault = (Reason::Type, "object or array where a scalar is wanted");
const TOO_LONG: Fault = (Reason::TooLong, "more bytes than the column holds");
const NO_NUMBER: Fault = (Reason::Type, "text that is no number");

/// The text of the number in a slot, which may stand in a string; none where null is meant.
#[inline]
fn number<'a>(
    kind: Kind,
    raw: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Fault> {
    match kind {
        Kind::Number => Ok(Some(raw)),
        Kind::Absent | Kind::Null => Ok(None),
        Kind::Plain if raw.is_empty() => Ok(None),
        Kind::Plain if is_number(raw) => Ok(Some(raw)),
        Kind::Plain => Err(NO_NUMBER),
        Kind::Escaped => {
            scratch.clear();
            match value::unescape(raw, scratch) {
                Ok(()) if is_number(scratch) => Ok(Some(scratch)),
                _ => Err(NO_NUMBER),
            }
        }
        Kind::Bool => Err((Reason::Type, "boolean where a number is wanted")),
        Kind::Nested => Err(NESTED),
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
