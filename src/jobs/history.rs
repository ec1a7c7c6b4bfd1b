//! Lists the loads of a warehouse, or the runs at an output location.

use crate::error::Result;
use crate::observer::Observer;
use crate::output::run_log::{RunLogEntry, read_run_log};
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::load_log::{LoadEntry, read_loads};

/// A request for what was loaded or run.
#[derive(Debug, Clone)]
pub struct HistoryJob {
    /// What is listed.
    pub source: HistorySource,
    /// The maximum number of entries.
    pub limit: u32,
}

/// What a history is read from.
#[derive(Debug, Clone)]
pub enum HistorySource {
    /// The load history of a warehouse.
    Warehouse(ConnectionConfig),
    /// The reports of the runs at an output location.
    Output {
        /// The output of the runs.
        out: Location,
        /// The connection to S3, if the output is there.
        s3: S3Options,
    },
}

/// What was loaded or run, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub enum History {
    /// The loads of a warehouse.
    Loads(Vec<LoadEntry>),
    /// The runs at an output location.
    Runs(Vec<RunLogEntry>),
}

impl HistoryJob {
    /// Reads the history. Nothing is changed. The observer is warned about a run whose report is damaged, and in Redshift
    /// while the history waits for a load that is running.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached, if its load history is of an older version, or if the
    /// output cannot be read.
    pub fn execute(&self, observer: &dyn Observer) -> Result<History> {
        let _span = tracing::info_span!("history").entered();
        let history = match &self.source {
            HistorySource::Warehouse(connection) => {
                History::Loads(read_loads(connection, self.limit, observer)?)
            }
            HistorySource::Output { out, s3 } => {
                let stores = StoreOpener::new(s3.clone());
                History::Runs(read_run_log(&stores, out, self.limit as usize, observer)?)
            }
        };
        let entries = match &history {
            History::Loads(loads) => loads.len(),
            History::Runs(runs) => runs.len(),
        };
        tracing::info!(entries, "read the history");
        Ok(history)
    }
}
