//! Detects the compression of an object, by its content or else by its name.

use std::ops::RangeInclusive;

use crate::decode::padded_bytes::is_json_whitespace;
use crate::decode::sniff::{RecordLayout, detect_layout};

/// The compression format of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputCompression {
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

/// What the first bytes of an object say about its compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompressionDetection {
    /// More bytes are needed.
    NeedInput,
    /// The object is not compressed.
    Uncompressed,
    /// The object is compressed.
    Compressed(InputCompression),
}

/// Detects the compression of an object from its first bytes and from `named`, the compression that its
/// name suggests. If `is_complete`, there are no more bytes, and none are needed.
///
/// A magic number decides. Without one, an object that begins with whitespace, `{`, `[` or a byte order
/// mark is not compressed, whatever its name, and for any other object the name decides.
pub(crate) fn detect_compression(
    head: &[u8],
    is_complete: bool,
    named: Option<InputCompression>,
) -> CompressionDetection {
    let mut is_undecided = head.is_empty();
    for (magic, compression) in MAGIC {
        if magic
            .iter()
            .zip(head)
            .all(|(allowed, byte)| allowed.contains(byte))
        {
            if head.len() >= magic.len() {
                return CompressionDetection::Compressed(compression);
            }
            is_undecided = true;
        }
    }
    if is_undecided && !is_complete {
        return CompressionDetection::NeedInput;
    }
    let is_text = match head.first() {
        Some(b'{' | b'[' | 0xef) => true,
        byte => byte.copied().is_some_and(is_json_whitespace),
    };
    let Some(named) = named.filter(|_| !is_text) else {
        return CompressionDetection::Uncompressed;
    };
    // A corrupt stream of the named codec would not look like another known format.
    match detect_layout(head, is_complete) {
        None => CompressionDetection::NeedInput,
        Some(RecordLayout::NotJson(_)) => CompressionDetection::Uncompressed,
        Some(RecordLayout::Sequence | RecordLayout::Array | RecordLayout::Elements) => {
            CompressionDetection::Compressed(named)
        }
    }
}

impl InputCompression {
    /// The file extensions of compressed objects, in upper or lower case.
    pub(crate) const EXTENSIONS: [(&str, Self); 4] = [
        (".gz", Self::Gzip),
        (".gzip", Self::Gzip),
        (".bz2", Self::Bzip2),
        (".zst", Self::Zstd),
    ];

    /// Every compression, and none.
    pub(crate) const ALL_OR_NONE: [Option<Self>; 4] =
        [None, Some(Self::Gzip), Some(Self::Bzip2), Some(Self::Zstd)];

    /// Returns the compression that a file name suggests.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let (_, after) = name.rsplit_once('.')?;
        let extensions = Self::EXTENSIONS.iter();
        let mut extensions =
            extensions.filter_map(|&(extension, c)| Some((extension.strip_prefix('.')?, c)));
        extensions.find_map(|(extension, c)| after.eq_ignore_ascii_case(extension).then_some(c))
    }

    /// Returns the name of the format in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }
}
