//! Defines the input of the decoder, a chunk at a time, and the result of each call.

/// The maximum length of a record, in bytes.
pub(crate) const MAX_RECORD_BYTES: usize = 256 << 20;

/// Some bytes of a segment, as the reader passes them to the decoder.
#[derive(Debug, Clone, Copy)]
pub struct InputChunk<'a> {
    /// The data, followed by [`PADDING`](super::padded_bytes::PADDING) zero bytes.
    pub padded: &'a [u8],
    /// The number of bytes of `padded` that are data.
    pub len: usize,
    /// The offset of the first byte in its (decompressed) object.
    pub offset: u64,
    /// What follows the chunk.
    pub input_state: InputState<'a>,
}

impl<'a> InputChunk<'a> {
    /// Returns the data without the padding.
    pub fn data(&self) -> &'a [u8] {
        &self.padded[..self.len]
    }
}

/// What follows a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputState<'a> {
    /// More bytes of the object.
    More,
    /// The object ends here.
    Eof,
    /// The compressed stream is corrupt from here on. The text says why.
    Corrupt(&'a str),
    /// More bytes of a record that already exceeds the maximum length.
    RecordTooLarge,
}

/// The result of one call of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeResult {
    /// The number of bytes that were decoded; the next chunk begins after them.
    pub consumed: usize,
    /// The reason why the decoder stopped.
    pub status: DecodeStatus,
}

/// The reason why the decoder stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeStatus {
    /// The decoder needs more bytes to continue.
    NeedInput,
    /// The batch is full: take it with [`Decoder::finish`](super::Decoder::finish) and continue with the
    /// same bytes.
    BatchFull,
    /// The segment is complete: its object ends here, or the next record belongs to the next segment.
    SegmentEnd,
}

/// Numbers of records by their outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// All records, rejected ones included.
    pub records: u64,
    /// Records that became a row.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// Records that were rejected.
    pub rejected: u64,
}
