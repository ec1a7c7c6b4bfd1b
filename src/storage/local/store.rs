//! Implements [`Store`] for a folder or a single file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::metadata::{mtime_version, object_meta};
use super::reader::LocalRangeReader;
use super::writer::{LocalUpload, is_temporary_file, put_file};
use crate::error::{Error, Result};
use crate::storage::location::s3_url_hint;
use crate::storage::store::{
    ListMode, ListResult, ObjectContents, ObjectRange, ObjectVersion, PutMode, PutResult,
    RangeReader, Store, Upload,
};

/// Nesting of folders from which on each folder may be part of a loop of symbolic links, and is compared with those above
/// it.
const SUSPICIOUS_FOLDER_DEPTH: usize = 64;

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

    /// Adds an entry of the folder at `prefix` to a listing.
    fn add_entry(&self, prefix: &str, entry: &fs::DirEntry, listing: &mut ListResult) {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            let name = entry.file_name().to_string_lossy().into_owned();
            let suffix = if entry.path().is_dir() { "/" } else { "" };
            let key = format!("{prefix}{name}{suffix}");
            let error = not_utf8_error(&entry.path());
            listing.unreadable.push((key, error));
            return;
        };
        let key = format!("{prefix}{name}");
        let file_type = entry.file_type();
        // In an output such a file is not an object yet, and perhaps gone in a moment.
        let is_file = file_type.as_ref().is_ok_and(|kind| kind.is_file());
        if !self.follows_links && is_file && is_temporary_file(name.as_ref()) {
            return;
        }
        if file_type.as_ref().is_ok_and(|kind| kind.is_dir()) {
            listing.common_prefixes.push(key + "/");
            return;
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
            Ok(_) => {
                let error = not_a_file_error(&entry.path());
                listing.unreadable.push((key, error));
            }
            Err(e) => {
                // A dangling link is not a folder. A link that is part of a loop, or whose target cannot be
                // read, may be one.
                let is_dangling = e.kind() == io::ErrorKind::NotFound;
                let key = key + if is_dangling { "" } else { "/" };
                let error = Error::io("cannot read", &entry.path(), e);
                listing.unreadable.push((key, error));
            }
        }
    }

    /// Returns the folder above `prefix` that is the same folder, if `prefix` is nested deeply.
    fn find_loop(&self, prefix: &str) -> Option<PathBuf> {
        let ends = prefix.match_indices('/').map(|(end, _)| end);
        if ends.clone().count() <= SUSPICIOUS_FOLDER_DEPTH {
            return None;
        }
        let folder = fs::canonicalize(self.root.join(prefix)).ok()?;
        let outer = ends.map(|end| self.root.join(&prefix[..end]));
        let mut outer: Vec<PathBuf> = [self.root.clone()].into_iter().chain(outer).collect();
        // The last one is the folder itself.
        outer.pop();
        outer
            .into_iter()
            .find(|path| fs::canonicalize(or_current_dir(path)).is_ok_and(|path| path == folder))
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
}

/// Replaces an empty path, which system calls do not accept, by `.`.
fn or_current_dir(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

/// Removes a folder and its subfolders that contain nothing, or only what a killed writer left.
fn remove_empty_folders(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type();
        if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&path);
        } else if kind.is_ok_and(|kind| kind.is_file()) && is_temporary_file(&path) {
            let _ = fs::remove_file(&path);
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
        if let Some(outer) = self.find_loop(prefix) {
            let outer = or_current_dir(&outer).display();
            return Err(Error::failed(format!("cannot list {}", folder.display()))
                .with_reason(format!("symbolic links lead from {outer} back to itself"))
                .with_hint("remove the link, or name the folders without it"));
        }
        let list_error = |e: io::Error| Error::io("cannot list", &folder, e);
        for entry in fs::read_dir(or_current_dir(&folder)).map_err(list_error)? {
            self.add_entry(prefix, &entry.map_err(list_error)?, &mut listing);
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
        Box::new(LocalRangeReader::new(self.root.clone(), ranges))
    }

    fn get(&self, key: &str) -> Result<Option<ObjectContents>> {
        let path = self.root.join(key);
        match read_with_metadata(&path) {
            Ok((bytes, metadata)) => Ok(Some(ObjectContents {
                bytes,
                version: mtime_version(&metadata),
            })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("cannot read", &path, e)),
        }
    }

    fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<PutResult> {
        let path = self.root.join(key);
        put_file(&path, &bytes, &mode).map_err(|e| Error::io("cannot write", &path, e))
    }

    fn create(&self, key: &str) -> Result<Box<dyn Upload>> {
        Ok(Box::new(LocalUpload::create(self.root.join(key))?))
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

    fn remove_empty_folders(&self, prefix: &str) {
        remove_empty_folders(&self.root.join(prefix));
    }

    fn remove_temporary_files(&self, age: Duration) {
        for entry in fs::read_dir(or_current_dir(&self.root))
            .into_iter()
            .flatten()
            .flatten()
        {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let is_old = modified
                .is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed >= age));
            if is_file && is_old && is_temporary_file(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn subfolder(&self, prefix: &str) -> Box<dyn Store> {
        Box::new(Self {
            root: self.root.join(prefix),
            canonical_root: self.canonical_root.join(prefix),
            single_file: None,
            follows_links: self.follows_links,
        })
    }

    fn display(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }

    fn absolute_name(&self, key: &str) -> String {
        into_text(self.canonical_root.join(key))
    }

    fn canonical_name(&self, key: &str) -> String {
        let path = self.canonical_root.join(key);
        let canonical = fs::canonicalize(&path).unwrap_or(path);
        canonical.display().to_string()
    }
}

/// Converts a path to text. Nearly all paths are UTF-8, and are not copied.
fn into_text(path: PathBuf) -> String {
    let text = path.into_os_string().into_string();
    text.unwrap_or_else(|path| path.to_string_lossy().into_owned())
}

/// Reads a file, and the metadata of the same open file.
fn read_with_metadata(path: &Path) -> io::Result<(Vec<u8>, fs::Metadata)> {
    let mut file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok((bytes, metadata))
}
