//! Which objects of some places are input, in which order, and what bytes they hold once
//! decompressed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zstd::stream::raw::{DParameter, Operation};

use super::split;

/// What a user names: paths or globs, and which objects count whatever their names end in.
#[derive(Debug, Clone, Default)]
pub struct Input {
    pub places: Vec<PathBuf>,
    pub include: Vec<String>,
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Input {
    fn from(place: &P) -> Self {
        Self {
            places: vec![place.as_ref().to_owned()],
            include: Vec::new(),
        }
    }
}

impl Input {
    /// The folder or file, if it is only one and no glob.
    pub fn only_place(&self) -> Option<&Path> {
        match &self.places[..] {
            [place] if place.exists() => Some(place),
            _ => None,
        }
    }
}

/// One input object.
pub struct Object {
    /// Below the only place, or the whole path as the places name it.
    pub key: String,
    pub path: PathBuf,
    /// The path from the root of all, without links in what the places name.
    pub identity: PathBuf,
}

pub struct Listing {
    /// By the bytes of the whole key.
    pub objects: Vec<Object>,
    pub ignored: u64,
    pub ignored_endings: BTreeMap<String, u64>,
}

/// A file that a place names, or a hidden folder or name that is ignored with all that is in it.
struct Found {
    place: usize,
    key: String,
    path: PathBuf,
    identity: PathBuf,
    is_input: bool,
}

/// Lists folders with everything below them, files, and globs. Symlinks are followed.
pub fn list(input: &Input) -> io::Result<Listing> {
    let mut found = Vec::new();
    for (place, path) in input.places.iter().enumerate() {
        let (folder, pattern) = split_glob(path);
        let home = fs::canonicalize(&folder)?;
        let mut keys = Vec::new();
        if folder.is_file() && pattern.is_none() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let is_input = is_input(&name, &name, 0, &input.include);
            let (path, identity) = (folder.clone(), home.clone());
            let key = name.into_owned();
            found.push(Found {
                place,
                key,
                path,
                identity,
                is_input,
            });
            continue;
        }
        keys_below(&folder, "", &mut keys)?;
        let mut named: BTreeMap<String, bool> = BTreeMap::new();
        for key in keys {
            if let Some((key, is_input)) = judge(&key, pattern.as_deref(), &input.include) {
                named.insert(key, is_input);
            }
        }
        found.extend(named.into_iter().map(|(key, is_input)| Found {
            place,
            path: folder.join(&key),
            identity: home.join(&key),
            key,
            is_input,
        }));
    }
    // Not folder by folder: `a.json` comes before `a/b.json`, as in an S3 listing.
    found.sort_by(|a, b| a.identity.as_os_str().cmp(b.identity.as_os_str()));
    let mut listing = Listing {
        objects: Vec::new(),
        ignored: 0,
        ignored_endings: BTreeMap::new(),
    };
    // What two places name, by whatever links, is read once, as the first of them names it.
    let mut first = BTreeMap::new();
    for found in found.iter().filter(|found| found.is_input) {
        let place = first.entry(fs::canonicalize(&found.path)?);
        let place = place.or_insert(found.place);
        *place = found.place.min(*place);
    }
    let mut ignored = BTreeSet::new();
    for Found {
        place,
        key,
        path,
        identity,
        is_input,
    } in found
    {
        if !is_input {
            if ignored.insert(identity) {
                listing.ignored += 1;
                *listing.ignored_endings.entry(ending(&key)).or_default() += 1;
            }
            continue;
        }
        if first[&fs::canonicalize(&path)?] != place {
            continue;
        }
        let key = match input.only_place() {
            Some(_) => key,
            None => path.to_string_lossy().into_owned(),
        };
        listing.objects.push(Object {
            key,
            path,
            identity,
        });
    }
    Ok(listing)
}

/// The keys of all files below a folder.
fn keys_below(folder: &Path, parent: &str, keys: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let key = format!("{parent}{name}");
        if fs::metadata(entry.path())?.is_dir() {
            let before = keys.len();
            keys_below(&entry.path(), &format!("{key}/"), keys)?;
            if before == keys.len() && is_hidden(&name) {
                // An empty one is ignored as any other hidden folder.
                keys.push(format!("{key}/empty"));
            }
        } else {
            keys.push(key);
        }
    }
    Ok(())
}

/// The folder before the first wildcard of a path that does not exist as it is, and the rest.
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

