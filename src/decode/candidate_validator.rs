//! Checks in one pass which of several candidates begin a complete JSON object.
//!
//! A validator assumes for every byte whether it is inside a string. Therefore the objects that begin at
//! candidates are either nested or consecutive, and one pushdown automaton can check all of them. Its
//! stack has the open containers, from the outermost candidate inwards. A grammar error fails every open
//! candidate at once; nesting that is too deep for the outermost candidate fails only that candidate.

use std::collections::VecDeque;

use super::padded_bytes::is_json_whitespace;
use super::scanner::MAX_DEPTH;
use super::value;

/// The pushdown automaton. It is idle unless a candidate is open.
#[derive(Debug, Default)]
pub(super) struct CandidateValidator {
    /// The open containers. The outermost is a candidate.
    open_containers: VecDeque<Container>,
    /// The offsets at which the open candidates begin.
    candidate_offsets: VecDeque<u64>,
    /// The tokens that can follow in the innermost container.
    state: ParseState,
    /// Hexadecimal digits that a `\u` escape still needs.
    hex_digits_left: u8,
}

/// A byte of a string.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringByte {
    /// The byte.
    pub byte: u8,
    /// Whether a backslash escapes it.
    pub is_escaped: bool,
    /// Whether it is the closing quote.
    pub is_end: bool,
}

/// An open object or array.
#[derive(Debug, Clone, Copy)]
struct Container {
    is_object: bool,
    /// The offset at which the candidate begins; `None` if the container is not a candidate.
    candidate_offset: Option<u64>,
    /// Whether the candidate has a known key.
    has_known_key: bool,
}

/// The tokens that can follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ParseState {
    #[default]
    ExpectValue,
    ExpectValueOrEnd,
    ExpectKey,
    ExpectKeyOrEnd,
    ExpectColon,
    ExpectCommaOrEnd,
    /// The rest of a key, whose text begins at this offset.
    InKey(u64),
    /// The rest of a string.
    InString,
    /// The rest of `true`, `false` or `null`.
    InLiteral(&'static [u8]),
    InNumber(NumberState),
}

/// The part of a number that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberState {
    Minus,
    Zero,
    Integer,
    DecimalPoint,
    Fraction,
    ExponentMark,
    ExponentSign,
    Exponent,
}

impl NumberState {
    /// Returns the state after one more byte; `None` if the byte is not part of the number.
    fn advance(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Zero | Self::Integer, b'.') => Self::DecimalPoint,
            (Self::DecimalPoint | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::ExponentMark,
            (Self::ExponentMark, b'+' | b'-') => Self::ExponentSign,
            (Self::ExponentMark | Self::ExponentSign | Self::Exponent, b'0'..=b'9') => {
                Self::Exponent
            }
            _ => return None,
        })
    }

    fn is_complete(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::Exponent
        )
    }
}

