//! Which objects below a prefix are input, in which order, and what bytes they hold once
//! decompressed.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zstd::stream::raw::Operation;

/// One input object.
pub struct Object {
    pub key: String,
    pub path: PathBuf,
}

pub struct Listing {
    /// By the bytes of the whole key.
    pub objects: Vec<Object>,
    pub ignored: u64,
}

/// Lists a folder with everything below it, or one file. Symlinks are followed.
pub fn list(prefix: &Path) -> io::Result<Listing> {
    let mut listing = Listing {
        objects: Vec::new(),
        ignored: 0,
    };
    if fs::metadata(prefix)?.is_dir() {
        list_folder(prefix, "", &mut listing)?;
    } else {
        let name = prefix.file_name().unwrap_or_default();
        add_file(prefix, name.to_string_lossy().into_owned(), &mut listing);
    }
    // Not folder by folder: `a.json` comes before `a/b.json`, as in an S3 listing.
    listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(listing)
}

fn list_folder(folder: &Path, parent: &str, listing: &mut Listing) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = format!("{parent}{name}");
        if is_hidden(&name) {
            // A hidden folder is one ignored object, whatever is in it.
            listing.ignored += 1;
        } else if fs::metadata(entry.path())?.is_dir() {
            list_folder(&entry.path(), &format!("{key}/"), listing)?;
        } else {
            add_file(&entry.path(), key, listing);
        }
    }
    Ok(())
}

fn add_file(path: &Path, key: String, listing: &mut Listing) {
    let name = key.rsplit('/').next().unwrap_or_default();
    if !is_hidden(name) && has_input_ending(name) {
        let path = path.to_path_buf();
        listing.objects.push(Object { key, path });
    } else {
        listing.ignored += 1;
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn has_input_ending(name: &str) -> bool {
    let plain = [".gz", ".bz2", ".zst"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    [".json", ".jsonl", ".ndjson"]
        .iter()
        .any(|ending| plain.ends_with(ending))
}

/// The bytes of an object: all that could be decompressed, and whether the stream broke after them.
pub struct Decoded {
    pub bytes: Vec<u8>,
    pub damaged: bool,
}

/// Decompresses a stored object by the ending of its key. An object of zero bytes holds nothing,
/// compressed or not.
pub fn decode(key: &str, stored: &[u8]) -> io::Result<Decoded> {
    if key.ends_with(".gz") {
        Ok(decode_streams::<flate2::Decompress>(stored))
    } else if key.ends_with(".bz2") {
        Ok(decode_streams::<bzip2::Decompress>(stored))
    } else if key.ends_with(".zst") && !stored.is_empty() {
        decode_zstd(stored)
    } else {
        Ok(Decoded {
            bytes: stored.to_vec(),
            damaged: false,
        })
    }
}

/// A gzip member or bzip2 stream being decompressed. The crates' `Read` adapters drop what a call
/// decoded before it met an error; at this level nothing is lost.
trait Stream {
    fn new() -> Self;
    /// Decompresses some of `input` into `output`; true at the end of the stream.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, ()>;
    /// Bytes taken and bytes given so far, also after an error.
    fn totals(&self) -> (u64, u64);
}

impl Stream for flate2::Decompress {
    fn new() -> Self {
        flate2::Decompress::new_gzip(15)
    }
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, ()> {
        let status = self.decompress(input, output, flate2::FlushDecompress::None);
        status
            .map(|status| status == flate2::Status::StreamEnd)
            .map_err(drop)
    }
    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }
}

impl Stream for bzip2::Decompress {
    fn new() -> Self {
        bzip2::Decompress::new(false)
    }
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, ()> {
        let status = self.decompress(input, output);
        status
            .map(|status| status == bzip2::Status::StreamEnd)
            .map_err(drop)
    }
    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }
}

/// Reads one stream after another to the end of the input.
fn decode_streams<S: Stream>(stored: &[u8]) -> Decoded {
    let mut bytes = Vec::new();
    let mut rest = stored;
    let mut buffer = vec![0; 1 << 16];
    while !rest.is_empty() {
        let mut stream = S::new();
        loop {
            let (in_before, out_before) = stream.totals();
            let step = stream.step(rest, &mut buffer);
            let (in_after, out_after) = stream.totals();
            let (taken, given) = (in_after - in_before, out_after - out_before);
            rest = &rest[taken as usize..];
            bytes.extend_from_slice(&buffer[..given as usize]);
            match step {
                Ok(true) => break,
                Ok(false) if taken > 0 || given > 0 => {}
                // Corrupt, or no more input and nothing left to give: truncated.
                _ => {
                    let damaged = true;
                    return Decoded { bytes, damaged };
                }
            }
        }
    }
    Decoded {
        bytes,
        damaged: false,
    }
}

/// The adapter of this crate reads frame after frame by itself. It too drops what the failing call
/// decoded, so a damaged stream is decoded again from one byte at a time: a call that fails then
/// had nothing left to give.
fn decode_zstd(stored: &[u8]) -> io::Result<Decoded> {
    let mut bytes = Vec::new();
    if zstd::Decoder::with_buffer(stored)?
        .read_to_end(&mut bytes)
        .is_ok()
    {
        let damaged = false;
        return Ok(Decoded { bytes, damaged });
    }
    bytes.clear();
    let mut decoder = zstd::stream::raw::Decoder::new()?;
    // Holds the largest block, so that a call gives all that its byte completes.
    let mut buffer = vec![0; 1 << 18];
    for byte in stored {
        let status = decoder.run_on_buffers(std::slice::from_ref(byte), &mut buffer);
        let Ok(status) = status else { break };
        bytes.extend_from_slice(&buffer[..status.bytes_written]);
        if status.remaining == 0 {
            decoder.reinit()?;
        }
    }
    let damaged = true;
    Ok(Decoded { bytes, damaged })
}
