//! The record scanner: strict RFC 8259 over the bytes of one record, leaving the place and kind of
//! each wanted value in a [`ValueSpan`]. It converts nothing.
//!
//! Records of one source look alike, so what stands between two values (`,"auth":`) is predicted
//! from the record before: the whole of it, key and white space included, is compared at once. On a
//! wrong guess the same bytes go the long way, which also learns the next guess. The guess changes
//! the time a record takes and nothing else.

use super::bytes::byte;
use super::lexer::{ScanResult, fail, literal, number, unicode_escape};
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
    pub ascii: bool,
    /// Whether it has white space other than plain spaces between its tokens.
    pub spaced: bool,
}

/// Members of a record that are guessed: what is kept of a record is bounded.
const MAX_GUESSES: usize = 1024;

/// How far a record was scanned. It is handed from function to function by value: kept in the scanner
/// it would be loaded and stored at every step, one step waiting for the other.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// The next byte.
    at: usize,
    /// The number of the first stop that is not passed.
    stop: usize,
    /// The white space other than plain spaces between tokens, in bytes. A word wide, as [`ValueKind`] is.
    spaced: usize,
}

/// What is known behind a string.
struct ScannedString {
    /// Plain or escaped.
    kind: ValueKind,
    /// Its closing quote.
    end: usize,
    /// The number of the stop behind its closing quote.
    stop: usize,
}

/// Scans records for the values of some wanted keys.
#[derive(Debug)]
pub struct Scanner {
    keys: Vec<&'static str>,
    /// One a member, as far as a stretch can be guessed.
    guesses: Vec<Option<KeyPrediction>>,
    stops: StructuralIndex,
    /// The number of the first stop that the last record did not pass.
    passed: usize,
}

impl Scanner {
    /// A scanner that fills one slot for each of `keys`.
    pub fn new(keys: Vec<&'static str>) -> Self {
        Self {
            keys,
            guesses: Vec::new(),
            stops: StructuralIndex::new(),
            passed: 0,
        }
    }

    /// Slots that a record fills: one a key.
    #[inline(always)]
    pub fn width(&self) -> usize {
        self.keys.len()
    }

    /// Makes ready for other bytes. Until then all records must be scanned in the same ones, forward.
    pub fn begin(&mut self) {
        self.stops.clear();
        self.passed = 0;
    }

    /// Scans the record whose `{` stands at `start` into `slots`: one a key, in order. `bytes` should
    /// end in [`PADDING`](super::bytes::PADDING) zeros. An error at the end of the data proper means that
    /// the record is not whole.
    pub fn record(
        &mut self,
        bytes: &[u8],
        start: usize,
        slots: &mut [ValueSpan],
    ) -> ScanResult<RecordSpan> {
        slots.fill(ABSENT);
        let mut place = Cursor {
            at: start,
            stop: self.stops.begin(self.passed, start),
            spaced: 0,
        };
        // If the record fails, the next one looks for its stops from here.
        self.passed = place.stop;
        let mut member = 0;
        loop {
            let next = match self.guesses.get(member) {
                Some(Some(guess)) if guess.holds(bytes, place.at) => {
                    place.at += guess.len;
                    place.stop += guess.stops;
                    place.spaced += guess.spaced;
                    guess.next
                }
                _ => {
                    let (next, behind) = self.between(bytes, place, member)?;
                    (place.at, place.stop, place.spaced) = (behind.at, behind.stop, behind.spaced);
                    next
                }
            };
            let NextToken::Value(index) = next else {
                self.passed = place.stop;
                return Ok(RecordSpan {
                    end: place.at,
                    ascii: self.stops.is_ascii(bytes, start, place.at),
                    spaced: place.spaced > 0,
                });
            };
            // The usual values are scanned in place: what a call leaves in memory in one piece is
            // slow to load in another.
            let first = byte(bytes, place.at);
            let slot = if first == b'"' {
                let start = place.at + 1;
                let string = self.string(bytes, place.stop)?;
                (place.at, place.stop) = (string.end + 1, string.stop);
                ValueSpan {
                    kind: string.kind,
                    start,
                    end: string.end,
                }
            } else if first.is_ascii_digit() || first == b'-' {
                let start = place.at;
                place.at = number(bytes, start)?;
                ValueSpan {
                    kind: ValueKind::Number,
                    start,
                    end: place.at,
                }
            } else if first == b'n' {
                let start = place.at;
                place.at = literal(bytes, start, b"null")?;
                ValueSpan {
                    kind: ValueKind::Null,
                    start,
                    end: place.at,
                }
            } else {
                let (slot, behind) = self.other_value(bytes, place)?;
                (place.at, place.stop, place.spaced) = (behind.at, behind.stop, behind.spaced);
                slot
            };
            if let Some(wanted) = slots.get_mut(index) {
                *wanted = slot;
            }
            member += 1;
        }
    }

