//! Stages a dataset in a folder next to the output folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::dir_lock::{is_same_inode, lock_folder, locked_error};
use super::leftover_dir::LeftoverRunDir;
use super::output_dir::{CheckedOutputDir, ensure_replaceable};
use super::own_files::ensure_only_own_files;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::layout::{REJECTS_DIR, RunObject, SiblingDir};
use crate::output::publish::unknown_publication::UNKNOWN_PUBLICATION;

/// A locked staging folder, which will replace the output folder.
#[derive(Debug)]
pub(in crate::output) struct StagingDir {
    /// The output folder.
    target: PathBuf,
    /// The staging folder.
    path: PathBuf,
    /// The open staging folder, which holds its lock.
    lock: File,
}

impl StagingDir {
    /// Opens an empty staging folder next to `out`, with a subfolder for each table.
    ///
    /// # Errors
    /// Returns the errors of [`CheckedOutputDir::check`], and an error if another run is writing to `out`
    /// or a folder cannot be created.
    pub(in crate::output) fn open(out: &Path, inputs: &[&Path]) -> Result<Self> {
        let CheckedOutputDir {
            target,
            staging: path,
        } = CheckedOutputDir::check(out, inputs)?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| Error::io("cannot create", parent, e))?;
        }
        let lock = lock_folder(&path, out)?;
        // The lock shows that no other run uses this folder any more.
        ensure_only_own_files(&path)?;
        clear_folder(&path).map_err(|e| Error::io("cannot empty", &path, e))?;
        for folder in RunObject::folders() {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(|e| Error::io("cannot create", &folder, e))?;
        }
        Ok(Self { target, path, lock })
    }

    /// Returns the staging folder.
    pub(in crate::output) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the output folder atomically and removes the old one. Returns a warning if the new dataset is
    /// published, but the old one could not be removed.
    ///
    /// # Errors
    /// Returns an error if the folders cannot be exchanged. The old dataset is unchanged then.
    pub(in crate::output) fn publish(self) -> Result<Option<Error>> {
        let swapped = interrupt::protect(UNKNOWN_PUBLICATION, || self.swap_into_place());
        let old = match swapped {
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
                // A run that keeps its dataset in the folder may have begun and ended since the first check.
                ensure_replaceable(&self.target, &self.target)?;
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
    pub(in crate::output) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the folder that keeps the rejects and the report of a failed run: `NAME.failed` next to the output.
    pub(in crate::output) fn failed_path(&self) -> PathBuf {
        SiblingDir::Failed.path_beside(&self.target)
    }

    /// Removes everything except the rejects from the staging folder.
    ///
    /// # Errors
    /// Returns an error if something cannot be removed.
    pub(in crate::output) fn remove_all_but_rejects(&self) -> Result<()> {
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
    pub(in crate::output) fn keep_failed(self) -> Result<()> {
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
    pub(in crate::output) fn discard(self) {
        // The next run empties a folder that cannot be removed now.
        let _ = fs::remove_dir_all(&self.path);
    }
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
