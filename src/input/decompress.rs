//! Decompresses complete objects and distinguishes a corrupt stream (a reject) from a failed read (which
//! ends the run).
//!
//! The `Read` adapters of the crates drop the bytes that a call decoded before it met an error. The
//! records that are kept before a corrupt position would then depend on buffer sizes. This module returns
//! every byte that was decoded before the error.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use crate::decode::padded_bytes::is_json_whitespace;
use crate::decode::sniff::{RecordLayout, detect_layout};

/// The compression format of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputCompression {
    /// gzip, one member or several.
    Gzip,
    /// bzip2, one stream or several.
    Bzip2,
    /// Zstandard, one frame or several.
    Zstd,
}

/// The allowed values of one byte of a magic number.
type MagicByte = RangeInclusive<u8>;

const fn exactly(byte: u8) -> MagicByte {
    byte..=byte
}

/// RFC 1952: the two magic bytes of gzip, and deflate, the only compression method.
const GZIP: &[MagicByte] = &[exactly(0x1f), exactly(0x8b), exactly(8)];

/// bzip2: `BZh`, the block size, and the magic number of a block (the digits of pi).
const BZIP2: &[MagicByte] = &[
    exactly(b'B'),
    exactly(b'Z'),
    exactly(b'h'),
    b'1'..=b'9',
    exactly(0x31),
    exactly(0x41),
    exactly(0x59),
    exactly(0x26),
    exactly(0x53),
    exactly(0x59),
];

/// An empty bzip2 stream has the end-of-stream magic number instead (the digits of the square root of pi).
const BZIP2_EMPTY: &[MagicByte] = &[
    exactly(b'B'),
    exactly(b'Z'),
    exactly(b'h'),
    b'1'..=b'9',
    exactly(0x17),
    exactly(0x72),
    exactly(0x45),
    exactly(0x38),
    exactly(0x50),
    exactly(0x90),
];

/// RFC 8878: a Zstandard frame.
const ZSTD: &[MagicByte] = &[exactly(0x28), exactly(0xb5), exactly(0x2f), exactly(0xfd)];

/// RFC 8878: a skippable frame, which pzstd writes before each of its frames.
const ZSTD_SKIPPABLE: &[MagicByte] = &[0x50..=0x5f, exactly(0x2a), exactly(0x4d), exactly(0x18)];

const MAGIC: [(&[MagicByte], InputCompression); 5] = [
    (GZIP, InputCompression::Gzip),
    (BZIP2, InputCompression::Bzip2),
    (BZIP2_EMPTY, InputCompression::Bzip2),
    (ZSTD, InputCompression::Zstd),
    (ZSTD_SKIPPABLE, InputCompression::Zstd),
];

/// Detects the compression of an object from its first bytes and from `named`, the compression that its
/// name suggests. Returns `None` if more bytes are needed, and `Some(None)` if the object is not
/// compressed.
///
/// A magic number decides. Without one, an object that begins with whitespace, `{`, `[` or a byte order
/// mark is not compressed, whatever its name, and for any other object the name decides.
pub fn detect_compression(
    head: &[u8],
    is_complete: bool,
    named: Option<InputCompression>,
) -> Option<Option<InputCompression>> {
    let mut is_undecided = head.is_empty();
    for (magic, compression) in MAGIC {
        if magic
            .iter()
            .zip(head)
            .all(|(allowed, byte)| allowed.contains(byte))
        {
            if head.len() >= magic.len() {
                return Some(Some(compression));
            }
            is_undecided = true;
        }
    }
    if is_undecided && !is_complete {
        return None;
    }
    let is_text = match head.first() {
        Some(b'{' | b'[' | 0xef) => true,
        byte => byte.copied().is_some_and(is_json_whitespace),
    };
    let Some(named) = named.filter(|_| !is_text) else {
        return Some(None);
    };
    // A corrupt stream of the named codec would not look like another known format.
    Some(match detect_layout(head, is_complete)? {
        RecordLayout::NotJson(_) => None,
        RecordLayout::Sequence | RecordLayout::Array => Some(named),
    })
}

impl InputCompression {
    /// The file extensions of compressed objects, in upper or lower case.
    pub const EXTENSIONS: [(&str, Self); 4] = [
        (".gz", Self::Gzip),
        (".gzip", Self::Gzip),
        (".bz2", Self::Bzip2),
        (".zst", Self::Zstd),
    ];

