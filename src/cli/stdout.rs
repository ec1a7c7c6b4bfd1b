//! Prints results on stdout.

use std::io::{ErrorKind, Write};

use super::render::failure::failure_json;
use crate::error::{Error, Result};

/// Prints a failure as JSON on stdout if `--json` is given, and returns it.
pub(super) fn report_failure(error: Error, json: bool, version: (&str, u32)) -> Error {
    if json {
        // The failure itself is more important than a failure to print it.
        let _ = print(&format!("{}\n", failure_json(&error, version)));
    }
    error
}

/// Prints on stdout. A closed pipe is not an error, but a full disk is.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failed("cannot write to stdout").with_source(e))
        }
        _ => Ok(()),
    }
}

/// Prints the document of `--json` on stdout.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Error::failed("cannot write to stdout").with_source(e))?;
    print(&(json + "\n"))
}
