//! Locks folders, so that two runs do not write to the same output.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Creates a folder if it does not exist, and locks it.
pub(super) fn lock_folder(path: &Path, out: &Path) -> Result<File> {
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

pub(super) fn locked_error(out: &Path) -> Error {
    Error::failed(format!("another run is writing to {}", out.display()))
        .with_hint("wait for it to finish, or choose another --out")
        .temporary()
}

/// Opens a folder without following a symbolic link, because everything in the folder will be removed.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

pub(super) fn is_same_inode(folder: &File, path: &Path) -> bool {
    let (Ok(a), Ok(b)) = (rustix::fs::fstat(folder), rustix::fs::lstat(path)) else {
        return false;
    };
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
