//! The record scanner: strict RFC 8259 over the bytes of one record, leaving the place and kind of
//! each wanted value in a [`ValueSpan`]. It converts nothing.
//!
//! Records of one source look alike, so what stands between two values (`,"auth":`) is predicted
//! from the record before: the whole of it, key and white space included, is compared at once. On a
//! wrong guess the same bytes go the long way, which also learns the next guess. The guess changes
//! the time a record takes and nothing else.

use super::bytes::byte_at;
use super::lexer::{ScanResult, check_unicode_escape, scan_literal, scan_number, syntax_error};
use super::speculation::{KeyPrediction, NextToken};
use super::structural_index::StructuralIndex;
use super::value;

/// The deepest nesting that is accepted; the record itself is level 1.
pub const MAX_DEPTH: u32 = 128;

/// What stands in a slot. A word wide: copying a slot with padding in it costs a stalled load a value,
/// which was half of the scanner's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum ValueKind {
    /// The key does not occur in the record.
    Absent,
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number; the range is its text.
    Number,
    /// A string without escapes; the range is what stands between the quotes.
    PlainString,
    /// A string with escapes; the range is what stands between the quotes.
    EscapedString,
    /// An object or array.
    Nested,
}

/// Where the value of a wanted key stands in the scanned bytes.
#[derive(Debug, Clone, Copy)]
pub struct ValueSpan {
    /// What it is.
    pub kind: ValueKind,
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// What stands in the slot of a key that does not occur.
pub const ABSENT: ValueSpan = ValueSpan {
    kind: ValueKind::Absent,
    start: 0,
    end: 0,
};

/// A record that is valid JSON but for its UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSpan {
    /// One past its closing brace.
    pub end: usize,
    /// Whether every byte is ASCII.
    pub is_ascii: bool,
    /// Whether it has white space other than plain spaces between its tokens.
    pub has_control_whitespace: bool,
}

/// Members of a record that are guessed: what is kept of a record is bounded.
const MAX_PREDICTIONS: usize = 1024;

/// How far a record was scanned. It is handed from function to function by value: kept in the scanner
/// it would be loaded and stored at every step, one step waiting for the other.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// The next byte.
    pos: usize,
    /// The number of the first stop that is not passed.
    structural: usize,
    /// The white space other than plain spaces between tokens, in bytes. A word wide, as [`ValueKind`] is.
    control_whitespace: usize,
}

/// What is known behind a string.
struct ScannedString {
    /// Plain or escaped.
    kind: ValueKind,
    /// Its closing quote.
    closing_quote: usize,
    /// The number of the stop behind its closing quote.
    next_structural: usize,
}

/// Scans records for the values of some wanted keys.
#[derive(Debug)]
pub struct Scanner {
    keys: Vec<&'static str>,
    /// One a member, as far as a stretch can be guessed.
    predictions: Vec<Option<KeyPrediction>>,
    structurals: StructuralIndex,
    /// The number of the first stop that the last record did not pass.
    next_structural: usize,
}

impl Scanner {
    /// A scanner that fills one slot for each of `keys`.
    pub fn new(keys: Vec<&'static str>) -> Self {
        Self {
            keys,
            predictions: Vec::new(),
            structurals: StructuralIndex::new(),
            next_structural: 0,
        }
    }

    /// Slots that a record fills: one a key.
    #[inline(always)]
    pub fn num_keys(&self) -> usize {
        self.keys.len()
    }

    /// Makes ready for other bytes. Until then all records must be scanned in the same ones, forward.
    pub fn reset(&mut self) {
        self.structurals.clear();
        self.next_structural = 0;
    }

