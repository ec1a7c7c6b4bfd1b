//! Decompresses complete objects and distinguishes a corrupt stream (a reject) from a failed read (which
//! ends the run).
//!
//! The `Read` adapters of the crates drop the bytes that a call decoded before it met an error. The
//! records that are kept before a corrupt position would then depend on buffer sizes. This module returns
//! every byte that was decoded before the error.

use std::io::{self, Read};

use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use super::compression::InputCompression;

/// The minimum size of the buffer of compressed bytes.
const BUFFER_BYTES: usize = 128 * 1024;

/// Decompresses a stream and distinguishes a corrupt stream from a failed read.
pub(super) struct StreamDecompressor {
    compression: InputCompression,
    buffer: Vec<u8>,
    /// The range of the compressed bytes in the buffer that are not decompressed yet.
    buffered: std::ops::Range<usize>,
    decompressor: Decompressor,
    position: StreamPosition,
    /// The error after the bytes that were returned last.
    deferred_error: Option<io::Error>,
    bytes_stored: u64,
}

/// The result of a read from a compressed stream.
#[derive(Debug)]
pub(super) enum DecompressedRead {
    /// This number of decompressed bytes, at least 1.
    Bytes(usize),
    /// The stream ended before this call.
    End,
    /// The stream is corrupt or truncated after the bytes that were returned so far.
    Corrupt(io::Error),
}

impl StreamDecompressor {
    /// Returns a decompressor of one object, of which the `first` bytes have been read already.
    ///
    /// # Errors
    /// Returns an error if the decoder cannot be initialized (out of memory).
    pub(super) fn new(compression: InputCompression, first: &[u8]) -> io::Result<Self> {
        let mut buffer = first.to_vec();
        buffer.resize(first.len().max(BUFFER_BYTES), 0);
        Ok(Self {
            compression,
            buffer,
            buffered: 0..first.len(),
            decompressor: Decompressor::new(compression)?,
            position: StreamPosition::Start,
            deferred_error: None,
            bytes_stored: 0,
        })
    }

    /// Returns the format of the stream.
    pub(super) fn compression(&self) -> InputCompression {
        self.compression
    }

    /// Takes the number of compressed bytes read so far and starts again at 0.
    pub(super) fn take_bytes_stored(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_stored)
    }

    /// Reads and decompresses some bytes of `source`.
    ///
    /// # Errors
    /// Returns an error if a read fails or the memory does not suffice.
    pub(super) fn read(
        &mut self,
        source: &mut dyn Read,
        to: &mut [u8],
    ) -> io::Result<DecompressedRead> {
        if let Some(e) = self.deferred_error.take() {
            return Ok(DecompressedRead::Corrupt(e));
        }
        loop {
            self.fill_buffer(source)?;
            if self.position != StreamPosition::Inside {
                if self.buffered.is_empty() {
                    return Ok(DecompressedRead::End);
                }
                if self.position == StreamPosition::BetweenMembers && self.skip_padding() {
                    continue;
                }
                self.decompressor.start_member()?;
                self.position = StreamPosition::Inside;
            }
            let (produced, error) = self.step(to)?;
            if produced > 0 {
                self.deferred_error = error;
                return Ok(DecompressedRead::Bytes(produced));
            }
            if let Some(e) = error {
                return Ok(DecompressedRead::Corrupt(e));
            }
        }
    }

    /// Reads compressed bytes if none are buffered. There are none afterwards at the end of the stream.
    fn fill_buffer(&mut self, source: &mut dyn Read) -> io::Result<()> {
        while self.buffered.is_empty() {
            match source.read(&mut self.buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    self.buffered = 0..read?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Skips the zeros after a gzip member, which are padding, such as that of tape blocks. Returns true if
    /// there are any.
    fn skip_padding(&mut self) -> bool {
        if !matches!(self.decompressor, Decompressor::Gzip(_)) {
            return false;
        }
        let input = &self.buffer[self.buffered.clone()];
        let zeros = input.iter().take_while(|&&byte| byte == 0).count();
        self.buffered.start += zeros;
        self.bytes_stored += zeros as u64;
        zeros > 0
    }

    /// Decompresses some of the buffered bytes, inside a member. Returns the number of bytes written to `to`,
    /// and the error after them if the stream is corrupt or truncated.
    fn step(&mut self, to: &mut [u8]) -> io::Result<(usize, Option<io::Error>)> {
        let input = &self.buffer[self.buffered.clone()];
        let is_at_end = input.is_empty();
        let step = self.decompressor.step(input, to);
        self.buffered.start += step.consumed;
        self.bytes_stored += step.consumed as u64;
        let error = match step.status {
            Err(e) if e.kind() == io::ErrorKind::OutOfMemory => return Err(e),
            Err(e) => Some(e),
            Ok(StreamStatus::StreamEnd) => {
                self.position = StreamPosition::BetweenMembers;
                None
            }
            Ok(StreamStatus::Continue) if step.consumed > 0 || step.produced > 0 => None,
            Ok(StreamStatus::Continue) if is_at_end => {
                Some(io::Error::new(io::ErrorKind::UnexpectedEof, "truncated"))
            }
            Ok(StreamStatus::Continue) => Some(io::Error::other("decoder made no progress")),
        };
        Ok((step.produced, error))
    }
}

/// The position of the next byte in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPosition {
    /// At the start of the first member, stream or frame.
    Start,
    /// Inside a member, stream or frame.
    Inside,
    /// After a member, stream or frame.
    BetweenMembers,
}

enum Decompressor {
    Gzip(flate2::Decompress),
    Bzip2(bzip2::Decompress),
    Zstd(ZstdDecoder),
}

/// The result of one call of a decompressor. The counts are valid also if the call failed.
struct DecompressStep {
    consumed: usize,
    produced: usize,
    status: io::Result<StreamStatus>,
}

enum StreamStatus {
    Continue,
    /// The member, stream or frame ends here.
    StreamEnd,
}

impl Decompressor {
    fn new(compression: InputCompression) -> io::Result<Self> {
        Ok(match compression {
            InputCompression::Gzip => Self::Gzip(new_gzip()),
            InputCompression::Bzip2 => Self::Bzip2(bzip2::Decompress::new(false)),
            InputCompression::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW_LOG))?;
                Self::Zstd(ZstdDecoder {
                    decoder,
                    input_hint: 0,
                    is_output_full: false,
                })
            }
        })
    }

    /// Prepares for another member, stream or frame.
    fn start_member(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => *decoder = new_gzip(),
            Self::Bzip2(decoder) => *decoder = bzip2::Decompress::new(false),
            Self::Zstd(zstd) => {
                zstd.decoder.reinit()?;
                (zstd.input_hint, zstd.is_output_full) = (1, false);
            }
        }
        Ok(())
    }

    fn step(&mut self, input: &[u8], to: &mut [u8]) -> DecompressStep {
        match self {
            Self::Gzip(decoder) => gzip_step(decoder, input, to),
            Self::Bzip2(decoder) => bzip2_step(decoder, input, to),
            Self::Zstd(zstd) => zstd.step(input, to),
        }
    }
}

