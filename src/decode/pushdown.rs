//! A probe: which of several candidates begin a whole JSON object, found in one pass.
//!
//! The objects that begin at candidates are nested in one another or follow one another, for a probe is certain
//! what is inside a string and what is not. So one pushdown automaton checks all of them: it holds the containers
//! that are open from the outermost candidate on. When the grammar breaks, everything that is open fails at once;
//! when the nesting becomes too deep for the outermost candidate, that one alone fails.

use std::collections::VecDeque;

use super::bytes::is_white_space;
use super::scanner::MAX_DEPTH;
use super::value;

/// The automaton. It is idle unless a candidate is open.
#[derive(Debug, Default)]
pub struct Probe {
    /// The open containers. The outermost is a candidate.
    open: VecDeque<Container>,
    /// Where the open candidates begin.
    candidates: VecDeque<u64>,
    /// What can follow in the innermost container.
    expects: Expects,
    /// Hexadecimal digits that a `\u` escape still needs.
    hex_digits: u8,
}

/// An open object or array.
#[derive(Debug, Clone, Copy)]
struct Container {
    is_object: bool,
    /// Where the candidate begins, if the object is one.
    candidate: Option<u64>,
    /// Whether the candidate has a key of the model.
    has_key: bool,
}

/// What can follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Expects {
    #[default]
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// The rest of a key, whose text begins at this offset.
    KeyText(u64),
    /// The rest of a string.
    Text,
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(Number),
}

/// How much of a number has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    /// Returns what has been seen with one more byte; `None` if that is not part of the number.
    fn with(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    fn is_complete(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Exponent
        )
    }
}

impl Probe {
    /// Whether a candidate is open.
    #[inline]
    pub fn is_running(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns where the outermost open candidate begins.
    #[inline]
    pub fn first_open(&self) -> Option<u64> {
        self.candidates.front().copied()
    }

    /// Fails the outermost candidate if it begins at `offset`.
    pub fn give_up(&mut self, offset: u64) {
        if self.first_open() == Some(offset) {
            self.fail_outermost();
        }
    }

    /// Opens a candidate, which begins at `offset`, while the probe is idle.
    pub fn begin(&mut self, offset: u64) {
        self.hex_digits = 0;
        self.push(true, Some(offset));
    }

    /// Takes a byte of a string. `is_end` tells that it is the closing quote, `key` returns the text from an
    /// offset up to this byte, and `is_known` tells a key of the model.
    pub fn string_byte<'a>(
        &mut self,
        byte: u8,
        (is_escaped, is_end): (bool, bool),
        key: impl Fn(u64) -> &'a [u8],
        is_known: impl Fn(&[u8]) -> bool,
    ) {
        let is_valid = if self.hex_digits > 0 {
            self.hex_digits -= 1;
            byte.is_ascii_hexdigit()
        } else if is_escaped {
            self.hex_digits = if byte == b'u' { 4 } else { 0 };
            matches!(
                byte,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'
            )
        } else {
            byte >= b' '
        };
        if !is_valid {
            return self.fail();
        }
        if !is_end {
            return;
        }
        if let Expects::KeyText(first) = self.expects {
            if let Some(object) = self.open.back_mut()
                && object.candidate.is_some()
                && !object.has_key
            {
                object.has_key = is_model_key(key(first), is_known);
            }
            self.expects = Expects::Colon;
        } else {
            self.expects = Expects::CommaOrEnd;
        }
    }

