//! Publishes to a local folder, which contains either the old dataset or the new one at any time.
//!
//! A run writes to a staging folder next to the output folder, on the same file system, and holds a lock on it.
//! Publishing exchanges the two folders with one system call. A killed run leaves its staging folder, which the
//! next run empties and reuses.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::rejects::REJECTS_DIR;
use crate::output::run_report::{FAILED_REPORT_FILE, REPORT_FILE};
use crate::star::schema;

/// The suffix of the names of staging folders.
const STAGING_SUFFIX: &str = ".sparkify-staging";

/// The suffix of the names of folders in which failed runs keep their rejects and report.
const FAILED_SUFFIX: &str = ".failed";

/// A locked staging folder, which will replace the output folder.
#[derive(Debug)]
pub(crate) struct StagingDir {
    /// The output folder.
    target: PathBuf,
    /// The staging folder.
    path: PathBuf,
    /// The open staging folder, which holds its lock.
    lock: File,
}

/// An output location that passed all checks.
#[derive(Debug)]
pub(crate) struct CheckedOutputDir {
    /// The output folder.
    pub target: PathBuf,
    /// The staging folder.
    path: PathBuf,
}

impl StagingDir {
    /// Checks that `out` can be replaced: it is absent, empty or an earlier dataset, and contains none of
    /// `inputs`.
    ///
    /// # Errors
    /// Returns an error if `out` contains anything else, or if a folder cannot be exchanged with it later.
    pub(crate) fn check_target(out: &Path, inputs: &[&Path]) -> Result<CheckedOutputDir> {
        let target = resolve_target(out)?;
        ensure_replaceable(out, &target)?;
        for input in inputs {
            let failed = failed_path(&target);
            // A successful run removes what failed runs kept.
            let would_be_removed =
                |input: PathBuf| input.starts_with(&target) || input.starts_with(&failed);
            if fs::canonicalize(input).is_ok_and(would_be_removed) {
                let input = input.display();
                return Err(Error::usage(format!("cannot write to {}", out.display()))
                    .with_reason(format!(
                        "the run would replace or remove its own input {input}"
                    ))
                    .with_hint("choose another --out, or copy the input elsewhere"));
            }
        }
        let path = staging_path(&target)?;
        ensure_not_mount_point(out, &target)?;
        Ok(CheckedOutputDir { target, path })
    }

