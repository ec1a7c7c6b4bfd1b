//! Results as text for a terminal, and as JSON or CSV for machines.

pub(super) mod bar;
pub(super) mod dry_run;
pub(super) mod load;
pub(super) mod result_set;
pub(super) mod run;

use indicatif::{HumanBytes, HumanCount};

use crate::error::Error;

/// What `--json` prints for a command that failed. `version` names the layout of what it prints
/// otherwise.
pub(super) fn failure_json(error: &Error, version: (&str, u32)) -> serde_json::Value {
    serde_json::json!({
        version.0: version.1,
        "sparkify_version": env!("CARGO_PKG_VERSION"),
        "status": "failed",
        "error": error.to_string(),
    })
}

/// A count with commas.
pub(super) fn format_count(n: u64) -> String {
    HumanCount(n).to_string()
}

/// A size in binary units.
pub(super) fn format_bytes(n: u64) -> String {
    HumanBytes(n).to_string()
}