    /// The long way from the end of one value to the start of the next, or to the end of the record.
    #[cold]
    #[inline(never)]
    fn between(
        &mut self,
        bytes: &[u8],
        from: Cursor,
        member: usize,
    ) -> ScanResult<(NextToken, Cursor)> {
        let mut place = Cursor { spaced: 0, ..from };
        if member > 0 {
            place = space(bytes, place);
        }
        let mut next = NextToken::RecordEnd;
        match byte(bytes, place.at) {
            b'}' if member > 0 => place.at += 1,
            b'{' if member == 0 => {
                place.at += 1;
                place = space(bytes, place);
                if byte(bytes, place.at) == b'}' {
                    place.at += 1
                } else {
                    next = NextToken::Value(0)
                }
            }
            b',' if member > 0 => {
                place.at += 1;
                place = space(bytes, place);
                next = NextToken::Value(0);
            }
            _ if member == 0 => return fail(place.at, "expected an object"),
            _ => return fail(place.at, "expected a comma or a closing brace"),
        }
        if next != NextToken::RecordEnd {
            let key;
            (key, place) = self.key(bytes, place)?;
            next = NextToken::Value(self.index(bytes, key));
            place = space(bytes, place);
        }
        let text = bytes.get(from.at..place.at).unwrap_or_default();
        let guess = KeyPrediction::new(text, place.stop - from.stop, next, place.spaced);
        // Only the guess for this place: a record of another shape relearns as it goes.
        if member < self.guesses.len() {
            self.guesses[member] = guess;
        } else if member == self.guesses.len() && member < MAX_GUESSES {
            self.guesses.push(guess);
        }
        place.spaced += from.spaced;
        Ok((next, place))
    }

