//! Tokens: numbers, literals and escapes by RFC 8259, and what is wrong where one is not valid.

use super::bytes::{byte_at, digit_mask, skip_digits};

/// The first byte that no valid record can have in this place. At the end of the data: the record
/// is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// Its position in the scanned bytes.
    pub pos: usize,
    /// What was expected there or what is wrong with it.
    pub message: &'static str,
}

/// What a scan gives, or why it cannot.
pub(super) type ScanResult<T> = Result<T, SyntaxError>;

/// The error at a byte.
pub(super) fn syntax_error<T>(pos: usize, what: &'static str) -> ScanResult<T> {
    Err(SyntaxError { pos, message: what })
}

/// Checks a `\uXXXX` escape, from behind its backslash.
pub(super) fn check_unicode_escape(bytes: &[u8], at: usize) -> ScanResult<()> {
    if byte_at(bytes, at) != b'u' {
        return syntax_error(at, "no such escape");
    }
    for digit in at + 1..at + 5 {
        if !byte_at(bytes, digit).is_ascii_hexdigit() {
            return syntax_error(digit, "expected four hexadecimal digits");
        }
    }
    Ok(())
}

/// One past the literal `text` at `start`.
#[inline(always)]
pub(super) fn scan_literal(bytes: &[u8], start: usize, text: &[u8]) -> ScanResult<usize> {
    for (i, &expected) in text.iter().enumerate() {
        if byte_at(bytes, start + i) != expected {
            return syntax_error(start + i, "expected a value");
        }
    }
    Ok(start + text.len())
}

/// One past the number at `start`. One look at 16 bytes is enough for most.
#[inline(always)]
pub(super) fn scan_number(bytes: &[u8], start: usize) -> ScanResult<usize> {
    let Some(block) = bytes.get(start..).and_then(<[u8]>::first_chunk) else {
        return scan_number_slow(bytes, start);
    };
    let digits = digit_mask(*block);
    let whole = digits.trailing_ones() as usize;
    let mut end = whole;
    if block.get(whole) == Some(&b'.') {
        end = whole + 1 + (digits >> (whole + 1)).trailing_ones() as usize;
    }
    match block.get(end) {
        Some(b'e' | b'E') | None => scan_number_slow(bytes, start),
        // No digit where there must be one, or a needless zero.
        Some(_) if whole == 0 || end == whole + 1 || (block[0] == b'0' && whole > 1) => {
            scan_number_slow(bytes, start)
        }
        Some(_) => Ok(start + end),
    }
}

/// The same for a number with a sign, an exponent, many digits or a fault.
#[inline(never)]
fn scan_number_slow(bytes: &[u8], start: usize) -> ScanResult<usize> {
    let whole = start + usize::from(byte_at(bytes, start) == b'-');
    let mut at = skip_digits(bytes, whole);
    if at == whole {
        return syntax_error(at, "expected a digit");
    }
    if byte_at(bytes, whole) == b'0' && at > whole + 1 {
        return syntax_error(whole + 1, "number with a leading zero");
    }
    if byte_at(bytes, at) == b'.' {
        let fraction = at + 1;
        at = skip_digits(bytes, fraction);
        if at == fraction {
            return syntax_error(at, "expected a digit");
        }
    }
    if matches!(byte_at(bytes, at), b'e' | b'E') {
        let exponent = at + 1 + usize::from(matches!(byte_at(bytes, at + 1), b'+' | b'-'));
        at = skip_digits(bytes, exponent);
        if at == exponent {
            return syntax_error(at, "expected a digit");
        }
    }
    Ok(at)
}

/// Whether `text` is a JSON number and nothing else.
pub fn is_number(text: &[u8]) -> bool {
    // Nearly all are ids: a few digits.
    if text.first() != Some(&b'0') && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return true;
    }
    matches!(scan_number(text, 0), Ok(end) if end == text.len())
}
