//! Fills the staging tables of a load from raw records in S3.

use super::attempt::Attempt;
use super::copy_error::copy_error;
use super::engine_run::EngineRun;
use super::json_copy::{read_failed_copy_errors, read_load_errors, readable_views, run_copy};
use super::kept_staging::ensure_replaceable;
use super::plan::raw_statements;
use super::rejected_records::RejectedRecord;
use super::reported_counts::{check_counts, log_report};
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::model::RecordSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::output::Staging;
use crate::output::raw_staging::RawStagingPlan;
use crate::output::run_report::{LogReport, RunReport, TableReport};
use crate::pipeline::{RawInput, RunFailure, input_failure, record_schema};
use crate::warehouse::WarehouseConfig;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::load::{LoadSource, StagedRows};
use crate::warehouse::query_result::unexpected_result;
use crate::warehouse::sql::generator::insert_copy_rejects;
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// The maximum number of objects in one INSERT, which keeps it far below the 16 MB that a statement may have.
const MAX_INSERTED_OBJECTS: usize = 1000;

/// The result of a statement.
type StatementResult<T> = std::result::Result<T, StatementError>;

/// The raw records of a run.
pub(super) struct RawRecords<'a> {
    run: &'a EngineRun<'a>,
    input: &'a RawInput,
    plan: &'a RawStagingPlan<'a>,
    staging: &'a Staging,
    attempt: Attempt,
    /// Why the run failed because of its input, and its report.
    failure: Option<RunFailure>,
    /// The report, after it was written.
    report: Option<RunReport>,
}

impl<'a> RawRecords<'a> {
    /// Returns the records of the objects of `input`, for which `plan` was uploaded.
    pub(super) fn new(
        run: &'a EngineRun<'a>,
        input: &'a RawInput,
        plan: &'a RawStagingPlan<'a>,
        staging: &'a Staging,
    ) -> Self {
        Self {
            run,
            input,
            plan,
            staging,
            attempt: Attempt::new(Vec::new(), input.stages.clone()),
            failure: None,
            report: None,
        }
    }

    /// Returns why the run failed, if its input is the reason.
    pub(super) fn take_failure(&mut self) -> Option<RunFailure> {
        self.failure.take()
    }

    /// Returns the report, if it was written.
    pub(super) fn take_report(&mut self) -> Option<RunReport> {
        self.report.take()
    }

    /// Copies the list of the source objects.
    fn copy_source_objects(
        &mut self,
        session: &mut WarehouseSession,
        sql: &str,
    ) -> StatementResult<()> {
        // An earlier attempt was not committed, as is known only now. Its rejects may not be those of this one.
        self.staging.remove_rejects().map_err(fatal)?;
        let copy = run_copy(session, sql, self.attempt.last_copy)?;
        self.attempt.last_copy = copy.id;
        Ok(())
    }