    /// Returns the compression that a file name suggests.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (_, after) = name.rsplit_once('.')?;
        let extensions = Self::EXTENSIONS.iter();
        let mut extensions =
            extensions.filter_map(|&(extension, c)| Some((extension.strip_prefix('.')?, c)));
        extensions.find_map(|(extension, c)| after.eq_ignore_ascii_case(extension).then_some(c))
    }

    /// Returns the name of the format in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }

    /// Returns a reader that decompresses one object, of which the `first` bytes have been read already.
    ///
    /// # Errors
    /// Returns an error if the decoder cannot be initialized (out of memory).
    pub fn decompress(self, first: &[u8]) -> io::Result<StreamDecompressor> {
        let mut buffer = first.to_vec();
        buffer.resize(first.len().max(128 * 1024), 0);
        Ok(StreamDecompressor {
            buffer,
            buffered: 0..first.len(),
            decompressor: Decompressor::new(self)?,
            position: StreamPosition::Start,
            deferred_error: None,
            bytes_stored: 0,
        })
    }
}

/// Decompresses a stream and distinguishes a corrupt stream from a failed read.
pub struct StreamDecompressor {
    buffer: Vec<u8>,
    /// The range of the compressed bytes in the buffer that are not decompressed yet.
    buffered: std::ops::Range<usize>,
    decompressor: Decompressor,
    position: StreamPosition,
    /// The error after the bytes that were returned last.
    deferred_error: Option<io::Error>,
    bytes_stored: u64,
}

impl StreamDecompressor {
    /// Takes the number of compressed bytes read so far and starts again at 0.
    pub fn take_bytes_stored(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_stored)
    }

    /// Reads and decompresses some bytes of `source`; returns 0 at the end. The outer error is a failed
    /// read, the inner error a corrupt or truncated stream.
    pub fn read(
        &mut self,
        source: &mut dyn Read,
        to: &mut [u8],
    ) -> io::Result<Result<usize, io::Error>> {
        if let Some(e) = self.deferred_error.take() {
            return Ok(Err(e));
        }
        loop {
            if self.buffered.is_empty() {
                match source.read(&mut self.buffer) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    read => self.buffered = 0..read?,
                }
            }
            let input = self.buffer.get(self.buffered.clone()).unwrap_or_default();
            if self.position != StreamPosition::Inside {
                if input.is_empty() {
                    return Ok(Ok(0));
                }
                if self.position == StreamPosition::BetweenMembers
                    && matches!(self.decompressor, Decompressor::Gzip(_))
                {
                    // Zeros after a member are padding, such as that of tape blocks.
                    let zeros = input.iter().take_while(|&&byte| byte == 0).count();
                    self.buffered.start += zeros;
                    self.bytes_stored += zeros as u64;
                    if zeros > 0 {
                        continue;
                    }
                }
                self.decompressor.start_member()?;
                self.position = StreamPosition::Inside;
            }
            let input_len = input.len();
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
                Ok(StreamStatus::Continue) if input_len == 0 => {
                    Some(io::Error::new(io::ErrorKind::UnexpectedEof, "truncated"))
                }
                Ok(StreamStatus::Continue) => Some(io::Error::other("decoder made no progress")),
            };
            if step.produced > 0 {
                self.deferred_error = error;
                return Ok(Ok(step.produced));
            }
            if let Some(e) = error {
                return Ok(Err(e));
            }
        }
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
        let (before, totals, status) = match self {
            Self::Gzip(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder
                    .decompress(input, to, flate2::FlushDecompress::None)
                    .map(|status| status == flate2::Status::StreamEnd)
                    .map_err(io::Error::other);
                (before, (decoder.total_in(), decoder.total_out()), status)
            }
            Self::Bzip2(decoder) => return bzip2_step(decoder, input, to),
            Self::Zstd(zstd) => return zstd.step(input, to),
        };
        DecompressStep {
            consumed: (totals.0 - before.0) as usize,
            produced: (totals.1 - before.1) as usize,
            status: status.map(|ended| {
                if ended {
                    StreamStatus::StreamEnd
                } else {
                    StreamStatus::Continue
                }
            }),
        }
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
