//! Converts the bytes of a JSON string or number to text, an integer or a double.

use super::padded_bytes::block_at;
use super::reject::RejectReason;

/// The error of a value that cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueError {
    /// The reason to reject the record for.
    pub reason: RejectReason,
    /// A description of the error.
    pub message: &'static str,
}

const LONE_SURROGATE: ValueError = ValueError {
    reason: RejectReason::Encoding,
    message: "lone surrogate",
};
const NUL: ValueError = ValueError {
    reason: RejectReason::Nul,
    message: "text contains U+0000",
};
/// The error of a number with a fraction in place of an integer.
pub(crate) const NOT_INTEGRAL: ValueError = ValueError {
    reason: RejectReason::Type,
    message: "not an integer",
};
/// The error of an integer that does not fit in 64 bits.
pub(crate) const NOT_INT64: ValueError = ValueError {
    reason: RejectReason::Range,
    message: "number does not fit in 64 bits",
};
/// The error of a number that overflows a double.
pub(crate) const NOT_DOUBLE: ValueError = ValueError {
    reason: RejectReason::Range,
    message: "number does not fit in a double",
};

/// Appends the decoded text of a JSON string to `out`. `raw` is the text between the quotes. Its escapes
/// must be well-formed.
///
/// # Errors
/// Returns an error if the text has a lone surrogate (`encoding`) or, failing that, U+0000 (`nul`).
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    unescape_with(raw, out, || Err(LONE_SURROGATE))
}

/// Appends the decoded text of a JSON string to `out`, and U+FFFD in place of each lone surrogate.
pub(super) fn unescape_lossy(raw: &[u8], out: &mut Vec<u8>) {
    // U+0000 is a character like any other here.
    let _ = unescape_with(raw, out, || Ok((char::REPLACEMENT_CHARACTER, 6)));
}

/// Appends the decoded text of a JSON string to `out`. `lone_surrogate` returns the character in place of a
/// lone surrogate and the length of its escape, or an error.
#[inline(always)]
fn unescape_with(
    raw: &[u8],
    out: &mut Vec<u8>,
    lone_surrogate: impl Fn() -> Result<(char, usize), ValueError>,
) -> Result<(), ValueError> {
    let mut has_nul = false;
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (decoded, len) = match escape.get(1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => decode_unicode_escape(escape).map_or_else(&lone_surrogate, Ok)?,
            Some(&same) => (char::from(same), 2),
            None => break,
        };
        has_nul |= decoded == '\0';
        out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[len..];
    }
    out.extend_from_slice(rest);
    if has_nul { Err(NUL) } else { Ok(()) }
}

/// Returns the character of a `\uXXXX` escape or of a surrogate pair, and its length in bytes.
#[inline(always)]
fn decode_unicode_escape(escape: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits
            .iter()
            .try_fold(0, |sum, &d| Some(sum * 16 + char::from(d).to_digit(16)?))
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 6));
    }
    let second = unit(6)?;
    if !(0xD800..0xDC00).contains(&first) || !(0xDC00..0xE000).contains(&second) {
        return None;
    }
    let c = char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
    Some((c, 12))
}

/// Returns the integer value of a JSON number.
///
/// # Errors
/// Returns an error if the value is not an integer (`type`) or does not fit in 64 bits (`range`).
#[inline]
pub fn parse_integer(number: &[u8]) -> Result<i64, ValueError> {
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 18 digits cannot overflow.
    if digits.len() > 18 {
        return parse_decimal_integer(negative, digits);
    }
    let mut sum: i64 = 0;
    for &d in digits {
        if !d.is_ascii_digit() {
            return parse_decimal_integer(negative, digits);
        }
        sum = sum * 10 + i64::from(d - b'0');
    }
    Ok(if negative { -sum } else { sum })
}

/// Returns the integer at `start..end` of `bytes` if it consists of 1 to 16 digits.
#[inline(always)]
pub(crate) fn parse_short_integer(bytes: &[u8], start: usize, end: usize) -> Option<i64> {
    let len = end.wrapping_sub(start);
    match len {
        1..=8 => parse_eight_digits(block_at(bytes, start), len),
        9..=16 => {
            let high = parse_eight_digits(block_at(bytes, start), len - 8)?;
            let low = parse_eight_digits(block_at(bytes, end - 8), 8)?;
            Some(high * 100_000_000 + low)
        }
        _ => None,
    }
}

