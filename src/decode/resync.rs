//! Finds the position at which decoding resumes after a syntax error (resynchronization).
//!
//! A *candidate* is a `{` at which a record can begin. A candidate that is the very first character of a
//! line is accepted unconditionally. A candidate that is the first character after blanks on a line, or
//! that follows a `}`, is accepted only if a complete JSON object with at least one known key begins
//! there. Decoding resumes at the nearest accepted candidate.
//!
//! Whether a byte is inside a string depends on the number of quotes before it, and after a syntax error
//! it is unknown which quotes are part of a text. So two [`CandidateValidator`]s run in parallel, one for
//! each possibility. A validator checks all its candidates in one pass, so the search reads every byte
//! once, for any input.

use super::candidate_validator::{CandidateValidator, StringByte};
use super::sniff::UTF8_BOM;
use crate::model::RecordSchema;

/// The search for the position to resume at. It accepts the bytes in portions of any size.
#[derive(Debug)]
pub(super) struct Resync {
    /// The schema of the records. A candidate needs at least one key that it knows.
    schema: &'static RecordSchema,
    /// Whether a comma can separate two records.
    is_array: bool,
    /// The offset in the object of the next byte to read.
    offset: u64,
    lookbehind: Lookbehind,
    /// Whether a backslash escapes the next byte.
    is_escaped: bool,
    /// The index of the validator that is outside of strings at the next byte.
    outside_strings: usize,
    validators: [CandidateValidator; 2],
    /// The nearest accepted candidate. A nearer candidate may still be undecided.
    accepted: Option<u64>,
}

impl Resync {
    /// Begins a search in the record that begins at `offset`. The first byte belongs to that record and is
    /// not a candidate.
    pub(super) fn new(schema: &'static RecordSchema, is_array: bool, offset: u64) -> Self {
        Self {
            schema,
            is_array,
            offset,
            lookbehind: Lookbehind::default(),
            is_escaped: false,
            outside_strings: 0,
            validators: Default::default(),
            accepted: None,
        }
    }

    /// Reads `bytes`, which begin at offset `start` of the object, and returns the offset to resume at as
    /// soon as it is known. The next call must repeat the bytes from
    /// [`first_undecided`](Self::first_undecided) on.
    pub(super) fn search(&mut self, bytes: &[u8], start: u64) -> Option<u64> {
        let already_searched =
            usize::try_from(self.offset.saturating_sub(start)).unwrap_or(usize::MAX);
        for (at, &byte) in bytes.iter().enumerate().skip(already_searched) {
            self.step(byte, bytes, at);
            if let Some(accepted) = self.accepted
                && self.first_undecided() == Some(accepted)
            {
                return Some(accepted);
            }
        }
        None
    }

    /// Returns the first offset that may still become the position to resume at.
    pub(super) fn first_undecided(&self) -> Option<u64> {
        let open = self
            .validators
            .iter()
            .filter_map(CandidateValidator::outermost_candidate);
        let boms_start = self
            .lookbehind
            .boms_start
            .filter(|_| self.accepted.is_none());
        open.chain(self.accepted).chain(boms_start).min()
    }

    /// Drops the undecided candidate at `offset`: its object exceeds the maximum length of a record.
    pub(super) fn abandon(&mut self, offset: u64) {
        for validator in &mut self.validators {
            validator.abandon(offset);
        }
        self.lookbehind.boms_start = self.lookbehind.boms_start.filter(|&start| start != offset);
    }

    /// Returns the offset to resume at if no more bytes follow.
    pub(super) fn finish(&self) -> Option<u64> {
        self.accepted
    }

