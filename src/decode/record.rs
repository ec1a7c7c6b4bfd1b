//! The record scanner: strict RFC 8259 over the bytes of one record, leaving the place and kind of
//! each wanted value in a [`Slot`]. It reads every byte once and converts nothing.
//!
//! Records of one source look alike, so what stands between two values (`,"auth":`) is predicted
//! from the record before: the whole of it, key and white space included, is compared at once. On a
//! wrong guess the same bytes go the long way, which also learns the next guess. The guess changes
//! the time a record takes and nothing else.

use super::scan::{block, byte, digits, string_stops};
use super::value;

/// The deepest nesting that is accepted; the record itself is level 1.
pub const MAX_DEPTH: u32 = 128;

/// The first byte that no valid record can have in this place. At the end of the data: the record
/// is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// Its position in the scanned bytes.
    pub at: usize,
    /// What was expected there or what is wrong with it.
    pub what: &'static str,
}

type Scan<T> = Result<T, SyntaxError>;

fn fail<T>(at: usize, what: &'static str) -> Scan<T> {
    Err(SyntaxError { at, what })
}

/// What stands in a slot. A word wide: copying a slot with padding in it costs a stalled load a value,
/// which was half of the scanner's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// The key does not occur in the record.
    Absent,
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number; the range is its text.
    Number,
    /// A string without escapes; the range is what stands between the quotes.
    Plain,
    /// A string with escapes; the range is what stands between the quotes.
    Escaped,
    /// An object or array.
    Nested,
}

/// Where the value of a wanted key stands in the scanned bytes.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

const ABSENT: Slot = Slot {
    kind: Kind::Absent,
    start: 0,
    end: 0,
};

/// A record that is valid JSON but for its UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// One past its closing brace.
    pub end: usize,
    /// Whether every byte is ASCII.
    pub ascii: bool,
    /// Whether it has white space other than plain spaces between its tokens.
    pub spaced: bool,
}

/// The longest stretch between two values that is predicted, in bytes.
const MAX_GUESS: usize = 32;

/// What probably stands between two values, and which slot the value behind it goes to.
#[derive(Debug, Clone, Copy)]
struct Guess {
    text: [u8; MAX_GUESS],
    mask: [u8; MAX_GUESS],
    len: usize,
    next: Next,
    ascii: bool,
    spaced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A value for the slot of this index.
    Value(usize),
    /// The end of the record.
    End,
}

impl Guess {
    fn new(text: &[u8], next: Next, ascii: bool, spaced: bool) -> Option<Self> {
        let mut guess = Self {
            text: [0; MAX_GUESS],
            mask: [0; MAX_GUESS],
            len: text.len(),
            next,
            ascii,
            spaced,
        };
        guess.text.get_mut(..text.len())?.copy_from_slice(text);
        guess.mask.get_mut(..text.len())?.fill(0xFF);
        Some(guess)
    }

    #[inline(always)]
    fn holds(&self, bytes: &[u8], at: usize) -> bool {
        let half = |from: usize| {
            let seen = u128::from_le_bytes(block(bytes, at + from));
            let text = u128::from_le_bytes(block(&self.text, from));
            let mask = u128::from_le_bytes(block(&self.mask, from));
            (seen ^ text) & mask == 0
        };
        half(0) && (self.len <= 16 || half(16))
    }
}

/// Scans records for the values of some wanted keys.
#[derive(Debug)]
pub struct Scanner {
    keys: Vec<&'static str>,
    /// One a key, and a last one for the values of all other keys.
    slots: Vec<Slot>,
    guesses: Vec<Guess>,
    ascii: bool,
    spaced: bool,
}

impl Scanner {
    /// A scanner that fills one slot for each of `keys`.
    pub fn new(keys: Vec<&'static str>) -> Self {
        let slots = vec![ABSENT; keys.len() + 1];
        Self {
            keys,
            slots,
            guesses: Vec::new(),
            ascii: true,
            spaced: false,
        }
    }

    /// The slots of the record scanned last, one a key.
    #[inline(always)]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Scans the record whose `{` stands at `start`. `bytes` should end in
    /// [`PADDING`](super::scan::PADDING) zeros. An error at the end of the data proper means that the record is not whole.
    pub fn record(&mut self, bytes: &[u8], start: usize) -> Scan<Scanned> {
        self.slots.fill(ABSENT);
        (self.ascii, self.spaced) = (true, false);
        let mut at = start;
        let mut member = 0;
        loop {
            let next = match self.guesses.get(member) {
                Some(guess) if guess.holds(bytes, at) => {
                    at += guess.len;
                    self.ascii &= guess.ascii;
                    self.spaced |= guess.spaced;
                    guess.next
                }
                _ => {
                    let (next, end) = self.between(bytes, at, member)?;
                    at = end;
                    next
                }
            };
            let Next::Value(index) = next else {
                return Ok(Scanned {
                    end: at,
                    ascii: self.ascii,
                    spaced: self.spaced,
                });
            };
            let slot = self.value(bytes, at)?;
            // A number or literal ends where the slot does, a string one quote later.
            at = slot.end + usize::from(matches!(slot.kind, Kind::Plain | Kind::Escaped));
            if let Some(wanted) = self.slots.get_mut(index) {
                *wanted = slot;
            }
            member += 1;
        }
    }

