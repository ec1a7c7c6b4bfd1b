//! The local store: a folder, or one file.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{
    ListMode, ListResult, ObjectMeta, ObjectRange, ObjectVersion, RangeReader, Store, Upload,
};
use crate::error::{Error, Result};

/// Links below links that are followed before a folder counts as a loop.
const MAX_DEPTH: usize = 64;

/// A folder, or one file.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// The same without links, from the root of all.
    home: PathBuf,
    /// The name of the only object, where the place is a file.
    file: Option<String>,
    /// Whether a link stands for what it leads to.
    follows: bool,
}

impl LocalStore {
    /// The store for a path, which must exist.
    ///
    /// # Errors
    /// The path does not exist or may not be looked at.
    pub fn new(path: &Path) -> Result<Self> {
        let found = fs::metadata(path).map_err(|e| Error::io("cannot read", path, &e))?;
        if found.is_dir() {
            return Ok(Self::at(path.to_owned(), None));
        }
        if !found.is_file() {
            return Err(not_a_file(path));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| not_utf8(path))?;
        let root = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self::at(root, Some(name.to_owned())))
    }

    /// The store for a folder, which must exist; an empty path is the current directory.
    ///
    /// # Errors
    /// The path does not exist or is not a folder.
    pub fn folder(path: &Path) -> Result<Self> {
        // A file is not found under a name that ends in a slash.
        fs::metadata(named(path).join("")).map_err(|e| Error::io("cannot read", path, &e))?;
        Ok(Self::at(path.to_owned(), None))
    }

    fn at(root: PathBuf, file: Option<String>) -> Self {
        Self {
            home: fs::canonicalize(named(&root)).unwrap_or_else(|_| root.clone()),
            root,
            file,
            follows: true,
        }
    }

    /// The same, but a link is an object of its own: what it leads to is not below the path.
    pub fn without_links(self) -> Self {
        Self {
            follows: false,
            ..self
        }
    }

    /// Removes a folder and those below it, as far as they are empty.
    pub fn prune(&self, folder: &str) {
        prune(&self.root.join(folder));
    }
}

/// A path as the system takes it: to it an empty one is nothing.
fn named(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

fn prune(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            prune(&entry.path());
        }
    }
    // One that is not empty stays.
    let _ = fs::remove_dir(folder);
}

fn not_a_file(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .because("it is neither a file nor a folder")
        .hint("write what comes from a pipe to a file first")
}

fn not_utf8(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .because("its name is not UTF-8")
        .hint("rename it")
}