/// Returns the value of the first `len` of eight bytes, 1 to 8, if all of them are digits. It adds up
/// pairs, then pairs of pairs, then the two halves.
#[inline(always)]
fn parse_eight_digits(bytes: [u8; 8], len: usize) -> Option<i64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The shift drops the bytes after the digits at the top. Zeros fill the bottom, before the digits.
    let text = u64::from_le_bytes(bytes) << (64 - 8 * len);
    let fill = (ONES * 0x30) & !(u64::MAX << (64 - 8 * len));
    let text = text | fill;
    let digits = text.wrapping_sub(ONES * 0x30);
    // A byte above '9' carries into its top bit in the sum, one below '0' borrows in the difference.
    if (text.wrapping_add(ONES * 0x46) | digits) & (ONES * 0x80) != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some(((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF) as i64)
}

/// Returns the integer value of a number with a fraction, an exponent or many digits, computed exactly in
/// decimal.
#[cold]
fn parse_decimal_integer(negative: bool, number: &[u8]) -> Result<i64, ValueError> {
    let e = number.iter().position(|b| matches!(b, b'e' | b'E'));
    let (mantissa, exponent) = number.split_at(e.unwrap_or(number.len()));
    let point = mantissa.iter().position(|&b| b == b'.');
    let fraction = point.map_or(0, |p| mantissa.len() - p - 1);
    let digits: Vec<u8> = mantissa
        .iter()
        .filter(|b| b.is_ascii_digit())
        .copied()
        .collect();

    let leading = digits.iter().take_while(|&&d| d == b'0').count();
    let trailing = digits.iter().rev().take_while(|&&d| d == b'0').count();
    let Some(significant) = digits.get(leading..digits.len().saturating_sub(trailing)) else {
        return Ok(0);
    };
    if significant.is_empty() {
        return Ok(0);
    }
    // The value is `significant` × 10^shift. Lengths of slices fit an i64.
    let shift = parse_exponent(exponent.get(1..).unwrap_or_default())
        .saturating_add(trailing as i64)
        .saturating_sub(fraction as i64);
    if shift < 0 {
        return Err(NOT_INTEGRAL);
    }
    if shift.saturating_add(significant.len() as i64) > 19 {
        return Err(NOT_INT64);
    }
    let value = significant
        .iter()
        .map(|d| i128::from(d - b'0'))
        .chain((0..shift).map(|_| 0))
        .fold(0i128, |sum, d| sum * 10 + d);
    i64::try_from(if negative { -value } else { value }).map_err(|_| NOT_INT64)
}

/// Returns the value of a signed run of digits, saturating: a larger exponent would change nothing.
fn parse_exponent(text: &[u8]) -> i64 {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let magnitude = digits.iter().fold(0i64, |sum, d| {
        sum.saturating_mul(10).saturating_add(i64::from(d - b'0'))
    });
    // Half of the range leaves room to add lengths.
    sign * magnitude.min(i64::MAX / 2)
}

/// Returns the double nearest to a JSON number.
///
/// # Errors
/// Returns an error if the number overflows (`range`).
#[inline]
pub fn parse_double(number: &[u8]) -> Result<f64, ValueError> {
    if let Some(value) = parse_short_double(number) {
        return Ok(value);
    }
    let value = std::str::from_utf8(number)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    match value {
        Some(value) if value.is_finite() => Ok(value),
        _ => Err(NOT_DOUBLE),
    }
}

/// Returns the double nearest to a number of at most 15 digits without an exponent. The digits and the
/// power of ten are both exact doubles, so one division rounds once, correctly (Clinger, 1990).
#[inline]
fn parse_short_double(number: &[u8]) -> Option<f64> {
    const POWERS_OF_TEN: [f64; 16] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (sign, digits) = match number {
        [b'-', digits @ ..] => (-1.0, digits),
        digits => (1.0, digits),
    };
    if digits.len() > 16 {
        return None;
    }
    let mut sum: u64 = 0;
    let mut digit_count = 0;
    let mut fraction = None;
    for &b in digits {
        match b {
            b'0'..=b'9' => {
                sum = sum * 10 + u64::from(b - b'0');
                digit_count += 1;
            }
            b'.' => fraction = Some(digit_count),
            _ => return None,
        }
    }
    if digit_count > 15 {
        return None;
    }
    let power = POWERS_OF_TEN.get(fraction.map_or(0, |whole| digit_count - whole))?;
    // `sum` is below 10^15 and therefore exact in a double.
    Some(sign * (sum as f64 / power))
}
