//! Reads the bytes of one segment, chunk by chunk, through one reusable buffer.
//!
//! The bytes that the decoder has not consumed (the head of an incomplete record) move to the front of
//! the buffer, and the next read appends to them. The buffer grows only for a record that does not fit.

use std::io;

use super::compression::{CompressionDetection, InputCompression, detect_compression};
use super::decompress::{DecompressedRead, StreamDecompressor};
use super::input_object::InputObject;
use crate::decode::padded_bytes::{PADDING, find_line_start};
use crate::decode::{InputChunk, InputState, MAX_RECORD_BYTES};
use crate::error::{Error, Result};
use crate::storage::RangeReader;

/// The size of a chunk, in bytes. It fits in the L2 cache, so the decoder finds the bytes that were just
/// read in the cache.
pub(crate) const DEFAULT_CHUNK_BYTES: usize = 512 * 1024;

/// The number of bytes per read after the expected end of a range, where only the rest of one record is
/// needed.
const TAIL_READ_BYTES: u64 = 64 * 1024;

/// What follows the bytes in the buffer.
#[derive(Debug)]
enum ReaderState {
    More,
    RecordTooLarge,
    Eof,
    Corrupt(String),
}

/// The part of an object to read. A compressed object is read from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadRange {
    /// The offset of the first byte.
    pub start: u64,
    /// The offset at which reads are expected to end. The rest of the last record follows it.
    pub expected_end: u64,
}

/// The numbers of bytes of one read.
#[derive(Debug, Clone, Copy, Default)]
struct ReadBytes {
    /// Decompressed bytes, which are in the buffer.
    decompressed: usize,
    /// Bytes as stored.
    stored: u64,
}

/// Reads segments chunk by chunk.
pub(crate) struct ChunkReader {
    buffer: Vec<u8>,
    /// The data is `buffer[data_start..data_end]`, followed by [`PADDING`] zeros.
    data_start: usize,
    data_end: usize,
    /// The offset of `buffer[data_start]` in the (decompressed) object.
    offset: u64,
    chunk_bytes: usize,
    /// The decompressor, if the object is compressed.
    decompressor: Option<Box<StreamDecompressor>>,
    /// The number of bytes of a plain object that are left to read. Its size is that of the listing.
    remaining: u64,
    /// The number of these bytes that are expected to be needed.
    expected: u64,
    state: ReaderState,
    name: String,
    bytes_read: u64,
    bytes_stored: u64,
}

impl ChunkReader {
    /// Returns a reader with a buffer of `chunk_bytes` (0 counts as 1).
    pub(crate) fn new(chunk_bytes: usize) -> Self {
        let chunk_bytes = chunk_bytes.max(1);
        Self {
            buffer: vec![0; chunk_bytes + PADDING],
            data_start: 0,
            data_end: 0,
            offset: 0,
            chunk_bytes,
            decompressor: None,
            remaining: 0,
            expected: 0,
            state: ReaderState::Eof,
            name: String::new(),
            bytes_read: 0,
            bytes_stored: 0,
        }
    }

    /// Opens the next range of `input`, which must be `range` of `object`. `name` is the name of the object in
    /// messages.
    ///
    /// # Errors
    /// Returns an error if the object cannot be opened.
    pub(crate) fn open(
        &mut self,
        input: &mut dyn RangeReader,
        object: &InputObject,
        name: String,
        range: ReadRange,
    ) -> Result<()> {
        if self.buffer.len() > self.chunk_bytes + PADDING {
            // The buffer grew for one long record. Free that memory for the rest of the run.
            self.buffer = vec![0; self.chunk_bytes + PADDING];
        }
        self.name = name;
        self.decompressor = None;
        input.next_range()?;
        let size = object.meta.size;
        (self.data_start, self.data_end, self.offset) = (0, 0, range.start);
        self.remaining = size.saturating_sub(range.start);
        self.expected = range.expected_end.min(size).saturating_sub(range.start);
        self.state = ReaderState::More;
        if object.is_sniffed {
            return match object.compression {
                None => self.fill(input),
                Some(compression) => self.begin_decompression(input, compression),
            };
        }
        // The content decides the format, not the name.
        loop {
            self.fill(input)?;
            let first = &self.buffer[..self.data_end];
            let is_complete = !matches!(self.state, ReaderState::More);
            match detect_compression(first, is_complete, object.compression) {
                CompressionDetection::NeedInput => {}
                CompressionDetection::Uncompressed => return Ok(()),
                CompressionDetection::Compressed(compression) => {
                    return self.begin_decompression(input, compression);
                }
            }
        }
    }

