//! Implements [`Store`] for local files: a folder, or a single file.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{
    ListMode, ListResult, ObjectMeta, ObjectRange, ObjectVersion, RangeReader, Store, Upload,
    s3_url_hint,
};
use crate::error::{Error, Result};

/// Maximum nesting of folders. Deeper nesting is taken for a loop of symbolic links.
const MAX_FOLDER_DEPTH: usize = 64;

/// A store of the files in a folder, or of a single file.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// `root` as an absolute path without symbolic links.
    canonical_root: PathBuf,
    /// The name of the only object, if the location is a file.
    single_file: Option<String>,
    /// Whether symbolic links are followed.
    follows_links: bool,
}

impl LocalStore {
    /// Opens the store for a folder or file, which must exist.
    ///
    /// # Errors
    /// Returns an error if the path does not exist, cannot be read, or is neither a folder nor a file.
    pub fn new(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|e| open_error(path, e))?;
        if metadata.is_dir() {
            return Ok(Self::from_root(path.to_owned(), None));
        }
        if !metadata.is_file() {
            return Err(not_a_file_error(path));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| not_utf8_error(path))?;
        let root = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self::from_root(root, Some(name.to_owned())))
    }

    /// Opens the store for a folder, which must exist. An empty path is the current directory.
    ///
    /// # Errors
    /// Returns an error if the path does not exist or is not a folder.
    pub fn open_folder(path: &Path) -> Result<Self> {
        // The trailing slash makes this fail for a file.
        fs::metadata(or_current_dir(path).join("")).map_err(|e| open_error(path, e))?;
        Ok(Self::from_root(path.to_owned(), None))
    }

    fn from_root(root: PathBuf, single_file: Option<String>) -> Self {
        Self {
            canonical_root: fs::canonicalize(or_current_dir(&root))
                .unwrap_or_else(|_| root.clone()),
            root,
            single_file,
            follows_links: true,
        }
    }

    /// Returns the store with symbolic links treated as objects themselves, so that nothing outside the
    /// folder is listed.
    pub fn without_following_links(self) -> Self {
        Self {
            follows_links: false,
            ..self
        }
    }

    /// Removes a folder and its subfolders, except those that are not empty.
    pub fn remove_empty_folders(&self, folder: &str) {
        remove_empty_folders(&self.root.join(folder));
    }
}

