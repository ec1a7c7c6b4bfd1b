//! Converts the value at a span to the type of its column.

use super::interner::Interner;
use super::lexer::is_number;
use super::padded_bytes::byte_at;
use super::reject::RejectReason;
use super::value::{self, ValueError};
use super::value_span::{ValueKind, ValueSpan};

/// The error of an object or array.
pub(crate) const NESTED: ValueError = ValueError {
    reason: RejectReason::Type,
    message: "expected a scalar, found an object or array",
};
/// The error of a boolean in place of a number.
pub(crate) const BOOLEAN: ValueError = ValueError {
    reason: RejectReason::Type,
    message: "expected a number, found a boolean",
};
/// The error of another text in place of a number.
pub(crate) const NOT_A_NUMBER: ValueError = ValueError {
    reason: RejectReason::Type,
    message: "not a number",
};
/// The error of an integer that does not fit in 32 bits.
pub(crate) const NOT_INT32: ValueError = ValueError {
    reason: RejectReason::Range,
    message: "number does not fit in 32 bits",
};
/// The error of an integer outside the bounds of its field.
pub(crate) const OUT_OF_RANGE: ValueError = ValueError {
    reason: RejectReason::Range,
    message: "number out of range",
};
/// The error of a text with more bytes than the column holds.
pub(crate) const TOO_LONG: ValueError = ValueError {
    reason: RejectReason::TooLong,
    message: "too long for the column",
};

#[inline(always)]
fn raw_bytes(bytes: &[u8], span: ValueSpan) -> &[u8] {
    &bytes[span.start..span.end]
}

/// Returns the 32-bit integer at a span, also if it is in a string; `None` for a null or an empty string.
#[inline(always)]
pub(super) fn int32_value(
    bytes: &[u8],
    span: ValueSpan,
    scratch: &mut Vec<u8>,
) -> Result<Option<i32>, ValueError> {
    match int64_value(bytes, span, scratch)? {
        None => Ok(None),
        Some(wide) => i32::try_from(wide).map(Some).map_err(|_| NOT_INT32),
    }
}

/// Returns the integer from `min` to `max` at a span, also if it is in a string; `None` for a null or an
/// empty string.
#[inline(always)]
pub(super) fn bounded_int64_value(
    bytes: &[u8],
    span: ValueSpan,
    scratch: &mut Vec<u8>,
    min: i64,
    max: i64,
) -> Result<Option<i64>, ValueError> {
    match int64_value(bytes, span, scratch)? {
        Some(wide) if wide < min || wide > max => Err(OUT_OF_RANGE),
        fits => Ok(fits),
    }
}

/// Returns the integer at a span, also if it is in a string; `None` for a null or an empty string.
#[inline(always)]
fn int64_value(
    bytes: &[u8],
    span: ValueSpan,
    scratch: &mut Vec<u8>,
) -> Result<Option<i64>, ValueError> {
    // The grammar forbids leading zeros in a number. A string may have one; it is not a number then.
    let is_plain_integer = span.kind == ValueKind::Number
        || (span.kind == ValueKind::PlainString && byte_at(bytes, span.start) != b'0');
    if is_plain_integer
        && let Some(integer) = value::parse_short_integer(bytes, span.start, span.end)
    {
        return Ok(Some(integer));
    }
    match number_text(span.kind, raw_bytes(bytes, span), scratch)? {
        None => Ok(None),
        Some(number) => value::parse_integer(number).map(Some),
    }
}

/// Returns the double at a span, also if it is in a string; `None` for a null or an empty string.
#[inline(always)]
pub(super) fn double_value(
    bytes: &[u8],
    span: ValueSpan,
    scratch: &mut Vec<u8>,
) -> Result<Option<f64>, ValueError> {
    match number_text(span.kind, raw_bytes(bytes, span), scratch)? {
        None => Ok(None),
        Some(number) => value::parse_double(number).map(Some),
    }
}

/// Returns the text of the number at a span, also if it is in a string; `None` for a null or an empty
/// string.
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
        ValueKind::Bool => Err(BOOLEAN),
        ValueKind::Nested => Err(NESTED),
    }
}

/// Appends the text of the value at a span to `text`. Returns false for a null, which appends nothing.
#[inline(always)]
pub(super) fn append_text_value(
    text: &mut Vec<u8>,
    bytes: &[u8],
    span: ValueSpan,
    max_bytes: usize,
) -> Result<bool, ValueError> {
    let start = text.len();
    let raw = raw_bytes(bytes, span);
    let is_valid = match span.kind {
        ValueKind::Absent | ValueKind::Null => false,
        ValueKind::Nested => return Err(NESTED),
        ValueKind::Bool | ValueKind::Number | ValueKind::PlainString => {
            append_raw(text, bytes, span.start, raw);
            true
        }
        ValueKind::EscapedString => {
            value::unescape(raw, text)?;
            true
        }
    };
    if text.len() - start > max_bytes {
        return Err(TOO_LONG);
    }
    Ok(is_valid)
}

/// Appends `raw`, which begins at `start` of `bytes`. A short text is copied as a block of fixed length,
/// which includes bytes after it, and then truncated: a few instructions instead of a call to `memcpy`.
#[inline(always)]
fn append_raw(text: &mut Vec<u8>, bytes: &[u8], start: usize, raw: &[u8]) {
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

/// Interns the text of the value at a span and returns its key; `None` for a null.
#[inline(always)]
pub(super) fn interned_value(
    interner: &mut Interner,
    bytes: &[u8],
    span: ValueSpan,
    max_bytes: usize,
) -> Result<Option<i32>, ValueError> {
    let raw = raw_bytes(bytes, span);
    match span.kind {
        ValueKind::Absent | ValueKind::Null => Ok(None),
        ValueKind::Nested => Err(NESTED),
        ValueKind::Bool | ValueKind::Number | ValueKind::PlainString if raw.len() > max_bytes => {
            Err(TOO_LONG)
        }
        ValueKind::Bool | ValueKind::Number | ValueKind::PlainString => {
            Ok(Some(interner.intern_plain(bytes, span.start, raw)))
        }
        ValueKind::EscapedString => {
            let decode = |raw: &[u8], out: &mut Vec<u8>| {
                value::unescape(raw, out)?;
                if out.len() > max_bytes {
                    Err(TOO_LONG)
                } else {
                    Ok(())
                }
            };
            interner.intern_escaped(raw, decode).map(Some)
        }
    }
}