    /// Begins to decompress an object whose first bytes are in the buffer.
    fn begin_decompression(
        &mut self,
        input: &mut dyn RangeReader,
        compression: InputCompression,
    ) -> Result<()> {
        let first = &self.buffer[..self.data_end];
        let decompressor =
            StreamDecompressor::new(compression, first).map_err(|e| self.read_error(e))?;
        self.decompressor = Some(Box::new(decompressor));
        // These bytes are counted when they are decompressed.
        self.bytes_read -= self.data_end as u64;
        self.bytes_stored -= self.data_end as u64;
        self.data_end = 0;
        self.state = ReaderState::More;
        self.fill(input)
    }

    fn read_error(&self, e: io::Error) -> Error {
        Error::io("cannot read", self.name.as_ref(), e)
    }

    /// Returns the number of bytes to read before the decoder continues.
    fn read_target(&self) -> usize {
        let bytes = match (&self.decompressor, self.expected) {
            (Some(_), _) => u64::MAX,
            // Doubles the bytes of the record so far, so that a long record takes few reads.
            (None, 0) => TAIL_READ_BYTES.max((self.data_end - self.data_start) as u64),
            (None, expected) => expected,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Returns the bytes in the buffer.
    pub(crate) fn chunk(&self) -> InputChunk<'_> {
        InputChunk {
            padded: &self.buffer[self.data_start..self.data_end + PADDING],
            len: self.data_end - self.data_start,
            offset: self.offset,
            input_state: match &self.state {
                ReaderState::More => InputState::More,
                ReaderState::RecordTooLarge => InputState::RecordTooLarge,
                ReaderState::Eof => InputState::Eof,
                ReaderState::Corrupt(why) => InputState::Corrupt(why),
            },
        }
    }

    /// Takes the number of bytes read so far, decompressed, and starts again at 0.
    pub(crate) fn take_bytes_read(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_read)
    }

