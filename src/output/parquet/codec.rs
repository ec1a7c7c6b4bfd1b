//! Compresses Parquet pages.

use std::fmt;
use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use serde::{Deserialize, Serialize};

/// The compression of Parquet pages.
///
/// Snappy is the default because Redshift certainly reads it: COPY of Parquet reads through Spectrum, whose
/// documentation names gzip, bzip2 and Snappy, and UNLOAD writes Snappy. The documentation does not name zstd,
/// and users have reported that COPY rejects it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ParquetCompression {
    /// Snappy: fast, and every reader of Parquet supports it.
    #[default]
    Snappy,
    /// zstd, level 1: smaller than Snappy for a little more time.
    Zstd,
    /// gzip, level 2: for readers that support neither of the two.
    Gzip,
    /// No compression.
    None,
}

impl ParquetCompression {
    /// Returns the name that `--compression` and the report use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }

    /// Returns the codec for the metadata of a Parquet file.
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::Snappy => Codec::SNAPPY,
            Self::Zstd => Codec::ZSTD(zstd_level()),
            Self::Gzip => Codec::GZIP(gzip_level()),
            Self::None => Codec::UNCOMPRESSED,
        }
    }
}

impl fmt::Display for ParquetCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns the zstd level, chosen for speed.
#[expect(
    clippy::expect_used,
    reason = "another level would change the size of every file"
)]
fn zstd_level() -> ZstdLevel {
    ZstdLevel::try_new(1).expect("zstd has level 1")
}

/// Returns the gzip level. At level 1 zlib-rs uses fixed Huffman codes, which makes pages of times and numbers
/// a third larger. Levels above 2 gain hardly anything.
#[expect(
    clippy::expect_used,
    reason = "another level would change the size of every file"
)]
fn gzip_level() -> GzipLevel {
    GzipLevel::try_new(2).expect("gzip has level 2")
}

/// Compresses pages with one codec. Its tables are allocated once.
pub(super) enum Compressor {
    Snappy(Box<snap::raw::Encoder>),
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip,
}

impl Compressor {
    /// Creates a compressor, or `None` if pages are not compressed.
    ///
    /// # Errors
    /// Returns an error if there is not enough memory for the tables of zstd.
    pub(super) fn new(compression: ParquetCompression) -> std::io::Result<Option<Self>> {
        Ok(match compression {
            ParquetCompression::Snappy => Some(Self::Snappy(Box::new(snap::raw::Encoder::new()))),
            ParquetCompression::Zstd => {
                let level = zstd_level().compression_level();
                Some(Self::Zstd(zstd::bulk::Compressor::new(level)?))
            }
            ParquetCompression::Gzip => Some(Self::Gzip),
            ParquetCompression::None => None,
        })
    }

    /// Returns the codec for the metadata of a Parquet file.
    pub(super) fn codec(&self) -> Codec {
        let compression = match self {
            Self::Snappy(_) => ParquetCompression::Snappy,
            Self::Zstd(_) => ParquetCompression::Zstd,
            Self::Gzip => ParquetCompression::Gzip,
        };
        compression.codec()
    }

    /// Compresses a page. The result depends only on `page`.
    ///
    /// # Errors
    /// Returns an error if the codec fails, which happens only if memory runs out.
    pub(super) fn compress(&mut self, page: &[u8]) -> Result<Bytes> {
        let compressed = match self {
            Self::Snappy(encoder) => encoder
                .compress_vec(page)
                .map_err(|e| ParquetError::External(Box::new(e)))?,
            Self::Zstd(zstd) => zstd.compress(page)?,
            Self::Gzip => {
                let level = flate2::Compression::new(gzip_level().compression_level());
                let buffer = Vec::with_capacity(page.len() / 2);
                let mut encoder = flate2::write::GzEncoder::new(buffer, level);
                encoder.write_all(page)?;
                encoder.finish()?
            }
        };
        Ok(Bytes::from(compressed))
    }
}
