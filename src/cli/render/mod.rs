//! Renders results as text for a terminal, and as JSON or CSV.

pub(super) mod dry_run;
pub(super) mod load;
pub(super) mod result_set;
pub(super) mod run;
pub(super) mod share_bar;

use indicatif::{DecimalBytes, HumanCount};

use crate::error::Error;

/// Returns the document that `--json` prints for a command that failed. `version` is the key and the number of
/// the version that the document of a successful command has.
pub(super) fn failure_json(error: &Error, version: (&str, u32)) -> serde_json::Value {
    serde_json::json!({
        version.0: version.1,
        "sparkify_version": env!("CARGO_PKG_VERSION"),
        "status": "failed",
        "error": error.to_string(),
    })
}

/// Formats a count with commas.
pub(super) fn format_count(n: u64) -> String {
    HumanCount(n).to_string()
}

/// Formats a size in decimal units: kB, MB, GB.
pub(super) fn format_bytes(n: u64) -> String {
    DecimalBytes(n).to_string()
}

/// Returns a count with its noun, in the plural unless the count is 1.
pub(super) fn pluralize(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", format_count(n as u64))
}