    /// Scans the record whose `{` stands at `start` into `slots`: one a key, in order. `bytes` should
    /// end in [`PADDING`](super::bytes::PADDING) zeros. An error at the end of the data proper means that
    /// the record is not whole.
    pub fn scan_record(
        &mut self,
        bytes: &[u8],
        start: usize,
        spans: &mut [ValueSpan],
    ) -> ScanResult<RecordSpan> {
        spans.fill(ABSENT);
        let mut cursor = Cursor {
            pos: start,
            structural: self.structurals.seek(self.next_structural, start),
            control_whitespace: 0,
        };
        // If the record fails, the next one looks for its stops from here.
        self.next_structural = cursor.structural;
        let mut member = 0;
        loop {
            let next = match self.predictions.get(member) {
                Some(Some(prediction)) if prediction.matches(bytes, cursor.pos) => {
                    cursor.pos += prediction.len;
                    cursor.structural += prediction.structurals;
                    cursor.control_whitespace += prediction.control_whitespace;
                    prediction.next
                }
                _ => {
                    let (next, after) = self.scan_separator(bytes, cursor, member)?;
                    (cursor.pos, cursor.structural, cursor.control_whitespace) =
                        (after.pos, after.structural, after.control_whitespace);
                    next
                }
            };
            let NextToken::Value(index) = next else {
                self.next_structural = cursor.structural;
                return Ok(RecordSpan {
                    end: cursor.pos,
                    is_ascii: self.structurals.is_ascii(bytes, start, cursor.pos),
                    has_control_whitespace: cursor.control_whitespace > 0,
                });
            };
            // The usual values are scanned in place: what a call leaves in memory in one piece is
            // slow to load in another.
            let first = byte_at(bytes, cursor.pos);
            let span = if first == b'"' {
                let start = cursor.pos + 1;
                let string = self.scan_string(bytes, cursor.structural)?;
                (cursor.pos, cursor.structural) =
                    (string.closing_quote + 1, string.next_structural);
                ValueSpan {
                    kind: string.kind,
                    start,
                    end: string.closing_quote,
                }
            } else if first.is_ascii_digit() || first == b'-' {
                let start = cursor.pos;
                cursor.pos = scan_number(bytes, start)?;
                ValueSpan {
                    kind: ValueKind::Number,
                    start,
                    end: cursor.pos,
                }
            } else if first == b'n' {
                let start = cursor.pos;
                cursor.pos = scan_literal(bytes, start, b"null")?;
                ValueSpan {
                    kind: ValueKind::Null,
                    start,
                    end: cursor.pos,
                }
            } else {
                let (span, after) = self.slow_value(bytes, cursor)?;
                (cursor.pos, cursor.structural, cursor.control_whitespace) =
                    (after.pos, after.structural, after.control_whitespace);
                span
            };
            if let Some(target) = spans.get_mut(index) {
                *target = span;
            }
            member += 1;
        }
    }

    /// The long way from the end of one value to the start of the next, or to the end of the record.
    #[cold]
    #[inline(never)]
    fn scan_separator(
        &mut self,
        bytes: &[u8],
        from: Cursor,
        member: usize,
    ) -> ScanResult<(NextToken, Cursor)> {
        let mut cursor = Cursor {
            control_whitespace: 0,
            ..from
        };
        if member > 0 {
            cursor = skip_whitespace(bytes, cursor);
        }
        let mut next = NextToken::RecordEnd;
        match byte_at(bytes, cursor.pos) {
            b'}' if member > 0 => cursor.pos += 1,
            b'{' if member == 0 => {
                cursor.pos += 1;
                cursor = skip_whitespace(bytes, cursor);
                if byte_at(bytes, cursor.pos) == b'}' {
                    cursor.pos += 1
                } else {
                    next = NextToken::Value(0)
                }
            }
            b',' if member > 0 => {
                cursor.pos += 1;
                cursor = skip_whitespace(bytes, cursor);
                next = NextToken::Value(0);
            }
            _ if member == 0 => return syntax_error(cursor.pos, "expected an object"),
            _ => return syntax_error(cursor.pos, "expected a comma or a closing brace"),
        }
        if next != NextToken::RecordEnd {
            let key;
            (key, cursor) = self.scan_key(bytes, cursor)?;
            next = NextToken::Value(self.key_index(bytes, key));
            cursor = skip_whitespace(bytes, cursor);
        }
        let text = bytes.get(from.pos..cursor.pos).unwrap_or_default();
        let prediction = KeyPrediction::new(
            text,
            cursor.structural - from.structural,
            next,
            cursor.control_whitespace,
        );
        // Only the guess for this place: a record of another shape relearns as it goes.
        if member < self.predictions.len() {
            self.predictions[member] = prediction;
        } else if member == self.predictions.len() && member < MAX_PREDICTIONS {
            self.predictions.push(prediction);
        }
        cursor.control_whitespace += from.control_whitespace;
        Ok((next, cursor))
    }