    /// Opens an empty staging folder next to `out`, with a subfolder for each table.
    ///
    /// # Errors
    /// Returns the errors of [`check_target`](Self::check_target), and an error if another run is writing to `out`
    /// or a folder cannot be created.
    pub(crate) fn open(out: &Path, inputs: &[&Path]) -> Result<Self> {
        let CheckedOutputDir { target, path } = Self::check_target(out, inputs)?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io("cannot create", parent, e))?;
        }
        let lock = lock_folder(&path, out)?;
        // The lock shows that no other run uses this folder any more.
        ensure_only_own_files(&path)?;
        clear_folder(&path).map_err(|e| Error::io("cannot empty", &path, e))?;
        let folders = schema::all_tables().map(|t| t.dir).chain([REJECTS_DIR]);
        for folder in folders {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(|e| Error::io("cannot create", &folder, e))?;
        }
        Ok(Self { target, path, lock })
    }

    /// Returns the staging folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the output folder atomically and removes the old one. Returns a warning if the new dataset is
    /// published, but the old one could not be removed.
    ///
    /// # Errors
    /// Returns an error if the folders cannot be exchanged. The old dataset is unchanged then.
    pub(crate) fn publish(self) -> Result<Option<Error>> {
        let old = match self.swap_into_place() {
            Ok(old) => old,
            Err(e) => {
                self.discard();
                return Err(e);
            }
        };
        drop(self.lock);
        // The lock on the old dataset is held to the end. After the exchange the old dataset is at the staging
        // path, where another run must not reuse it while it is being removed. If nothing was replaced, a
        // folder at that path now belongs to another run.
        let Some(_old_lock) = old else {
            return Ok(None);
        };
        Ok(match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Some(Error::io(
                "cannot remove the replaced dataset in",
                &self.path,
                e,
            )),
            _ => None,
        })
    }

    /// Moves the staging folder to the output path. Returns the old output folder, locked, if there was one.
    fn swap_into_place(&self) -> Result<Option<File>> {
        let publish_error = |e: io::Error| Error::io("cannot publish", &self.target, e);
        ensure_replaceable(&self.target, &self.target)?;
        if !is_same_inode(&self.lock, &self.path) {
            return Err(self.staging_removed_error(&self.target));
        }
        match File::open(&self.target) {
            Ok(old) => {
                match old.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => return Err(locked_error(&self.target)),
                    Err(TryLockError::Error(e)) => return Err(publish_error(e)),
                }
                rename_exchange(&self.path, &self.target).map_err(|e| match e.kind() {
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                        publish_error(e).with_hint("this file system cannot exchange two folders atomically: choose an --out on another file system, or a new folder")
                    }
                    _ => publish_error(e),
                })?;
                Ok(Some(old))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::rename(&self.path, &self.target).map_err(publish_error)?;
                Ok(None)
            }
            Err(e) => Err(publish_error(e)),
        }
    }

    /// Returns the output folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the folder that keeps the rejects and the report of a failed run: `NAME.failed` next to the output.
    pub(crate) fn failed_path(&self) -> PathBuf {
        failed_path(&self.target)
    }

    /// Removes everything except the rejects from the staging folder.
    ///
    /// # Errors
    /// Returns an error if something cannot be removed.
    pub(crate) fn remove_all_but_rejects(&self) -> Result<()> {
        let empty_error = |e: io::Error| Error::io("cannot empty", &self.path, e);
        for entry in fs::read_dir(&self.path).map_err(empty_error)? {
            let entry = entry.map_err(empty_error)?;
            if entry.file_name() == REJECTS_DIR {
                continue;
            }
            if entry.file_type().map_err(empty_error)?.is_dir() {
                fs::remove_dir_all(entry.path()).map_err(empty_error)?;
            } else {
                fs::remove_file(entry.path()).map_err(empty_error)?;
            }
        }
        Ok(())
    }

    /// Moves the staging folder to [`failed_path`](Self::failed_path), replacing what an earlier failed run kept
    /// there.
    ///
    /// # Errors
    /// Returns an error if something else is at that path, or if the folder cannot be moved. The staging folder
    /// is removed then.
    pub(crate) fn keep_failed(self) -> Result<()> {
        let earlier = LeftoverRunDir::find_failed(&self.target);
        let kept = earlier
            .and_then(|earlier| earlier.map_or(Ok(()), LeftoverRunDir::remove))
            .and_then(|()| self.move_to(&self.failed_path()));
        if kept.is_err() {
            self.discard();
        }
        kept
    }

    /// Moves the staging folder to a path that does not exist.
    fn move_to(&self, target: &Path) -> Result<()> {
        let replace_error = || Error::failed(format!("will not replace {}", target.display()));
        if fs::symlink_metadata(target).is_ok() {
            let reason = "it was not left by a failed run";
            return Err(replace_error()
                .with_reason(reason)
                .with_hint("move it away"));
        }
        if !is_same_inode(&self.lock, &self.path) {
            return Err(self.staging_removed_error(target));
        }
        fs::rename(&self.path, target).map_err(|e| Error::io("cannot write", target, e))
    }

    /// Returns the error of a run whose staging folder was removed.
    fn staging_removed_error(&self, target: &Path) -> Error {
        Error::failed(format!("cannot publish {}", target.display())).with_reason(format!(
            "{} was removed during the run",
            self.path.display()
        ))
    }

    /// Removes the staging folder of a failed run.
    pub(crate) fn discard(self) {
        // The next run empties a folder that cannot be removed now.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The staging folder of a killed run, or the folder that a failed run kept.
#[derive(Debug)]
pub(crate) struct LeftoverRunDir {
    path: PathBuf,
    files: u64,
    bytes: u64,
    /// Held so that no run takes over the folder.
    _lock: File,
}

impl LeftoverRunDir {
    /// Finds the staging folder next to an output folder, unless a run is writing to it.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read, or contains files that sparkify did not write.
    pub(crate) fn find(out: &Path) -> Result<Option<Self>> {
        let Ok(path) = staging_path(&resolve_target(out)?) else {
            // No run can replace that folder.
            return Ok(None);
        };
        Self::open(path)
    }

    /// Finds the folder that a failed run kept next to an output folder.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read, or contains files that sparkify did not write.
    pub(crate) fn find_failed(out: &Path) -> Result<Option<Self>> {
        let path = failed_path(&resolve_target(out)?);
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let is_failed =
            is_report_file(&path.join(FAILED_REPORT_FILE)) && !path.join(REPORT_FILE).exists();
        match is_folder && is_failed {
            true => Self::open(path),
            false => Ok(None),
        }
    }

    fn open(path: PathBuf) -> Result<Option<Self>> {
        let read_error = |e: io::Error| Error::io("cannot read", &path, e);
        let lock = match open_folder(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(read_error)?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(read_error(e)),
        }
        // A run that published in the meantime has moved the folder away.
        if !is_same_inode(&lock, &path) {
            return Ok(None);
        }
        ensure_only_own_files(&path)?;
        let (mut files, mut bytes) = (0, 0);
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(read_error)? {
                let entry = entry.map_err(read_error)?;
                let metadata = entry.metadata().map_err(read_error)?;
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    (files, bytes) = (files + 1, bytes + metadata.len());
                }
            }
        }
        Ok(Some(Self {
            path,
            files,
            bytes,
            _lock: lock,
        }))
    }

    /// Returns the path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of files in the folder.
    pub(crate) fn files(&self) -> u64 {
        self.files
    }

    /// Returns the size of the files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be removed.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|e| Error::io("cannot remove", &self.path, e))
    }
}

