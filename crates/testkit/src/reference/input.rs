//! Lists the input objects of some locations in input order, and decompresses them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zstd::stream::raw::{DParameter, Operation};

use super::framing;

/// The input that a user names: paths or globs, and globs for additional objects (`--include`).
#[derive(Debug, Clone, Default)]
pub struct ReferenceInput {
    pub locations: Vec<PathBuf>,
    pub include: Vec<String>,
}

impl<P: AsRef<Path> + ?Sized> From<&P> for ReferenceInput {
    fn from(location: &P) -> Self {
        Self {
            locations: vec![location.as_ref().to_owned()],
            include: Vec::new(),
        }
    }
}

impl ReferenceInput {
    /// Returns the directory or file, if it is the only location and not a glob.
    pub fn single_location(&self) -> Option<&Path> {
        match &self.locations[..] {
            [location] if location.exists() => Some(location),
            _ => None,
        }
    }
}

/// An input object.
pub struct InputObject {
    /// The path relative to the only location, or the whole path as the locations name it.
    pub key: String,
    pub path: PathBuf,
    /// The absolute path, with links in the location resolved.
    pub resolved_path: PathBuf,
}

pub struct ReferenceListing {
    /// The objects, sorted by the bytes of their absolute paths.
    pub objects: Vec<InputObject>,
    pub ignored_objects: u64,
    pub ignored_extensions: BTreeMap<String, u64>,
}

/// A file that a location names, or a hidden directory or file, which is ignored with everything in it.
struct ListedEntry {
    location_index: usize,
    key: String,
    path: PathBuf,
    resolved_path: PathBuf,
    is_input: bool,
}

/// Lists directories recursively, files, and globs. Symlinks are followed.
pub fn list(input: &ReferenceInput) -> io::Result<ReferenceListing> {
    let mut found = Vec::new();
    for (location_index, path) in input.locations.iter().enumerate() {
        let (folder, pattern) = split_glob(path);
        let resolved_dir = fs::canonicalize(&folder)?;
        let mut keys = Vec::new();
        if folder.is_file() && pattern.is_none() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let is_input = is_input(&name, &name, 0, &input.include);
            let (path, identity) = (folder.clone(), resolved_dir.clone());
            let key = name.into_owned();
            found.push(ListedEntry {
                location_index,
                key,
                path,
                resolved_path: identity,
                is_input,
            });
            continue;
        }
        collect_keys(&folder, "", &mut keys)?;
        let mut named: BTreeMap<String, bool> = BTreeMap::new();
        for key in keys {
            if let Some((key, is_input)) = classify_key(&key, pattern.as_deref(), &input.include) {
                named.insert(key, is_input);
            }
        }
        found.extend(named.into_iter().map(|(key, is_input)| ListedEntry {
            location_index,
            path: folder.join(&key),
            resolved_path: resolved_dir.join(&key),
            key,
            is_input,
        }));
    }
    // Objects are not sorted by directory: `a.json` comes before `a/b.json`, as in an S3 listing.
    found.sort_by(|a, b| a.resolved_path.as_os_str().cmp(b.resolved_path.as_os_str()));
    let mut listing = ReferenceListing {
        objects: Vec::new(),
        ignored_objects: 0,
        ignored_extensions: BTreeMap::new(),
    };
    // An object that several locations name, even through links, is read once, under the name of the first
    // location.
    let mut first_location = BTreeMap::new();
    for found in found.iter().filter(|found| found.is_input) {
        let first = first_location.entry(fs::canonicalize(&found.path)?);
        let first = first.or_insert(found.location_index);
        *first = found.location_index.min(*first);
    }
    let mut ignored = BTreeSet::new();
    for ListedEntry {
        location_index,
        key,
        path,
        resolved_path: identity,
        is_input,
    } in found
    {
        if !is_input {
            if ignored.insert(identity) {
                listing.ignored_objects += 1;
                *listing
                    .ignored_extensions
                    .entry(extension_label(&key))
                    .or_default() += 1;
            }
            continue;
        }
        if first_location[&fs::canonicalize(&path)?] != location_index {
            continue;
        }
        let key = match input.single_location() {
            Some(_) => key,
            None => path.to_string_lossy().into_owned(),
        };
        listing.objects.push(InputObject {
            key,
            path,
            resolved_path: identity,
        });
    }
    Ok(listing)
}

/// Collects the keys of all files below a directory.
fn collect_keys(folder: &Path, parent: &str, keys: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = format!("{parent}{name}");
        if fs::metadata(entry.path())?.is_dir() {
            let before = keys.len();
            collect_keys(&entry.path(), &format!("{key}/"), keys)?;
            if before == keys.len() && is_hidden(&name) {
                // An empty hidden directory is ignored like any other hidden directory.
                keys.push(format!("{key}/empty"));
            }
        } else {
            keys.push(key);
        }
    }
    Ok(())
}

