//! Defines where datasets are loaded, and whether they replace what is there.

use std::collections::HashSet;

use crate::error::Result;
use crate::observer::Observer;
use crate::output::PublishedDataset;
use crate::warehouse::WarehouseConfig;
use crate::warehouse::load::{DatasetLoad, LoadReport, loaded_runs};

/// The warehouse that a dataset is loaded into.
#[derive(Debug, Clone)]
pub struct LoadTarget {
    /// The warehouse.
    pub warehouse: WarehouseConfig,
    /// Whether the load empties the tables first, and creates missing ones.
    pub full_refresh: bool,
}

impl LoadTarget {
    /// Returns the runs that a full refresh replaces, or `None` if this is not one. A load must not replace runs
    /// that others load after this call.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached, or if its tables do not match.
    pub(super) fn runs_before_refresh(
        &self,
        observer: &dyn Observer,
    ) -> Result<Option<HashSet<String>>> {
        match self.full_refresh {
            true => loaded_runs(&self.warehouse, observer).map(Some),
            false => Ok(None),
        }
    }

    /// Loads a dataset. `runs_before_refresh` is the result of [`runs_before_refresh`](Self::runs_before_refresh).
    ///
    /// # Errors
    /// Returns an error if the dataset cannot be read, or if the warehouse cannot be reached or rejects a statement.
    pub(super) fn load(
        &self,
        dataset: &PublishedDataset,
        runs_before_refresh: Option<&HashSet<String>>,
        observer: &dyn Observer,
    ) -> Result<LoadReport> {
        tracing::info!(
            run = %dataset.report().run,
            warehouse = %self.warehouse.connection,
            full_refresh = self.full_refresh,
            "loading the dataset"
        );
        let load = DatasetLoad {
            warehouse: &self.warehouse,
            dataset,
            runs_before_refresh,
        };
        let report = load.execute(observer)?;
        tracing::info!(
            run = report.run,
            attempts = report.attempts,
            seconds = report.seconds,
            "loaded the dataset"
        );
        Ok(report)
    }
}
