//! Decompression of whole objects, and the difference between a broken stream (a reject) and a
//! failed read (the end of the run).

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read};
use std::rc::Rc;

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

    /// Reads `source` decompressed.
    ///
    /// # Errors
    /// The decoder cannot be set up (out of memory).
    pub fn decompress(self, source: Box<dyn Read>) -> io::Result<Decompressed> {
        let watch = Rc::new(Watch::default());
        let watched = Watched {
            source,
            watch: Rc::clone(&watch),
        };
        let source = BufReader::with_capacity(128 * 1024, watched);
        let stream: Box<dyn Read> = match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
        };
        Ok(Decompressed { stream, watch })
    }
}

/// A decompressed stream that tells a broken stream from a failed read.
pub struct Decompressed {
    stream: Box<dyn Read>,
    watch: Rc<Watch>,
}

impl Decompressed {
    /// Compressed bytes read since they were last taken.
    pub fn take_bytes_stored(&self) -> u64 {
        self.watch.bytes.take()
    }

    /// Reads some bytes; zero at the end. The outer error is a failed read, the inner one a stream
    /// that is corrupt or cut short.
    pub fn read(&mut self, to: &mut [u8]) -> io::Result<Result<usize, io::Error>> {
        loop {
            match self.stream.read(to) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    return match self.watch.failure.take() {
                        Some(failure) => Err(failure),
                        None => Ok(Err(e)),
                    };
                }
                Ok(n) => return Ok(Ok(n)),
            }
        }
    }
}

/// What happened below a decompressor.
#[derive(Default)]
struct Watch {
    bytes: Cell<u64>,
    /// The error of a read, which a decompressor may pass on as its own.
    failure: RefCell<Option<io::Error>>,
}

struct Watched {
    source: Box<dyn Read>,
    watch: Rc<Watch>,
}

impl Read for Watched {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.source.read(to) {
            Ok(n) => {
                self.watch.bytes.set(self.watch.bytes.get() + n as u64);
                Ok(n)
            }
            Err(e) => {
                let passed_on = io::Error::from(e.kind());
                if e.kind() != io::ErrorKind::Interrupted {
                    *self.watch.failure.borrow_mut() = Some(e);
                }
                Err(passed_on)
            }
        }
    }
}
