//! Scans tokens (numbers, literals and escapes) by RFC 8259 and reports where one is invalid.

use super::padded_bytes::{byte_at, digit_mask, skip_digits};

/// The first byte that no valid record can have at its position. A position at the end of the data
/// means that the record is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The position in the scanned bytes.
    pub pos: usize,
    /// What was expected there, or what is wrong with the byte.
    pub message: &'static str,
}

/// The result of a scan.
pub(super) type ScanResult<T> = Result<T, SyntaxError>;

/// Returns the error at a byte.
pub(super) fn syntax_error<T>(pos: usize, message: &'static str) -> ScanResult<T> {
    Err(SyntaxError { pos, message })
}

/// Checks a `\uXXXX` escape, whose `u` should be at `at`.
pub(super) fn check_unicode_escape(bytes: &[u8], at: usize) -> ScanResult<()> {
    if byte_at(bytes, at) != b'u' {
        return syntax_error(at, "invalid escape");
    }
    for digit in at + 1..at + 5 {
        if !byte_at(bytes, digit).is_ascii_hexdigit() {
            return syntax_error(digit, "expected four hexadecimal digits");
        }
    }
    Ok(())
}

/// Returns the end of the literal `text` at `start`.
#[inline(always)]
pub(super) fn scan_literal(bytes: &[u8], start: usize, text: &[u8]) -> ScanResult<usize> {
    for (i, &expected) in text.iter().enumerate() {
        if byte_at(bytes, start + i) != expected {
            return syntax_error(start + i, "expected a value");
        }
    }
    Ok(start + text.len())
}

/// Returns the end of the number at `start`. For most numbers one block of 16 bytes is enough.
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
        // A required digit is missing, or there is a leading zero.
        Some(_) if whole == 0 || end == whole + 1 || (block[0] == b'0' && whole > 1) => {
            scan_number_slow(bytes, start)
        }
        Some(_) => Ok(start + end),
    }
}

/// Returns the end of a number with a sign, an exponent, many digits or an error.
#[inline(never)]
fn scan_number_slow(bytes: &[u8], start: usize) -> ScanResult<usize> {
    let whole = start + usize::from(byte_at(bytes, start) == b'-');
    let mut at = skip_digits(bytes, whole);
    if at == whole {
        return syntax_error(at, "expected a digit");
    }
    if byte_at(bytes, whole) == b'0' && at > whole + 1 {
        return syntax_error(whole + 1, "leading zero in a number");
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

/// Returns true if all of `text` is one JSON number.
pub fn is_number(text: &[u8]) -> bool {
    // Nearly all such texts are ids of a few digits.
    if text.first() != Some(&b'0') && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return true;
    }
    matches!(scan_number(text, 0), Ok(end) if end == text.len())
}
