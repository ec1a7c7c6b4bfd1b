//! Checks what every command needs of the machine, so that no library that takes it for granted panics later.

use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};

use crate::error::{Error, Result};

/// How many files a command may need open at once, apart from connections to S3: those of the runtimes of the clients,
/// its input and its output.
const MIN_OPEN_FILES: u64 = 32;

/// Checks the clock and the limit of open files.
///
/// # Errors
/// Returns an error that says what to change.
pub(super) fn check_machine() -> Result<()> {
    if SystemTime::now() < SystemTime::UNIX_EPOCH {
        return Err(Error::failed("cannot start")
            .with_reason("the clock of this machine is before 1970")
            .with_hint("set the clock"));
    }
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < MIN_OPEN_FILES => Err(Error::failed("cannot start")
            .with_reason(format!("this process may open only {limit} files at once"))
            .with_hint("raise the limit, for example with ulimit -n 1024")),
        _ => Ok(()),
    }
}