    /// Reads the next byte, which is at `at` of `bytes`.
    fn step(&mut self, byte: u8, bytes: &[u8], at: usize) {
        let candidate = match (byte, self.accepted) {
            (b'{', None) => self.lookbehind.candidate(),
            _ => CandidateCheck::None,
        };
        let start = self.lookbehind.boms_start.unwrap_or(self.offset);
        if candidate == CandidateCheck::Certain {
            self.accepted = Some(start);
        }
        let tentative = (candidate == CandidateCheck::Tentative).then_some(start);

        let is_quote = byte == b'"' && !self.is_escaped;
        let inside = 1 - self.outside_strings;
        if self.validators[inside].is_active() {
            let string_byte = StringByte {
                byte,
                is_escaped: self.is_escaped,
                is_end: is_quote,
            };
            // The bytes from the first undecided candidate on are repeated, so all of the key is there.
            let key_from = |first: u64| &bytes[at - (self.offset - first) as usize..at];
            let is_known = |key: &[u8]| self.schema.is_known_key(key);
            self.validators[inside].feed_string_byte(string_byte, key_from, is_known);
        }
        let validator = &mut self.validators[self.outside_strings];
        if validator.is_active() {
            let complete = validator.feed_token_byte(byte, self.offset, tentative);
            self.accepted = self.accepted.into_iter().chain(complete).min();
        }
        // A candidate can also begin at the byte that caused a grammar error.
        if let (Some(start), false) = (tentative, validator.is_active()) {
            validator.open_candidate(start);
        }

        if is_quote {
            self.outside_strings = inside;
        }
        self.is_escaped = byte == b'\\' && !self.is_escaped;
        self.lookbehind.advance(byte, self.offset, self.is_array);
        self.offset += 1;
    }
}

/// The check that a `{` must pass to be the position at which decoding resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CandidateCheck {
    /// The `{` is not a candidate.
    None,
    /// Accepted if a complete object begins there.
    Tentative,
    /// Accepted unconditionally.
    Certain,
}

/// The context before a position that decides whether a `{` there is a candidate. Byte order marks are
/// ignored.
#[derive(Debug, Clone, Copy, Default)]
struct Lookbehind {
    line: LinePosition,
    brace: AfterBrace,
    /// The number of bytes of an incomplete byte order mark directly before the position.
    bom_bytes: usize,
    /// The context before that mark.
    before_bom: (LinePosition, AfterBrace),
    /// The offset at which the byte order marks directly before the position begin, if there are any.
    boms_start: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LinePosition {
    /// The position is the first of its line.
    Start,
    /// Only blanks precede the position on its line.
    Indented,
    #[default]
    Other,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum AfterBrace {
    /// Only whitespace is between a `}` and the position.
    Closed,
    /// Only whitespace and a comma are between a `}` and the position.
    Comma,
    #[default]
    Other,
}

impl Lookbehind {
    fn candidate(&self) -> CandidateCheck {
        match (self.line, self.brace) {
            (LinePosition::Start, _) => CandidateCheck::Certain,
            (LinePosition::Indented, _) | (_, AfterBrace::Closed | AfterBrace::Comma) => {
                CandidateCheck::Tentative
            }
            (LinePosition::Other, AfterBrace::Other) => CandidateCheck::None,
        }
    }

    fn advance(&mut self, byte: u8, offset: u64, is_array: bool) {
        if UTF8_BOM.get(self.bom_bytes) == Some(&byte) {
            self.advance_bom(offset);
            return;
        }
        self.bom_bytes = 0;
        self.boms_start = None;
        if byte == UTF8_BOM[0] {
            self.advance_bom(offset);
            return;
        }
        (self.line, self.brace) = match byte {
            b'\n' | b'\r' => (LinePosition::Start, self.brace),
            b' ' | b'\t' if self.line == LinePosition::Start => {
                (LinePosition::Indented, self.brace)
            }
            b' ' | b'\t' => (self.line, self.brace),
            b'}' => (LinePosition::Other, AfterBrace::Closed),
            b',' if is_array && self.brace == AfterBrace::Closed => {
                (LinePosition::Other, AfterBrace::Comma)
            }
            _ => (LinePosition::Other, AfterBrace::Other),
        };
    }

    /// Advances past a byte that may belong to a byte order mark. An incomplete mark counts as text.
    fn advance_bom(&mut self, offset: u64) {
        if self.bom_bytes == 0 {
            self.before_bom = (self.line, self.brace);
            self.boms_start = self.boms_start.or(Some(offset));
        }
        self.bom_bytes += 1;
        (self.line, self.brace) = (LinePosition::Other, AfterBrace::Other);
        if self.bom_bytes == UTF8_BOM.len() {
            (self.line, self.brace) = self.before_bom;
            self.bom_bytes = 0;
        }
    }
}
