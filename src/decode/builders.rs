//! Columns under construction: one decoded value appended a record, an Arrow array at the end.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::bytes::byte;
use super::interner::{Interner, take};
use super::lexer::is_number;
use super::reject::Reason;
use super::scanner::{Kind, Slot};
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

    /// Appends the values in `slots` of `bytes`, which are UTF-8 there. On a fault some of them are
    /// appended: [`truncate`](Self::truncate) takes them back.
    ///
    /// # Errors
    /// The first value that the column cannot take.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8], slots: impl Iterator<Item = Slot>) -> Result<(), Fault> {
        let rows = Rows {
            slots,
            valid: &mut self.valid,
            required: self.field.required,
        };
        let scratch = &mut self.scratch;
        match &mut self.values {
            Values::Int32(values) => {
                rows.append(values, |slot| match integer(bytes, slot, scratch)? {
                    None => Ok(None),
                    Some(wide) => i32::try_from(wide)
                        .map(Some)
                        .map_err(|_| (Reason::Range, "number does not fit 32 bits")),
                })
            }
            Values::Int64 { values, min, max } => {
                rows.append(values, |slot| match integer(bytes, slot, scratch)? {
                    Some(wide) if wide < *min || wide > *max => {
                        Err((Reason::Range, "number out of range"))
                    }
                    fits => Ok(fits),
                })
            }
            Values::Double(values) => rows.append(values, |slot| {
                match number(slot.kind, raw(bytes, slot), scratch)? {
                    None => Ok(None),
                    Some(number) => value::double(number).map(Some),
                }
            }),
            Values::Text {
                offsets,
                bytes: text,
                max_bytes,
            } => rows.append_places(offsets, |slot| {
                let start = text.len();
                let raw = raw(bytes, slot);
                let present = match slot.kind {
                    Kind::Absent | Kind::Null => false,
                    Kind::Nested => return Err(NESTED),
                    Kind::Bool | Kind::Number | Kind::Plain => {
                        append(text, bytes, slot.start, raw);
                        true
                    }
                    Kind::Escaped => {
                        value::unescape(raw, text)?;
                        true
                    }
                };
                if text.len() - start > *max_bytes {
                    return Err(TOO_LONG);
                }
                // A batch is full long before it holds 2 GiB of text: see `super::MAX_BATCH_BYTES`.
                Ok((text.len() as i32, present))
            }),
            Values::Repeated {
                keys,
                interner,
                max_bytes,
            } => rows.append(keys, |slot| {
                let raw = raw(bytes, slot);
                match slot.kind {
                    Kind::Absent | Kind::Null => Ok(None),
                    Kind::Nested => Err(NESTED),
                    Kind::Bool | Kind::Number | Kind::Plain if raw.len() > *max_bytes => {
                        Err(TOO_LONG)
                    }
                    Kind::Bool | Kind::Number | Kind::Plain => {
                        Ok(Some(interner.plain(bytes, slot.start, raw)))
                    }
                    Kind::Escaped => {
                        let decode = |raw: &[u8], out: &mut Vec<u8>| {
                            value::unescape(raw, out)?;
                            if out.len() > *max_bytes {
                                Err(TOO_LONG)
                            } else {
                                Ok(())
                            }
                        };
                        interner.escaped(raw, decode).map(Some)
                    }
                }
            }),
        }
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

    /// Drops all values.
    pub fn clear(&mut self) {
        self.truncate(0);
        if let Values::Repeated { interner, .. } = &mut self.values {
            interner.take();
        }
    }

    /// The array of all values; the column is empty again, and has room for as many.
    ///
    /// # Errors
    /// None that a caller can cause: the Arrow constructors check what this module promises.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.valid.finish();
        self.valid = NullBufferBuilder::new(ROOM);
        Ok(match &mut self.values {
            Values::Int32(values) => Arc::new(Int32Array::try_new(take(values).into(), nulls)?),
            Values::Int64 { values, .. } => {
                Arc::new(Int64Array::try_new(take(values).into(), nulls)?)
            }
            Values::Double(values) => Arc::new(Float64Array::try_new(take(values).into(), nulls)?),
            Values::Text { offsets, bytes, .. } => {
                let texts = text_array(take(offsets), take(bytes), nulls)?;
                offsets.push(0);
                Arc::new(texts)
            }
            Values::Repeated { keys, interner, .. } => {
                let keys = Int32Array::try_new(take(keys).into(), nulls)?;
                let (offsets, bytes) = interner.take();
                let values = Arc::new(text_array(offsets, bytes, None)?);
                Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?)
            }
        })
    }
}

/// Slots on their way into a column.
struct Rows<'a, S> {
    slots: S,
    valid: &'a mut NullBufferBuilder,
    required: bool,
}

impl<S: Iterator<Item = Slot>> Rows<'_, S> {
    /// Appends what `value` makes of each slot; none is a null.
    #[inline(always)]
    fn append<T: Default>(
        self,
        values: &mut Vec<T>,
        mut value: impl FnMut(Slot) -> Result<Option<T>, Fault>,
    ) -> Result<(), Fault> {
        self.append_places(values, |slot| {
            let value = value(slot)?;
            let present = value.is_some();
            Ok((value.unwrap_or_default(), present))
        })
    }

    /// The same where a null has a value, too.
    #[inline(always)]
    fn append_places<T>(
        self,
        values: &mut Vec<T>,
        mut value: impl FnMut(Slot) -> Result<(T, bool), Fault>,
    ) -> Result<(), Fault> {
        for slot in self.slots {
            let (value, present) = value(slot)?;
            if !present && self.required {
                return Err((Reason::Missing, "required and null or absent"));
            }
            values.push(value);
            self.valid.append(present);
        }
        Ok(())
    }
}

#[inline(always)]
fn raw(bytes: &[u8], slot: Slot) -> &[u8] {
    bytes.get(slot.start..slot.end).unwrap_or_default()
}

/// Appends `raw`, which stands in `bytes` at `start`. Short texts are copied at a fixed length, with
/// what stands behind them, and cut: that is a few instructions where a call copies the exact length.
#[inline(always)]
fn append(text: &mut Vec<u8>, bytes: &[u8], start: usize, raw: &[u8]) {
    const SHORT: usize = 32;
    let end = text.len() + raw.len();
    match bytes.get(start..).and_then(<[u8]>::first_chunk::<SHORT>) {
        Some(block) if raw.len() <= SHORT => {
            text.extend_from_slice(block);
            text.truncate(end);
        }
        _ => text.extend_from_slice(raw),
    }
}

const NESTED: Fault = (Reason::Type, "object or array where a scalar is wanted");
const TOO_LONG: Fault = (Reason::TooLong, "more bytes than the column holds");
const NO_NUMBER: Fault = (Reason::Type, "text that is no number");

/// The integer in a slot, which may stand in a string; none where null is meant.
#[inline(always)]
fn integer(bytes: &[u8], slot: Slot, scratch: &mut Vec<u8>) -> Result<Option<i64>, Fault> {
    // A number has no needless zero in front. In a string it may have, and is none then.
    let plain =
        slot.kind == Kind::Number || (slot.kind == Kind::Plain && byte(bytes, slot.start) != b'0');
    if plain && let Some(integer) = value::short_integer(bytes, slot.start, slot.end) {
        return Ok(Some(integer));
    }
    match number(slot.kind, raw(bytes, slot), scratch)? {
        None => Ok(None),
        Some(number) => value::integer(number).map(Some),
    }
}

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
