//! Loads the rows of a published dataset.

use super::mode::LoadMode;
use super::plan::{ParquetParams, parquet_copy_statements};
use super::source::{LoadSource, StagedRows};
use super::staging::{copy_from_s3, copy_in, verify_row_counts};
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::output::{ParquetCompression, PublishedDataset};
use crate::warehouse::config::WarehouseConfig;
use crate::warehouse::connect::error::StatementError;
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// The Parquet parts of a published dataset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DatasetSource<'a> {
    dataset: &'a PublishedDataset,
    dialect: Dialect,
}

impl<'a> DatasetSource<'a> {
    /// Returns the source of the rows of a dataset, for a load.
    ///
    /// # Errors
    /// Returns an error if this is a full refresh and the run left out objects that were loaded already: the warehouse
    /// must not be replaced by a part of its data.
    pub(crate) fn new(
        dataset: &'a PublishedDataset,
        dialect: Dialect,
        mode: &LoadMode,
    ) -> Result<Self> {
        let source = Self { dataset, dialect };
        match mode {
            LoadMode::Incremental => {}
            LoadMode::FullRefresh { .. } => source.ensure_complete()?,
        }
        Ok(source)
    }

    fn ensure_complete(&self) -> Result<()> {
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

    /// Warns if Redshift may be unable to read the Parquet parts.
    pub(crate) fn warn_about_codec(&self, progress: &dyn Observer) {
        let codec = self.dataset.report().compression;
        match (self.dialect, codec) {
            (Dialect::Redshift, ParquetCompression::Zstd) => progress.warn(&format!(
                "the Parquet parts of {} are compressed with {codec}, which Redshift does not document for COPY; \
                 if the load fails, run again with --compression snappy",
                self.dataset.location()
            )),
            (Dialect::Redshift, ParquetCompression::Snappy | ParquetCompression::Gzip | ParquetCompression::None)
            | (Dialect::Postgres, _) => {}
        }
    }

    fn copy_table(
        &self,
        session: &mut WarehouseSession,
        table: &'static TableSchema,
        sql: &str,
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError> {
        let copy = match self.dialect {
            Dialect::Redshift => copy_from_s3,
            Dialect::Postgres => copy_in,
        };
        copy(session, self.dataset, table, sql, progress)
    }
}

impl LoadSource for DatasetSource<'_> {
    fn run_id(&self) -> &str {
        &self.dataset.report().run
    }

    fn name(&self) -> String {
        self.dataset.location().to_string()
    }

    fn how_to_repeat(&self) -> &'static str {
        "load again"
    }

    fn bytes(&self) -> Option<u64> {
        let tables = SPARKIFY.dataset_tables();
        let bytes = tables.map(|table| self.dataset.table_report(table).bytes);
        Some(bytes.sum())
    }

    fn statements(&self, warehouse: &WarehouseConfig) -> Result<Vec<Statement>> {
        parquet_copy_statements(&ParquetParams {
            dialect: self.dialect,
            iam_role: &warehouse.iam_role,
            manifest: &|table| self.dataset.manifest_url(table),
            has_rows: &|table| self.dataset.table_report(table).rows > 0,
        })
    }

    fn prepare_attempt(
        &mut self,
        _session: &mut WarehouseSession,
    ) -> std::result::Result<(), StatementError> {
        Ok(())
    }

    fn run_statement(
        &mut self,
        session: &mut WarehouseSession,
        statement: &Statement,
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError> {
        let Effect::Copy(table) = statement.effect else {
            #[expect(
                clippy::panic,
                reason = "the plan of this source has no other statements"
            )]
            {
                panic!("a dataset is only copied: {statement:?}")
            }
        };
        self.copy_table(session, table, &statement.sql, progress)
    }

    /// Checks that all rows arrived in the staging tables.
    fn check_staged_rows(&mut self, counts: &StagedRows) -> Result<()> {
        // If the dataset is unchanged now, all rows that were sent are of one run.
        self.dataset.ensure_unchanged()?;
        verify_row_counts(self.dataset, counts)
    }

    fn before_commit(&mut self) -> Result<()> {
        Ok(())
    }
}
