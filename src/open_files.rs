//! Checks how many files and connections this process may open, because libraries panic where none is left.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::error::Error;

/// Raises the limit of this process as far as its user may.
///
/// The default limit of many systems is meant for programs that use `select`, which cannot handle more than 1024 files.
/// This one does not use it, and a run with many requests has more connections.
pub(crate) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A system can allow less than it says. Then the present limit remains, and is checked.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Returns an error, which begins with `error_prefix`, if fewer than `needed` files can be opened beside those that are
/// open, some of which the process may have inherited.
pub(crate) fn ensure_can_open(needed: u64, error_prefix: &str) -> Result<(), Error> {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Ok(());
    };
    let open = match fs::read_dir("/dev/fd") {
        // The directory itself is one of the entries.
        Ok(entries) => (entries.count() as u64).saturating_sub(1),
        Err(e) if Errno::from_io_error(&e) == Some(Errno::MFILE) => limit,
        // A system without this directory does not tell.
        Err(_) => 0,
    };
    if open + needed <= limit {
        return Ok(());
    }
    Err(Error::failed(error_prefix).with_reason(format!(
        "this process may open only {limit} files at once, {open} are open, and {needed} more are needed"
    )))
}
