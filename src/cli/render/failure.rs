//! Renders a failure as JSON.

use crate::error::Error;

/// Returns the document that `--json` prints for a command that failed. `version` is the key and the number of
/// the version that the document of a successful command has.
pub(crate) fn failure_json(error: &Error, version: (&str, u32)) -> serde_json::Value {
    serde_json::json!({
        version.0: version.1,
        "sparkify_version": env!("CARGO_PKG_VERSION"),
        "status": "failed",
        "error": error.to_string(),
    })
}
