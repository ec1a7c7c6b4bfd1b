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
use super::sniff::BYTE_ORDER_MARK;

/// The search for the place to resume at. It takes the bytes in any portions.
#[derive(Debug)]
pub struct Resync {
    /// The keys of which a candidate must have one.
    keys: &'static [&'static str],
    /// Whether a comma can be between two records.
    is_array: bool,
    /// The offset in the object of the next byte to look at.
    offset: u64,
    before: Lookbehind,
    /// Whether a backslash escapes the next byte.
    is_escaped: bool,
    /// The probe that is outside of strings at the next byte.
    outside: usize,
    probes: [ObjectValidator; 2],
    /// The nearest candidate that is taken. A nearer one may still be undecided.
    taken: Option<u64>,
}

impl Resync {
    /// Begins a search after the record that begins at `offset`: the first byte that is given belongs to that
    /// record and is no candidate.
    pub fn new(keys: &'static [&'static str], is_array: bool, offset: u64) -> Self {
        Self {
            keys,
            is_array,
            offset,
            before: Lookbehind::default(),
            is_escaped: false,
            outside: 0,
            probes: Default::default(),
            taken: None,
        }
    }

    /// Looks at `bytes`, the first of which is at offset `start` of the object. Bytes from
    /// [`undecided`](Self::undecided) on must be given again together with the next ones. Returns the offset to
    /// resume at as soon as it is known.
    pub fn search(&mut self, bytes: &[u8], start: u64) -> Option<u64> {
        let seen = usize::try_from(self.offset.saturating_sub(start)).unwrap_or(usize::MAX);
        for (at, &byte) in bytes.iter().enumerate().skip(seen) {
            self.step(byte, bytes, at);
            if let Some(taken) = self.taken
                && self.undecided() == Some(taken)
            {
                return Some(taken);
            }
        }
        None
    }

    /// Returns the offset of the first byte that may still be the place to resume at, if there is one.
    pub fn undecided(&self) -> Option<u64> {
        let open = self.probes.iter().filter_map(ObjectValidator::first_open);
        let marks = self.before.marks_begin.filter(|_| self.taken.is_none());
        open.chain(self.taken).chain(marks).min()
    }

    /// Gives up the undecided candidate at `offset`: its object is longer than a record may be.
    pub fn give_up(&mut self, offset: u64) {
        for probe in &mut self.probes {
            probe.give_up(offset);
        }
        self.before.marks_begin = self.before.marks_begin.filter(|&begin| begin != offset);
    }

    /// Returns the offset to resume at when no more bytes follow, if there is one.
    pub fn finish(&self) -> Option<u64> {
        self.taken
    }

    /// Looks at the next byte, which is at `at` of `bytes`.
    fn step(&mut self, byte: u8, bytes: &[u8], at: usize) {
        let candidate = match (byte, self.taken) {
            (b'{', None) => self.before.candidate(),
            _ => ResumeCandidate::None,
        };
        let begin = self.before.marks_begin.unwrap_or(self.offset);
        if candidate == ResumeCandidate::Certain {
            self.taken = Some(begin);
        }
        let possible = (candidate == ResumeCandidate::Tentative).then_some(begin);

        let is_quote = byte == b'"' && !self.is_escaped;
        let inside = 1 - self.outside;
        if self.probes[inside].is_running() {
            let key = |first: u64| {
                let length = usize::try_from(self.offset - first).unwrap_or(usize::MAX);
                bytes.get(at.saturating_sub(length)..at).unwrap_or_default()
            };
            let is_known = |key: &[u8]| self.keys.iter().any(|known| known.as_bytes() == key);
            self.probes[inside].string_byte(byte, (self.is_escaped, is_quote), key, is_known);
        }
        let probe = &mut self.probes[self.outside];
        if probe.is_running() {
            let whole = probe.token(byte, self.offset, possible);
            self.taken = self.taken.into_iter().chain(whole).min();
        }
        // Where the grammar broke a candidate can begin, too.
        if let (Some(begin), false) = (possible, probe.is_running()) {
            probe.begin(begin);
        }

        if is_quote {
            self.outside = inside;
        }
        self.is_escaped = byte == b'\\' && !self.is_escaped;
        self.before.pass(byte, self.offset, self.is_array);
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
    mark_bytes: usize,
    /// What was before that mark.
    before_mark: (LinePosition, AfterBrace),
    /// Where the byte order marks begin that are right before the byte, if there are any.
    marks_begin: Option<u64>,
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

    fn pass(&mut self, byte: u8, offset: u64, is_array: bool) {
        if BYTE_ORDER_MARK.get(self.mark_bytes) == Some(&byte) {
            self.pass_mark_byte(offset);
            return;
        }
        self.mark_bytes = 0;
        self.marks_begin = None;
        if byte == BYTE_ORDER_MARK[0] {
            self.pass_mark_byte(offset);
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
    fn pass_mark_byte(&mut self, offset: u64) {
        if self.mark_bytes == 0 {
            self.before_mark = (self.line, self.brace);
            self.marks_begin = self.marks_begin.or(Some(offset));
        }
        self.mark_bytes += 1;
        (self.line, self.brace) = (LinePosition::Other, AfterBrace::Other);
        if self.mark_bytes == BYTE_ORDER_MARK.len() {
            (self.line, self.brace) = self.before_mark;
            self.mark_bytes = 0;
        }
    }
}
