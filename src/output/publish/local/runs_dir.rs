//! Prepares the folder in which a run with a warehouse keeps its dataset beside those of other runs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::dir_lock::{is_same_inode, locked_error, open_folder};
use super::output_dir::resolve_target;
use crate::error::{Error, Result};
use crate::output::layout::{FAILED_REPORT_FILE, REPORT_FILE};

/// A folder that keeps runs side by side. Any number of runs may hold it at the same time, and no run replaces it
/// while one does.
#[derive(Debug)]
pub(in crate::output) struct RunsDir {
    /// The open folder, which holds a shared lock.
    _lock: File,
}

impl RunsDir {
    /// Checks that a run may be kept in `out`: it is absent, or a folder that is not itself the output of a single
    /// run. What else it contains does not matter, because nothing in it is replaced or removed.
    ///
    /// # Errors
    /// Returns an error if `out` is something else.
    pub(in crate::output) fn check(out: &Path) -> Result<()> {
        let target = resolve_target(out)?;
        if target.exists() && !target.is_dir() {
            let error = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(Error::io("cannot write to", out, error));
        }
        ensure_no_single_run(out, &target)
    }

    /// Opens `out`, and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns the errors of [`check`](Self::check), and an error if another run is about to replace the folder or if
    /// it cannot be created.
    pub(in crate::output) fn open(out: &Path) -> Result<Self> {
        let target = resolve_target(out)?;
        let write_error = |e: io::Error| Error::io("cannot write to", out, e);
        // A run that replaces the folder can move it away between opening and locking it.
        for _ in 0..100 {
            fs::create_dir_all(&target).map_err(write_error)?;
            let folder = match open_folder(&target) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(write_error)?,
            };
            match folder.try_lock_shared() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(e)) => return Err(write_error(e)),
            }
            if is_same_inode(&folder, &target) {
                ensure_no_single_run(out, &target)?;
                return Ok(Self { _lock: folder });
            }
        }
        Err(locked_error(out))
    }
}

/// Checks that a folder is not the output of a single run: readers would take it for the dataset of that run, and not
/// for the newest of several.
fn ensure_no_single_run(out: &Path, target: &Path) -> Result<()> {
    let names = [REPORT_FILE, FAILED_REPORT_FILE];
    let report = names
        .into_iter()
        .find(|name| fs::symlink_metadata(target.join(name)).is_ok());
    match report {
        None => Ok(()),
        Some(report) => Err(
            Error::failed(format!("will not keep runs in {}", out.display()))
                .with_reason(format!(
                    "it is the output of a single run ({report}), and runs with a warehouse are kept side by side"
                ))
                .with_hint("choose another --out, or move it away"),
        ),
    }
}