    /// The long way from the end of one value to the start of the next, or to the end of the record.
    #[cold]
    fn between(&mut self, bytes: &[u8], start: usize, member: usize) -> Scan<(Next, usize)> {
        let outer = (self.ascii, self.spaced);
        (self.ascii, self.spaced) = (true, false);
        let mut at = start;
        if member > 0 {
            at = self.space(bytes, at);
        }
        let mut next = Next::End;
        match byte(bytes, at) {
            b'}' if member > 0 => at += 1,
            b'{' if member == 0 => {
                at = self.space(bytes, at + 1);
                if byte(bytes, at) == b'}' {
                    at += 1
                } else {
                    next = Next::Value(0)
                }
            }
            b',' if member > 0 => {
                at = self.space(bytes, at + 1);
                next = Next::Value(0);
            }
            _ if member == 0 => return fail(at, "expected an object"),
            _ => return fail(at, "expected a comma or a closing brace"),
        }
        if next != Next::End {
            let (key, end) = self.key(bytes, at)?;
            next = Next::Value(self.index(bytes, key));
            at = self.space(bytes, end);
        }
        let text = bytes.get(start..at).unwrap_or_default();
        if let Some(guess) = Guess::new(text, next, self.ascii, self.spaced) {
            // Only the guess for this place: a record of another shape relearns as it goes.
            if member < self.guesses.len() {
                self.guesses[member] = guess;
            } else if member == self.guesses.len() {
                self.guesses.push(guess);
            }
        }
        (self.ascii, self.spaced) = (self.ascii && outer.0, self.spaced || outer.1);
        Ok((next, at))
    }

