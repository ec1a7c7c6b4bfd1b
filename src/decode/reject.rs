//! Defines a reject: one record that cannot become a row, with the reason and its position.

use std::borrow::Cow;

use super::decode_call::InputChunk;
use super::record_block::ScannedRecord;

/// The reason why a record was rejected. If several apply, the first in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The whole object has another format, such as UTF-16 text or Parquet.
    NotJson,
    /// The record is not a JSON object by RFC 8259, is nested deeper than 128 levels, or is truncated.
    Syntax,
    /// The record is not UTF-8, or a kept text has a lone surrogate.
    Encoding,
    /// A kept text contains U+0000.
    Nul,
    /// A value has the wrong type for its column.
    Type,
    /// A value is out of range for its column.
    Range,
    /// A required key is null or absent.
    Missing,
    /// A text has more UTF-8 bytes than its column allows.
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

    /// Returns the name in reports and reject files.
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

/// The maximum length of the text that a reject keeps, in bytes.
pub(crate) const MAX_REJECT_TEXT_BYTES: usize = 64 * 1024;

/// One rejected record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The reason for the reject.
    pub reason: RejectReason,
    /// The key whose value is invalid, if the reason concerns one value.
    pub key: Option<&'static str>,
    /// A description of the error.
    pub detail: Cow<'static, str>,
    /// Byte offset of the record in its object (decompressed), from 0.
    pub offset: u64,
    /// The number of newlines between the start of the segment and the record; 0 on the first line.
    pub line: u64,
    /// The length of the rejected bytes.
    pub bytes: u64,
    /// The first `MAX_REJECT_TEXT_BYTES` of the rejected bytes.
    pub text: Vec<u8>,
}

impl Reject {
    /// Returns the reject of a record that is a JSON object. `key` is the key of the invalid value, if the
    /// reason concerns one value.
    #[cold]
    pub(super) fn from_record(
        chunk: InputChunk<'_>,
        record: &ScannedRecord,
        reason: RejectReason,
        key: Option<&'static str>,
        detail: &'static str,
    ) -> Self {
        let text = &chunk.padded[record.bytes.clone()];
        Self {
            reason,
            key,
            detail: Cow::Borrowed(detail),
            offset: chunk.offset + record.bytes.start as u64,
            line: record.line,
            bytes: text.len() as u64,
            text: text.get(..MAX_REJECT_TEXT_BYTES).unwrap_or(text).to_vec(),
        }
    }

    /// Returns true if `text` does not contain all rejected bytes.
    pub fn is_truncated(&self) -> bool {
        self.bytes > self.text.len() as u64
    }
}
