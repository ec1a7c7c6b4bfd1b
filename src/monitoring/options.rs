//! Defines what is told about a run, and to whom.

use std::path::PathBuf;

use super::http::HttpTarget;
use super::openlineage::{LineageOptions, LineageTarget};
use crate::error::{Error, Result};
use crate::storage::Location;

/// What is told about a run, and to whom.
#[derive(Debug, Default)]
pub(crate) struct MonitoringOptions {
    /// The file that the metrics are written to.
    pub metrics: Option<PathBuf>,
    /// Where the OpenLineage events go.
    pub lineage: Option<LineageOptions>,
    /// Where a message is sent after a failure.
    pub webhook: Option<HttpTarget>,
}

impl MonitoringOptions {
    /// Checks that no file is in the output, where a run takes it for a file of another program and replaces nothing.
    ///
    /// # Errors
    /// Returns an error that names the flag of the file.
    pub(super) fn ensure_files_are_outside(&self, out: &Location) -> Result<()> {
        let events = match &self.lineage {
            Some(LineageOptions {
                target: LineageTarget::File(path),
                ..
            }) => Some(path),
            _ => None,
        };
        for (flag, path) in [
            ("--metrics", self.metrics.as_ref()),
            ("--openlineage", events),
        ] {
            if let Some(path) = path
                && Location::Local(path.clone()).resolve_links().is_within(out)
            {
                return Err(
                    Error::usage(format!("cannot use {flag} {}", path.display()))
                        .with_reason(format!("it is in {out}, which has only what runs write"))
                        .with_hint("name a file in another folder"),
                );
            }
        }
        match (&self.metrics, events) {
            (Some(metrics), Some(events)) if metrics == events => Err(Error::usage(format!(
                "cannot use --openlineage {}",
                events.display()
            ))
            .with_reason("--metrics replaces the same file")
            .with_hint("name another file")),
            _ => Ok(()),
        }
    }
}