impl Store for LocalStore {
    fn list(&self, prefix: &str, _: ListMode) -> Result<ListResult> {
        let mut level = ListResult::default();
        if let Some(name) = &self.file {
            let path = self.root.join(name);
            let found = fs::metadata(&path).map_err(|e| Error::io("cannot read", &path, &e))?;
            level.objects.push(listed(name.clone(), &found));
            return Ok(level);
        }
        let folder = self.root.join(prefix);
        if prefix.matches('/').count() > MAX_DEPTH {
            return Err(Error::failed(format!("cannot list {}", folder.display()))
                .because("folders are nested more than 64 deep: a link probably leads back up"));
        }
        let cannot = |e: std::io::Error| Error::io("cannot list", &folder, &e);
        for entry in fs::read_dir(named(&folder)).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                let name = entry.file_name().to_string_lossy().into_owned();
                let end = if entry.path().is_dir() { "/" } else { "" };
                let key = format!("{prefix}{name}{end}");
                level.unreadable.push((key, not_utf8(&entry.path())));
                continue;
            };
            let key = format!("{prefix}{name}");
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
                level.prefixes.push(key + "/");
                continue;
            }
            let found = match kind {
                // By the open folder: the path need not be walked again for each of a million files.
                Ok(kind) if kind.is_file() || !self.follows => entry.metadata(),
                // Follows links, as a reader of the folder would.
                _ => fs::metadata(entry.path()),
            };
            match found {
                Ok(found) if found.is_dir() => level.prefixes.push(key + "/"),
                Ok(found) if found.is_file() || !self.follows => {
                    level.objects.push(listed(key, &found));
                }
                Ok(_) => level.unreadable.push((key, not_a_file(&entry.path()))),
                Err(e) => {
                    // A link to nothing is no folder. One that leads round in a circle, or to where
                    // we may not look, can be one.
                    let nothing = e.kind() == std::io::ErrorKind::NotFound;
                    let key = key + if nothing { "" } else { "/" };
                    let why = Error::io("cannot read", &entry.path(), &e);
                    level.unreadable.push((key, why));
                }
            }
        }
        let times = level
            .objects
            .iter()
            .filter_map(|object| match object.version {
                ObjectVersion::Mtime { nanoseconds, .. } => Some(nanoseconds / 1_000_000_000),
                _ => None,
            });
        level.last_modified = times.max();
        Ok(level)
    }

    fn read(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader> {
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
        let file = created.map_err(|e| Error::io("cannot write", &path, &e))?;
        Ok(Box::new(LocalUpload {
            file,
            path,
            bytes: 0,
        }))
    }

    fn remove(&self, keys: &[String]) -> Result<()> {
        for key in keys {
            let path = self.root.join(key);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("cannot remove", &path, &e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn display(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }

    fn identity(&self, key: &str) -> String {
        self.home.join(key).display().to_string()
    }

    fn without_links(&self, key: &str) -> String {
        let path = self.home.join(key);
        let found = fs::canonicalize(&path).unwrap_or(path);
        found.display().to_string()
    }
}

fn listed(key: String, found: &fs::Metadata) -> ObjectMeta {
    ObjectMeta {
        key,
        size: found.len(),
        version: written(found),
    }
}

/// What is at hand with the size.
fn written(found: &fs::Metadata) -> ObjectVersion {
    let seconds = found.mtime().checked_mul(1_000_000_000);
    let nanoseconds = seconds.and_then(|seconds| seconds.checked_add(found.mtime_nsec()));
    let inode = found.ino();
    nanoseconds.map_or(ObjectVersion::Unknown, |nanoseconds| ObjectVersion::Mtime {
        nanoseconds,
        inode,
    })
}

/// Files from this size on, in bytes, are looked at when they are opened too: to read one that has changed
/// takes long, and the splits of one open it by its name again and again.
const LARGE: u64 = 1 << 20;

/// Opens and reads files one after the other.
struct LocalRangeReader {
    root: PathBuf,
    ranges: std::vec::IntoIter<ObjectRange>,
    /// The file that is read, as it was listed and as it was opened.
    current: Option<(ObjectRange, File)>,
}

impl LocalRangeReader {
    fn path(&self, range: &ObjectRange) -> PathBuf {
        self.root.join(&range.entry.key)
    }

    /// An error if a file is not the one that was listed. This is one system call, on the open file.
    fn check(&self, range: &ObjectRange, file: &File) -> Result<()> {
        let entry = &range.entry;
        let ObjectVersion::Mtime { nanoseconds, inode } = entry.version else {
            return Ok(());
        };
        let cannot = |e: io::Error| Error::io("cannot read", &self.path(range), &e);
        let now = file.metadata().map_err(cannot)?;
        // One open file is one content. What is opened again by its name must be the same file.
        let is_part = range.from > 0 || range.until < entry.size;
        let is_same = match written(&now) {
            ObjectVersion::Mtime {
                nanoseconds: written,
                inode: number,
            } => written == nanoseconds && (number == inode || !is_part),
            _ => false,
        };
        if is_same && now.len() == entry.size {
            return Ok(());
        }
        Err(changed(&self.path(range)))
    }
}

/// The error for a file that is not the one that was listed.
fn changed(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .because("the file changed while the run read it")
        .hint("run again when nothing writes to it")
}

impl RangeReader for LocalRangeReader {
    fn next_range(&mut self) -> Result<()> {
        self.current = None;
        let Some(range) = self.ranges.next() else {
            return Ok(());
        };
        let path = self.path(&range);
        let cannot = |e| Error::io("cannot read", &path, &e);
        let mut file = File::open(&path).map_err(cannot)?;
        if range.entry.size >= LARGE {
            self.check(&range, &file)?;
        }
        if range.from > 0 {
            file.seek(SeekFrom::Start(range.from)).map_err(cannot)?;
        }
        self.current = Some((range, file));
        Ok(())
    }

    fn check_unchanged(&mut self) -> Result<()> {
        match &self.current {
            Some((range, file)) => self.check(range, file),
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

/// A file that is being written.
struct LocalUpload {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload for LocalUpload {
    fn finish(mut self: Box<Self>) -> Result<u64> {
        let flushed = self.file.flush();
        flushed.map_err(|e| Error::io("cannot write", &self.path, &e))?;
        Ok(self.bytes)
    }
}