    /// The index of the slot for a key; one past the last if nobody wants it.
    fn key_index(&self, bytes: &[u8], key: ValueSpan) -> usize {
        let raw = bytes.get(key.start..key.end).unwrap_or_default();
        let mut decoded = Vec::new();
        let key = match key.kind {
            ValueKind::EscapedString => match value::unescape(raw, &mut decoded) {
                Ok(()) => decoded.as_slice(),
                Err(_) => return self.keys.len(),
            },
            _ => raw,
        };
        self.keys
            .iter()
            .position(|k| k.as_bytes() == key)
            .unwrap_or(self.keys.len())
    }

    /// A key and its colon, from the opening quote on.
    fn scan_key(&mut self, bytes: &[u8], cursor: Cursor) -> ScanResult<(ValueSpan, Cursor)> {
        if byte_at(bytes, cursor.pos) != b'"' {
            return syntax_error(cursor.pos, "expected a key");
        }
        let (key, after) = self.scan_string_value(bytes, cursor)?;
        let mut cursor = skip_whitespace(bytes, after);
        if byte_at(bytes, cursor.pos) != b':' {
            return syntax_error(cursor.pos, "expected a colon");
        }
        cursor.pos += 1;
        Ok((key, cursor))
    }

    /// Any value but a string, a number or null: those only behind white space.
    #[inline(never)]
    fn slow_value(&mut self, bytes: &[u8], cursor: Cursor) -> ScanResult<(ValueSpan, Cursor)> {
        let cursor = skip_whitespace(bytes, cursor);
        let start = cursor.pos;
        let (kind, end) = match byte_at(bytes, start) {
            b'"' => return self.scan_string_value(bytes, cursor),
            b'-' | b'0'..=b'9' => (ValueKind::Number, scan_number(bytes, start)?),
            b'n' => (ValueKind::Null, scan_literal(bytes, start, b"null")?),
            b't' => (ValueKind::Bool, scan_literal(bytes, start, b"true")?),
            b'f' => (ValueKind::Bool, scan_literal(bytes, start, b"false")?),
            b'{' | b'[' => {
                let after = self.scan_nested(bytes, cursor)?;
                let span = ValueSpan {
                    kind: ValueKind::Nested,
                    start,
                    end: after.pos,
                };
                return Ok((span, after));
            }
            _ => return syntax_error(start, "expected a value"),
        };
        Ok((
            ValueSpan { kind, start, end },
            Cursor { pos: end, ..cursor },
        ))
    }

    /// A string, from its opening quote on.
    fn scan_string_value(
        &mut self,
        bytes: &[u8],
        cursor: Cursor,
    ) -> ScanResult<(ValueSpan, Cursor)> {
        let string = self.scan_string(bytes, cursor.structural)?;
        let span = ValueSpan {
            kind: string.kind,
            start: cursor.pos + 1,
            end: string.closing_quote,
        };
        let after = Cursor {
            pos: string.closing_quote + 1,
            structural: string.next_structural,
            ..cursor
        };
        Ok((span, after))
    }

    /// A string whose opening quote is the stop of this number.
    #[inline(always)]
    fn scan_string(&mut self, bytes: &[u8], opening: usize) -> ScanResult<ScannedString> {
        let mut structural = opening + 1;
        let mut kind = ValueKind::PlainString;
        loop {
            let end = match self.structurals.get(structural) {
                Some(end) => end,
                None => self.structurals.index_until(bytes, structural),
            };
            structural += 1;
            match byte_at(bytes, end) {
                b'"' => {
                    return Ok(ScannedString {
                        kind,
                        closing_quote: end,
                        next_structural: structural,
                    });
                }
                b'\\' => {
                    kind = ValueKind::EscapedString;
                    if !matches!(
                        byte_at(bytes, end + 1),
                        b'/' | b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't'
                    ) {
                        check_unicode_escape(bytes, end + 1)?;
                    }
                }
                _ => return syntax_error(end, "control character in a string"),
            }
        }
    }

