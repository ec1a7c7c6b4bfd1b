//! Splits the bytes of an object into records, which are well-formed JSON objects, and the malformed ranges
//! between them.
//!
//! `serde_json` checks the grammar without building values. It reports whether a record is well-formed and
//! where it ends, but not exactly where a malformed record breaks. That position is found as the end of the
//! longest prefix that could still be continued. After a malformed record, every later `{` is tried in turn.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Error};

use super::value::RecordMembers;

/// The maximum depth; the record itself has depth 1.
const MAX_DEPTH: usize = 128;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A part of an object, in input order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanItem {
    /// A well-formed record.
    Record(Range<usize>),
    /// A `syntax` reject, without trailing whitespace.
    Malformed(Range<usize>),
    /// The whole object as one `not_json` reject.
    UnsupportedFormat(Range<usize>),
}

/// Returns the contents of an object. After a malformed record, a candidate must have one of `keys`.
pub fn scan_records(bytes: &[u8], keys: &[&str]) -> Vec<ScanItem> {
    if is_unsupported_format(bytes) {
        let blank = count_whitespace(bytes.iter().rev());
        return vec![ScanItem::UnsupportedFormat(0..bytes.len() - blank)];
    }
    let is_array = bytes[separator_len(bytes, b"")..].starts_with(b"[")
        // Only the first bytes decide, however long an object is.
        && separator_len(bytes, b"") < 4096;
    let array_separators: &[u8] = if is_array { b",[]" } else { b"" };
    let mut items = Vec::new();
    let (mut at, mut is_open) = (0, false);
    loop {
        let next = at + separator_len(&bytes[at..], array_separators);
        let bracket = |b: &&u8| matches!(b, b'[' | b']');
        if let Some(last) = bytes[at..next].iter().rev().find(bracket) {
            is_open = *last == b'[';
        }
        at = next;
        if at == bytes.len() {
            if is_open && !matches!(items.last(), Some(ScanItem::Malformed(_))) {
                items.push(ScanItem::Malformed(at..at));
            }
            return items;
        }
        match check_record(&bytes[at..]) {
            RecordCheck::Complete(length) => {
                items.push(ScanItem::Record(at..at + length));
                at += length;
                // An array can be closed only after its last record.
                is_open = is_array;
            }
            RecordCheck::Malformed(_) => {
                let next = resync(bytes, at, is_array, keys);
                let blank = count_whitespace(bytes[at..next].iter().rev());
                items.push(ScanItem::Malformed(at..next - blank));
                at = next;
            }
        }
    }
}

/// Returns the length of whitespace, byte order marks and the bytes of `others` at the start.
fn separator_len(bytes: &[u8], others: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(BOM) {
            at += BOM.len();
        } else if is_whitespace(bytes[at]) || others.contains(&bytes[at]) {
            at += 1;
        } else {
            break;
        }
    }
    at
}

/// Returns whether the first bytes are those of an unsupported format.
pub fn is_unsupported_format(bytes: &[u8]) -> bool {
    let magic_numbers: [&[u8]; 11] = [
        &[0xFF, 0xFE],
        &[0xFE, 0xFF],
        &[0, 0, 0xFE, 0xFF],
        b"PAR1",
        b"ORC",
        b"Obj\x01",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"\xFD7zXZ\x00",
        &[0x04, 0x22, 0x4D, 0x18],
        b"\xFF\x06\x00\x00sNaPpY",
    ];
    if magic_numbers.iter().any(|mark| bytes.starts_with(mark)) {
        return true;
    }
    // UTF-16 or UTF-32 without a byte order mark: a zero byte next to a brace, bracket or blank.
    let can_start_json = |b: u8| b == b'{' || b == b'[' || is_whitespace(b);
    if let [a, b, c, d, ..] = *bytes {
        let little = can_start_json(a) && b == 0 && d == 0;
        let big = a == 0 && c == 0 && (can_start_json(b) || (b == 0 && can_start_json(d)));
        // Two zero bytes in a row occur only in UTF-32.
        if (little && (c != 0 || d == 0)) || (big && (d != 0 || b == 0)) {
            return true;
        }
    }
    let head = &bytes[..bytes.len().min(4096)];
    match head[separator_len(head, b"")..] {
        [b'<', next, ..] => next.is_ascii_alphabetic() || next == b'!' || next == b'?',
        _ => false,
    }
}

/// The result of checking the bytes at the start of a record.
enum RecordCheck {
    /// A well-formed record of this length.
    Complete(usize),
    /// No well-formed record. The value is the offset of the first byte that cannot continue a record, or the
    /// length of the input if it ends too early.
    Malformed(#[allow(dead_code)] usize),
}

fn check_record(input: &[u8]) -> RecordCheck {
    if input[0] != b'{' {
        return RecordCheck::Malformed(0);
    }
    let parsed = parse_value(input);
    let end = match parsed {
        Ok(length) => length,
        Err(_) => syntax_error_offset(input),
    };
    // `serde_json` has no depth limit for values that it ignores. The bytes up to `end` are a valid start of
    // a record, so quotes alone tell brackets from text.
    match (find_depth_violation(&input[..end]), parsed) {
        (Some(bracket), _) => RecordCheck::Malformed(bracket),
        (None, Ok(length)) => RecordCheck::Complete(length),
        (None, Err(_)) => RecordCheck::Malformed(end),
    }
}

/// Parses one value at the start of the input and returns its length.
fn parse_value(input: &[u8]) -> Result<usize, Error> {
    let mut values = Deserializer::from_slice(input).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(values.byte_offset()),
        Some(Err(error)) => Err(error),
        None => unreachable!("the input starts with a brace"),
    }
}

