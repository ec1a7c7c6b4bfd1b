//! Defines what is told about a run, and to whom.

use std::path::PathBuf;

use super::http::HttpTarget;
use super::openlineage::LineageOptions;

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
