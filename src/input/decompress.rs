//! Decompression of whole objects, and the difference between a broken stream (a reject) and a
//! failed read (the end of the run).
//!
//! The `Read` adapters of the crates drop what a call decoded before it met an error, so that it
//! would hang on the sizes of buffers which records before a broken place are kept. Here everything
//! is given that came out before.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use crate::decode::bytes::is_json_whitespace;
use crate::decode::sniff::{Layout, detect_layout};

/// How an object is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputCompression {
    /// gzip, one member or several.
    Gzip,
    /// bzip2, one stream or several.
    Bzip2,
    /// Zstandard, one frame or several.
    Zstd,
}

/// What a byte of a magic number may be.
type BytePattern = RangeInclusive<u8>;

const fn exactly(byte: u8) -> BytePattern {
    byte..=byte
}

/// RFC 1952: the two bytes of gzip, and the only method that there is.
const GZIP: &[BytePattern] = &[exactly(0x1f), exactly(0x8b), exactly(8)];

/// bzip2: `BZh`, the size of a block, and then the magic number of a block, which is pi.
const BZIP2: &[BytePattern] = &[
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

/// An empty bzip2 stream has the magic number of the end there, the square root of pi.
const BZIP2_EMPTY: &[BytePattern] = &[
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
const ZSTD: &[BytePattern] = &[exactly(0x28), exactly(0xb5), exactly(0x2f), exactly(0xfd)];

/// RFC 8878: a frame to be skipped, as pzstd writes before each that it made.
const ZSTD_SKIPPABLE: &[BytePattern] = &[0x50..=0x5f, exactly(0x2a), exactly(0x4d), exactly(0x18)];

const MAGIC: [(&[BytePattern], InputCompression); 5] = [
    (GZIP, InputCompression::Gzip),
    (BZIP2, InputCompression::Bzip2),
    (BZIP2_EMPTY, InputCompression::Bzip2),
    (ZSTD, InputCompression::Zstd),
    (ZSTD_SKIPPABLE, InputCompression::Zstd),
];

/// How an object is compressed, by its first bytes; `by_name` is what its name says. Nothing if more
/// bytes are needed to tell and the object does not end after these.
///
/// What begins with no magic number but with white space, `{`, `[` or a byte order mark is not compressed
/// in any way, whatever its name. Anything else is what the name says.
pub fn detect_compression(
    head: &[u8],
    is_complete: bool,
    named: Option<InputCompression>,
) -> Option<Option<InputCompression>> {
    let mut is_undecided = head.is_empty();
    for (magic, compression) in MAGIC {
        if magic.iter().zip(head).all(|(may, byte)| may.contains(byte)) {
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
    // Another format is not what a broken stream of the codec in the name would look like.
    Some(match detect_layout(head, is_complete)? {
        Layout::NotJson(_) => None,
        Layout::Sequence | Layout::Array => Some(named),
    })
}

impl InputCompression {
    /// How names of such objects end, in any case of letters.
    pub const EXTENSIONS: [(&str, Self); 4] = [
        (".gz", Self::Gzip),
        (".gzip", Self::Gzip),
        (".bz2", Self::Bzip2),
        (".zst", Self::Zstd),
    ];

    /// The compression that a name tells.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (_, after) = name.rsplit_once('.')?;
        let known = Self::EXTENSIONS.iter();
        let mut known = known.filter_map(|&(ending, c)| Some((ending.strip_prefix('.')?, c)));
        known.find_map(|(ending, c)| after.eq_ignore_ascii_case(ending).then_some(c))
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }

    /// What decompresses one object, of which the `first` bytes are read already.
    ///
    /// # Errors
    /// The decoder cannot be set up (out of memory).
    pub fn decompress(self, first: &[u8]) -> io::Result<DecompressReader> {
        let mut buffer = first.to_vec();
        buffer.resize(first.len().max(128 * 1024), 0);
        Ok(DecompressReader {
            buffer,
            buffered: 0..first.len(),
            decompressor: Decompressor::new(self)?,
            position: StreamPosition::Start,
            deferred_error: None,
            bytes_stored: 0,
        })
    }
}

/// A decompressed stream that tells a broken stream from a failed read.
pub struct DecompressReader {
    buffer: Vec<u8>,
    /// The compressed bytes in the buffer that are not decompressed yet.
    buffered: std::ops::Range<usize>,
    decompressor: Decompressor,
    position: StreamPosition,
    /// What is wrong behind the bytes that were given last.
    deferred_error: Option<io::Error>,
    bytes_stored: u64,
}

impl DecompressReader {
    /// Compressed bytes read since they were last taken.
    pub fn take_bytes_stored(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_stored)
    }

    /// Reads some bytes of `source` decompressed; zero at the end. The outer error is a failed read, the
    /// inner one a stream that is corrupt or cut short.
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
                    // Zeros after a member are padding, as of blocks on a tape.
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
                Ok(StreamStatus::Continue) if input_len == 0 => Some(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it is cut short",
                )),
                Ok(StreamStatus::Continue) => Some(io::Error::other("it leads nowhere")),
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

/// Where in a stream the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamPosition {
    /// It begins the first member, stream or frame.
    Start,
    /// It is within one.
    Inside,
    /// It follows one.
    BetweenMembers,
}

enum Decompressor {
    Gzip(flate2::Decompress),
    Bzip2(bzip2::Decompress),
    Zstd(ZstdDecoder),
}

/// What one call of a decompressor did, also if it failed.
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

    /// Begins another member, stream or frame.
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

/// A byte that is in no JSON text, and in no UTF-8 at all.
const UNWRITTEN_BYTE: u8 = 0xff;

/// When a block ends in the middle of a run, bzip2 fails without counting what that call wrote. It is found
/// by what is there: otherwise what is kept of a broken stream would depend on the sizes of buffers.
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

/// Unlike the others Zstandard does not tell what a failing call decoded. It is fed block by block,
/// and the header of a block apart from the block before, so that such a call decoded nothing.
struct ZstdDecoder {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// Bytes that it asks for: the rest of a block and the header of the next.
    input_hint: usize,
    /// Whether the last call filled its output and may have more to give.
    is_output_full: bool,
}

/// Why a stream that is not broken cannot be decompressed.
const OUT_OF_MEMORY: &str = "there is not enough memory for the window of its zstd stream (up to 2 GiB a thread); use fewer --threads";

/// Windows up to 2 GiB are read, as long-distance matching (`zstd --long=31`) makes them. A decoder holds
/// the window that a frame asks for, so only the streams that have such windows take the memory.
const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// The bytes of a block's header.
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
