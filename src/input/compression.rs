//! Decompression of whole objects, and the difference between a broken stream (a reject) and a
//! failed read (the end of the run).
//!
//! The `Read` adapters of the crates drop what a call decoded before it met an error, so that it
//! would hang on the sizes of buffers which records before a broken place are kept. Here everything
//! is given that came out before.

use std::io::{self, Read};

use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

/// How an object is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, one member or several.
    Gzip,
    /// bzip2, one stream or several.
    Bzip2,
    /// Zstandard, one frame or several.
    Zstd,
}

impl Compression {
    /// All that are known.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Bzip2, Self::Zstd];

    /// How names of such objects end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Bzip2 => ".bz2",
            Self::Zstd => ".zst",
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }

    /// What decompresses one object.
    ///
    /// # Errors
    /// The decoder cannot be set up (out of memory).
    pub fn decompress(self) -> io::Result<Decompressed> {
        Ok(Decompressed {
            buffer: vec![0; 128 * 1024],
            at_hand: 0..0,
            codec: Codec::new(self)?,
            between: true,
            broken: None,
            bytes_stored: 0,
        })
    }
}

/// A decompressed stream that tells a broken stream from a failed read.
pub struct Decompressed {
    buffer: Vec<u8>,
    /// The compressed bytes in the buffer that are not decompressed yet.
    at_hand: std::ops::Range<usize>,
    codec: Codec,
    /// Whether the next byte begins another member, stream or frame.
    between: bool,
    /// What is wrong behind the bytes that were given last.
    broken: Option<io::Error>,
    bytes_stored: u64,
}

impl Decompressed {
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
        if let Some(e) = self.broken.take() {
            return Ok(Err(e));
        }
        loop {
            if self.at_hand.is_empty() {
                match source.read(&mut self.buffer) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    read => self.at_hand = 0..read?,
                }
            }
            let input = self.buffer.get(self.at_hand.clone()).unwrap_or_default();
            if self.between {
                if input.is_empty() {
                    return Ok(Ok(0));
                }
                self.codec.begin()?;
                self.between = false;
            }
            let stored = input.len();
            let step = self.codec.step(input, to);
            self.at_hand.start += step.taken;
            self.bytes_stored += step.taken as u64;
            let broken = match step.status {
                Err(e) => Some(e),
                Ok(Status::Ended) => {
                    self.between = true;
                    None
                }
                Ok(Status::Going) if step.taken > 0 || step.given > 0 => None,
                Ok(Status::Going) if stored == 0 => Some(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it is cut short",
                )),
                Ok(Status::Going) => Some(io::Error::other("it leads nowhere")),
            };
            if step.given > 0 {
                self.broken = broken;
                return Ok(Ok(step.given));
            }
            if let Some(e) = broken {
                return Ok(Err(e));
            }
        }
    }
}

enum Codec {
    Gzip(flate2::Decompress),
    Bzip2(bzip2::Decompress),
    Zstd(Zstd),
}

/// What one call of a decompressor did, also if it failed.
struct Step {
    taken: usize,
    given: usize,
    status: io::Result<Status>,
}

enum Status {
    Going,
    /// The member, stream or frame ends here.
    Ended,
}

impl Codec {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(new_gzip()),
            Compression::Bzip2 => Self::Bzip2(bzip2::Decompress::new(false)),
            Compression::Zstd => Self::Zstd(Zstd {
                decoder: zstd::stream::raw::Decoder::new()?,
                hint: 0,
                full: false,
            }),
        })
    }

    /// Begins another member, stream or frame.
    fn begin(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => *decoder = new_gzip(),
            Self::Bzip2(decoder) => *decoder = bzip2::Decompress::new(false),
            Self::Zstd(zstd) => {
                zstd.decoder.reinit()?;
                (zstd.hint, zstd.full) = (1, false);
            }
        }
        Ok(())
    }

    fn step(&mut self, input: &[u8], to: &mut [u8]) -> Step {
        let (before, totals, status) = match self {
            Self::Gzip(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder
                    .decompress(input, to, flate2::FlushDecompress::None)
                    .map(|status| status == flate2::Status::StreamEnd)
                    .map_err(io::Error::other);
                (before, (decoder.total_in(), decoder.total_out()), status)
            }
            Self::Bzip2(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder
                    .decompress(input, to)
                    .map(|status| status == bzip2::Status::StreamEnd)
                    .map_err(io::Error::other);
                (before, (decoder.total_in(), decoder.total_out()), status)
            }
            Self::Zstd(zstd) => return zstd.step(input, to),
        };
        Step {
            taken: (totals.0 - before.0) as usize,
            given: (totals.1 - before.1) as usize,
            status: status.map(|ended| if ended { Status::Ended } else { Status::Going }),
        }
    }
}

fn new_gzip() -> flate2::Decompress {
    flate2::Decompress::new_gzip(15)
}

/// Unlike the others Zstandard does not tell what a failing call decoded. It is fed block by block,
/// and the header of a block apart from the block before, so that such a call decoded nothing.
struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// Bytes that it asks for: the rest of a block and the header of the next.
    hint: usize,
    /// Whether the last call filled its output and may have more to give.
    full: bool,
}

/// The bytes of a block's header.
const BLOCK_HEADER: usize = 3;

impl Zstd {
    fn step(&mut self, input: &[u8], to: &mut [u8]) -> Step {
        let mut done = Step {
            taken: 0,
            given: 0,
            status: Ok(Status::Going),
        };
        if std::mem::take(&mut self.full) {
            self.run(&[], to, &mut done);
            if done.given > 0 || !matches!(done.status, Ok(Status::Going)) {
                return done;
            }
        }
        let most = match self.hint {
            hint if hint > BLOCK_HEADER => hint - BLOCK_HEADER,
            hint => hint.max(1),
        };
        self.run(input.get(..most).unwrap_or(input), to, &mut done);
        done
    }

    fn run(&mut self, input: &[u8], to: &mut [u8], done: &mut Step) {
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(&mut *to);
        let result = self.decoder.run(&mut input, &mut output);
        (done.taken, done.given) = (input.pos(), output.pos());
        self.full = done.given == to.len();
        done.status = result.map(|hint| {
            self.hint = hint;
            if hint == 0 {
                Status::Ended
            } else {
                Status::Going
            }
        });
    }
}
