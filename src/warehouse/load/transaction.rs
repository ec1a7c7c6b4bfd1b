//! Runs the statements of a load in one transaction.

use std::ops::ControlFlow;

use tracing::Span;

use super::change_counts::{ChangeCounts, TableChangeCounts, record_effect};
use super::history::query_runs;
use super::mode::LoadMode;
use super::preflight::{ensure_mergeable, ensure_refreshable};
use super::source::{LoadSource, StagedRows};
use super::verify::{check_emptied, check_merge_state, check_merged, check_row_deltas};
use super::warehouse_load::WarehouseLoad;
use crate::interrupt;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::connect::statement_log::statement_summary;
use crate::warehouse::lock_wait::{execute_statement, warn_if_blocked};
use crate::warehouse::sql::statement::{Check, Effect, Statement};
use crate::warehouse::table_ddl::missing_table_ddl;

/// The result of one step of a transaction.
type Result<T> = std::result::Result<T, StatementError>;

/// What is not known if the process ends while it waits for the reply to COMMIT.
pub(super) const UNKNOWN_COMMIT: &str = "it is unknown whether the load was committed: run again, because a repeated load changes nothing";

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
    load: &'a WarehouseLoad<'a>,
    source: &'a mut dyn LoadSource,
    session: &'a mut WarehouseSession,
    state: &'a mut CrossAttemptState,
    progress: &'a dyn Observer,
    /// Tables that the transaction creates.
    missing_tables: Vec<&'static TableSchema>,
}

impl<'a> LoadTransaction<'a> {
    /// Checks the tables, and prepares the transaction.
    pub(super) fn prepare(
        load: &'a WarehouseLoad<'a>,
        source: &'a mut dyn LoadSource,
        session: &'a mut WarehouseSession,
        state: &'a mut CrossAttemptState,
        progress: &'a dyn Observer,
    ) -> Result<Self> {
        let _span = tracing::info_span!("check_tables").entered();
        let missing_tables = warn_if_blocked(progress, || match load.mode {
            LoadMode::Incremental => ensure_mergeable(session, progress).map(|()| Vec::new()),
            LoadMode::FullRefresh { .. } => ensure_refreshable(session, progress),
        })?;
        source.prepare_attempt(session)?;
        Ok(Self {
            load,
            source,
            session,
            state,
            progress,
            missing_tables,
        })
    }