fn gzip_step(decoder: &mut flate2::Decompress, input: &[u8], to: &mut [u8]) -> DecompressStep {
    let before = (decoder.total_in(), decoder.total_out());
    let status = decoder.decompress(input, to, flate2::FlushDecompress::None);
    DecompressStep {
        consumed: (decoder.total_in() - before.0) as usize,
        produced: (decoder.total_out() - before.1) as usize,
        status: match status {
            Ok(flate2::Status::StreamEnd) => Ok(StreamStatus::StreamEnd),
            Ok(_) => Ok(StreamStatus::Continue),
            Err(e) => Err(io::Error::other(e)),
        },
    }
}

/// A byte that never occurs in UTF-8, and therefore never in JSON text.
const UNWRITTEN_BYTE: u8 = 0xff;

/// Runs one step of bzip2. When a block ends within a run, libbz2 fails without counting the bytes that
/// the call wrote. They are found by their content; otherwise the records that are kept of a corrupt
/// stream would depend on buffer sizes.
fn bzip2_step(decoder: &mut bzip2::Decompress, input: &[u8], to: &mut [u8]) -> DecompressStep {
    to.fill(UNWRITTEN_BYTE);
    let before = (decoder.total_in(), decoder.total_out());
    let status = decoder.decompress(input, to);
    let counted = (decoder.total_out() - before.1) as usize;
    let produced = match &status {
        Ok(_) => counted,
        Err(_) => {
            let last = to.iter().rposition(|&byte| byte != UNWRITTEN_BYTE);
            counted.max(last.map_or(0, |last| last + 1))
        }
    };
    DecompressStep {
        consumed: (decoder.total_in() - before.0) as usize,
        produced,
        status: match status {
            Ok(bzip2::Status::StreamEnd) => Ok(StreamStatus::StreamEnd),
            Ok(_) => Ok(StreamStatus::Continue),
            Err(e) => Err(io::Error::other(e)),
        },
    }
}

fn new_gzip() -> flate2::Decompress {
    flate2::Decompress::new_gzip(15)
}

/// A Zstandard decoder that is fed block by block. Unlike the other decoders, Zstandard does not report
/// the bytes that a failing call decoded. So the header of a block is fed separately from the block before
/// it, and a failing call decodes nothing.
struct ZstdDecoder {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// The number of bytes that the decoder requests: the rest of a block and the header of the next.
    input_hint: usize,
    /// Whether the last call filled its output, so that the decoder may have more.
    is_output_full: bool,
}

/// The reason why a valid stream cannot be decompressed.
const OUT_OF_MEMORY: &str =
    "not enough memory for the zstd window (up to 2 GiB per thread); lower --threads";

/// The decoder accepts windows up to 2 GiB, which long-distance matching (`zstd --long=31`) creates. It
/// allocates the window that a frame requests, so only streams with such windows take the memory.
const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// The length of a block header.
const BLOCK_HEADER_BYTES: usize = 3;

impl ZstdDecoder {
    fn step(&mut self, input: &[u8], to: &mut [u8]) -> DecompressStep {
        let mut step = DecompressStep {
            consumed: 0,
            produced: 0,
            status: Ok(StreamStatus::Continue),
        };
        if std::mem::take(&mut self.is_output_full) {
            self.decompress_block(&[], to, &mut step);
            if step.produced > 0 || !matches!(step.status, Ok(StreamStatus::Continue)) {
                return step;
            }
        }
        let max_input = match self.input_hint {
            hint if hint > BLOCK_HEADER_BYTES => hint - BLOCK_HEADER_BYTES,
            hint => hint.max(1),
        };
        self.decompress_block(input.get(..max_input).unwrap_or(input), to, &mut step);
        step
    }

    fn decompress_block(&mut self, input: &[u8], to: &mut [u8], step: &mut DecompressStep) {
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(&mut *to);
        let result = self.decoder.run(&mut input, &mut output);
        let result = result.map_err(|e| match e.to_string().contains("not enough memory") {
            true => io::Error::new(io::ErrorKind::OutOfMemory, OUT_OF_MEMORY),
            false => e,
        });
        (step.consumed, step.produced) = (input.pos(), output.pos());
        self.is_output_full = step.produced == to.len();
        step.status = result.map(|hint| {
            self.input_hint = hint;
            if hint == 0 {
                StreamStatus::StreamEnd
            } else {
                StreamStatus::Continue
            }
        });
    }
}