/// Splits a path that does not exist literally into the directory before the first wildcard, and the pattern.
fn split_glob(path: &Path) -> (PathBuf, Option<Vec<String>>) {
    let names: Vec<_> = path
        .iter()
        .map(|n| n.to_str().unwrap().to_owned())
        .collect();
    let first = names.iter().position(|name| name.contains(['*', '?', '[']));
    match first {
        Some(first) if !path.exists() => (
            names[..first].iter().collect(),
            Some(names[first..].to_vec()),
        ),
        _ => (path.to_owned(), None),
    }
}

/// Classifies a key below a location: returns the object and whether it is input, or the hidden directory
/// that contains it. Returns `None` if the location does not name the key.
fn classify_key(
    key: &str,
    pattern: Option<&[String]>,
    include: &[String],
) -> Option<(String, bool)> {
    let names: Vec<&str> = key.split('/').collect();
    // The number of components that the pattern matches; hidden components below them are ignored.
    let matched_components = match pattern {
        None => 0,
        Some(pattern) => {
            let all = 0..=names.len();
            let matched = all
                .clone()
                .find(|&n| glob_matches(pattern, &names[..n], false));
            let Some(matched) = matched else {
                let mut all = all;
                let hidden = all.find(|&n| glob_matches(pattern, &names[..n], true))?;
                return Some((names[..hidden].join("/"), false));
            };
            matched
        }
    };
    let hidden = (matched_components..names.len() - 1).find(|&n| is_hidden(names[n]));
    if let Some(hidden) = hidden {
        return Some((names[..=hidden].join("/"), false));
    }
    let name = names.last()?;
    Some((
        key.to_owned(),
        is_input(key, name, names.len().min(matched_components), include),
    ))
}

fn is_input(key: &str, name: &str, matched_components: usize, include: &[String]) -> bool {
    let is_named = matched_components == key.split('/').count();
    (has_input_extension(name) && (is_named || !is_hidden(name)))
        || include.iter().any(|glob| {
            let pattern: Vec<_> = glob.split('/').map(str::to_owned).collect();
            match pattern.len() {
                1 => glob_matches(&pattern, &[name], false),
                _ => glob_matches(&pattern, &key.split('/').collect::<Vec<_>>(), false),
            }
        })
}

/// Returns whether a pattern matches these components. With `allow_hidden_last`, a wildcard may match the
/// last component even if it is hidden.
fn glob_matches(pattern: &[String], names: &[&str], allow_hidden_last: bool) -> bool {
    let may_match = |pattern: &str, name: &str, is_last: bool| {
        !is_hidden(name) || pattern.starts_with(&name[..1]) || (allow_hidden_last && is_last)
    };
    match (pattern, names) {
        ([], []) => true,
        ([], _) => false,
        ([folders, rest @ ..], names) if folders == "**" => {
            glob_matches(rest, names, allow_hidden_last)
                || names.split_first().is_some_and(|(name, others)| {
                    may_match("*", name, others.is_empty())
                        && glob_matches(pattern, others, allow_hidden_last)
                })
        }
        (_, []) => false,
        ([first, rest @ ..], [name, others @ ..]) => {
            let (chars, text): (Vec<_>, Vec<_>) = (first.chars().collect(), name.chars().collect());
            may_match(first, name, others.is_empty())
                && wildcards_match(&chars, &text)
                && glob_matches(rest, others, allow_hidden_last)
        }
    }
}

/// Matches `*`, `?` and `[...]` within one component.
fn wildcards_match(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|n| wildcards_match(rest, &name[n..])),
        (['?', rest @ ..], [_, others @ ..]) => wildcards_match(rest, others),
        (['[', set @ ..], [c, others @ ..]) => {
            let (is_negated, set) = match set {
                ['!', set @ ..] => (true, set),
                set => (false, set),
            };
            // The first character of a set belongs to the set, even if it is a bracket.
            let end = 1 + set[1..].iter().position(|&c| c == ']').unwrap();
            let mut rest = &set[..end];
            let mut is_member = false;
            while let [first, ..] = rest {
                match rest {
                    [from, '-', to, more @ ..] => {
                        is_member |= (from..=to).contains(&c);
                        rest = more;
                    }
                    _ => {
                        is_member |= first == c;
                        rest = &rest[1..];
                    }
                }
            }
            is_member != is_negated && wildcards_match(&set[end + 1..], others)
        }
        ([c, rest @ ..], [d, others @ ..]) => c == d && wildcards_match(rest, others),
        _ => false,
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn has_input_extension(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = [".gz", ".gzip", ".bz2", ".zst"]
        .iter()
        .find_map(|extension| name.strip_suffix(extension))
        .unwrap_or(&name);
    [".json", ".jsonl", ".ndjson", ".ldjson"]
        .iter()
        .any(|extension| plain.ends_with(extension))
}

/// Returns the extension of an ignored name, as reports name it.
fn extension_label(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        _ if is_hidden(name) => "hidden".to_owned(),
        Some(extension) if !extension.is_empty() => format!(".{}", extension.to_lowercase()),
        _ => "no extension".to_owned(),
    }
}

/// The bytes of an object that could be decompressed, and whether the stream is corrupt after them.
pub struct DecompressedObject {
    pub bytes: Vec<u8>,
    pub is_corrupt: bool,
}

