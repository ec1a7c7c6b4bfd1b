//! Removes abandoned, failed and superseded runs.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::output::clean::{CleanPlan, find_runs};
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};

/// A cleaning of an output location.
#[derive(Debug, Clone)]
pub struct CleanJob {
    /// The output of the runs.
    pub out: Location,
    /// The connection to S3, if the output is there.
    pub s3: S3Options,
    /// Number of complete runs, and of failed runs, to keep, at least 1.
    pub keep: usize,
    /// Time without activity after which an unfinished run is abandoned. A quarter of an hour is the minimum.
    pub unfinished_after: Duration,
}

impl CleanJob {
    /// Finds the runs and decides which to remove.
    ///
    /// # Errors
    /// Returns an error if `keep` is 0, or if the location does not exist or cannot be listed.
    pub fn plan(&self) -> Result<CleanPlan> {
        if self.keep == 0 {
            return Err(
                Error::usage("invalid configuration").with_reason("keep must be at least 1")
            );
        }
        let _span = tracing::info_span!("clean").entered();
        let stores = StoreOpener::new(self.s3.clone());
        let plan = find_runs(&stores, &self.out, self.keep, self.unfinished_after)?;
        tracing::info!(
            out = %self.out,
            remove = plan.remove.len(),
            keep = plan.keep.len(),
            "found the runs"
        );
        Ok(plan)
    }

    /// Removes the runs that the plan names, and keeps those that are no longer to be removed. Returns how many it
    /// removed.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed. The next cleaning removes the rest.
    pub fn execute(&self, plan: CleanPlan) -> Result<usize> {
        let _span = tracing::info_span!("clean").entered();
        let removed = plan.execute()?;
        tracing::info!(out = %self.out, removed, "cleaned the output");
        Ok(removed)
    }
}
