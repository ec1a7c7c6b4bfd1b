//! The errors of a check that found something wrong.

use std::fmt::Display;

use crate::error::Error;

/// Returns the error that something is wrong with the object `name`.
pub(super) fn finding(name: &str, reason: impl Display) -> Error {
    Error::failed(format!("check of {name} failed"))
        .with_reason(reason)
        .with_hint("run again, or restore the dataset from a copy")
}

/// Returns the error that something is wrong with a row of the file `name`, counted from 0.
pub(super) fn row_finding(name: &str, row: u64, reason: impl Display) -> Error {
    finding(&format!("{name} row {}", row + 1), reason)
}
