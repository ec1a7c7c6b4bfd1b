//! Checks what every command needs of the machine, so that no library that takes it for granted panics later.

use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::open_files::{ensure_can_open, raise_limit};

/// How many files a command may open, apart from connections to S3: those of the runtimes of the clients, its input and
/// its output.
const NEEDED_FILES: u64 = 32;

/// Checks the clock and the limit of open files, which it raises if that is allowed.
///
/// # Errors
/// Returns an error that says what to change.
pub(super) fn check_machine() -> Result<()> {
    if SystemTime::now() < SystemTime::UNIX_EPOCH {
        return Err(Error::failed("cannot start")
            .with_reason("the clock of this machine is before 1970")
            .with_hint("set the clock"));
    }
    raise_limit();
    ensure_can_open(NEEDED_FILES, "cannot start")
        .map_err(|e| e.with_hint("raise the limit, for example with ulimit -n 1024"))
}