    /// An object or array inside the record, without recursion.
    #[inline(never)]
    fn scan_nested(&mut self, bytes: &[u8], mut cursor: Cursor) -> ScanResult<Cursor> {
        // Bit 0 is the innermost level; 1 for an object. 127 levels below the record fit.
        let mut objects: u128 = 0;
        let mut depth = 1;
        loop {
            // The place is at a value.
            cursor = skip_whitespace(bytes, cursor);
            match byte_at(bytes, cursor.pos) {
                open @ (b'{' | b'[') => {
                    if depth == MAX_DEPTH {
                        return syntax_error(cursor.pos, "nested deeper than 128");
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    cursor.pos += 1;
                    cursor = skip_whitespace(bytes, cursor);
                    let empty =
                        byte_at(bytes, cursor.pos) == if open == b'{' { b'}' } else { b']' };
                    if !empty {
                        if open == b'{' {
                            cursor = self.scan_key(bytes, cursor)?.1;
                        }
                        continue;
                    }
                }
                b'"' => cursor = self.scan_string_value(bytes, cursor)?.1,
                b'-' | b'0'..=b'9' => cursor.pos = scan_number(bytes, cursor.pos)?,
                b'n' => cursor.pos = scan_literal(bytes, cursor.pos, b"null")?,
                b't' => cursor.pos = scan_literal(bytes, cursor.pos, b"true")?,
                b'f' => cursor.pos = scan_literal(bytes, cursor.pos, b"false")?,
                _ => return syntax_error(cursor.pos, "expected a value"),
            }
            // The place is behind a value or at the bracket that closes an empty level.
            loop {
                cursor = skip_whitespace(bytes, cursor);
                match (byte_at(bytes, cursor.pos), objects & 1 == 1) {
                    (b'}', true) | (b']', false) => {
                        objects >>= 1;
                        depth -= 1;
                        cursor.pos += 1;
                        if depth == 1 {
                            return Ok(cursor);
                        }
                    }
                    (b',', true) => {
                        cursor.pos += 1;
                        cursor = skip_whitespace(bytes, cursor);
                        cursor = self.scan_key(bytes, cursor)?.1;
                        break;
                    }
                    (b',', false) => {
                        cursor.pos += 1;
                        break;
                    }
                    (_, true) => {
                        return syntax_error(cursor.pos, "expected a comma or a closing brace");
                    }
                    (_, false) => {
                        return syntax_error(cursor.pos, "expected a comma or a closing bracket");
                    }
                }
            }
        }
    }
}

/// Passes over white space. Every control character is a stop.
#[inline(always)]
fn skip_whitespace(bytes: &[u8], mut cursor: Cursor) -> Cursor {
    loop {
        match byte_at(bytes, cursor.pos) {
            b' ' => {}
            b'\n' | b'\r' | b'\t' => {
                cursor.control_whitespace += 1;
                cursor.structural += 1;
            }
            _ => return cursor,
        }
        cursor.pos += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Guesses are kept from record to record, so a record of many members must not leave one each.
    #[test]
    fn predictions_per_record_are_bounded() {
        let members: Vec<String> = (0..3 * MAX_PREDICTIONS)
            .map(|n| format!("\"{n}\":1"))
            .collect();
        let record = format!("{{{}}}", members.join(","));
        let mut scanner = Scanner::new(vec!["2"]);
        let mut slots = [ABSENT; 1];
        let scanned = scanner
            .scan_record(record.as_bytes(), 0, &mut slots)
            .unwrap();
        assert_eq!(scanned.end, record.len());
        assert_eq!(slots[0].kind, ValueKind::Number);
        assert_eq!(scanner.predictions.len(), MAX_PREDICTIONS);
    }

    /// What is too long to be guessed must not end the guessing of all that follows.
    #[test]
    fn long_key_disables_only_its_own_prediction() {
        let record = format!("{{\"{}\":1,\"a\":2,\"b\":3}}", "k".repeat(MAX_PREDICTIONS));
        let mut scanner = Scanner::new(vec!["b"]);
        let mut slots = [ABSENT; 1];
        scanner
            .scan_record(record.as_bytes(), 0, &mut slots)
            .unwrap();
        let known = scanner.predictions.iter().map(Option::is_some);
        assert_eq!(known.collect::<Vec<_>>(), [false, true, true, true]);
    }
}