/// What a key stands for below a place, if that names it: the input object, or what is ignored (of a
/// hidden folder the folder).
fn judge(key: &str, pattern: Option<&[String]>, include: &[String]) -> Option<(String, bool)> {
    let names: Vec<&str> = key.split('/').collect();
    // How many names the pattern matches; hidden ones below that are ignored.
    let named = match pattern {
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
    let hidden = (named..names.len() - 1).find(|&n| is_hidden(names[n]));
    if let Some(hidden) = hidden {
        return Some((names[..=hidden].join("/"), false));
    }
    let name = names.last()?;
    Some((
        key.to_owned(),
        is_input(key, name, names.len().min(named), include),
    ))
}

fn is_input(key: &str, name: &str, named: usize, include: &[String]) -> bool {
    let is_named = named == key.split('/').count();
    (has_input_ending(name) && (is_named || !is_hidden(name)))
        || include.iter().any(|glob| {
            let pattern: Vec<_> = glob.split('/').map(str::to_owned).collect();
            match pattern.len() {
                1 => glob_matches(&pattern, &[name], false),
                _ => glob_matches(&pattern, &key.split('/').collect::<Vec<_>>(), false),
            }
        })
}

/// Whether the names of a pattern match these names. With `ends_hidden`, a wildcard may match the last of
/// them though it is hidden.
fn glob_matches(pattern: &[String], names: &[&str], ends_hidden: bool) -> bool {
    let may_match = |pattern: &str, name: &str, is_last: bool| {
        !is_hidden(name) || pattern.starts_with(&name[..1]) || (ends_hidden && is_last)
    };
    match (pattern, names) {
        ([], []) => true,
        ([], _) => false,
        ([folders, rest @ ..], names) if folders == "**" => {
            glob_matches(rest, names, ends_hidden)
                || names.split_first().is_some_and(|(name, others)| {
                    may_match("*", name, others.is_empty())
                        && glob_matches(pattern, others, ends_hidden)
                })
        }
        (_, []) => false,
        ([first, rest @ ..], [name, others @ ..]) => {
            let (chars, text): (Vec<_>, Vec<_>) = (first.chars().collect(), name.chars().collect());
            may_match(first, name, others.is_empty())
                && wildcards_match(&chars, &text)
                && glob_matches(rest, others, ends_hidden)
        }
    }
}

/// `*`, `?` and `[...]` within one name.
fn wildcards_match(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|n| wildcards_match(rest, &name[n..])),
        (['?', rest @ ..], [_, others @ ..]) => wildcards_match(rest, others),
        (['[', set @ ..], [c, others @ ..]) => {
            let (is_not, set) = match set {
                ['!', set @ ..] => (true, set),
                set => (false, set),
            };
            // The first character of a set is one of it, also if it is a bracket.
            let end = 1 + set[1..].iter().position(|&c| c == ']').unwrap();
            let mut rest = &set[..end];
            let mut is_in = false;
            while let [first, ..] = rest {
                match rest {
                    [from, '-', to, more @ ..] => {
                        is_in |= (from..=to).contains(&c);
                        rest = more;
                    }
                    _ => {
                        is_in |= first == c;
                        rest = &rest[1..];
                    }
                }
            }
            is_in != is_not && wildcards_match(&set[end + 1..], others)
        }
        ([c, rest @ ..], [d, others @ ..]) => c == d && wildcards_match(rest, others),
        _ => false,
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn has_input_ending(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = [".gz", ".gzip", ".bz2", ".zst"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    [".json", ".jsonl", ".ndjson", ".ldjson"]
        .iter()
        .any(|ending| plain.ends_with(ending))
}

/// What a report calls the ending of an ignored name.
fn ending(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    match ending {
        _ if is_hidden(name) => "hidden".to_owned(),
        Some(ending) if !ending.is_empty() => format!(".{}", ending.to_lowercase()),
        _ => "no ending".to_owned(),
    }
}

/// The bytes of an object: all that could be decompressed, and whether the stream broke after them.
pub struct Decoded {
    pub bytes: Vec<u8>,
    pub damaged: bool,
}

/// Decompresses a stored object: by its first bytes, and where they say nothing by the ending of its key.
/// An object of zero bytes holds nothing, compressed or not.
pub fn decode(key: &str, stored: &[u8]) -> io::Result<Decoded> {
    let key = key.to_ascii_lowercase();
    let (mut gzip, mut bzip2, mut zstd) = match stored.first() {
        // As JSON begins, and a byte order mark.
        None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'[' | 0xEF) => (false, false, false),
        // Another format, whatever its name says.
        Some(_) if split::is_foreign(stored) => (false, false, false),
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
        Ok(decode_streams::<flate2::Decompress>(stored))
    } else if bzip2 {
        Ok(decode_streams::<bzip2::Decompress>(stored))
    } else if zstd {
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
    /// Whether zero bytes after a stream are padding.
    const IS_PADDED: bool;
    /// Bytes of output a step. What bzip2 writes in a step that fails it does not count, so it gets one.
    const ROOM: usize;
    fn new() -> Self;
    /// Decompresses some of `input` into `output`; true at the end of the stream.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<bool, ()>;
    /// Bytes taken and bytes given so far, also after an error.
    fn totals(&self) -> (u64, u64);
}

impl Stream for flate2::Decompress {
    const IS_PADDED: bool = true;
    const ROOM: usize = 1 << 16;
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
    const IS_PADDED: bool = false;
    const ROOM: usize = 1;
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
    let mut buffer = vec![0; S::ROOM];
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
                Ok(true) => {
                    while S::IS_PADDED && rest.first() == Some(&0) {
                        rest = &rest[1..];
                    }
                    break;
                }
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
    let mut decoder = zstd::Decoder::with_buffer(stored)?;
    decoder.window_log_max(31)?;
    if decoder.read_to_end(&mut bytes).is_ok() {
        let damaged = false;
        return Ok(Decoded { bytes, damaged });
    }
    bytes.clear();
    let mut decoder = zstd::stream::raw::Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(31))?;
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
