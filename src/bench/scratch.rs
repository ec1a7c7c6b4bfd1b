//! A scratch folder: where a benchmark writes what nobody keeps.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A folder that this process made for itself.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes `sparkify-bench-PID` in a folder, or that with a number behind it if a benchmark that was
    /// killed left one of the same name.
    ///
    /// # Errors
    /// It cannot be made there.
    pub(super) fn create(parent: &Path) -> Result<Self> {
        let name = format!("sparkify-bench-{}", std::process::id());
        let mut path = parent.join(&name);
        for number in 1.. {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    path = parent.join(format!("{name}-{number}"));
                }
                Err(e) => {
                    let error = Error::io("cannot create", &path, &e);
                    return Err(match e.kind() {
                        io::ErrorKind::NotFound => {
                            error.with_hint("the folder around it must exist")
                        }
                        _ => error,
                    });
                }
                Ok(()) => break,
            }
        }
        Ok(Self { path })
    }

    /// Where something in it goes.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// Something in it cannot be removed.
    pub(super) fn remove(self) -> Result<()> {
        remove(&self.path)
    }
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// Something in it cannot be removed.
pub(super) fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|e| Error::io("cannot remove", folder, &e))
}
