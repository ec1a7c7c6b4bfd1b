//! Says where the values of a record are, and what kind of values they are.

/// The kind of a value. It is one word wide: to copy a span with padding costs one stalled load for each
/// value, which took half of the scanner's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum ValueKind {
    /// No value: the key does not occur in the record.
    Absent,
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number; the span is its text.
    Number,
    /// A string without escapes; the span is the text between the quotes.
    PlainString,
    /// A string with escapes; the span is the text between the quotes.
    EscapedString,
    /// An object or array.
    Nested,
}

/// The position of the value of a key in the scanned bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueSpan {
    /// The kind of the value.
    pub kind: ValueKind,
    /// The position of its first byte.
    pub start: usize,
    /// The position after its last byte.
    pub end: usize,
}

/// The span of a key that does not occur.
pub(crate) const ABSENT: ValueSpan = ValueSpan {
    kind: ValueKind::Absent,
    start: 0,
    end: 0,
};

/// A record that is valid JSON. Whether it is UTF-8 has not been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordSpan {
    /// The position after its closing brace.
    pub end: usize,
    /// Whether every byte is ASCII.
    pub is_ascii: bool,
    /// Whether it has whitespace other than spaces between its tokens.
    pub has_control_whitespace: bool,
}
