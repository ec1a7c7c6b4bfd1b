//! Runs the statements of a load in one transaction.

use std::ops::ControlFlow;

use tracing::Span;

use super::change_counts::{ChangeCounts, TableChangeCounts, record_effect};
use super::dataset_load::DatasetLoad;
use super::history::query_runs;
use super::preflight::ensure_loadable;
use super::staging::{copy_from_s3, copy_in, verify_row_counts};
use super::verify::{check_emptied, check_merge_state, check_merged, check_row_deltas};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::warehouse::catalog::{LOAD_HISTORY, warehouse_table_names};
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::create_tables::missing_table_ddl;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::lock_wait::warn_if_blocked;
use crate::warehouse::sql::load_plan::{LoadStatement, output_tables};

/// The result of one step of a transaction.
type Result<T> = std::result::Result<T, StatementError>;

/// State that is kept across the attempts of a load.
#[derive(Debug, Default)]
pub(super) struct CrossAttemptState {
    /// Effect of the last attempt on each table.
    pub changes: ChangeCounts,
    /// Whether the last attempt has sent COMMIT.
    pub is_commit_sent: bool,
}

/// One attempt of a load.
pub(super) struct LoadTransaction<'a> {
    load: &'a DatasetLoad<'a>,
    session: &'a mut WarehouseSession,
    state: &'a mut CrossAttemptState,
    progress: &'a dyn Observer,
    /// Tables that the transaction creates.
    missing_tables: Vec<&'static str>,
}

impl<'a> LoadTransaction<'a> {
    /// Checks the tables, and prepares the transaction.
    pub(super) fn prepare(
        load: &'a DatasetLoad<'a>,
        session: &'a mut WarehouseSession,
        state: &'a mut CrossAttemptState,
        progress: &'a dyn Observer,
    ) -> Result<Self> {
        let _span = tracing::info_span!("check_tables").entered();
        let missing_tables = warn_if_blocked(progress, || {
            ensure_loadable(session, load.is_full_refresh())
        })?;
        Ok(Self {
            load,
            session,
            state,
            progress,
            missing_tables,
        })
    }

    /// Runs all statements, and records their effects in the state.
    pub(super) fn run(mut self, statements: &[LoadStatement]) -> Result<()> {
        let bytes = output_tables()
            .map(|table| self.load.dataset.table_report(table).bytes)
            .sum();
        self.progress.start_phase("load", Some(bytes));
        let mut stage = LoadStage::Stage;
        let mut span = stage.span().entered();
        for statement in statements {
            let next_stage = stage.at(statement);
            if next_stage != stage {
                // The spans of the stages follow each other, and are not nested.
                drop(span);
                stage = next_stage;
                span = stage.span().entered();
            }
            if self.run_statement(statement)?.is_break() {
                // The previous attempt was committed, and only the reply was lost.
                return self.session.execute("ROLLBACK").map(drop);
            }
        }
        Ok(())
    }

