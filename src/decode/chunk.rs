//! What goes into the decoder, a chunk at a time, and what it says of it.

/// Some bytes of a segment, as the reader hands them to the decoder.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The data, followed by [`PADDING`](super::bytes::PADDING) zero bytes.
    pub padded: &'a [u8],
    /// How many bytes of it are data.
    pub len: usize,
    /// Where the first one stands in its object (decompressed).
    pub offset: u64,
    /// Whether more will follow.
    pub input_state: InputState<'a>,
}

/// What follows a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputState<'a> {
    /// More bytes of the object.
    More,
    /// Nothing: the object ends here.
    Eof,
    /// Nothing, because the compressed stream is broken, in these words.
    Corrupt(&'a str),
    /// Bytes of a record that is longer than any that is accepted.
    RecordTooLarge,
}

/// How far a chunk was decoded, and why no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeResult {
    /// Bytes that are done with; the next chunk begins behind them.
    pub consumed: usize,
    /// Why the decoder stopped.
    pub status: DecodeStatus,
}

/// Why the decoder stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeStatus {
    /// It needs more bytes to go on.
    NeedInput,
    /// The batch is full: take it with [`Decoder::finish`](super::Decoder::finish) and go on with the same bytes.
    BatchFull,
    /// The segment is done: its object ends here, or the next record belongs to the next segment.
    SegmentEnd,
}

/// What became of the records so far.
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
