//! Writes files: in pieces, or a small one in one step.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::metadata::mtime_version;
use crate::error::{Error, Result};
use crate::storage::store::{ObjectVersion, PutMode, PutResult, Upload};

/// The beginning of the names of temporary files.
const TEMPORARY_PREFIX: &str = ".sparkify-tmp-";

/// The number of random characters after it.
const RANDOM_CHARS: usize = 6;

/// Returns true if a file is one of those in which [`Store::put`](crate::storage::Store::put) writes first. A killed
/// process leaves it.
pub(crate) fn is_temporary_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let random = name.and_then(|name| name.strip_prefix(TEMPORARY_PREFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM_CHARS && random.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Writes a file in one step: a temporary file next to it takes its place.
pub(super) fn put_file(path: &Path, bytes: &[u8], mode: &PutMode) -> io::Result<PutResult> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .rand_bytes(RANDOM_CHARS)
        .permissions(default_permissions())
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    match mode {
        PutMode::Overwrite => replace(file, path),
        PutMode::Create => match file.persist_noclobber(path) {
            Ok(_) => Ok(PutResult::Written),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(PutResult::ConditionFailed)
            }
            Err(e) => Err(e.error),
        },
        PutMode::Update(version) => update(file, path, version),
    }
}

fn replace(file: NamedTempFile, path: &Path) -> io::Result<PutResult> {
    file.persist(path).map_err(|e| e.error)?;
    Ok(PutResult::Written)
}

/// Replaces a file that has the expected version. Writers that expect the same version lock the same file, and all but
/// the first then find another one in its place.
fn update(file: NamedTempFile, path: &Path, expected: &ObjectVersion) -> io::Result<PutResult> {
    let existing = match open_to_lock(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(PutResult::ConditionFailed),
        opened => opened?,
    };
    existing.lock()?;
    let current = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(PutResult::ConditionFailed),
        metadata => mtime_version(&metadata?),
    };
    let existing_metadata = existing.metadata()?;
    let is_locked = current == mtime_version(&existing_metadata);
    if !is_locked || current != *expected {
        return Ok(PutResult::ConditionFailed);
    }
    // The inode of a file that was replaced is used again, and the clock of the file system is coarse. So that no two
    // versions are the same, each is younger than the one that it replaces.
    let replaced = existing_metadata.modified()?;
    if file.as_file().metadata()?.modified()? <= replaced {
        file.as_file()
            .set_modified(replaced + Duration::from_micros(1))?;
    }
    replace(file, path)
}

/// Opens a file that will be locked. NFS locks only files that are open for writing.
fn open_to_lock(path: &Path) -> io::Result<File> {
    match File::options().read(true).write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

/// Returns the permissions of a new file before the process's umask, unlike those of a private temporary file.
fn default_permissions() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// Writes a local file.
pub(super) struct LocalUpload {
    file: File,
    path: PathBuf,
    bytes_written: u64,
}

impl LocalUpload {
    /// Creates or truncates a file, and creates its folder if it is missing.
    ///
    /// # Errors
    /// Returns an error if the file or the folder cannot be created.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let created = match (File::create(&path), path.parent()) {
            (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).and_then(|()| File::create(&path))
            }
            (created, _) => created,
        };
        let file = created.map_err(|e| Error::io("cannot write", &path, e))?;
        Ok(Self {
            file,
            path,
            bytes_written: 0,
        })
    }
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