/// Checks that a staging folder contains only files that sparkify writes.
fn ensure_only_own_files(path: &Path) -> Result<()> {
    let unknown = first_unknown_file(path).map_err(|e| Error::io("cannot list", path, e))?;
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let unknown = unknown.display();
    Err(Error::failed(format!("will not empty {}", path.display()))
        .with_reason(format!(
            "it contains {unknown}, which sparkify did not write"
        ))
        .with_hint("move it away, or choose another --out"))
}

/// Resolves symbolic links in `out`, so that a link to a folder remains a link.
fn resolve_target(out: &Path) -> Result<PathBuf> {
    let resolve_error = |e: io::Error| Error::io("cannot write to", out, e);
    match fs::canonicalize(out) {
        Ok(path) => Ok(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let original = out;
            let out = std::path::absolute(out).map_err(resolve_error)?;
            if fs::symlink_metadata(&out).is_ok() {
                return Err(
                    Error::failed(format!("cannot write to {}", original.display()))
                        .with_reason("it is a dangling symbolic link"),
                );
            }
            let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
                return Err(resolve_error(e));
            };
            Ok(canonicalize_existing_prefix(parent)
                .map_err(resolve_error)?
                .join(name))
        }
        Err(e) => Err(resolve_error(e)),
    }
}

/// Resolves symbolic links in the part of a path that exists.
fn canonicalize_existing_prefix(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), path.parent(), path.file_name()) {
        (Err(e), Some(parent), Some(name)) if e.kind() == io::ErrorKind::NotFound => {
            Ok(canonicalize_existing_prefix(parent)?.join(name))
        }
        (resolved, ..) => resolved,
    }
}

/// Returns the staging path for a target: `.NAME.sparkify-staging` next to it.
fn staging_path(target: &Path) -> Result<PathBuf> {
    let current_dir = std::env::current_dir().and_then(fs::canonicalize);
    let is_staging_name =
        |name: &OsStr| name.as_encoded_bytes().ends_with(STAGING_SUFFIX.as_bytes());
    if target.file_name().is_some_and(is_staging_name) {
        return Err(
            Error::usage(format!("cannot write to {}", target.display())).with_reason(format!(
                "names that end in {STAGING_SUFFIX} are reserved for staging folders"
            )),
        );
    }
    let name = match target.file_name() {
        Some(name) if !current_dir.is_ok_and(|current| current.starts_with(target)) => name,
        _ => {
            return Err(Error::usage(format!("cannot write to {}", target.display()))
                .with_reason("a run replaces the whole folder, and this one is or contains the current directory")
                .with_hint("choose a folder below it"));
        }
    };
    let mut staging_name = OsString::from(".");
    staging_name.push(name);
    staging_name.push(STAGING_SUFFIX);
    Ok(target.with_file_name(staging_name))
}

/// Returns the path `NAME.failed` next to a target.
fn failed_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(FAILED_SUFFIX);
    target.with_file_name(name)
}

/// Checks that `target` is on the same file system as its parent. Otherwise it cannot be exchanged with the
/// staging folder, which should not come out only at the end of a long run.
fn ensure_not_mount_point(out: &Path, target: &Path) -> Result<()> {
    let device = |path: &Path| rustix::fs::stat(path).ok().map(|stat| stat.st_dev);
    let (Some(target_device), Some(parent_device)) =
        (device(target), target.parent().and_then(device))
    else {
        return Ok(());
    };
    if target_device == parent_device && !is_mount_root(target) {
        return Ok(());
    }
    Err(Error::failed(format!("cannot write to {}", out.display()))
        .with_reason("it is a mount point, and a run replaces the whole folder")
        .with_hint("choose a folder below it"))
}

