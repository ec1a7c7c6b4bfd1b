//! Finds and removes what killed and failed runs left next to an output folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::dir_lock::{is_same_inode, open_folder};
use super::output_dir::{resolve_target, staging_path};
use super::own_files::{ensure_only_own_files, is_report_file};
use crate::error::{Error, Result};
use crate::output::layout::{FAILED_REPORT_FILE, REJECTS_DIR, REPORT_FILE, SiblingDir};

/// The staging folder of a killed run, or the folder that a failed run kept.
#[derive(Debug)]
pub(in crate::output) struct LeftoverRunDir {
    path: PathBuf,
    files: u64,
    reject_files: u64,
    bytes: u64,
    /// Held so that no run takes over the folder.
    _lock: File,
}

impl LeftoverRunDir {
    /// Finds the staging folder next to an output folder, unless a run is writing to it.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read, or contains files that sparkify did not write.
    pub(in crate::output) fn find(out: &Path) -> Result<Option<Self>> {
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
    pub(in crate::output) fn find_failed(out: &Path) -> Result<Option<Self>> {
        let path = SiblingDir::Failed.path_beside(&resolve_target(out)?);
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
        let (mut files, mut reject_files, mut bytes) = (0, 0, 0);
        let rejects = path.join(REJECTS_DIR);
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(read_error)? {
                let entry = entry.map_err(read_error)?;
                let metadata = entry.metadata().map_err(read_error)?;
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    (files, bytes) = (files + 1, bytes + metadata.len());
                    reject_files += u64::from(folder == rejects);
                }
            }
        }
        Ok(Some(Self {
            path,
            files,
            reject_files,
            bytes,
            _lock: lock,
        }))
    }

    /// Returns the path of the folder.
    pub(in crate::output) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of files in the folder.
    pub(in crate::output) fn files(&self) -> u64 {
        self.files
    }

    /// Returns the number of reject files among them.
    pub(in crate::output) fn reject_files(&self) -> u64 {
        self.reject_files
    }

    /// Returns the size of the files in bytes.
    pub(in crate::output) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be removed.
    pub(in crate::output) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|e| Error::io("cannot remove", &self.path, e))
    }
}
