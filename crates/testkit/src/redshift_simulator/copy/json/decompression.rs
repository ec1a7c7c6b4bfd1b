//! Decompresses an object, which must be compressed completely as the COPY says.

use std::io::Read;

use crate::redshift_simulator::copy::clause::CopyCompression;

/// Decompresses an object, which may have several members.
pub fn decompress(compression: CopyCompression, stored: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let (library, read) = match compression {
        CopyCompression::Gzip => {
            let mut decoder = flate2::read::MultiGzDecoder::new(stored);
            ("zlib", decoder.read_to_end(&mut bytes))
        }
        CopyCompression::Bzip2 => {
            let mut decoder = bzip2::read::MultiBzDecoder::new(stored);
            ("bzip2", decoder.read_to_end(&mut bytes))
        }
        CopyCompression::Zstd => {
            let decoded = zstd::Decoder::with_buffer(stored);
            let read = decoded.and_then(|mut decoder| decoder.read_to_end(&mut bytes));
            ("zstd", read)
        }
    };
    // Not even an empty object is accepted, because it holds no member.
    let is_complete = read.is_ok() && !stored.is_empty();
    match is_complete {
        true => Ok(bytes),
        false => Err(format!(
            "failed to inflate with {library}: invalid or incomplete data"
        )),
    }
}
