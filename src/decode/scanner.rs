//! Scans one record strictly by RFC 8259 and writes the position and kind of the value of each key to
//! a [`ValueSpan`]. The scanner converts no values.
//!
//! Records of one source look alike, so the bytes between two values (`,"auth":`) are predicted from the
//! previous record: the key, its punctuation and its whitespace are compared at once. After a wrong
//! prediction the slow path scans the same bytes and learns the next prediction. A prediction affects the
//! time that a record takes and nothing else.

use super::cursor::{Cursor, skip_whitespace};
use super::key_prediction::{KeyPrediction, NextToken};
use super::lexer::{ScanResult, check_unicode_escape, scan_literal, scan_number, syntax_error};
use super::open_levels::OpenLevels;
use super::padded_bytes::byte_at;
use super::structural_index::StructuralIndex;
use super::unknown_keys::{UnknownKey, UnknownKeys};
use super::value;
use super::value_span::{ABSENT, RecordSpan, ValueKind, ValueSpan};

/// The maximum nesting depth; the record itself is level 1.
pub(crate) const MAX_DEPTH: u32 = 128;

/// The maximum number of members with a prediction, which bounds the memory that a record takes.
const MAX_PREDICTIONS: usize = 1024;

/// The result of the scan of a string.
struct ScannedString {
    /// The kind: plain or escaped.
    kind: ValueKind,
    /// The position of its closing quote.
    closing_quote: usize,
    /// The ordinal of the structural character after its closing quote.
    next_structural: usize,
}

/// Scans records for the values of a list of keys.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// The known keys. The first of them have a span.
    keys: Vec<&'static str>,
    /// The number of keys that have a span.
    num_spans: usize,
    /// The keys that are not known. Each of them that is predicted has been noticed.
    unknown_keys: UnknownKeys,
    /// One prediction for each member; `None` where the bytes are too long to be predicted.
    predictions: Vec<Option<KeyPrediction>>,
    structurals: StructuralIndex,
    /// The ordinal of the first structural character after the last record.
    next_structural: usize,
}

