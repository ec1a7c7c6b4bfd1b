//! Publishing to a folder, which is either the old star or the new one at every moment.
//!
//! A run writes to a staging folder beside the output folder, on the same file system, and holds a
//! lock on it. Publishing exchanges the two by one system call. What a killed run leaves is that
//! staging folder, which the next run empties and uses.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::rejects::REJECTS_DIR;
use crate::output::report::{FAILED_REPORT_FILE, REPORT_FILE};
use crate::star::schema;

/// How the names of staging folders end.
const STAGING_SUFFIX: &str = ".sparkify-staging";

/// How the names of folders end in which a run that failed keeps its rejects and its report.
const FAILED_SUFFIX: &str = ".failed";

/// A folder that is being written and will take the place of another.
#[derive(Debug)]
pub(crate) struct StagingDir {
    /// Where the star is wanted.
    target: PathBuf,
    /// Where it is written.
    path: PathBuf,
    /// The lock on it, held by the open file.
    lock: File,
}

/// A place that a star can be written to.
#[derive(Debug)]
pub(crate) struct OutputTarget {
    /// Where the star is wanted.
    pub target: PathBuf,
    /// Where it is to be written.
    path: PathBuf,
}

impl StagingDir {
    /// Where a star is wanted, after a look at what is there: nothing, an empty folder or an earlier star
    /// that holds none of `inputs`.
    ///
    /// # Errors
    /// `out` holds something else, or cannot be put in its place later.
    pub(crate) fn check_target(out: &Path, inputs: &[&Path]) -> Result<OutputTarget> {
        let target = resolve_target(out)?;
        ensure_replaceable(out, &target)?;
        for input in inputs {
            let failed = failed_path(&target);
            // A run that succeeds removes what failed runs have kept.
            let would_be_removed =
                |input: PathBuf| input.starts_with(&target) || input.starts_with(&failed);
            if fs::canonicalize(input).is_ok_and(would_be_removed) {
                let input = input.display();
                return Err(Error::usage(format!("cannot write to {}", out.display()))
                    .with_reason(format!("it would replace or remove its own input {input}"))
                    .with_hint("choose another --out, or copy the input elsewhere"));
            }
        }
        let path = staging_path(&target)?;
        ensure_not_mount_point(out, &target)?;
        Ok(OutputTarget { target, path })
    }