/// Returns true if a file system is mounted at a path, including a bind mount of a folder on the same one.
#[cfg(target_os = "linux")]
fn is_mount_root(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let status = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    status.is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Returns false, because this system does not report mount points. The exchange fails on one.
#[cfg(not(target_os = "linux"))]
fn is_mount_root(_: &Path) -> bool {
    false
}

/// Creates a folder if it does not exist, and locks it.
fn lock_folder(path: &Path, out: &Path) -> Result<File> {
    let create_error = |e: io::Error| Error::io("cannot create", path, e);
    // Another run can move the folder away between opening and locking it, in which case this is retried.
    for _ in 0..100 {
        match fs::create_dir(path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(create_error(e)),
            _ => {}
        }
        let folder = match open_folder(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(create_error)?,
        };
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(e)) => return Err(create_error(e)),
        }
        if is_same_inode(&folder, path) {
            return Ok(folder);
        }
    }
    Err(locked_error(out))
}

fn locked_error(out: &Path) -> Error {
    Error::failed(format!("another run is writing to {}", out.display()))
        .with_hint("wait for it to finish, or choose another --out")
}

/// Opens a folder without following a symbolic link, because everything in the folder will be removed.
fn open_folder(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

fn is_same_inode(folder: &File, path: &Path) -> bool {
    let (Ok(a), Ok(b)) = (rustix::fs::fstat(folder), rustix::fs::lstat(path)) else {
        return false;
    };
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

fn clear_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Exchanges two folders atomically.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

/// Checks that `target` is absent, empty or an earlier dataset.
fn ensure_replaceable(out: &Path, target: &Path) -> Result<()> {
    let read_error = |e: io::Error| Error::io("cannot write to", out, e);
    let mut entries = match fs::read_dir(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(read_error)?,
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if let Some(unknown) = first_unknown_file(target).map_err(read_error)? {
        let unknown = unknown.display();
        return Err(not_replaceable_error(out).with_reason(format!(
            "it contains {unknown}, which sparkify did not write"
        )));
    }
    if !is_report_file(&target.join(REPORT_FILE)) {
        return Err(not_replaceable_error(out)
            .with_reason(format!("it is not empty and has no valid {REPORT_FILE}")));
    }
    Ok(())
}

/// Returns true if a file is the report of a run, in any version.
fn is_report_file(path: &Path) -> bool {
    let Ok(json) = fs::read(path) else {
        return false;
    };
    let report: Option<serde_json::Value> = serde_json::from_slice(&json).ok();
    report.is_some_and(|r| r["report_version"].is_u64() && r["sparkify_version"].is_string())
}

fn not_replaceable_error(out: &Path) -> Error {
    Error::failed(format!("will not replace {}", out.display()))
        .with_hint("choose a new or empty folder, or the output of an earlier run")
}

/// Returns the relative path of the first entry in an output or staging folder that sparkify does not write.
fn first_unknown_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    first_unknown_file_in(folder, Path::new(""))
}

/// Returns the first such entry in the subfolder `relative` of `folder`.
fn first_unknown_file_in(folder: &Path, relative: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder.join(relative))? {
        let entry = entry?;
        let path = relative.join(entry.file_name());
        let is_dir = entry.file_type()?.is_dir();
        let unknown = match path.to_str() {
            Some(REPORT_FILE | FAILED_REPORT_FILE) if !is_dir => None,
            Some(REJECTS_DIR) if is_dir => {
                first_misnamed_file(folder, &path, &["songs-", "logs-"], ".jsonl")?
            }
            Some(name) if is_dir && schema::all_tables().any(|t| t.dir == name) => {
                first_misnamed_file(folder, &path, &["part-"], ".parquet")?
            }
            // A parent of table folders.
            Some(_) if is_dir && schema::all_tables().any(|t| is_parent_of(&path, t.dir)) => {
                first_unknown_file_in(folder, &path)?
            }
            _ => Some(path),
        };
        if unknown.is_some() {
            return Ok(unknown);
        }
    }
    Ok(None)
}

fn is_parent_of(path: &Path, folder: &str) -> bool {
    Path::new(folder).parent() == Some(path)
}

/// Returns the first entry in a folder that is not a file named by a prefix, a number and a suffix.
fn first_misnamed_file(
    folder: &Path,
    relative: &Path,
    prefixes: &[&str],
    suffix: &str,
) -> io::Result<Option<PathBuf>> {
    for file in fs::read_dir(folder.join(relative))? {
        let file = file?;
        let is_own = file
            .file_name()
            .to_str()
            .and_then(|n| n.strip_suffix(suffix))
            .and_then(|n| prefixes.iter().find_map(|b| n.strip_prefix(b)))
            .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
        if !is_own || !file.file_type()?.is_file() {
            return Ok(Some(relative.join(file.file_name())));
        }
    }
    Ok(None)
}
