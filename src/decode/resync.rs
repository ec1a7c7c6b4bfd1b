//! Resynchronization: the place where decoding resumes after a syntax error.
//!
//! A *candidate* is a `{` where a record can begin. One that is the very first character of a line is taken as
//! it is. One that is the first after blanks on a line, or that follows a `}`, is taken only if a whole JSON
//! object with at least one key of the model begins there. The nearest candidate that is taken wins.
//!
//! Whether a byte is inside a string depends on the number of quotes before it, and after a syntax error no one
//! can tell which quotes are text. So two [`ObjectValidator`]s run side by side, one for either answer. A probe checks all
//! candidates that it meets in one pass, so the search looks at every byte once, whatever the bytes are.

use super::pushdown::ObjectValidator;
use super::sniff::UTF8_BOM;

/// The search for the place to resume at. It takes the bytes in any portions.
#[derive(Debug)]
pub(super) struct Resync {
    /// The keys of which a candidate must have one.
    known_keys: &'static [&'static str],
    /// Whether a comma can be between two records.
    is_array: bool,
    /// The offset in the object of the next byte to look at.
    offset: u64,
    lookbehind: Lookbehind,
    /// Whether a backslash escapes the next byte.
    is_escaped: bool,
    /// The probe that is outside of strings at the next byte.
    outside_strings: usize,
    validators: [ObjectValidator; 2],
    /// The nearest candidate that is taken. A nearer one may still be undecided.
    accepted: Option<u64>,
}

impl Resync {
    /// Begins a search after the record that begins at `offset`: the first byte that is given belongs to that
    /// record and is no candidate.
    pub(super) fn new(keys: &'static [&'static str], is_array: bool, offset: u64) -> Self {
        Self {
            known_keys: keys,
            is_array,
            offset,
            lookbehind: Lookbehind::default(),
            is_escaped: false,
            outside_strings: 0,
            validators: Default::default(),
            accepted: None,
        }
    }

    /// Looks at `bytes`, the first of which is at offset `start` of the object. Bytes from
    /// [`undecided`](Self::undecided) on must be given again together with the next ones. Returns the offset to
    /// resume at as soon as it is known.
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

    /// Returns the offset of the first byte that may still be the place to resume at, if there is one.
    pub(super) fn first_undecided(&self) -> Option<u64> {
        let open = self
            .validators
            .iter()
            .filter_map(ObjectValidator::outermost_candidate);
        let boms_start = self
            .lookbehind
            .boms_start
            .filter(|_| self.accepted.is_none());
        open.chain(self.accepted).chain(boms_start).min()
    }

    /// Gives up the undecided candidate at `offset`: its object is longer than a record may be.
    pub(super) fn abandon(&mut self, offset: u64) {
        for validator in &mut self.validators {
            validator.abandon(offset);
        }
        self.lookbehind.boms_start = self.lookbehind.boms_start.filter(|&begin| begin != offset);
    }

    /// Returns the offset to resume at when no more bytes follow, if there is one.
    pub(super) fn finish(&self) -> Option<u64> {
        self.accepted
    }

    /// Looks at the next byte, which is at `at` of `bytes`.
    fn step(&mut self, byte: u8, bytes: &[u8], at: usize) {
        let candidate = match (byte, self.accepted) {
            (b'{', None) => self.lookbehind.candidate(),
            _ => ResumeCandidate::None,
        };
        let begin = self.lookbehind.boms_start.unwrap_or(self.offset);
        if candidate == ResumeCandidate::Certain {
            self.accepted = Some(begin);
        }
        let tentative = (candidate == ResumeCandidate::Tentative).then_some(begin);

        let is_quote = byte == b'"' && !self.is_escaped;
        let inside = 1 - self.outside_strings;
        if self.validators[inside].is_active() {
            let key = |first: u64| {
                let length = usize::try_from(self.offset - first).unwrap_or(usize::MAX);
                bytes.get(at.saturating_sub(length)..at).unwrap_or_default()
            };
            let is_known = |key: &[u8]| self.known_keys.iter().any(|known| known.as_bytes() == key);
            self.validators[inside].feed_string_byte(
                byte,
                (self.is_escaped, is_quote),
                key,
                is_known,
            );
        }
        let validator = &mut self.validators[self.outside_strings];
        if validator.is_active() {
            let complete = validator.feed_token_byte(byte, self.offset, tentative);
            self.accepted = self.accepted.into_iter().chain(complete).min();
        }
        // Where the grammar broke a candidate can begin, too.
        if let (Some(begin), false) = (tentative, validator.is_active()) {
            validator.open_candidate(begin);
        }

        if is_quote {
            self.outside_strings = inside;
        }
        self.is_escaped = byte == b'\\' && !self.is_escaped;
        self.lookbehind.advance(byte, self.offset, self.is_array);
        self.offset += 1;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResumeCandidate {
    None,
    /// Taken if a whole object begins there.
    Tentative,
    /// Taken as it is.
    Certain,
}

/// The bytes before a position, as far as they decide whether a `{` there is a candidate. Byte order marks do not
/// count.
#[derive(Debug, Clone, Copy, Default)]
struct Lookbehind {
    line: LinePosition,
    brace: AfterBrace,
    /// How many bytes of a byte order mark are right before the byte.
    bom_bytes: usize,
    /// What was before that mark.
    before_bom: (LinePosition, AfterBrace),
    /// Where the byte order marks begin that are right before the byte, if there are any.
    boms_start: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LinePosition {
    /// The byte is the first of its line.
    Start,
    /// Only blanks are before it on its line.
    Indented,
    #[default]
    Other,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum AfterBrace {
    /// Only white space is between a `}` and the byte.
    Closed,
    /// Only white space and a comma are between a `}` and the byte.
    Comma,
    #[default]
    Other,
}

impl Lookbehind {
    fn candidate(&self) -> ResumeCandidate {
        match (self.line, self.brace) {
            (LinePosition::Start, _) => ResumeCandidate::Certain,
            (LinePosition::Indented, _) | (_, AfterBrace::Closed | AfterBrace::Comma) => {
                ResumeCandidate::Tentative
            }
            (LinePosition::Other, AfterBrace::Other) => ResumeCandidate::None,
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

    /// Passes a byte that may belong to a byte order mark. Until the mark is complete it is like any other byte.
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
