//! The error of commands that this binary cannot run.

use crate::error::Error;

/// Returns the error for a command of a build without the clients for the services of AWS.
pub(super) fn error(command: &str) -> Error {
    Error::usage(format!("cannot run {command}"))
        .with_reason("this binary was built without the feature cloud")
        .with_hint("build one that has it: cargo install --locked --path . --features cloud")
}
