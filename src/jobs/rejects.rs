//! Shows what a run rejected.

use crate::error::{Error, Result};
use crate::output::RejectedRun;
use crate::output::reject_groups::{RejectGroupKey, RejectsReport, group_rejects};
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};

/// A look at the rejects of a run, complete or failed.
#[derive(Debug, Clone)]
pub struct RejectsJob {
    /// The output of the run, one run below it, or the folder that a failed run left.
    pub from: Location,
    /// The connection to S3, if the run is there.
    pub s3: S3Options,
    /// What the rejects are grouped by, at least one key.
    pub by: Vec<RejectGroupKey>,
}

impl RejectsJob {
    /// Reads the reject files and groups the rejects. Memory is bounded by the number of groups.
    ///
    /// # Errors
    /// Returns an error if there is no run, if its rejects cannot be read, or if they are grouped by nothing.
    pub fn execute(&self) -> Result<RejectsReport> {
        if self.by.is_empty() {
            return Err(
                Error::usage("invalid configuration").with_reason("by must have at least one key")
            );
        }
        let _span = tracing::info_span!("rejects").entered();
        let stores = StoreOpener::new(self.s3.clone());
        let run = RejectedRun::open(&stores, &self.from)?;
        let report = group_rejects(&run, &self.by)?;
        tracing::info!(
            run = report.run,
            rejects = report.total.rejects,
            groups = report.groups.len(),
            "grouped the rejects"
        );
        Ok(report)
    }
}