/// Decompresses an object by its first bytes or, if these are not conclusive, by the extension of its key. An
/// object of zero bytes is empty, compressed or not.
pub fn decompress(key: &str, stored: &[u8]) -> io::Result<DecompressedObject> {
    let key = key.to_ascii_lowercase();
    let (mut gzip, mut bzip2, mut zstd) = match stored.first() {
        // The first byte of JSON or of a byte order mark.
        None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'[' | 0xEF) => (false, false, false),
        // An unsupported format, whatever the extension is.
        Some(_) if framing::is_unsupported_format(stored) => (false, false, false),
        Some(_) => (
            key.ends_with(".gz") || key.ends_with(".gzip"),
            key.ends_with(".bz2"),
            key.ends_with(".zst"),
        ),
    };
    match stored {
        [0x1f, 0x8b, 8, ..] => (gzip, bzip2, zstd) = (true, false, false),
        [b'B', b'Z', b'h', b'1'..=b'9', magic @ ..]
            if magic.starts_with(b"1AY&SY") || magic.starts_with(b"\x17\x72\x45\x38\x50\x90") =>
        {
            (gzip, bzip2, zstd) = (false, true, false);
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            (gzip, bzip2, zstd) = (false, false, true);
        }
        _ => {}
    }
    if gzip {
        Ok(decompress_streams::<flate2::Decompress>(stored))
    } else if bzip2 {
        Ok(decompress_streams::<bzip2::Decompress>(stored))
    } else if zstd {
        decompress_zstd(stored)
    } else {
        Ok(DecompressedObject {
            bytes: stored.to_vec(),
            is_corrupt: false,
        })
    }
}

/// A decoder for one gzip member or bzip2 stream. The `Read` adapters of the crates drop what a call decoded
/// before an error; at this level no output is lost.
trait StreamDecoder {
    /// Whether zero bytes after a stream are padding.
    const ALLOWS_ZERO_PADDING: bool;
    /// The bytes of output per step. bzip2 does not report the output of a failing step, so its steps are one
    /// byte.
    const STEP_BYTES: usize;
    fn new() -> Self;
    /// Decompresses some of `input` into `output`, and returns true at the end of the stream.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, ()>;
    /// Returns the bytes consumed and produced so far, which is valid after an error too.
    fn totals(&self) -> (u64, u64);
}

impl StreamDecoder for flate2::Decompress {
    const ALLOWS_ZERO_PADDING: bool = true;
    const STEP_BYTES: usize = 1 << 16;
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

impl StreamDecoder for bzip2::Decompress {
    const ALLOWS_ZERO_PADDING: bool = false;
    const STEP_BYTES: usize = 1;
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

/// Decompresses one stream after another up to the end of the input.
fn decompress_streams<S: StreamDecoder>(stored: &[u8]) -> DecompressedObject {
    let mut bytes = Vec::new();
    let mut rest = stored;
    let mut buffer = vec![0; S::STEP_BYTES];
    while !rest.is_empty() {
        let mut stream = S::new();
        loop {
            let (in_before, out_before) = stream.totals();
            let step = stream.step(rest, &mut buffer);
            let (in_after, out_after) = stream.totals();
            let (consumed, produced) = (in_after - in_before, out_after - out_before);
            rest = &rest[consumed as usize..];
            bytes.extend_from_slice(&buffer[..produced as usize]);
            match step {
                Ok(true) => {
                    while S::ALLOWS_ZERO_PADDING && rest.first() == Some(&0) {
                        rest = &rest[1..];
                    }
                    break;
                }
                Ok(false) if consumed > 0 || produced > 0 => {}
                // The stream is corrupt, or truncated if there is neither input nor output left.
                _ => {
                    return DecompressedObject {
                        bytes,
                        is_corrupt: true,
                    };
                }
            }
        }
    }
    DecompressedObject {
        bytes,
        is_corrupt: false,
    }
}

/// Decompresses zstd frames. The adapter of the crate reads frame after frame, but drops what a failing call
/// decoded. A damaged stream is therefore decoded again with one input byte per call: a failing call then has
/// no output to lose.
fn decompress_zstd(stored: &[u8]) -> io::Result<DecompressedObject> {
    let mut bytes = Vec::new();
    let mut decoder = zstd::Decoder::with_buffer(stored)?;
    decoder.window_log_max(31)?;
    if decoder.read_to_end(&mut bytes).is_ok() {
        return Ok(DecompressedObject {
            bytes,
            is_corrupt: false,
        });
    }
    bytes.clear();
    let mut decoder = zstd::stream::raw::Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(31))?;
    // The buffer holds the largest block, so that a call returns all output that its byte completes.
    let mut buffer = vec![0; 1 << 18];
    for byte in stored {
        let status = decoder.run_on_buffers(std::slice::from_ref(byte), &mut buffer);
        let Ok(status) = status else { break };
        bytes.extend_from_slice(&buffer[..status.bytes_written]);
        if status.remaining == 0 {
            decoder.reinit()?;
        }
    }
    Ok(DecompressedObject {
        bytes,
        is_corrupt: true,
    })
}