/// Replaces an empty path, which system calls do not accept, by `.`.
fn or_current_dir(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

fn remove_empty_folders(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // Fails for a folder that is not empty, which is then kept.
    let _ = fs::remove_dir(folder);
}

/// Returns the error for a location that cannot be opened, with a hint if it looks like an S3 location.
fn open_error(path: &Path, source: io::Error) -> Error {
    let hint = match source.kind() {
        io::ErrorKind::NotFound => s3_url_hint(path),
        _ => None,
    };
    Error::io("cannot read", path, source).with_optional_hint(hint)
}

fn not_a_file_error(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .with_reason("it is neither a file nor a folder")
        .with_hint("write the output of a pipe to a file first")
}

fn not_utf8_error(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .with_reason("its name is not valid UTF-8")
        .with_hint("rename it")
}

impl Store for LocalStore {
    fn list(&self, prefix: &str, _: ListMode) -> Result<ListResult> {
        let mut listing = ListResult::default();
        if let Some(name) = &self.single_file {
            let path = self.root.join(name);
            let metadata = fs::metadata(&path).map_err(|e| Error::io("cannot read", &path, e))?;
            listing.objects.push(object_meta(name.clone(), &metadata));
            return Ok(listing);
        }
        let folder = self.root.join(prefix);
        if prefix.matches('/').count() > MAX_FOLDER_DEPTH {
            return Err(
                Error::failed(format!("cannot list {}", folder.display())).with_reason(
                    "folders are nested more than 64 deep, probably by a loop of symbolic links",
                ),
            );
        }
        let list_error = |e: std::io::Error| Error::io("cannot list", &folder, e);
        for entry in fs::read_dir(or_current_dir(&folder)).map_err(list_error)? {
            let entry = entry.map_err(list_error)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                let name = entry.file_name().to_string_lossy().into_owned();
                let suffix = if entry.path().is_dir() { "/" } else { "" };
                let key = format!("{prefix}{name}{suffix}");
                listing
                    .unreadable
                    .push((key, not_utf8_error(&entry.path())));
                continue;
            };
            let key = format!("{prefix}{name}");
            let file_type = entry.file_type();
            if file_type.as_ref().is_ok_and(|kind| kind.is_dir()) {
                listing.common_prefixes.push(key + "/");
                continue;
            }
            let metadata = match file_type {
                // Relative to the open folder, so that the path is not resolved again for each of a million files.
                Ok(file_type) if file_type.is_file() || !self.follows_links => entry.metadata(),
                // Follows symbolic links, as opening the file does.
                _ => fs::metadata(entry.path()),
            };
            match metadata {
                Ok(metadata) if metadata.is_dir() => listing.common_prefixes.push(key + "/"),
                Ok(metadata) if metadata.is_file() || !self.follows_links => {
                    listing.objects.push(object_meta(key, &metadata));
                }
                Ok(_) => listing
                    .unreadable
                    .push((key, not_a_file_error(&entry.path()))),
                Err(e) => {
                    // A dangling link is not a folder. A link that is part of a loop, or whose target
                    // cannot be read, may be one.
                    let is_dangling = e.kind() == std::io::ErrorKind::NotFound;
                    let key = key + if is_dangling { "" } else { "/" };
                    let error = Error::io("cannot read", &entry.path(), e);
                    listing.unreadable.push((key, error));
                }
            }
        }
        let mtimes = listing
            .objects
            .iter()
            .filter_map(|object| match object.version {
                ObjectVersion::Mtime { nanoseconds, .. } => Some(nanoseconds / 1_000_000_000),
                _ => None,
            });
        listing.last_modified = mtimes.max();
        Ok(listing)
    }

    fn read_ranges(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader> {
        Box::new(LocalRangeReader {
            root: self.root.clone(),
            ranges: ranges.into_iter(),
            current: None,
        })
    }

    fn create(&self, key: &str) -> Result<Box<dyn Upload>> {
        let path = self.root.join(key);
        let created = match (File::create(&path), path.parent()) {
            (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).and_then(|()| File::create(&path))
            }
            (created, _) => created,
        };
        let file = created.map_err(|e| Error::io("cannot write", &path, e))?;
        Ok(Box::new(LocalUpload {
            file,
            path,
            bytes_written: 0,
        }))
    }

    fn delete(&self, keys: &[String]) -> Result<()> {
        for key in keys {
            let path = self.root.join(key);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("cannot remove", &path, e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn display(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }

    fn absolute_name(&self, key: &str) -> String {
        self.canonical_root.join(key).display().to_string()
    }

    fn canonical_name(&self, key: &str) -> String {
        let path = self.canonical_root.join(key);
        let canonical = fs::canonicalize(&path).unwrap_or(path);
        canonical.display().to_string()
    }
}

fn object_meta(key: String, metadata: &fs::Metadata) -> ObjectMeta {
    ObjectMeta {
        key,
        size: metadata.len(),
        version: mtime_version(metadata),
    }
}

/// Returns the modification time and inode, which come with the size at no extra cost.
fn mtime_version(metadata: &fs::Metadata) -> ObjectVersion {
    let seconds = metadata.mtime().checked_mul(1_000_000_000);
    let nanoseconds = seconds.and_then(|seconds| seconds.checked_add(metadata.mtime_nsec()));
    let inode = metadata.ino();
    nanoseconds.map_or(ObjectVersion::Unknown, |nanoseconds| ObjectVersion::Mtime {
        nanoseconds,
        inode,
    })
}

/// Files of at least this size, in bytes, are also checked when they are opened: reading a large file that
/// has changed wastes much time, and each of its splits opens it again by name.
const RECHECK_ON_OPEN_BYTES: u64 = 1 << 20;

/// Opens and reads files one after the other.
struct LocalRangeReader {
    root: PathBuf,
    ranges: std::vec::IntoIter<ObjectRange>,
    /// The range that is read, with the file as it was listed, and the open file.
    current: Option<(ObjectRange, File)>,
}

impl LocalRangeReader {
    fn path(&self, range: &ObjectRange) -> PathBuf {
        self.root.join(&range.object.key)
    }

    /// Checks that an open file is the one that was listed, with one system call.
    ///
    /// # Errors
    /// Returns an error if the file has changed or its metadata cannot be read.
    fn check_file(&self, range: &ObjectRange, file: &File) -> Result<()> {
        let object = &range.object;
        let ObjectVersion::Mtime { nanoseconds, inode } = object.version else {
            return Ok(());
        };
        let read_error = |e: io::Error| Error::io("cannot read", &self.path(range), e);
        let metadata = file.metadata().map_err(read_error)?;
        // A file that is opened once has one content. A file that each split opens again by name must
        // also keep its inode.
        let is_partial_read = range.start > 0 || range.expected_end < object.size;
        let is_same = match mtime_version(&metadata) {
            ObjectVersion::Mtime {
                nanoseconds: found_nanoseconds,
                inode: found_inode,
            } => found_nanoseconds == nanoseconds && (found_inode == inode || !is_partial_read),
            _ => false,
        };
        if is_same && metadata.len() == object.size {
            return Ok(());
        }
        Err(changed_error(&self.path(range)))
    }
}

/// Returns the error for a file that has changed since it was listed.
fn changed_error(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .with_reason("the file changed while the run read it")
        .with_hint("run again when nothing writes to it")
}

impl RangeReader for LocalRangeReader {
    fn next_range(&mut self) -> Result<()> {
        self.current = None;
        let Some(range) = self.ranges.next() else {
            return Ok(());
        };
        let path = self.path(&range);
        let read_error = |e| Error::io("cannot read", &path, e);
        let mut file = File::open(&path).map_err(read_error)?;
        if range.object.size >= RECHECK_ON_OPEN_BYTES {
            self.check_file(&range, &file)?;
        }
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start))
                .map_err(read_error)?;
        }
        self.current = Some((range, file));
        Ok(())
    }

    fn check_unchanged(&mut self) -> Result<()> {
        match &self.current {
            Some((range, file)) => self.check_file(range, file),
            None => Ok(()),
        }
    }
}

impl Read for LocalRangeReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match &mut self.current {
            Some((_, file)) => file.read(to),
            None => Ok(0),
        }
    }
}

/// Writes a local file.
struct LocalUpload {
    file: File,
    path: PathBuf,
    bytes_written: u64,
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes_written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload for LocalUpload {
    fn finish(mut self: Box<Self>) -> Result<u64> {
        let flushed = self.file.flush();
        flushed.map_err(|e| Error::io("cannot write", &self.path, e))?;
        Ok(self.bytes_written)
    }
}