/// Returns the offset of the syntax error in an input without a complete record, or its length if there is
/// none.
fn syntax_error_offset(input: &[u8]) -> usize {
    // The length is doubled first: a malformed record may be followed by gigabytes that do not belong to it.
    let mut broken = 64;
    while broken < input.len() && is_viable_prefix(&input[..broken]) {
        broken *= 2;
    }
    if broken >= input.len() {
        broken = input.len();
        if is_viable_prefix(input) {
            return broken;
        }
    }
    // Bisection: the prefix of `good` bytes can be continued, that of `broken` bytes cannot.
    let mut good = 1;
    while broken - good > 1 {
        let middle = good + (broken - good) / 2;
        if is_viable_prefix(&input[..middle]) {
            good = middle;
        } else {
            broken = middle;
        }
    }
    good
}

/// Returns whether a prefix without a complete record can be continued to one.
fn is_viable_prefix(prefix: &[u8]) -> bool {
    let mut probe = prefix.to_vec();
    probe.resize(prefix.len() + zeros_to_complete(prefix), b'0');
    match parse_value(&probe) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

/// Returns the number of zeros that complete a number or an escape at the end of a prefix. At an end of
/// input, `serde_json` reports an invalid number where a digit is missing, and reports the end within a `\u`
/// escape without checking the digits before it. With the zeros appended, it reports an error only if the
/// prefix itself is invalid.
fn zeros_to_complete(prefix: &[u8]) -> usize {
    let length = prefix.len();
    for digits in 0..4.min(length.saturating_sub(1)) {
        if let Some(before) = prefix[..length - digits].strip_suffix(b"\\u") {
            // An even number of backslashes before this one: it starts an escape.
            let backslashes = before.iter().rev().take_while(|&&b| b == b'\\').count();
            if backslashes % 2 == 0 {
                return 4 - digits;
            }
        }
    }
    match prefix {
        [.., b'-' | b'+' | b'.'] => 1,
        // The digit distinguishes `1e` from `true` and `false`.
        [.., b'0'..=b'9', b'e' | b'E'] => 1,
        _ => 0,
    }
}

/// Returns the position of the first bracket that exceeds the maximum depth.
fn find_depth_violation(start_of_record: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for (at, byte) in start_of_record.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' if depth == MAX_DEPTH => return Some(at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Returns the position at which scanning continues after the malformed record at `start`: the nearest one at
/// which a record can start, or the end.
fn resync(bytes: &[u8], start: usize, is_array: bool, keys: &[&str]) -> usize {
    for at in start + 1..bytes.len() {
        if bytes[at] != b'{' {
            continue;
        }
        // Byte order marks directly before the brace are included.
        let mut begin = at;
        while begin >= start + 1 + BOM.len() && bytes[start + 1..begin].ends_with(BOM) {
            begin -= BOM.len();
        }
        let before = &bytes[start..begin];
        let visible = strip_boms(before);
        if visible.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            return begin;
        }
        let line = visible
            .iter()
            .rev()
            .take_while(|b| !matches!(b, b'\n' | b'\r'));
        let is_first =
            line.clone().count() < visible.len() && line.clone().all(|b| matches!(b, b' ' | b'\t'));
        let mut non_blank = visible.iter().rev().filter(|b| !is_whitespace(**b));
        let follows_brace = match non_blank.next() {
            Some(b'}') => true,
            Some(b',') if is_array => non_blank.next() == Some(&b'}'),
            _ => false,
        };
        if (is_first || follows_brace) && is_complete_record(&bytes[at..], keys) {
            return begin;
        }
    }
    bytes.len()
}

/// Removes byte order marks, except at the first byte, which belongs to the malformed record.
fn strip_boms(bytes: &[u8]) -> Vec<u8> {
    let (mut visible, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if at > 0 && bytes[at..].starts_with(BOM) {
            at += BOM.len();
        } else {
            visible.push(bytes[at]);
            at += 1;
        }
    }
    visible
}

/// Returns whether a complete object with one of `keys` starts here.
fn is_complete_record(bytes: &[u8], keys: &[&str]) -> bool {
    let RecordCheck::Complete(length) = check_record(bytes) else {
        return false;
    };
    // All known keys are ASCII.
    let text = String::from_utf8_lossy(&bytes[..length]);
    let fields = RecordMembers::parse(&text);
    keys.iter().any(|key| fields.contains_key(key))
}

fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn count_whitespace<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes.take_while(|byte| is_whitespace(**byte)).count()
}