    /// Runs one statement. Breaks if the load turns out to be committed already.
    fn run_statement(&mut self, statement: &LoadStatement) -> Result<ControlFlow<()>> {
        match statement {
            LoadStatement::Execute(sql) => self.execute(sql)?,
            LoadStatement::Lock(sql) => self.lock_tables(sql)?,
            LoadStatement::LoadedRuns(sql) => return self.check_loaded_runs(sql),
            LoadStatement::Copy(table, sql) => self.copy_table(table, sql)?,
            LoadStatement::CountStaged(sql) => self.verify_staged_rows(sql)?,
            LoadStatement::CheckEmptied(sql) => {
                check_emptied(self.session.query(sql)?).map_err(fatal)?;
            }
            LoadStatement::CheckMergeState(sql) => {
                check_merge_state(&self.session.query(sql)?).map_err(fatal)?;
            }
            LoadStatement::CheckMerged(sql) => {
                check_merged(&self.session.query(sql)?).map_err(fatal)?;
            }
            LoadStatement::CheckRowDeltas(sql) => {
                check_row_deltas(&self.session.query(sql)?, &self.state.changes).map_err(fatal)?;
            }
            LoadStatement::Commit(sql) => self.commit(sql)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn execute(&mut self, sql: &str) -> Result<()> {
        // Dropping a constraint needs an exclusive lock.
        let rows = match sql.contains("DROP CONSTRAINT") {
            true => warn_if_blocked(self.progress, || self.session.execute(sql))?,
            false => self.session.execute(sql)?,
        };
        record_effect(&mut self.state.changes, sql, rows);
        Ok(())
    }

    /// Waits for other loads, and creates the missing tables.
    fn lock_tables(&mut self, sql: &str) -> Result<()> {
        let Self {
            session,
            progress,
            missing_tables,
            ..
        } = self;
        // A missing table cannot be locked. Other sessions do not see the one that this transaction creates.
        if !missing_tables.contains(&LOAD_HISTORY) {
            warn_if_blocked(*progress, || session.execute(sql))?;
        }
        if missing_tables.is_empty() {
            return Ok(());
        }
        let existing: Vec<_> = warehouse_table_names()
            .filter(|name| !missing_tables.contains(name))
            .collect();
        let dialect = self.load.warehouse.connection.dialect;
        for ddl in missing_table_ddl(dialect, |name| existing.contains(&name)) {
            warn_if_blocked(*progress, || session.execute(ddl))?;
        }
        Ok(())
    }

    /// Checks which runs were loaded before, and resets the state for this attempt. Breaks if the load history shows
    /// that the previous attempt was committed.
    fn check_loaded_runs(&mut self, sql: &str) -> Result<ControlFlow<()>> {
        let runs = query_runs(self.session, sql)?;
        if self.state.is_commit_sent && self.load.shows_committed(&runs) {
            return Ok(ControlFlow::Break(()));
        }
        self.load.ensure_no_concurrent_loads(&runs).map_err(fatal)?;
        let initial_counts = |table: &'static TableSchema| {
            let counts = TableChangeCounts {
                rows: self.load.dataset.table_report(table).rows,
                ..TableChangeCounts::default()
            };
            (table.name, counts)
        };
        *self.state = CrossAttemptState {
            changes: SPARKIFY.star.iter().copied().map(initial_counts).collect(),
            is_commit_sent: false,
        };
        Ok(ControlFlow::Continue(()))
    }

    fn copy_table(&mut self, table: &'static TableSchema, sql: &str) -> Result<()> {
        let copy = match self.load.warehouse.connection.dialect {
            Dialect::Redshift => copy_from_s3,
            Dialect::Postgres => copy_in,
        };
        copy(self.session, self.load.dataset, table, sql, self.progress)
    }

    /// Checks that all rows arrived in the staging tables.
    fn verify_staged_rows(&mut self, sql: &str) -> Result<()> {
        let dataset = self.load.dataset;
        // If the dataset is unchanged now, all rows that were sent are of one run.
        dataset.ensure_unchanged().map_err(fatal)?;
        let counts = self.session.query(sql)?;
        verify_row_counts(dataset, &counts).map_err(fatal)?;
        self.progress.start_phase("merge", None);
        Ok(())
    }

    fn commit(&mut self, sql: &str) -> Result<()> {
        self.state.is_commit_sent = true;
        let committed = self.session.execute(sql);
        if committed
            .as_ref()
            .is_err_and(|failure| failure.class != ErrorClass::ConnectionLost)
        {
            // The server itself has rejected the COMMIT.
            self.state.is_commit_sent = false;
        }
        committed.map(drop)
    }
}

/// The stages of a load, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadStage {
    /// Begins the transaction and creates the staging tables.
    Stage,
    /// Fills the staging tables.
    Copy,
    /// Merges them into the tables.
    Merge,
    /// Checks the merged rows.
    Verify,
    /// Commits the transaction.
    Commit,
}

impl LoadStage {
    /// Returns the stage of a statement that follows one of this stage.
    fn at(self, statement: &LoadStatement) -> Self {
        match statement {
            LoadStatement::Copy(..) | LoadStatement::CountStaged(_) => Self::Copy,
            LoadStatement::CheckMergeState(_) => Self::Merge,
            LoadStatement::CheckMerged(_) | LoadStatement::CheckRowDeltas(_) => Self::Verify,
            LoadStatement::Commit(_) => Self::Commit,
            LoadStatement::Execute(_)
            | LoadStatement::Lock(_)
            | LoadStatement::LoadedRuns(_)
            | LoadStatement::CheckEmptied(_) => self,
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Stage => tracing::info_span!("stage"),
            Self::Copy => tracing::info_span!("copy"),
            Self::Merge => tracing::info_span!("merge"),
            Self::Verify => tracing::info_span!("verify"),
            Self::Commit => tracing::info_span!("commit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::USERS;

    #[test]
    fn stages_follow_each_other() {
        let sql = String::new;
        let statements = [
            (LoadStatement::Execute(sql()), LoadStage::Stage),
            (LoadStatement::Lock(sql()), LoadStage::Stage),
            (LoadStatement::LoadedRuns(sql()), LoadStage::Stage),
            (LoadStatement::CheckEmptied(sql()), LoadStage::Stage),
            (LoadStatement::Copy(&USERS, sql()), LoadStage::Copy),
            (LoadStatement::CountStaged(sql()), LoadStage::Copy),
            (LoadStatement::CheckMergeState(sql()), LoadStage::Merge),
            (LoadStatement::Execute(sql()), LoadStage::Merge),
            (LoadStatement::CheckMerged(sql()), LoadStage::Verify),
            (LoadStatement::CheckRowDeltas(sql()), LoadStage::Verify),
            (LoadStatement::Commit(sql()), LoadStage::Commit),
        ];
        let mut stage = LoadStage::Stage;
        for (statement, expected) in statements {
            stage = stage.at(&statement);
            assert_eq!(stage, expected, "{statement:?}");
        }
    }
}