    /// Opens an empty staging folder beside `out`, with a folder for each table in it.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), another run writes to it, or a folder cannot be made.
    pub(crate) fn open(out: &Path, inputs: &[&Path]) -> Result<Self> {
        let OutputTarget { target, path } = Self::check_target(out, inputs)?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io("cannot create", parent, &e))?;
        }
        let lock = lock_folder(&path, out)?;
        // Whoever held this folder before is gone: the lock says so.
        ensure_only_own_files(&path)?;
        clear_folder(&path).map_err(|e| Error::io("cannot empty", &path, &e))?;
        let folders = schema::all_tables().map(|t| t.dir).chain([REJECTS_DIR]);
        for folder in folders {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(|e| Error::io("cannot create", &folder, &e))?;
        }
        Ok(Self { target, path, lock })
    }

    /// Where it is written.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the folder in its place as one step, and removes what was there. Gives why that could not
    /// be removed, if so: the new star is published all the same.
    ///
    /// # Errors
    /// The folders cannot be exchanged; the old star is whole then.
    pub(crate) fn publish(self) -> Result<Option<Error>> {
        let old = match self.swap_into_place() {
            Ok(old) => old,
            Err(e) => {
                self.discard();
                return Err(e);
            }
        };
        drop(self.lock);
        // Held to the end: after the exchange another run finds the old star in the staging place,
        // and must not take it for its own while it is being removed. Where nothing was replaced,
        // what is in that place by now is another run's.
        let Some(_old) = old else {
            return Ok(None);
        };
        Ok(match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Some(Error::io(
                "cannot remove the replaced star in",
                &self.path,
                &e,
            )),
            _ => None,
        })
    }

    /// Puts the folder in its place; gives what was there, locked, if anything was.
    fn swap_into_place(&self) -> Result<Option<File>> {
        let publish_error = |e: &io::Error| Error::io("cannot publish", &self.target, e);
        ensure_replaceable(&self.target, &self.target)?;
        if !is_same_inode(&self.lock, &self.path) {
            return Err(self.staging_removed_error(&self.target));
        }
        match File::open(&self.target) {
            Ok(old) => {
                match old.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => return Err(locked_error(&self.target)),
                    Err(TryLockError::Error(e)) => return Err(publish_error(&e)),
                }
                rename_exchange(&self.path, &self.target).map_err(|e| match e.kind() {
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                        publish_error(&e).with_hint("this file system cannot exchange two folders: choose an --out on another, or one that is absent")
                    }
                    _ => publish_error(&e),
                })?;
                Ok(Some(old))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::rename(&self.path, &self.target).map_err(|e| publish_error(&e))?;
                Ok(None)
            }
            Err(e) => Err(publish_error(&e)),
        }
    }

    /// The folder that the star replaces.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns where the rejects and the report of a failed run are kept: in `NAME.failed` beside the output.
    pub(crate) fn failed_path(&self) -> PathBuf {
        failed_path(&self.target)
    }

    /// Removes everything from the staging folder but the rejects.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub(crate) fn remove_all_but_rejects(&self) -> Result<()> {
        let empty_error = |e: io::Error| Error::io("cannot empty", &self.path, &e);
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

    /// Moves the staging folder to [`failed_path`](Self::failed_path), in place of what an earlier failed run
    /// kept there.
    ///
    /// # Errors
    /// Something else is there, or the folder cannot be moved; then the staging folder is removed.
    pub(crate) fn keep_failed(self) -> Result<()> {
        let earlier = AbandonedStaging::find_failed(&self.target);
        let kept = earlier
            .and_then(|earlier| earlier.map_or(Ok(()), AbandonedStaging::remove))
            .and_then(|()| self.move_to(&self.failed_path()));
        if kept.is_err() {
            self.discard();
        }
        kept
    }

    /// Moves the staging folder to a place where nothing is.
    fn move_to(&self, target: &Path) -> Result<()> {
        let replace_error = || Error::failed(format!("will not replace {}", target.display()));
        if fs::symlink_metadata(target).is_ok() {
            let why = "it is not what a failed run left";
            return Err(replace_error().with_reason(why).with_hint("move it away"));
        }
        if !is_same_inode(&self.lock, &self.path) {
            return Err(self.staging_removed_error(target));
        }
        fs::rename(&self.path, target).map_err(|e| Error::io("cannot write", target, &e))
    }

    /// The error of a run whose staging folder was taken away.
    fn staging_removed_error(&self, target: &Path) -> Error {
        Error::failed(format!("cannot publish {}", target.display())).with_reason(format!(
            "{} was removed while the run wrote to it",
            self.path.display()
        ))
    }

    /// Removes the staging folder of a run that failed.
    pub(crate) fn discard(self) {
        // What cannot be removed now is emptied by the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The staging folder of a run that was killed.
#[derive(Debug)]
pub(crate) struct AbandonedStaging {
    path: PathBuf,
    files: u64,
    bytes: u64,
    /// Held, so that no run takes the folder meanwhile.
    _lock: File,
}

impl AbandonedStaging {
    /// What is beside an output folder, if anything is and no run is writing to it.
    ///
    /// # Errors
    /// It cannot be looked at, or holds what no run wrote.
    pub(crate) fn find(out: &Path) -> Result<Option<Self>> {
        let Ok(path) = staging_path(&resolve_target(out)?) else {
            // No run replaces that folder.
            return Ok(None);
        };
        Self::open(path)
    }

    /// Returns what a failed run kept beside an output folder, if anything.
    ///
    /// # Errors
    /// It cannot be read, or holds what no run wrote.
    pub(crate) fn find_failed(out: &Path) -> Result<Option<Self>> {
        let path = failed_path(&resolve_target(out)?);
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        let is_failed =
            is_report_file(&path.join(FAILED_REPORT_FILE)) && !path.join(REPORT_FILE).exists();
        match is_folder && is_failed {
            true => Self::open(path),
            false => Ok(None),
        }
    }

    fn open(path: PathBuf) -> Result<Option<Self>> {
        let read_error = |e: &io::Error| Error::io("cannot read", &path, e);
        let lock = match open_folder(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|e| read_error(&e))?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(read_error(&e)),
        }
        // A run that published meanwhile has moved it away.
        if !is_same_inode(&lock, &path) {
            return Ok(None);
        }
        ensure_only_own_files(&path)?;
        let (mut files, mut bytes) = (0, 0);
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(|e| read_error(&e))? {
                let entry = entry.map_err(|e| read_error(&e))?;
                let found = entry.metadata().map_err(|e| read_error(&e))?;
                if found.is_dir() {
                    folders.push(entry.path());
                } else {
                    (files, bytes) = (files + 1, bytes + found.len());
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

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Files in it.
    pub(crate) fn files(&self) -> u64 {
        self.files
    }

    /// Bytes of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|e| Error::io("cannot remove", &self.path, &e))
    }
}

/// An error if a staging folder holds what no run wrote.
fn ensure_only_own_files(path: &Path) -> Result<()> {
    let unknown = first_unknown_file(path).map_err(|e| Error::io("cannot list", path, &e))?;
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let unknown = unknown.display();
    Err(Error::failed(format!("will not empty {}", path.display()))
        .with_reason(format!("it holds {unknown}, which no run wrote"))
        .with_hint("move that away, or choose another --out"))
}

/// `out` without links, so that a link to a folder stays a link.
fn resolve_target(out: &Path) -> Result<PathBuf> {
    let resolve_error = |e: &io::Error| Error::io("cannot write to", out, e);
    match fs::canonicalize(out) {
        Ok(path) => Ok(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let original = out;
            let out = std::path::absolute(out).map_err(|e| resolve_error(&e))?;
            if fs::symlink_metadata(&out).is_ok() {
                return Err(
                    Error::failed(format!("cannot write to {}", original.display()))
                        .with_reason("it is a link to nothing"),
                );
            }
            let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
                return Err(resolve_error(&e));
            };
            Ok(canonicalize_existing_prefix(parent)
                .map_err(|e| resolve_error(&e))?
                .join(name))
        }
        Err(e) => Err(resolve_error(&e)),
    }
}

/// A path without links as far as it exists.
fn canonicalize_existing_prefix(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), path.parent(), path.file_name()) {
        (Err(e), Some(parent), Some(name)) if e.kind() == io::ErrorKind::NotFound => {
            Ok(canonicalize_existing_prefix(parent)?.join(name))
        }
        (found, ..) => found,
    }
}

