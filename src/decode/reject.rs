//! A reject: one record that does not become a row, with the reason and where it stood.

use std::borrow::Cow;

/// Why a record was rejected. A record has one reason: of several, the first in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The whole object is of another format, such as UTF-16 text or Parquet.
    NotJson,
    /// Not a JSON object by RFC 8259, nested deeper than 128, or cut short.
    Syntax,
    /// Not UTF-8, or a lone surrogate in a kept text.
    Encoding,
    /// U+0000 in a kept text.
    Nul,
    /// A value of the wrong type for its column.
    Type,
    /// A value that does not fit its column.
    Range,
    /// A required key is null or absent.
    Missing,
    /// More UTF-8 bytes than the column holds.
    TooLong,
}

impl RejectReason {
    /// Every reason, in order of precedence.
    pub const ALL: [Self; 8] = [
        Self::NotJson,
        Self::Syntax,
        Self::Encoding,
        Self::Nul,
        Self::Type,
        Self::Range,
        Self::Missing,
        Self::TooLong,
    ];

    /// The name in reports and reject files.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Syntax => "syntax",
            Self::Encoding => "encoding",
            Self::Nul => "nul",
            Self::Type => "type",
            Self::Range => "range",
            Self::Missing => "missing",
            Self::TooLong => "too_long",
        }
    }
}

/// The longest reject text that is kept, in bytes.
pub const MAX_REJECT_TEXT_BYTES: usize = 64 * 1024;

/// One rejected record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// The key that is at fault, where one is.
    pub key: Option<&'static str>,
    /// What is wrong, in words.
    pub detail: Cow<'static, str>,
    /// Byte offset of the record in its object (decompressed), from 0.
    pub offset: u64,
    /// Newlines between the start of the segment and the record: line 1 of a whole object is 0.
    pub line: u64,
    /// The length in bytes of all that was rejected.
    pub bytes: u64,
    /// The first [`MAX_TEXT`] bytes of it.
    pub text: Vec<u8>,
}

impl Reject {
    /// Whether more bytes were rejected than `text` holds.
    pub fn is_truncated(&self) -> bool {
        self.bytes > self.text.len() as u64
    }
}