    /// Takes the number of bytes read so far, as stored, and starts again at 0.
    pub(crate) fn take_bytes_stored(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_stored)
    }

    /// Consumes the first `bytes` bytes of the chunk.
    pub(crate) fn consume(&mut self, bytes: usize) {
        assert!(
            bytes <= self.data_end - self.data_start,
            "only bytes of the chunk are consumed"
        );
        self.data_start += bytes;
        self.offset += bytes as u64;
    }

    /// Moves to the first likely record boundary before `end`, which is a `{` at the start of a line, and
    /// returns its offset if there is one. The reader must be one byte before the first candidate.
    ///
    /// # Errors
    /// Returns an error if the object cannot be read.
    pub(crate) fn seek_line_start(
        &mut self,
        input: &mut dyn RangeReader,
        end: u64,
    ) -> Result<Option<u64>> {
        loop {
            let chunk = self.chunk();
            let data = chunk.data();
            let limit = usize::try_from(end - chunk.offset.min(end)).unwrap_or(usize::MAX);
            let found = find_line_start(data, 1..data.len().min(limit));
            if let Some(at) = found {
                self.consume(at);
                return Ok(Some(self.offset));
            }
            if limit <= data.len() || chunk.input_state != InputState::More {
                return Ok(None);
            }
            // The last byte may be the newline before the brace.
            self.consume(data.len().saturating_sub(1));
            self.fill(input)?;
        }
    }

    /// Reads more bytes after those that are not consumed yet. The buffer grows if they fill it.
    ///
    /// # Errors
    /// Returns an error if a read fails, or if a plain object is shorter than in the listing.
    pub(crate) fn fill(&mut self, input: &mut dyn RangeReader) -> Result<()> {
        if matches!(self.state, ReaderState::Eof | ReaderState::Corrupt(_)) {
            return Ok(());
        }
        if !self.make_room() {
            self.state = ReaderState::RecordTooLarge;
            return Ok(());
        }
        self.state = ReaderState::More;
        let target = self.data_end + self.read_target().min(self.capacity() - self.data_end);
        while self.data_end < target && matches!(self.state, ReaderState::More) {
            let read = match self.decompressor.take() {
                None => self.read_plain(input, target - self.data_end)?,
                Some(mut decompressor) => {
                    let read = self.read_compressed(input, &mut decompressor);
                    self.decompressor = Some(decompressor);
                    read?
                }
            };
            self.data_end += read.decompressed;
            self.bytes_read += read.decompressed as u64;
            self.bytes_stored += read.stored;
        }
        self.buffer[self.data_end..self.data_end + PADDING].fill(0);
        Ok(())
    }

    /// Returns the size of the buffer without the padding.
    fn capacity(&self) -> usize {
        self.buffer.len() - PADDING
    }

    /// Moves the bytes that are not consumed to the front of the buffer, which grows if they fill it. Returns
    /// false if they fill it and it cannot grow.
    fn make_room(&mut self) -> bool {
        self.buffer.copy_within(self.data_start..self.data_end, 0);
        self.data_end -= self.data_start;
        self.data_start = 0;
        let capacity = self.capacity();
        if self.data_end < capacity {
            return true;
        }
        let grown = (capacity * 2).min(MAX_RECORD_BYTES);
        if grown <= capacity {
            return false;
        }
        self.buffer.resize(grown + PADDING, 0);
        true
    }

    /// Reads at most `max_bytes` of a plain object, and at least one unless it has ended.
    fn read_plain(&mut self, input: &mut dyn RangeReader, max_bytes: usize) -> Result<ReadBytes> {
        let remaining = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let max_bytes = max_bytes.min(remaining);
        let to = &mut self.buffer[self.data_end..self.data_end + max_bytes];
        let read = match max_bytes {
            0 => 0,
            _ => match input.read(to) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(ReadBytes::default()),
                Err(e) => return Err(self.read_error(e)),
                Ok(0) => {
                    return Err(Error::failed(format!("cannot read {}", self.name))
                        .with_reason("truncated while it was read")
                        .with_hint("run again when no other process writes to it")
                        .temporary());
                }
                Ok(read) => read,
            },
        };
        self.remaining -= read as u64;
        self.expected = self.expected.saturating_sub(read as u64);
        if self.remaining == 0 {
            self.state = ReaderState::Eof;
        }
        Ok(ReadBytes {
            decompressed: read,
            stored: read as u64,
        })
    }

    /// Reads and decompresses some bytes of a compressed object.
    fn read_compressed(
        &mut self,
        input: &mut dyn RangeReader,
        decompressor: &mut StreamDecompressor,
    ) -> Result<ReadBytes> {
        let capacity = self.capacity();
        let to = &mut self.buffer[self.data_end..capacity];
        let read = decompressor.read(input, to);
        let decompressed = match read.map_err(|e| self.read_error(e))? {
            DecompressedRead::Bytes(bytes) => bytes,
            DecompressedRead::End => {
                self.state = ReaderState::Eof;
                0
            }
            DecompressedRead::Corrupt(e) => {
                let format = decompressor.compression().name();
                self.state = ReaderState::Corrupt(format!("corrupt {format} stream: {e}"));
                0
            }
        };
        Ok(ReadBytes {
            decompressed,
            stored: decompressor.take_bytes_stored(),
        })
    }
}