    /// Takes a byte outside of strings, which is at `offset`. If it opens an object that is a candidate, that
    /// one begins at `candidate`. Returns where a whole object with a key of the model begins, if one ends here.
    pub fn token(&mut self, byte: u8, offset: u64, candidate: Option<u64>) -> Option<u64> {
        if let Expects::Number(number) = self.expects {
            if let Some(number) = number.with(byte) {
                self.expects = Expects::Number(number);
                return None;
            }
            if !number.is_complete() {
                self.fail();
                return None;
            }
            self.expects = Expects::CommaOrEnd;
        }
        if is_white_space(byte) && !matches!(self.expects, Expects::Literal(_)) {
            return None;
        }
        let in_object = self
            .open
            .back()
            .is_some_and(|innermost| innermost.is_object);
        match (self.expects, byte) {
            (Expects::Value | Expects::ValueOrEnd, b'{') => self.push(true, candidate),
            (Expects::Value | Expects::ValueOrEnd, b'[') => self.push(false, None),
            (Expects::Value | Expects::ValueOrEnd, b'"') => self.expects = Expects::Text,
            (Expects::Value | Expects::ValueOrEnd, b'-') => {
                self.expects = Expects::Number(Number::Minus);
            }
            (Expects::Value | Expects::ValueOrEnd, b'0') => {
                self.expects = Expects::Number(Number::Zero);
            }
            (Expects::Value | Expects::ValueOrEnd, b'1'..=b'9') => {
                self.expects = Expects::Number(Number::Whole);
            }
            (Expects::Value | Expects::ValueOrEnd, b't') => {
                self.expects = Expects::Literal(b"rue");
            }
            (Expects::Value | Expects::ValueOrEnd, b'f') => {
                self.expects = Expects::Literal(b"alse");
            }
            (Expects::Value | Expects::ValueOrEnd, b'n') => {
                self.expects = Expects::Literal(b"ull");
            }
            (Expects::Literal([wanted, rest @ ..]), _) if byte == *wanted => {
                self.expects = match rest {
                    [] => Expects::CommaOrEnd,
                    _ => Expects::Literal(rest),
                };
            }
            (Expects::Key | Expects::KeyOrEnd, b'"') => {
                self.expects = Expects::KeyText(offset + 1);
            }
            (Expects::Colon, b':') => self.expects = Expects::Value,
            (Expects::CommaOrEnd, b',') if in_object => self.expects = Expects::Key,
            (Expects::CommaOrEnd, b',') => self.expects = Expects::Value,
            (Expects::CommaOrEnd | Expects::KeyOrEnd, b'}') if in_object => return self.pop(),
            (Expects::CommaOrEnd | Expects::ValueOrEnd, b']') if !in_object => return self.pop(),
            _ => self.fail(),
        }
        None
    }

    fn push(&mut self, is_object: bool, candidate: Option<u64>) {
        if self.open.len() == MAX_DEPTH as usize {
            self.fail_outermost();
        }
        self.expects = match is_object {
            true => Expects::KeyOrEnd,
            false => Expects::ValueOrEnd,
        };
        // Containers count only inside of a candidate.
        if self.open.is_empty() && candidate.is_none() {
            return;
        }
        self.candidates.extend(candidate);
        self.open.push_back(Container {
            is_object,
            candidate,
            has_key: false,
        });
    }

    fn pop(&mut self) -> Option<u64> {
        self.expects = Expects::CommaOrEnd;
        let closed = self.open.pop_back()?;
        let begin = closed.candidate?;
        self.candidates.pop_back();
        closed.has_key.then_some(begin)
    }

    /// Fails all candidates that are open.
    fn fail(&mut self) {
        self.open.clear();
        self.candidates.clear();
        self.hex_digits = 0;
    }

    fn fail_outermost(&mut self) {
        self.candidates.pop_front();
        self.open.pop_front();
        let is_candidate = |container: &Container| container.candidate.is_some();
        while self.open.front().is_some_and(|c| !is_candidate(c)) {
            self.open.pop_front();
        }
    }
}

/// Whether the text between the quotes of a key, escapes included, is known.
fn is_model_key(raw: &[u8], is_known: impl Fn(&[u8]) -> bool) -> bool {
    if memchr::memchr(b'\\', raw).is_none() {
        return is_known(raw);
    }
    let mut key = Vec::new();
    value::unescape(raw, &mut key).is_ok() && is_known(&key)
}