    /// Copies the records of the next objects.
    fn copy_records(
        &mut self,
        session: &mut WarehouseSession,
        record: &'static RecordSchema,
        sql: &str,
    ) -> StatementResult<()> {
        let kind = kind_of(record);
        match run_copy(session, sql, self.attempt.last_copy) {
            Ok(copy) => {
                let bytes = self.plan.copies[self.attempt.copies].bytes;
                self.attempt.add_copy(kind, copy);
                self.attempt.end_stage("copy", bytes, copy.rows);
                Ok(())
            }
            Err(failure) if failure.class == ErrorClass::Fatal => {
                Err(self.copy_failure(session, kind, failure)?)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns the error for a COPY that failed. If records that it could not read are the reason, the run has failed
    /// because of its input.
    fn copy_failure(
        &mut self,
        session: &mut WarehouseSession,
        kind: RecordKind,
        failure: StatementError,
    ) -> StatementResult<StatementError> {
        let attempt = &mut self.attempt;
        let errors = read_failed_copy_errors(session, &attempt.error_views, attempt.last_copy)?;
        if errors.is_empty() {
            let error = failure.error.add_hint(
                "COPY reads objects as their names say, and no record of more than 4 MB; --engine in-process reads both",
            );
            return Ok(StatementError { error, ..failure });
        }
        let count = errors.len();
        attempt
            .add_load_errors(self.staging, kind, errors)
            .map_err(fatal)?;
        let max_rejects = self.run.config.max_rejects;
        let rejects = attempt.rejects(kind);
        let error = copy_error(kind, max_rejects, count, rejects, failure.error);
        self.fail(error).map_err(fatal)
    }

    /// Records that the run failed because of its input, and returns the error for the load.
    fn fail(&mut self, error: Error) -> Result<StatementError> {
        self.attempt.write_rejects(self.staging)?;
        let report = self.build_report();
        self.failure = Some(input_failure(error.clone(), report));
        Ok(fatal(error))
    }

    /// Adds the records that the last COPY could not read.
    fn add_load_errors(
        &mut self,
        session: &mut WarehouseSession,
        record: &'static RecordSchema,
    ) -> StatementResult<()> {
        let attempt = &mut self.attempt;
        let copy = attempt.newest_copy();
        let rows = read_load_errors(session, record, &attempt.error_views, copy)?;
        attempt
            .add_load_errors(self.staging, kind_of(record), rows)
            .map_err(fatal)
    }

    /// Tells the warehouse how many records of each object COPY could not read.
    fn insert_copy_rejects(&self, session: &mut WarehouseSession) -> StatementResult<()> {
        for (kind, source) in [
            (RecordKind::Song, &self.input.songs),
            (RecordKind::Log, &self.input.logs),
        ] {
            let rejects = self.attempt.rejects(kind).by_source_object(source);
            for rejects in rejects.chunks(MAX_INSERTED_OBJECTS) {
                session.execute(&insert_copy_rejects(&SPARKIFY, rejects).sql)?;
            }
        }
        Ok(())
    }

    /// Adds the records that the checks rejected.
    fn add_rejected_records(
        &mut self,
        session: &mut WarehouseSession,
        record: &'static RecordSchema,
        sql: &str,
    ) -> StatementResult<()> {
        let columns = record.staging_columns();
        let mut added = Ok(());
        session.for_each_row(sql, |row| {
            if added.is_ok() {
                added = RejectedRecord::parse(&row, &columns).and_then(|rejected| {
                    self.attempt
                        .add_rejected_record(self.staging, kind_of(record), &rejected)
                });
            }
        })?;
        added.map_err(fatal)
    }

    /// Holds the counts of all records against the limits, and writes the rejects.
    fn check_records(&mut self, session: &mut WarehouseSession, sql: &str) -> StatementResult<()> {
        let rows = session.query(sql)?;
        self.attempt.set_record_counts(&rows).map_err(fatal)?;
        let records = self.attempt.record_count();
        self.attempt.end_stage("check", 0, records);
        for kind in RecordKind::ALL {
            if let Some(warning) = self.attempt.rejects(kind).unread_objects_warning() {
                self.run.progress.warn(&warning);
            }
        }
        let [songs, logs] = self.attempt.counts(self.input);
        let checked = check_counts(self.run.config, &songs, &logs, self.run.progress);
        if let Err(error) = checked {
            return Err(self.fail(error).map_err(fatal)?);
        }
        self.attempt.write_rejects(self.staging).map_err(fatal)?;
        self.insert_copy_rejects(session)
    }

    /// Reads what the report says about the staged rows of the fact table.
    fn read_fact_summary(&mut self, rows: &[ResultRow]) -> Result<()> {
        let unreadable = || unexpected_result("the summary of the staged events");
        let [row] = rows else {
            return Err(unreadable());
        };
        let [Some(matched), oldest, newest] = row.as_slice() else {
            return Err(unreadable());
        };
        self.attempt.star.matched = matched.parse().map_err(|_| unreadable())?;
        self.attempt.event_times = [oldest.clone(), newest.clone()];
        Ok(())
    }

    fn build_report(&self) -> RunReport {
        let [songs, logs] = self.attempt.counts(self.input);
        let [oldest_event, newest_event] = self.attempt.event_times.clone();
        let logs = LogReport {
            oldest_event,
            newest_event,
            ..log_report(&logs)
        };
        self.run.report(
            self.staging.run_id(),
            songs.report(),
            logs,
            &self.attempt.star,
        )
    }
}

impl LoadSource for RawRecords<'_> {
    fn run_id(&self) -> &str {
        self.staging.run_id()
    }

    fn name(&self) -> String {
        format!("run {}", self.staging.run_id())
    }

    fn how_to_repeat(&self) -> &'static str {
        "run again"
    }

    fn bytes(&self) -> Option<u64> {
        None
    }

    fn statements(&self, warehouse: &WarehouseConfig) -> Result<Vec<Statement>> {
        raw_statements(
            self.plan,
            self.run.options,
            self.run.config.max_rejects,
            &warehouse.iam_role,
        )
    }

    fn prepare_attempt(&mut self, session: &mut WarehouseSession) -> StatementResult<()> {
        if self.run.options.keep_staging {
            ensure_replaceable(session)?;
        }
        self.attempt = Attempt::new(readable_views(session)?, self.input.stages.clone());
        Ok(())
    }

    fn run_statement(
        &mut self,
        session: &mut WarehouseSession,
        statement: &Statement,
        _progress: &dyn Observer,
    ) -> StatementResult<()> {
        let sql = &statement.sql;
        match statement.effect {
            Effect::CopySourceObjects => self.copy_source_objects(session, sql),
            Effect::CopyRecords(record) => self.copy_records(session, record, sql),
            Effect::Check(Check::LoadErrors(record)) => self.add_load_errors(session, record),
            Effect::Check(Check::RejectedRecords(record)) => {
                self.add_rejected_records(session, record, sql)
            }
            Effect::Check(Check::RecordCounts) => self.check_records(session, sql),
            Effect::Transform(_) => {
                session.execute(sql)?;
                session.log_query_id();
                Ok(())
            }
            Effect::Check(Check::FactSummary) => {
                let rows = session.query(sql)?;
                self.read_fact_summary(&rows).map_err(fatal)
            }
            Effect::Begin
            | Effect::Lock
            | Effect::LoadedRuns
            | Effect::Create(_)
            | Effect::Alter(_)
            | Effect::Drop(_)
            | Effect::View
            | Effect::CreateRaw(_)
            | Effect::DropRaw(_)
            | Effect::Temporary
            | Effect::DropConstraints
            | Effect::Constraints
            | Effect::Copy(_)
            | Effect::Insert(_)
            | Effect::Update(_)
            | Effect::Delete(_)
            | Effect::Check(
                Check::StagedRows
                | Check::Emptied
                | Check::MergeState
                | Check::MergedRows
                | Check::RowDeltas,
            )
            | Effect::Commit => {
                #[expect(
                    clippy::panic,
                    reason = "the transaction runs these statements by itself"
                )]
                {
                    panic!("raw records are copied, checked and transformed: {statement:?}")
                }
            }
        }
    }

    /// Checks that the warehouse has the list of all objects, and keeps the counts for the report.
    fn check_staged_rows(&mut self, counts: &StagedRows) -> Result<()> {
        let listed = self.input.songs.objects.len() + self.input.logs.objects.len();
        for (table, rows) in counts.iter() {
            if *table == *SPARKIFY.source_objects() && rows != listed as u64 {
                return Err(Error::failed(format!("cannot load run {}", self.run_id()))
                    .with_reason(format!(
                        "{rows} of {listed} listed objects arrived in the warehouse"
                    ))
                    .with_hint("the warehouse is unchanged; run again"));
            }
        }
        let rows = counts.iter().map(|(table, rows)| {
            let report = TableReport {
                rows,
                ..TableReport::default()
            };
            (table.name, report)
        });
        self.attempt.star.tables = rows.collect();
        let records = self.attempt.record_count();
        self.attempt.end_stage("transform", 0, records);
        Ok(())
    }

    /// Writes the report, so that the rejects are known before the load is.
    fn before_commit(&mut self) -> Result<()> {
        let report = self.build_report();
        self.staging.write_report_without_dataset(&report)?;
        self.report = Some(report);
        Ok(())
    }

    fn on_not_committed(&mut self) {
        self.report = None;
    }
}

/// Returns the kind of a record.
fn kind_of(record: &RecordSchema) -> RecordKind {
    match record.name == record_schema(RecordKind::Song).name {
        true => RecordKind::Song,
        false => RecordKind::Log,
    }
}
