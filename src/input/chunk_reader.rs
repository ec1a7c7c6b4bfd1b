//! Reads the bytes of one segment, chunk by chunk, through one reusable buffer.
//!
//! The bytes that the decoder has not consumed (the head of an incomplete record) move to the front of
//! the buffer, and the next read appends to them. The buffer grows only for a record that does not fit.

use std::io;

use super::InputObject;
use super::decompress::{InputCompression, StreamDecompressor, detect_compression};
use crate::decode::padded_bytes::{PADDING, find_line_start};
use crate::decode::{InputChunk, InputState, MAX_RECORD_BYTES};
use crate::error::{Error, Result};
use crate::storage::RangeReader;

/// The size of a chunk, in bytes. It fits in the L2 cache, so the decoder finds the bytes that were just
/// read in the cache.
pub const DEFAULT_CHUNK_BYTES: usize = 512 * 1024;

/// The number of bytes per read after the expected end of a range, where only the rest of one record is
/// needed.
const TAIL_READ_BYTES: u64 = 64 * 1024;

#[derive(Debug)]
enum ReaderState {
    More,
    RecordTooLarge,
    Eof,
    Corrupt(String),
}

/// Reads segments chunk by chunk.
pub struct ChunkReader {
    buffer: Vec<u8>,
    /// The data is `buffer[data_start..data_end]`, followed by [`PADDING`] zeros.
    data_start: usize,
    data_end: usize,
    /// The offset of `buffer[data_start]` in the (decompressed) object.
    offset: u64,
    chunk_bytes: usize,
    /// The decompressor and the name of its format, if the object is compressed.
    decompressor: Option<(Box<StreamDecompressor>, &'static str)>,
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
    pub fn new(chunk_bytes: usize) -> Self {
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

    /// Opens the next range of `input`, which must be the range of `object` from `start` on; reads are
    /// expected to end at `expected_end`. A compressed object is read from its beginning. `name` is the name
    /// of the object in messages.
    ///
    /// # Errors
    /// Returns an error if the object cannot be opened.
    pub fn open(
        &mut self,
        input: &mut dyn RangeReader,
        object: &InputObject,
        name: String,
        (start, expected_end): (u64, u64),
    ) -> Result<()> {
        if self.buffer.len() > self.chunk_bytes + PADDING {
            // The buffer grew for one long record. Free that memory for the rest of the run.
            self.buffer = vec![0; self.chunk_bytes + PADDING];
        }
        self.name = name;
        self.decompressor = None;
        input.next_range()?;
        let size = object.meta.size;
        (self.data_start, self.data_end, self.offset) = (0, 0, start);
        self.remaining = size - start.min(size);
        self.expected = expected_end.min(size).saturating_sub(start);
        self.state = ReaderState::More;
        if object.is_sniffed {
            return self.begin_object(input, object.compression, 0);
        }
        // The content decides the format, not the name.
        loop {
            self.fill(input)?;
            let first = self.buffer.get(..self.data_end).unwrap_or_default();
            let is_complete = !matches!(self.state, ReaderState::More);
            if let Some(compression) = detect_compression(first, is_complete, object.compression) {
                return self.begin_object(input, compression, self.data_end);
            }
        }
    }

    /// Begins to decode an object whose first `read` bytes are in the buffer.
    fn begin_object(
        &mut self,
        input: &mut dyn RangeReader,
        compression: Option<InputCompression>,
        read: usize,
    ) -> Result<()> {
        let Some(compression) = compression else {
            return match read {
                0 => self.fill(input),
                _ => Ok(()),
            };
        };
        let first = self.buffer.get(..read).unwrap_or_default();
        let stream = compression
            .decompress(first)
            .map_err(|e| self.read_error(e))?;
        self.decompressor = Some((Box::new(stream), compression.name()));
        // These bytes are counted when they are decompressed.
        self.bytes_read -= read as u64;
        self.bytes_stored -= read as u64;
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
    pub fn chunk(&self) -> InputChunk<'_> {
        InputChunk {
            padded: self
                .buffer
                .get(self.data_start..self.data_end + PADDING)
                .unwrap_or_default(),
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
    pub fn take_bytes_read(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_read)
    }

    /// Takes the number of bytes read so far, as stored, and starts again at 0.
    pub fn take_bytes_stored(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_stored)
    }

    /// Consumes the first `bytes` bytes of the chunk.
    pub fn consume(&mut self, bytes: usize) {
        self.data_start += bytes.min(self.data_end - self.data_start);
        self.offset += bytes as u64;
    }

    /// Moves to the first likely record boundary before `end`, which is a `{` at the start of a line, and
    /// returns its offset if there is one. The reader must be one byte before the first candidate.
    ///
    /// # Errors
    /// Returns an error if the object cannot be read.
    pub fn seek_line_start(
        &mut self,
        input: &mut dyn RangeReader,
        end: u64,
    ) -> Result<Option<u64>> {
        loop {
            let chunk = self.chunk();
            let data = chunk.padded.get(..chunk.len).unwrap_or_default();
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
    pub fn fill(&mut self, input: &mut dyn RangeReader) -> Result<()> {
        if matches!(self.state, ReaderState::Eof | ReaderState::Corrupt(_)) {
            return Ok(());
        }
        self.buffer.copy_within(self.data_start..self.data_end, 0);
        self.data_end -= self.data_start;
        self.data_start = 0;
        let mut capacity = self.buffer.len() - PADDING;
        if self.data_end == capacity {
            if capacity >= MAX_RECORD_BYTES {
                self.state = ReaderState::RecordTooLarge;
                return Ok(());
            }
            capacity = (capacity * 2).min(MAX_RECORD_BYTES);
            self.buffer.resize(capacity + PADDING, 0);
        }
        self.state = ReaderState::More;
        let target = self.read_target().min(capacity - self.data_end) + self.data_end;
        while self.data_end < target && matches!(self.state, ReaderState::More) {
            let Some(to) = self.buffer.get_mut(self.data_end..capacity) else {
                break;
            };
            let (read, stored) = match &mut self.decompressor {
                None => {
                    let max_read = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                    let max_read = max_read.min(target - self.data_end);
                    let read = match to.get_mut(..max_read) {
                        Some(to) if max_read > 0 => input.read(to),
                        _ => Ok(0),
                    };
                    match read {
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                        Err(e) => return Err(self.read_error(e)),
                        Ok(0) if max_read > 0 => {
                            return Err(Error::failed(format!("cannot read {}", self.name))
                                .with_reason("truncated while it was read")
                                .with_hint("run again when no other process writes to it"));
                        }
                        Ok(n) => {
                            self.remaining -= n as u64;
                            self.expected = self.expected.saturating_sub(n as u64);
                            if self.remaining == 0 {
                                self.state = ReaderState::Eof;
                            }
                            (n, n as u64)
                        }
                    }
                }
                Some((stream, name)) => {
                    let read = match stream.read(input, to) {
                        Err(e) => return Err(self.read_error(e)),
                        Ok(Err(e)) => {
                            self.state =
                                ReaderState::Corrupt(format!("corrupt {name} stream: {e}"));
                            0
                        }
                        Ok(Ok(0)) => {
                            self.state = ReaderState::Eof;
                            0
                        }
                        Ok(Ok(n)) => n,
                    };
                    (read, stream.take_bytes_stored())
                }
            };
            self.data_end += read;
            self.bytes_read += read as u64;
            self.bytes_stored += stored;
        }
        if let Some(padding) = self.buffer.get_mut(self.data_end..self.data_end + PADDING) {
            padding.fill(0);
        }
        Ok(())
    }
}