    /// The index of the slot for a key; one past the last if nobody wants it.
    fn index(&self, bytes: &[u8], key: ValueSpan) -> usize {
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
    fn key(&mut self, bytes: &[u8], place: Cursor) -> ScanResult<(ValueSpan, Cursor)> {
        if byte(bytes, place.at) != b'"' {
            return fail(place.at, "expected a key");
        }
        let (key, behind) = self.text(bytes, place)?;
        let mut place = space(bytes, behind);
        if byte(bytes, place.at) != b':' {
            return fail(place.at, "expected a colon");
        }
        place.at += 1;
        Ok((key, place))
    }

    /// Any value but a string, a number or null: those only behind white space.
    #[inline(never)]
    fn other_value(&mut self, bytes: &[u8], place: Cursor) -> ScanResult<(ValueSpan, Cursor)> {
        let place = space(bytes, place);
        let start = place.at;
        let (kind, end) = match byte(bytes, start) {
            b'"' => return self.text(bytes, place),
            b'-' | b'0'..=b'9' => (ValueKind::Number, number(bytes, start)?),
            b'n' => (ValueKind::Null, literal(bytes, start, b"null")?),
            b't' => (ValueKind::Bool, literal(bytes, start, b"true")?),
            b'f' => (ValueKind::Bool, literal(bytes, start, b"false")?),
            b'{' | b'[' => {
                let behind = self.nested(bytes, place)?;
                let slot = ValueSpan {
                    kind: ValueKind::Nested,
                    start,
                    end: behind.at,
                };
                return Ok((slot, behind));
            }
            _ => return fail(start, "expected a value"),
        };
        Ok((ValueSpan { kind, start, end }, Cursor { at: end, ..place }))
    }

    /// A string, from its opening quote on.
    fn text(&mut self, bytes: &[u8], place: Cursor) -> ScanResult<(ValueSpan, Cursor)> {
        let string = self.string(bytes, place.stop)?;
        let slot = ValueSpan {
            kind: string.kind,
            start: place.at + 1,
            end: string.end,
        };
        let behind = Cursor {
            at: string.end + 1,
            stop: string.stop,
            ..place
        };
        Ok((slot, behind))
    }

    /// A string whose opening quote is the stop of this number.
    #[inline(always)]
    fn string(&mut self, bytes: &[u8], opening: usize) -> ScanResult<ScannedString> {
        let mut stop = opening + 1;
        let mut kind = ValueKind::PlainString;
        loop {
            let end = match self.stops.get(stop) {
                Some(end) => end,
                None => self.stops.find(bytes, stop),
            };
            stop += 1;
            match byte(bytes, end) {
                b'"' => return Ok(ScannedString { kind, end, stop }),
                b'\\' => {
                    kind = ValueKind::EscapedString;
                    if !matches!(
                        byte(bytes, end + 1),
                        b'/' | b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't'
                    ) {
                        unicode_escape(bytes, end + 1)?;
                    }
                }
                _ => return fail(end, "control character in a string"),
            }
        }
    }

    /// An object or array inside the record, without recursion.
    #[inline(never)]
    fn nested(&mut self, bytes: &[u8], mut place: Cursor) -> ScanResult<Cursor> {
        // Bit 0 is the innermost level; 1 for an object. 127 levels below the record fit.
        let mut objects: u128 = 0;
        let mut depth = 1;
        loop {
            // The place is at a value.
            place = space(bytes, place);
            match byte(bytes, place.at) {
                open @ (b'{' | b'[') => {
                    if depth == MAX_DEPTH {
                        return fail(place.at, "nested deeper than 128");
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    place.at += 1;
                    place = space(bytes, place);
                    let empty = byte(bytes, place.at) == if open == b'{' { b'}' } else { b']' };
                    if !empty {
                        if open == b'{' {
                            place = self.key(bytes, place)?.1;
                        }
                        continue;
                    }
                }
                b'"' => place = self.text(bytes, place)?.1,
                b'-' | b'0'..=b'9' => place.at = number(bytes, place.at)?,
                b'n' => place.at = literal(bytes, place.at, b"null")?,
                b't' => place.at = literal(bytes, place.at, b"true")?,
                b'f' => place.at = literal(bytes, place.at, b"false")?,
                _ => return fail(place.at, "expected a value"),
            }
            // The place is behind a value or at the bracket that closes an empty level.
            loop {
                place = space(bytes, place);
                match (byte(bytes, place.at), objects & 1 == 1) {
                    (b'}', true) | (b']', false) => {
                        objects >>= 1;
                        depth -= 1;
                        place.at += 1;
                        if depth == 1 {
                            return Ok(place);
                        }
                    }
                    (b',', true) => {
                        place.at += 1;
                        place = space(bytes, place);
                        place = self.key(bytes, place)?.1;
                        break;
                    }
                    (b',', false) => {
                        place.at += 1;
                        break;
                    }
                    (_, true) => return fail(place.at, "expected a comma or a closing brace"),
                    (_, false) => return fail(place.at, "expected a comma or a closing bracket"),
                }
            }
        }
    }
}

/// Passes over white space. Every control character is a stop.
#[inline(always)]
fn space(bytes: &[u8], mut place: Cursor) -> Cursor {
    loop {
        match byte(bytes, place.at) {
            b' ' => {}
            b'\n' | b'\r' | b'\t' => {
                place.spaced += 1;
                place.stop += 1;
            }
            _ => return place,
        }
        place.at += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Guesses are kept from record to record, so a record of many members must not leave one each.
    #[test]
    fn a_record_of_many_members_leaves_few_guesses() {
        let members: Vec<String> = (0..3 * MAX_GUESSES).map(|n| format!("\"{n}\":1")).collect();
        let record = format!("{{{}}}", members.join(","));
        let mut scanner = Scanner::new(vec!["2"]);
        let mut slots = [ABSENT; 1];
        let scanned = scanner.record(record.as_bytes(), 0, &mut slots).unwrap();
        assert_eq!(scanned.end, record.len());
        assert_eq!(slots[0].kind, ValueKind::Number);
        assert_eq!(scanner.guesses.len(), MAX_GUESSES);
    }

    /// What is too long to be guessed must not end the guessing of all that follows.
    #[test]
    fn a_long_key_costs_one_guess() {
        let record = format!("{{\"{}\":1,\"a\":2,\"b\":3}}", "k".repeat(MAX_GUESSES));
        let mut scanner = Scanner::new(vec!["b"]);
        let mut slots = [ABSENT; 1];
        scanner.record(record.as_bytes(), 0, &mut slots).unwrap();
        let known = scanner.guesses.iter().map(Option::is_some);
        assert_eq!(known.collect::<Vec<_>>(), [false, true, true, true]);
    }
}