    /// Runs all statements, and records their effects in the state.
    pub(super) fn run(mut self, statements: &[Statement]) -> Result<()> {
        if let Some(bytes) = self.source.bytes() {
            self.progress.start_phase("load", Some(bytes));
        }
        let mut stage = LoadStage::Stage;
        let mut span = stage.span().entered();
        for statement in statements {
            let next_stage = stage.at(statement.effect);
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
    fn run_statement(&mut self, statement: &Statement) -> Result<ControlFlow<()>> {
        if self.source.bytes().is_none() {
            self.progress
                .start_phase(&statement_summary(&statement.sql), None);
        }
        match statement.effect {
            // The LOCK must follow directly: the first query of a transaction chooses its snapshot.
            Effect::Begin => self.session.begin()?,
            Effect::Create(_)
            | Effect::Alter(_)
            | Effect::Drop(_)
            | Effect::View
            | Effect::Temporary
            | Effect::DropRaw(_)
            | Effect::CreateRaw(_)
            | Effect::DropConstraints
            | Effect::Constraints
            | Effect::Insert(_)
            | Effect::Update(_)
            | Effect::Delete(_) => self.execute(statement)?,
            Effect::Lock => self.lock_tables(statement)?,
            Effect::LoadedRuns => return self.check_loaded_runs(statement),
            Effect::Copy(_)
            | Effect::CopyRecords(_)
            | Effect::CopySourceObjects
            | Effect::Transform(_)
            | Effect::Check(
                Check::LoadErrors(_)
                | Check::RecordCounts
                | Check::RejectedRecords(_)
                | Check::FactSummary,
            ) => self
                .source
                .run_statement(self.session, statement, self.progress)?,
            Effect::Check(Check::StagedRows) => self.check_staged_rows(statement)?,
            Effect::Check(Check::Emptied) => {
                check_emptied(self.query(statement)?).map_err(fatal)?;
            }
            Effect::Check(Check::MergeState) => {
                check_merge_state(&self.query(statement)?).map_err(fatal)?;
            }
            Effect::Check(Check::MergedRows) => {
                check_merged(&self.query(statement)?).map_err(fatal)?;
            }
            Effect::Check(Check::RowDeltas) => {
                check_row_deltas(&self.query(statement)?, &self.state.changes).map_err(fatal)?;
            }
            Effect::Commit => self.commit(statement)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn query(&mut self, statement: &Statement) -> Result<Vec<ResultRow>> {
        self.session.query(&statement.sql)
    }

    fn execute(&mut self, statement: &Statement) -> Result<()> {
        let rows = execute_statement(self.session, statement, self.progress)?;
        self.session.log_query_id();
        record_effect(&mut self.state.changes, statement.effect, rows);
        Ok(())
    }

    /// Waits for other loads, and creates the missing tables.
    fn lock_tables(&mut self, lock: &Statement) -> Result<()> {
        // A missing table cannot be locked. Other sessions do not see the one that this transaction creates.
        if !self.missing_tables.contains(&SPARKIFY.load_history) {
            self.execute(lock)?;
        }
        let dialect = self.load.warehouse.connection.dialect;
        for ddl in missing_table_ddl(dialect, &self.missing_tables) {
            self.execute(&ddl)?;
        }
        Ok(())
    }

    /// Checks which runs were loaded before, and resets the state for this attempt. Breaks if the load history shows
    /// that the previous attempt was committed.
    fn check_loaded_runs(&mut self, statement: &Statement) -> Result<ControlFlow<()>> {
        let runs = query_runs(self.session, &statement.sql)?;
        let run = self.source.run_id();
        if self.state.is_commit_sent && self.load.shows_committed(run, &runs) {
            return Ok(ControlFlow::Break(()));
        }
        self.load
            .ensure_no_concurrent_loads(run, &runs)
            .map_err(fatal)?;
        self.source.on_not_committed();
        let initial_counts =
            |table: &'static TableSchema| (table.name, TableChangeCounts::default());
        *self.state = CrossAttemptState {
            changes: SPARKIFY.star.iter().copied().map(initial_counts).collect(),
            is_commit_sent: false,
        };
        Ok(ControlFlow::Continue(()))
    }

    /// Counts the rows in the staging tables, and checks that they may be merged.
    fn check_staged_rows(&mut self, statement: &Statement) -> Result<()> {
        let counts = StagedRows::parse(&self.query(statement)?).map_err(fatal)?;
        self.source.check_staged_rows(&counts).map_err(fatal)?;
        for (table, rows) in counts.iter() {
            if let Some(counts) = self.state.changes.get_mut(table.name) {
                counts.rows = rows;
            }
        }
        if self.source.bytes().is_some() {
            self.progress.start_phase("merge", None);
        }
        Ok(())
    }

    fn commit(&mut self, statement: &Statement) -> Result<()> {
        self.source.before_commit().map_err(fatal)?;
        self.state.is_commit_sent = true;
        let committed = interrupt::protect(UNKNOWN_COMMIT, || self.session.execute(&statement.sql));
        if committed
            .as_ref()
            .is_err_and(|failure| failure.class != ErrorClass::ConnectionLost)
        {
            // The server itself has rejected the COMMIT.
            self.state.is_commit_sent = false;
            self.source.on_not_committed();
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
    fn at(self, effect: Effect) -> Self {
        match effect {
            Effect::Copy(_)
            | Effect::CopyRecords(_)
            | Effect::CopySourceObjects
            | Effect::Transform(_)
            | Effect::Check(
                Check::StagedRows
                | Check::LoadErrors(_)
                | Check::RecordCounts
                | Check::RejectedRecords(_)
                | Check::FactSummary,
            ) => Self::Copy,
            Effect::Check(Check::MergeState) => Self::Merge,
            Effect::Check(Check::MergedRows | Check::RowDeltas) => Self::Verify,
            Effect::Commit => Self::Commit,
            Effect::Begin
            | Effect::Lock
            | Effect::LoadedRuns
            | Effect::Create(_)
            | Effect::Alter(_)
            | Effect::Drop(_)
            | Effect::View
            | Effect::Temporary
            | Effect::DropRaw(_)
            | Effect::CreateRaw(_)
            | Effect::DropConstraints
            | Effect::Constraints
            | Effect::Insert(_)
            | Effect::Update(_)
            | Effect::Delete(_)
            | Effect::Check(Check::Emptied) => self,
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
        let statements = [
            (Effect::Begin, LoadStage::Stage),
            (Effect::Lock, LoadStage::Stage),
            (Effect::LoadedRuns, LoadStage::Stage),
            (Effect::Delete(&USERS), LoadStage::Stage),
            (Effect::Check(Check::Emptied), LoadStage::Stage),
            (Effect::Copy(&USERS), LoadStage::Copy),
            (Effect::Check(Check::StagedRows), LoadStage::Copy),
            (Effect::Check(Check::MergeState), LoadStage::Merge),
            (Effect::Insert(&USERS), LoadStage::Merge),
            (Effect::Check(Check::MergedRows), LoadStage::Verify),
            (Effect::Check(Check::RowDeltas), LoadStage::Verify),
            (Effect::Commit, LoadStage::Commit),
        ];
        let mut stage = LoadStage::Stage;
        for (effect, expected) in statements {
            stage = stage.at(effect);
            assert_eq!(stage, expected, "{effect:?}");
        }
    }
}
