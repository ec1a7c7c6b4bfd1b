//! Fills the staging tables of a load from raw records in S3.

use super::attempt::Attempt;
use super::engine_run::EngineRun;
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
use crate::pipeline::{RawInput, RunFailure, ensure_within_limit, input_failure, record_schema};
use crate::warehouse::WarehouseConfig;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::load::{LoadSource, StagedRows};
use crate::warehouse::sql::generator::{
    CopyRejects, LoadErrorView, failed_copy_errors_query, insert_copy_rejects,
    load_errors_statement,
};
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// The maximum number of objects in one INSERT.
const MAX_INSERTED_OBJECTS: usize = 1000;

/// What errors of S3 say if the bucket is in another region.
const WRONG_REGION_ERRORS: [&str; 3] = [
    "PermanentRedirect",
    "must be addressed using the specified endpoint",
    "AuthorizationHeaderMalformed",
];

/// The result of a statement.
type StatementResult<T> = std::result::Result<T, StatementError>;

/// The raw records of a run.
pub(super) struct RawSource<'a> {
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

impl<'a> RawSource<'a> {
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
            attempt: Attempt::new(LoadErrorView::Stl, input.stages.clone()),
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

    /// Copies the records of a kind.
    fn copy_records(
        &mut self,
        session: &mut WarehouseSession,
        record: &'static RecordSchema,
        sql: &str,
    ) -> StatementResult<()> {
        if let Err(failure) = self.copy(session, sql) {
            return Err(match failure.class {
                ErrorClass::Fatal => self.copy_failure(session, kind_of(record), failure)?,
                ErrorClass::Conflict | ErrorClass::ConnectionLost => failure,
            });
        }
        let copies = self.plan.copies.iter();
        let bytes = copies
            .filter(|copy| sql.contains(&copy.manifest))
            .map(|copy| copy.bytes);
        self.attempt.end_stage("copy", bytes.sum(), 0);
        Ok(())
    }

    fn copy(&mut self, session: &mut WarehouseSession, sql: &str) -> StatementResult<()> {
        let copied = session.copy_from_s3(sql, self.attempt.last_copy);
        copied.map_err(with_region_hint)?;
        let id = session.query("SELECT pg_last_copy_id()")?;
        let id = id
            .first()
            .and_then(|row| row.first()?.as_ref()?.parse().ok());
        let id = id.ok_or_else(|| {
            fatal(
                Error::failed("the warehouse returned an unexpected result")
                    .with_reason("cannot read the id of the COPY"),
            )
        })?;
        tracing::debug!(query_id = id, "id of the COPY");
        self.attempt.last_copy = id;
        Ok(())
    }

    /// Returns the error for a COPY that failed. If records that it could not read are the reason, the run has failed
    /// because of its input.
    fn copy_failure(
        &mut self,
        session: &mut WarehouseSession,
        kind: RecordKind,
        failure: StatementError,
    ) -> StatementResult<StatementError> {
        let query = failed_copy_errors_query(self.attempt.error_view, self.attempt.last_copy);
        // Without the permission to read the view, the error of the COPY has to do.
        let errors = session.query(&query).unwrap_or_default();
        if errors.is_empty() {
            let error = failure.error.add_hint(
                "COPY reads objects as their names say; --engine in-process goes by their contents",
            );
            return Ok(StatementError { error, ..failure });
        }
        self.attempt
            .add_load_errors(self.staging, kind, errors)
            .map_err(fatal)?;
        let [songs, logs] = self
            .attempt
            .counts(self.input)
            .map(|counts| (counts.report(), counts.rejects.first.clone()));
        let within_limit = ensure_within_limit(
            self.run.config.max_rejects,
            [&songs, &logs].map(|(report, first)| (report, first.as_deref())),
        );
        let error = within_limit.err().unwrap_or_else(|| {
            let (_, first) = match kind {
                RecordKind::Song => songs,
                RecordKind::Log => logs,
            };
            Error::too_many_rejects(format!("COPY gave up on the {}", kind.plural()))
                .with_reason(first.unwrap_or_default())
                .with_hint(
                    "--max-rejects does not apply to this; read the objects by --engine in-process, or correct them",
                )
        });
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
        let query = load_errors_statement(record, self.attempt.error_view);
        let rows = session.query(&query.sql)?;
        let kind = kind_of(record);
        self.attempt
            .add_load_errors(self.staging, kind, rows)
            .map_err(fatal)
    }

    /// Tells the warehouse how many records of each object COPY could not read.
    fn insert_copy_rejects(&self, session: &mut WarehouseSession) -> StatementResult<()> {
        for kind in [RecordKind::Song, RecordKind::Log] {
            let objects = self.attempt.load_errors_by_object(kind);
            let rejects: Vec<_> = objects
                .into_iter()
                .map(|(kind, object, count)| CopyRejects {
                    kind,
                    object: object.to_owned(),
                    count,
                })
                .collect();
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
        let unreadable = || {
            Error::failed("the warehouse returned an unexpected result")
                .with_reason("cannot read the summary of the staged events")
        };
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

impl LoadSource for RawSource<'_> {
    fn run_id(&self) -> &str {
        self.staging.run_id()
    }

    fn name(&self) -> String {
        format!("run {}", self.staging.run_id())
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
        // Only a cluster has this view, and the other one has no texts of records.
        let view = match session.query("SELECT 1 FROM stl_load_errors LIMIT 0") {
            Ok(_) => LoadErrorView::Stl,
            Err(failure) if failure.class == ErrorClass::Fatal => LoadErrorView::Sys,
            Err(failure) => return Err(failure),
        };
        if self.run.options.keep_staging {
            ensure_replaceable(session)?;
        }
        self.attempt = Attempt::new(view, self.input.stages.clone());
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
            Effect::CopySourceObjects => self.copy(session, sql),
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
            #[expect(
                clippy::panic,
                reason = "the plan of this source has no other statements"
            )]
            _ => panic!("raw records are copied, checked and transformed: {statement:?}"),
        }
    }

    fn check_staged_rows(&mut self, counts: &StagedRows) -> Result<()> {
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

/// Names the flag that helps if COPY asked for a bucket in the wrong region.
fn with_region_hint(failure: StatementError) -> StatementError {
    let text = failure.error.to_string();
    match WRONG_REGION_ERRORS.iter().any(|error| text.contains(error)) {
        false => failure,
        true => StatementError {
            error: failure.error.add_hint(
                "the bucket is in another region than Redshift: name its region with --copy-region",
            ),
            ..failure
        },
    }
}

/// Returns the kind of a record.
fn kind_of(record: &RecordSchema) -> RecordKind {
    match record.name == record_schema(RecordKind::Song).name {
        true => RecordKind::Song,
        false => RecordKind::Log,
    }
}
