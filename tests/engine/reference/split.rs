//! Splits the bytes of an object into records: well-formed JSON objects, and the stretches between
//! them that are none.
//!
//! `serde_json` judges the grammar, over bytes and without building anything. It says whether a
//! record is there and where it ends, but not exactly where a broken one breaks, so that position
//! is found as the end of the longest prefix that something could still continue.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Error};

/// The record object itself is depth 1.
const MAX_DEPTH: usize = 128;

/// Every record of an object in order: `Ok` is a well-formed one, `Err` a `syntax` reject (without
/// the whitespace after it).
pub fn records(bytes: &[u8]) -> Vec<Result<Range<usize>, Range<usize>>> {
    let mut found = Vec::new();
    let bom = b"\xEF\xBB\xBF";
    let mut at = if bytes.starts_with(bom) { bom.len() } else { 0 };
    loop {
        at += count_whitespace(bytes[at..].iter());
        if at == bytes.len() {
            return found;
        }
        match check(&bytes[at..]) {
            Check::Complete(length) => {
                found.push(Ok(at..at + length));
                at += length;
            }
            Check::Broken(error) => {
                let next = resume(bytes, at + error);
                let blank = count_whitespace(bytes[at..next].iter().rev());
                found.push(Err(at..next - blank));
                at = next;
            }
        }
    }
}

/// What stands at a record position.
enum Check {
    /// A well-formed record of so many bytes.
    Complete(usize),
    /// None: the first byte that cannot continue a record is so far on. It is the length of the
    /// input when only its end is at fault.
    Broken(usize),
}

fn check(input: &[u8]) -> Check {
    if input[0] != b'{' {
        return Check::Broken(0);
    }
    let parsed = parse(input);
    let end = match parsed {
        Ok(length) => length,
        Err(_) => grammar_error(input),
    };
    // `serde_json` has no limit of depth when it ignores values. Up to `end` the bytes are known
    // to be a proper beginning of a record, so brackets can be told from text by the quotes alone.
    match (too_deep(&input[..end]), parsed) {
        (Some(bracket), _) => Check::Broken(bracket),
        (None, Ok(length)) => Check::Complete(length),
        (None, Err(_)) => Check::Broken(end),
    }
}

/// Parses one value at the start of the input and gives its length.
fn parse(input: &[u8]) -> Result<usize, Error> {
    let mut values = Deserializer::from_slice(input).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(values.byte_offset()),
        Some(Err(error)) => Err(error),
        None => unreachable!("the input begins with a brace"),
    }
}

/// Where the grammar breaks in an input that holds no complete record: its length if it does not.
fn grammar_error(input: &[u8]) -> usize {
    // Doubling first: a broken record may be followed by gigabytes that have no part in it.
    let mut broken = 64;
    while broken < input.len() && viable(&input[..broken]) {
        broken *= 2;
    }
    if broken >= input.len() {
        broken = input.len();
        if viable(input) {
            return broken;
        }
    }
    // Bisection: the prefix of `good` bytes can be continued, the one of `broken` bytes cannot.
    let mut good = 1;
    while broken - good > 1 {
        let middle = good + (broken - good) / 2;
        if viable(&input[..middle]) {
            good = middle;
        } else {
            broken = middle;
        }
    }
    good
}

/// Whether a prefix that holds no complete record can be continued to one.
fn viable(prefix: &[u8]) -> bool {
    let mut probe = prefix.to_vec();
    probe.resize(prefix.len() + missing_zeros(prefix), b'0');
    match parse(&probe) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

/// `serde_json` misjudges an end of input in two places. In a number that still needs a digit it
/// reports a wrong number instead of the end; in a `\u` escape it reports the end without looking
/// at the digits that are there. Zeros appended there complete the number or escape, and lead on
/// wherever the prefix was good; one that was bad already stays bad. Gives how many are needed.
fn missing_zeros(prefix: &[u8]) -> usize {
    let length = prefix.len();
    for digits in 0..4.min(length.saturating_sub(1)) {
        if let Some(before) = prefix[..length - digits].strip_suffix(b"\\u") {
            // An even number of backslashes before this one: it begins an escape.
            let backslashes = before.iter().rev().take_while(|&&b| b == b'\\').count();
            if backslashes % 2 == 0 {
                return 4 - digits;
            }
        }
    }
    match prefix {
        [.., b'-' | b'+' | b'.'] => 1,
        // The digit tells `1e` from `true` and `false`.
        [.., b'0'..=b'9', b'e' | b'E'] => 1,
        _ => 0,
    }
}

/// The first bracket that opens a level too many.
fn too_deep(start_of_record: &[u8]) -> Option<usize> {
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

/// The next line that begins with a brace, at or after the error; else the end.
fn resume(bytes: &[u8], error: usize) -> usize {
    (error.max(1)..bytes.len())
        .find(|&at| bytes[at] == b'{' && bytes[at - 1] == b'\n')
        .unwrap_or(bytes.len())
}

fn count_whitespace<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .count()
}
