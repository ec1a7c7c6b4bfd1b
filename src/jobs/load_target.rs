//! Defines where datasets are loaded, and whether they replace what is there.

use std::collections::HashSet;

use crate::error::Result;
use crate::observer::Observer;
use crate::output::PublishedDataset;
use crate::warehouse::WarehouseConfig;
use crate::warehouse::load::{
    Contact, DatasetSource, LoadMode, LoadReport, WarehouseLoad, loaded_runs,
};

/// The warehouse that a dataset is loaded into.
#[derive(Debug, Clone)]
pub struct LoadTarget {
    /// The warehouse.
    pub warehouse: WarehouseConfig,
    /// Whether the load empties the tables first, and creates missing ones.
    pub full_refresh: bool,
}

impl LoadTarget {
    /// Returns what a load does with the rows in the warehouse. A full refresh must not delete runs that others load
    /// after this call.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached, or if its tables do not match.
    pub(super) fn load_mode(&self, observer: &dyn Observer) -> Result<LoadMode> {
        match self.full_refresh {
            true => Ok(LoadMode::FullRefresh {
                runs_before: loaded_runs(&self.warehouse, observer)?,
            }),
            false => Ok(LoadMode::Incremental),
        }
    }

    /// Returns the same as [`load_mode`](Self::load_mode), before it is known which runs the warehouse has.
    pub(super) fn planned_load_mode(&self) -> LoadMode {
        match self.full_refresh {
            true => LoadMode::FullRefresh {
                runs_before: HashSet::new(),
            },
            false => LoadMode::Incremental,
        }
    }

    /// Returns a load into the warehouse.
    pub(super) fn load_with<'a>(
        &'a self,
        mode: &'a LoadMode,
        contact: Contact,
    ) -> WarehouseLoad<'a> {
        WarehouseLoad {
            warehouse: &self.warehouse,
            mode,
            contact,
        }
    }

    /// Loads a dataset. `mode` is the result of [`load_mode`](Self::load_mode).
    ///
    /// # Errors
    /// Returns an error if the dataset cannot be read, or if the warehouse cannot be reached or rejects a statement.
    pub(super) fn load(
        &self,
        dataset: &PublishedDataset,
        mode: &LoadMode,
        contact: Contact,
        observer: &dyn Observer,
    ) -> Result<LoadReport> {
        tracing::info!(
            run = %dataset.report().run,
            warehouse = %self.warehouse.connection,
            full_refresh = self.full_refresh,
            "loading the dataset"
        );
        let dialect = self.warehouse.connection.dialect;
        let mut source = DatasetSource::new(dataset, dialect, mode)?;
        source.warn_about_codec(observer);
        let load = self.load_with(mode, contact);
        let report = load.execute(&mut source, observer)?;
        tracing::info!(
            run = report.run,
            attempts = report.attempts,
            seconds = report.seconds,
            "loaded the dataset"
        );
        Ok(report)
    }
}