impl CandidateValidator {
    /// Returns true if a candidate is open.
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        !self.open_containers.is_empty()
    }

    /// Returns the offset at which the outermost open candidate begins.
    #[inline]
    pub(super) fn outermost_candidate(&self) -> Option<u64> {
        self.candidate_offsets.front().copied()
    }

    /// Fails the outermost candidate if it begins at `offset`.
    pub(super) fn abandon(&mut self, offset: u64) {
        if self.outermost_candidate() == Some(offset) {
            self.fail_outermost();
        }
    }

    /// Opens a candidate that begins at `offset`. The validator must be idle.
    pub(super) fn open_candidate(&mut self, offset: u64) {
        self.hex_digits_left = 0;
        self.push(true, Some(offset));
    }

    /// Reads a byte of a string. `key_from` returns the text from an offset up to this byte, and `is_known`
    /// returns true for a known key.
    pub(super) fn feed_string_byte<'a>(
        &mut self,
        StringByte {
            byte,
            is_escaped,
            is_end,
        }: StringByte,
        key_from: impl Fn(u64) -> &'a [u8],
        is_known: impl Fn(&[u8]) -> bool,
    ) {
        let is_valid = if self.hex_digits_left > 0 {
            self.hex_digits_left -= 1;
            byte.is_ascii_hexdigit()
        } else if is_escaped {
            self.hex_digits_left = if byte == b'u' { 4 } else { 0 };
            matches!(
                byte,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'
            )
        } else {
            byte >= b' '
        };
        if !is_valid {
            return self.fail_all();
        }
        if !is_end {
            return;
        }
        if let ParseState::InKey(first) = self.state {
            if let Some(object) = self.open_containers.back_mut()
                && object.candidate_offset.is_some()
                && !object.has_known_key
            {
                object.has_known_key = is_known_key(key_from(first), is_known);
            }
            self.state = ParseState::ExpectColon;
        } else {
            self.state = ParseState::ExpectCommaOrEnd;
        }
    }

    /// Reads a byte outside of strings, which is at `offset`. If the byte opens an object that is a
    /// candidate, `candidate` is the offset at which the candidate begins. If the byte closes a candidate
    /// with a known key, returns the offset at which that candidate begins.
    pub(super) fn feed_token_byte(
        &mut self,
        byte: u8,
        offset: u64,
        candidate: Option<u64>,
    ) -> Option<u64> {
        if let ParseState::InNumber(number) = self.state {
            if let Some(number) = number.advance(byte) {
                self.state = ParseState::InNumber(number);
                return None;
            }
            if !number.is_complete() {
                self.fail_all();
                return None;
            }
            self.state = ParseState::ExpectCommaOrEnd;
        }
        if is_json_whitespace(byte) && !matches!(self.state, ParseState::InLiteral(_)) {
            return None;
        }
        let in_object = self
            .open_containers
            .back()
            .is_some_and(|innermost| innermost.is_object);
        match (self.state, byte) {
            (ParseState::ExpectCommaOrEnd | ParseState::ExpectValueOrEnd, b']') if !in_object => {
                return self.pop();
            }
            (ParseState::ExpectValue | ParseState::ExpectValueOrEnd, _) => {
                self.begin_value(byte, candidate);
            }
            (ParseState::InLiteral([expected, rest @ ..]), _) if byte == *expected => {
                self.state = match rest {
                    [] => ParseState::ExpectCommaOrEnd,
                    _ => ParseState::InLiteral(rest),
                };
            }
            (ParseState::ExpectKey | ParseState::ExpectKeyOrEnd, b'"') => {
                self.state = ParseState::InKey(offset + 1);
            }
            (ParseState::ExpectColon, b':') => self.state = ParseState::ExpectValue,
            (ParseState::ExpectCommaOrEnd, b',') if in_object => self.state = ParseState::ExpectKey,
            (ParseState::ExpectCommaOrEnd, b',') => self.state = ParseState::ExpectValue,
            (ParseState::ExpectCommaOrEnd | ParseState::ExpectKeyOrEnd, b'}') if in_object => {
                return self.pop();
            }
            _ => self.fail_all(),
        }
        None
    }

    /// Begins the value whose first byte is `byte`.
    fn begin_value(&mut self, byte: u8, candidate: Option<u64>) {
        self.state = match byte {
            b'{' => return self.push(true, candidate),
            b'[' => return self.push(false, None),
            b'"' => ParseState::InString,
            b'-' => ParseState::InNumber(NumberState::Minus),
            b'0' => ParseState::InNumber(NumberState::Zero),
            b'1'..=b'9' => ParseState::InNumber(NumberState::Integer),
            b't' => ParseState::InLiteral(b"rue"),
            b'f' => ParseState::InLiteral(b"alse"),
            b'n' => ParseState::InLiteral(b"ull"),
            _ => return self.fail_all(),
        };
    }

    fn push(&mut self, is_object: bool, candidate: Option<u64>) {
        if self.open_containers.len() == MAX_DEPTH as usize {
            self.fail_outermost();
        }
        self.state = match is_object {
            true => ParseState::ExpectKeyOrEnd,
            false => ParseState::ExpectValueOrEnd,
        };
        // Containers count only inside a candidate.
        if self.open_containers.is_empty() && candidate.is_none() {
            return;
        }
        self.candidate_offsets.extend(candidate);
        self.open_containers.push_back(Container {
            is_object,
            candidate_offset: candidate,
            has_known_key: false,
        });
    }

    fn pop(&mut self) -> Option<u64> {
        self.state = ParseState::ExpectCommaOrEnd;
        let closed = self.open_containers.pop_back()?;
        let start = closed.candidate_offset?;
        self.candidate_offsets.pop_back();
        closed.has_known_key.then_some(start)
    }

    /// Fails all open candidates.
    fn fail_all(&mut self) {
        self.open_containers.clear();
        self.candidate_offsets.clear();
        self.hex_digits_left = 0;
    }

    fn fail_outermost(&mut self) {
        self.candidate_offsets.pop_front();
        self.open_containers.pop_front();
        let is_candidate = |container: &Container| container.candidate_offset.is_some();
        while self
            .open_containers
            .front()
            .is_some_and(|c| !is_candidate(c))
        {
            self.open_containers.pop_front();
        }
    }
}

/// Returns true if the text between the quotes of a key is known after its escapes are decoded.
fn is_known_key(raw: &[u8], is_known: impl Fn(&[u8]) -> bool) -> bool {
    if memchr::memchr(b'\\', raw).is_none() {
        return is_known(raw);
    }
    let mut key = Vec::new();
    value::unescape(raw, &mut key).is_ok() && is_known(&key)
}