impl Scanner {
    /// Returns a scanner that fills one span for each of `keys`. All keys that are neither among them nor among
    /// `unused_keys` are unknown.
    pub(crate) fn new(mut keys: Vec<&'static str>, unused_keys: &[&'static str]) -> Self {
        let num_spans = keys.len();
        keys.extend(unused_keys);
        Self {
            keys,
            num_spans,
            unknown_keys: UnknownKeys::default(),
            predictions: Vec::new(),
            structurals: StructuralIndex::new(),
            next_structural: 0,
        }
    }

    /// Prepares for other bytes. Between two resets all records must be in the same bytes, in rising order.
    pub(crate) fn reset(&mut self) {
        self.structurals.clear();
        self.next_structural = 0;
    }

    /// Returns true if the record that was scanned last is the first to have an unknown key.
    #[inline(always)]
    pub(crate) fn has_pending_keys(&self) -> bool {
        self.unknown_keys.has_pending()
    }

    /// Keeps the unknown keys of the record that was scanned last, which is valid and begins at `start`. `line`
    /// is the number of newlines from the start of the segment to the record.
    #[cold]
    pub(crate) fn keep_pending_keys(&mut self, bytes: &[u8], start: usize, line: u64) {
        self.unknown_keys.keep_pending(bytes, start, line);
    }

    /// Forgets the unknown keys that only the record that was scanned last has, because it is not valid or not
    /// complete.
    #[cold]
    pub(crate) fn discard_pending_keys(&mut self) {
        if self.unknown_keys.has_pending() {
            self.unknown_keys.discard_pending();
            self.forget_unknown_predictions();
        }
    }

    /// Forgets all unknown keys: the next records are those of another split.
    pub(crate) fn clear_unknown_keys(&mut self) {
        self.unknown_keys.clear();
        self.forget_unknown_predictions();
    }

    /// Takes the unknown keys since they were last taken, in the order of their first occurrences.
    pub(crate) fn take_unknown_keys(&mut self) -> Vec<UnknownKey> {
        self.unknown_keys.take()
    }

    /// Returns true if there are more unknown keys than can be listed.
    pub(crate) fn has_more_unknown_keys(&self) -> bool {
        self.unknown_keys.has_more()
    }

    /// Forgets the predictions of unknown keys, so that such keys are noticed again.
    fn forget_unknown_predictions(&mut self) {
        let unknown = NextToken::Value(self.keys.len());
        for prediction in &mut self.predictions {
            if prediction.is_some_and(|prediction| prediction.next == unknown) {
                *prediction = None;
            }
        }
    }

    /// Scans the record whose `{` is at `start` and fills `spans`: one for each key, in order. `bytes`
    /// should end in [`PADDING`](super::padded_bytes::PADDING) zeros. An error at or after the end of the data
    /// means that the record is incomplete.
    pub(crate) fn scan_record(
        &mut self,
        bytes: &[u8],
        start: usize,
        spans: &mut [ValueSpan],
    ) -> ScanResult<RecordSpan> {
        debug_assert_eq!(spans.len(), self.num_spans, "each key has a span");
        spans.fill(ABSENT);
        let mut cursor = Cursor {
            pos: start,
            structural: self.structurals.seek(self.next_structural, start),
            control_whitespace: 0,
        };
        // If the record fails, the next one searches its structural characters from here.
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
            // The common kinds of values are scanned inline. A function would return its result through
            // memory, and a load of another width than the store before it is slow.
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
            // The index of an unused or unknown key is past the spans.
            if let Some(target) = spans.get_mut(index) {
                *target = span;
            }
            member += 1;
        }
    }

    /// Scans from the end of one value to the start of the next, or to the end of the record (slow path).
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
            let index = self.key_index(bytes, key);
            if index == self.keys.len() {
                self.unknown_keys.notice(bytes, key);
            }
            next = NextToken::Value(index);
            cursor = skip_whitespace(bytes, cursor);
        }
        let prediction = KeyPrediction::new(
            &bytes[from.pos..cursor.pos],
            cursor.structural - from.structural,
            next,
            cursor.control_whitespace,
        );
        // Only the prediction of this member changes: a record of another shape relearns each in turn.
        if member < self.predictions.len() {
            self.predictions[member] = prediction;
        } else if member == self.predictions.len() && member < MAX_PREDICTIONS {
            self.predictions.push(prediction);
        }
        cursor.control_whitespace += from.control_whitespace;
        Ok((next, cursor))
    }

    /// Returns the index of a key; the number of keys if the key is unknown.
    fn key_index(&self, bytes: &[u8], key: ValueSpan) -> usize {
        let raw = &bytes[key.start..key.end];
        let mut decoded = Vec::new();
        let key = match key.kind {
            ValueKind::EscapedString => match value::unescape(raw, &mut decoded) {
                Ok(()) => decoded.as_slice(),
                Err(_) => return self.keys.len(),
            },
            _ => raw,
        };
        // Most keys differ in their first byte, which is compared without a call.
        let is_key =
            |known: &&str| known.as_bytes().first() == key.first() && known.as_bytes() == key;
        let index = self.keys.iter().position(is_key);
        index.unwrap_or(self.keys.len())
    }

    /// Scans a key and its colon, from the opening quote on.
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

    /// Scans any value. The caller has scanned strings, numbers and nulls without leading whitespace itself.
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

    /// Scans a string, from its opening quote on.
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

    /// Scans a string whose opening quote is the structural character `opening`.
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
                _ => return syntax_error(end, "unescaped control character in a string"),
            }
        }
    }

    /// Scans an object or array inside the record, without recursion.
    #[inline(never)]
    fn scan_nested(&mut self, bytes: &[u8], mut cursor: Cursor) -> ScanResult<Cursor> {
        let mut levels = OpenLevels::new();
        loop {
            // The cursor is at a value.
            cursor = skip_whitespace(bytes, cursor);
            match byte_at(bytes, cursor.pos) {
                open @ (b'{' | b'[') => {
                    if levels.depth == MAX_DEPTH {
                        return syntax_error(cursor.pos, "nested deeper than 128 levels");
                    }
                    levels.open(open == b'{');
                    cursor.pos += 1;
                    cursor = skip_whitespace(bytes, cursor);
                    let close = if open == b'{' { b'}' } else { b']' };
                    if byte_at(bytes, cursor.pos) != close {
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
            // The cursor is after a value, or at the bracket that closes an empty level.
            cursor = self.scan_after_nested_value(bytes, cursor, &mut levels)?;
            if levels.depth == 1 {
                return Ok(cursor);
            }
        }
    }

    /// Scans from the end of a value inside the record to the next value, or to the end of the outermost level
    /// below the record. Closes the levels that end there.
    fn scan_after_nested_value(
        &mut self,
        bytes: &[u8],
        mut cursor: Cursor,
        levels: &mut OpenLevels,
    ) -> ScanResult<Cursor> {
        loop {
            cursor = skip_whitespace(bytes, cursor);
            match (byte_at(bytes, cursor.pos), levels.is_in_object()) {
                (b'}', true) | (b']', false) => {
                    levels.close();
                    cursor.pos += 1;
                    if levels.depth == 1 {
                        return Ok(cursor);
                    }
                }
                (b',', true) => {
                    cursor.pos += 1;
                    cursor = skip_whitespace(bytes, cursor);
                    return Ok(self.scan_key(bytes, cursor)?.1);
                }
                (b',', false) => {
                    cursor.pos += 1;
                    return Ok(cursor);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Predictions are kept across records, so a record of many members must not leave one for each.
    #[test]
    fn predictions_per_record_are_bounded() {
        let members: Vec<String> = (0..3 * MAX_PREDICTIONS)
            .map(|n| format!("\"{n}\":1"))
            .collect();
        let record = format!("{{{}}}", members.join(","));
        let mut scanner = Scanner::new(vec!["2"], &[]);
        let mut spans = [ABSENT; 1];
        let scanned = scanner
            .scan_record(record.as_bytes(), 0, &mut spans)
            .unwrap();
        assert_eq!(scanned.end, record.len());
        assert_eq!(spans[0].kind, ValueKind::Number);
        assert_eq!(scanner.predictions.len(), MAX_PREDICTIONS);
    }

    /// A member that is too long to be predicted must not end the predictions of the members after it.
    #[test]
    fn long_key_disables_only_its_own_prediction() {
        let record = format!("{{\"{}\":1,\"a\":2,\"b\":3}}", "k".repeat(MAX_PREDICTIONS));
        let mut scanner = Scanner::new(vec!["b"], &[]);
        let mut spans = [ABSENT; 1];
        scanner
            .scan_record(record.as_bytes(), 0, &mut spans)
            .unwrap();
        let is_predicted = scanner.predictions.iter().map(Option::is_some);
        assert_eq!(is_predicted.collect::<Vec<_>>(), [false, true, true, true]);
    }

    /// The value of a key without a span would be lost.
    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "each key has a span")]
    fn key_without_span_fails_loudly() {
        let _ = Scanner::new(vec!["a"], &[]).scan_record(b"{}", 0, &mut []);
    }
}