/// The staging place for a target: `.NAME.sparkify-staging` beside it.
fn staging_path(target: &Path) -> Result<PathBuf> {
    let current_dir = std::env::current_dir().and_then(fs::canonicalize);
    let is_staging_name =
        |name: &OsStr| name.as_encoded_bytes().ends_with(STAGING_SUFFIX.as_bytes());
    if target.file_name().is_some_and(is_staging_name) {
        return Err(
            Error::usage(format!("cannot write to {}", target.display())).with_reason(format!(
                "names that end in {STAGING_SUFFIX} are for runs that are under way"
            )),
        );
    }
    let name = match target.file_name() {
        Some(name) if !current_dir.is_ok_and(|here| here.starts_with(target)) => name,
        _ => {
            return Err(Error::usage(format!("cannot write to {}", target.display()))
                .with_reason("a run replaces the whole folder, and this one is the current directory or above it")
                .with_hint("name a folder below it"));
        }
    };
    let mut staging_name = OsString::from(".");
    staging_name.push(name);
    staging_name.push(STAGING_SUFFIX);
    Ok(target.with_file_name(staging_name))
}

/// Returns `NAME.failed` beside a target.
fn failed_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(FAILED_SUFFIX);
    target.with_file_name(name)
}

/// An error if `target` is on another file system than what is beside it: nothing can be exchanged
/// with it then, and a long run should not be what finds out.
fn ensure_not_mount_point(out: &Path, target: &Path) -> Result<()> {
    let device = |path: &Path| rustix::fs::stat(path).ok().map(|found| found.st_dev);
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
        .with_hint("name a folder below it"))
}

/// Whether something is mounted at a path, be it another folder of the same file system.
#[cfg(target_os = "linux")]
fn is_mount_root(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The system does not tell: the exchange will.
#[cfg(not(target_os = "linux"))]
fn is_mount_root(_: &Path) -> bool {
    false
}

/// Creates a folder if need be, and locks it.
fn lock_folder(path: &Path, out: &Path) -> Result<File> {
    let create_error = |e: &io::Error| Error::io("cannot create", path, e);
    // The folder can be moved away between opening and locking it: then once more.
    for _ in 0..100 {
        match fs::create_dir(path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(create_error(&e)),
            _ => {}
        }
        let folder = match open_folder(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(|e| create_error(&e))?,
        };
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(e)) => return Err(create_error(&e)),
        }
        if is_same_inode(&folder, path) {
            return Ok(folder);
        }
    }
    Err(locked_error(out))
}

fn locked_error(out: &Path) -> Error {
    Error::failed(format!("another run is writing to {}", out.display()))
        .with_hint("wait for it, or choose another --out")
}

/// Opens a folder but not what a link leads to: all that is in it will be removed.
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

/// Exchanges two folders as one step.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

/// An error unless `target` is absent, empty or an earlier star.
fn ensure_replaceable(out: &Path, target: &Path) -> Result<()> {
    let read_error = |e: &io::Error| Error::io("cannot write to", out, e);
    let mut entries = match fs::read_dir(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| read_error(&e))?,
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if let Some(unknown) = first_unknown_file(target).map_err(|e| read_error(&e))? {
        let unknown = unknown.display();
        return Err(not_replaceable_error(out)
            .with_reason(format!("it holds {unknown}, which no run wrote")));
    }
    if !is_report_file(&target.join(REPORT_FILE)) {
        return Err(not_replaceable_error(out)
            .with_reason(format!("it is not empty and has no {REPORT_FILE} of a run")));
    }
    Ok(())
}

/// Whether a file is the report of a run, of whatever version.
fn is_report_file(path: &Path) -> bool {
    let Ok(json) = fs::read(path) else {
        return false;
    };
    let report: Option<serde_json::Value> = serde_json::from_slice(&json).ok();
    report.is_some_and(|r| r["report_version"].is_u64() && r["sparkify_version"].is_string())
}

fn not_replaceable_error(out: &Path) -> Error {
    Error::failed(format!("will not replace {}", out.display()))
        .with_hint("choose an absent or empty folder or an earlier output")
}

/// The first thing in an output or staging folder that no run writes, by its path in the folder.
fn first_unknown_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    first_unknown_file_in(folder, Path::new(""))
}

/// The same of a folder in it, by the path of that.
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
            // One that only holds such folders.
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

/// The first thing in a folder that is not a file of such a name with a number in it.
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