    /// The index of the slot for a key; that of the last slot if nobody wants it.
    fn index(&self, bytes: &[u8], key: Slot) -> usize {
        let raw = bytes.get(key.start..key.end).unwrap_or_default();
        let mut decoded = Vec::new();
        let key = match key.kind {
            Kind::Escaped => match value::unescape(raw, &mut decoded) {
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

    /// A key and its colon, from the opening quote on; the end is one past the colon.
    fn key(&mut self, bytes: &[u8], at: usize) -> Scan<(Slot, usize)> {
        if byte(bytes, at) != b'"' {
            return fail(at, "expected a key");
        }
        let key = self.string(bytes, at + 1)?;
        let at = self.space(bytes, key.end + 1);
        if byte(bytes, at) != b':' {
            return fail(at, "expected a colon");
        }
        Ok((key, at + 1))
    }

    #[inline(always)]
    fn space(&mut self, bytes: &[u8], mut at: usize) -> usize {
        loop {
            match byte(bytes, at) {
                b' ' => {}
                b'\n' | b'\r' | b'\t' => self.spaced = true,
                _ => return at,
            }
            at += 1;
        }
    }

    #[inline(always)]
    fn value(&mut self, bytes: &[u8], at: usize) -> Scan<Slot> {
        match byte(bytes, at) {
            b'"' => self.string(bytes, at + 1),
            b'-' | b'0'..=b'9' => number(bytes, at),
            b'n' => literal(bytes, at, b"null", Kind::Null),
            _ => self.other_value(bytes, at),
        }
    }

    #[inline(never)]
    fn other_value(&mut self, bytes: &[u8], at: usize) -> Scan<Slot> {
        match byte(bytes, at) {
            b't' => literal(bytes, at, b"true", Kind::Bool),
            b'f' => literal(bytes, at, b"false", Kind::Bool),
            b'{' | b'[' => self.nested(bytes, at),
            b' ' | b'\n' | b'\r' | b'\t' => {
                let at = self.space(bytes, at);
                self.value(bytes, at)
            }
            _ => fail(at, "expected a value"),
        }
    }

    /// A string, from behind its opening quote; the slot ends at its closing quote.
    #[inline(always)]
    fn string(&mut self, bytes: &[u8], start: usize) -> Scan<Slot> {
        let mut at = start;
        let mut kind = Kind::Plain;
        loop {
            let (mut stops, high) = string_stops(bytes, at);
            // The escapes within a block cost no other look at it.
            at = loop {
                if stops == 0 {
                    self.ascii &= high == 0;
                    break at + 16;
                }
                let stop = stops.trailing_zeros();
                let end = at + stop as usize;
                match (byte(bytes, end), byte(bytes, end + 1)) {
                    (b'"', _) => {
                        self.ascii &= high & ((1 << stop) - 1) == 0;
                        return Ok(Slot { kind, start, end });
                    }
                    (b'\\', b'/' | b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                        kind = Kind::Escaped;
                        if stop == 15 {
                            self.ascii &= high == 0;
                            break at + 17;
                        }
                        stops &= !(3 << stop);
                    }
                    (b'\\', _) => {
                        kind = Kind::Escaped;
                        self.ascii &= high & ((1 << stop) - 1) == 0;
                        break escape(bytes, end + 1)?;
                    }
                    _ => return fail(end, "control character in a string"),
                }
            };
        }
    }

    /// An object or array inside the record, without recursion.
    #[inline(never)]
    fn nested(&mut self, bytes: &[u8], start: usize) -> Scan<Slot> {
        // Bit 0 is the innermost level; 1 for an object. 127 levels below the record fit.
        let mut objects: u128 = 0;
        let mut depth = 1;
        let mut at = start;
        loop {
            // `at` is at a value.
            at = self.space(bytes, at);
            match byte(bytes, at) {
                open @ (b'{' | b'[') => {
                    if depth == MAX_DEPTH {
                        return fail(at, "nested deeper than 128");
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    at = self.space(bytes, at + 1);
                    let empty = byte(bytes, at) == if open == b'{' { b'}' } else { b']' };
                    if !empty {
                        if open == b'{' {
                            at = self.key(bytes, at)?.1;
                        }
                        continue;
                    }
                }
                b'"' => at = self.string(bytes, at + 1)?.end + 1,
                b'-' | b'0'..=b'9' => at = number(bytes, at)?.end,
                b'n' => at = literal(bytes, at, b"null", Kind::Null)?.end,
                b't' => at = literal(bytes, at, b"true", Kind::Bool)?.end,
                b'f' => at = literal(bytes, at, b"false", Kind::Bool)?.end,
                _ => return fail(at, "expected a value"),
            }
            // `at` is behind a value or at the bracket that closes an empty level.
            loop {
                at = self.space(bytes, at);
                match (byte(bytes, at), objects & 1 == 1) {
                    (b'}', true) | (b']', false) => {
                        objects >>= 1;
                        depth -= 1;
                        at += 1;
                        if depth == 1 {
                            return Ok(Slot {
                                kind: Kind::Nested,
                                start,
                                end: at,
                            });
                        }
                    }
                    (b',', true) => {
                        at = self.space(bytes, at + 1);
                        at = self.key(bytes, at)?.1;
                        break;
                    }
                    (b',', false) => {
                        at += 1;
                        break;
                    }
                    (_, true) => return fail(at, "expected a comma or a closing brace"),
                    (_, false) => return fail(at, "expected a comma or a closing bracket"),
                }
            }
        }
    }
}

/// One past a `\uXXXX` escape, from behind its backslash.
fn escape(bytes: &[u8], at: usize) -> Scan<usize> {
    if byte(bytes, at) != b'u' {
        return fail(at, "no such escape");
    }
    for digit in at + 1..at + 5 {
        if !byte(bytes, digit).is_ascii_hexdigit() {
            return fail(digit, "expected four hexadecimal digits");
        }
    }
    Ok(at + 5)
}

#[inline(always)]
fn literal(bytes: &[u8], start: usize, text: &[u8], kind: Kind) -> Scan<Slot> {
    for (i, &wanted) in text.iter().enumerate() {
        if byte(bytes, start + i) != wanted {
            return fail(start + i, "expected a value");
        }
    }
    Ok(Slot {
        kind,
        start,
        end: start + text.len(),
    })
}

#[inline(always)]
fn number(bytes: &[u8], start: usize) -> Scan<Slot> {
    let whole = start + usize::from(byte(bytes, start) == b'-');
    let mut at = digits(bytes, whole);
    if at == whole {
        return fail(at, "expected a digit");
    }
    if byte(bytes, whole) == b'0' && at > whole + 1 {
        return fail(whole + 1, "number with a leading zero");
    }
    if byte(bytes, at) == b'.' {
        let fraction = at + 1;
        at = digits(bytes, fraction);
        if at == fraction {
            return fail(at, "expected a digit");
        }
    }
    if matches!(byte(bytes, at), b'e' | b'E') {
        let exponent = at + 1 + usize::from(matches!(byte(bytes, at + 1), b'+' | b'-'));
        at = digits(bytes, exponent);
        if at == exponent {
            return fail(at, "expected a digit");
        }
    }
    Ok(Slot {
        kind: Kind::Number,
        start,
        end: at,
    })
}

/// Whether `text` is a JSON number and nothing else.
pub fn is_number(text: &[u8]) -> bool {
    // Nearly all are ids: a few digits.
    if text.first() != Some(&b'0') && !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return true;
    }
    matches!(number(text, 0), Ok(slot) if slot.end == text.len())
}
