//! Names the dataset and the warehouse of a load, and plans its statements.

use std::collections::HashSet;

use super::mode::LoadMode;
use super::plan::{LoadParams, load_statements};
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::{ParquetCompression, PublishedDataset};
use crate::warehouse::config::WarehouseConfig;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Statement, to_sql_script};

/// A load of one dataset into one warehouse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DatasetLoad<'a> {
    /// Target of the load.
    pub warehouse: &'a WarehouseConfig,
    /// Dataset to load.
    pub dataset: &'a PublishedDataset,
    /// What happens to the rows in the warehouse.
    pub mode: &'a LoadMode,
}

impl DatasetLoad<'_> {
    /// Returns the SQL of the load as a script.
    ///
    /// # Errors
    /// Returns an error if a full refresh would lose rows (see [`ensure_dataset_is_complete`](Self::ensure_dataset_is_complete)), or
    /// if a name cannot be quoted in SQL.
    pub(crate) fn script(&self) -> Result<String> {
        self.ensure_dataset_is_complete()?;
        Ok(to_sql_script(&self.statements()?))
    }

    /// Checks that a full refresh does not replace the warehouse with a part of its data.
    ///
    /// # Errors
    /// Returns an error if this is a full refresh and the run left out objects that were loaded already.
    pub(crate) fn ensure_dataset_is_complete(&self) -> Result<()> {
        match self.mode {
            LoadMode::Incremental => return Ok(()),
            LoadMode::FullRefresh { .. } => {}
        }
        if self.dataset.report().is_complete() {
            return Ok(());
        }
        let reason = match self.dataset.report().replayed_run {
            Some(_) => "it has only replayed rejects, and all other rows would be lost",
            None => {
                "the run left out objects that were loaded already, and their rows would be lost"
            }
        };
        Err(Error::usage(format!(
            "cannot empty the warehouse to load {}",
            self.dataset.location()
        ))
        .with_reason(reason)
        .with_hint("sparkify run --full-refresh builds and loads a dataset of all objects"))
    }

    /// Returns the id of the run that wrote the dataset.
    pub(super) fn run_id(&self) -> &str {
        &self.dataset.report().run
    }

    /// Returns the statements of the transaction.
    pub(super) fn statements(&self) -> Result<Vec<Statement>> {
        let params = LoadParams {
            dialect: self.warehouse.connection.dialect,
            iam_role: &self.warehouse.iam_role,
            run: self.run_id(),
            manifest: &|table| self.dataset.manifest_url(table),
            has_rows: &|table| self.dataset.table_report(table).rows > 0,
        };
        load_statements(&params, self.mode)
    }

    /// Warns if Redshift may be unable to read the Parquet parts.
    pub(super) fn warn_about_codec(&self, progress: &dyn Observer) {
        let codec = self.dataset.report().compression;
        match (self.warehouse.connection.dialect, codec) {
            (Dialect::Redshift, ParquetCompression::Zstd) => progress.warn(&format!(
                "the Parquet parts of {} are compressed with {codec}, which Redshift does not document for COPY; \
                 if the load fails, run again with --compression snappy",
                self.dataset.location()
            )),
            (Dialect::Redshift, ParquetCompression::Snappy | ParquetCompression::Gzip | ParquetCompression::None)
            | (Dialect::Postgres, _) => {}
        }
    }

    /// Returns true if the load history lists this run, i.e. a COMMIT whose reply was lost has succeeded. In a full
    /// refresh a run that was listed before proves nothing.
    pub(super) fn shows_committed(&self, runs: &HashSet<String>) -> bool {
        let is_listed = runs.contains(self.run_id());
        match self.mode {
            LoadMode::Incremental => is_listed,
            LoadMode::FullRefresh { runs_before } => {
                is_listed && !runs_before.contains(self.run_id())
            }
        }
    }

    /// Checks that a full refresh deletes no run that was loaded in the meantime.
    pub(super) fn ensure_no_concurrent_loads(&self, runs: &HashSet<String>) -> Result<()> {
        let runs_before = match self.mode {
            LoadMode::Incremental => return Ok(()),
            LoadMode::FullRefresh { runs_before } => runs_before,
        };
        match runs
            .iter()
            .find(|run| !runs_before.contains(*run) && *run != self.run_id())
        {
            None => Ok(()),
            Some(other) => Err(Error::failed("cannot empty the warehouse")
                .with_reason(format!(
                    "run {other} was loaded in the meantime and would be lost"
                ))
                .with_hint("run the same command again")),
        }
    }
}
