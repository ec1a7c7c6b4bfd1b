//! Carries out a run: opens the input, builds all tables, and publishes them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};

use super::executed_by::executed_by;
use super::input_source::{InputSource, InputSources};
use super::input_warnings::warn_about_input;
use super::run_context::RunContext;
use super::run_input::open_input;
use super::source_counter::SourceCounts;
use super::thread_pool::build_thread_pool;
use super::timings::Timings;
use super::{dimensions, logs, peak_rss, reject_limit, replay, songs};
use crate::config::RunConfig;
use crate::error::Error;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::{Observer, WarningRecorder};
use crate::output::run_report::{
    InputReport, LogReport, REPORT_VERSION, RunOutcome, RunReport, StageReport, TableReport,
};
use crate::output::{RunId, Staging, TableParts};
use crate::storage::StoreOpener;

/// Builds the dataset from the configured input and publishes it. If all objects are loaded already, nothing is
/// written, and the status of the report says so.
///
/// # Errors
/// Returns an error if the input cannot be read, if the output cannot be written, or if there are too many
/// rejects. A dataset that was published before is then unchanged.
pub(crate) fn run(
    config: &RunConfig,
    progress: &dyn Observer,
) -> std::result::Result<RunReport, RunFailure> {
    run_with_timings(config, progress, &Timings::default())
}

/// A failed run, which published nothing.
#[derive(Debug)]
pub struct RunFailure {
    /// The error that ended the run.
    pub error: Error,
    /// The report of the input, if the run failed because of its content: too many rejects, or no events.
    pub report: Option<Box<RunReport>>,
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The error itself is already displayed.
        self.error.source()
    }
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> Self {
        Self {
            error,
            report: None,
        }
    }
}

impl From<RunFailure> for Error {
    fn from(failed: RunFailure) -> Self {
        failed.error
    }
}

/// Builds and publishes the dataset like [`run`], and adds its times to `timings`.
pub(super) fn run_with_timings(
    config: &RunConfig,
    progress: &dyn Observer,
    timings: &Timings,
) -> std::result::Result<RunReport, RunFailure> {
    let (began, started_at) = (Instant::now(), Utc::now());
    let progress = &WarningRecorder::new(progress);
    let span = tracing::Span::current();
    build_thread_pool(config.threads)?.install(|| {
        let _entered = span.enter();
        let stores = StoreOpener::new(config.s3.clone());
        let sources = open_input(config, &stores, timings, progress)?;
        warn_about_input(sources.overviews(), progress);
        if sources.has_nothing_new() {
            tracing::info!("found nothing new");
            let run = ReportedRun {
                id: &RunId::new().to_string(),
                replayed_run: None,
                config,
                progress,
                timings,
                parts: &TableParts::new(),
                began,
                started_at,
            };
            return Ok(nothing_new_report(&run, &sources));
        }
        let locations = sources.resolved_locations();
        let arrangement = config.output_arrangement();
        let staging = Staging::open(
            &stores,
            &config.out,
            arrangement,
            locations,
            config.compression,
        )?;
        let run = RunContext::new(config, started_at, progress, &staging, timings, sources);
        match build_tables(&run, began) {
            Ok(report) => {
                let _span = tracing::info_span!("publish").entered();
                let began = Instant::now();
                let parts = std::mem::take(&mut *run.parts());
                drop(run);
                if let Some(left) = staging.publish(&report, &parts)? {
                    progress.warn(&left.to_string());
                }
                timings.record_phase("publish", 1, began);
                Ok(report)
            }
            Err(RunFailure {
                error,
                report: Some(report),
            }) => {
                drop(run);
                Err(keep_failed_output(staging, error, report))
            }
            Err(RunFailure {
                error,
                report: None,
            }) => Err(RunFailure::from(match staging.discard() {
                None => error,
                Some(left) => error.add_hint(format!(
                    "cannot remove the incomplete output in {left}: run sparkify clean later"
                )),
            })),
        }
    })
}

/// Keeps the rejects and the report of a run that failed because of the content of its input.
fn keep_failed_output(staging: Staging, error: Error, mut report: Box<RunReport>) -> RunFailure {
    let kept_in = format!("rejects and report are in {}", staging.failed_location());
    let mut error_with_location = error.clone().add_hint(kept_in);
    report.error = Some(error_with_location.to_string());
    if let Err(keep_error) = staging.keep_failed(&report) {
        error_with_location = error.add_hint(format!(
            "rejects and report could not be kept: {keep_error}"
        ));
        report.error = Some(error_with_location.to_string());
    }
    RunFailure {
        error: error_with_location,
        report: Some(report),
    }
}

/// Reads the input and writes all tables to the staging area, without publishing them.
fn build_tables(
    run: &RunContext<'_>,
    began: Instant,
) -> std::result::Result<RunReport, RunFailure> {
    replay::carry_over_rejects(run)?;
    if run.replayed_run.is_some() && run.staging.replaces_dataset_of_input()? {
        let out = &run.config.out;
        return Err(Error::failed(format!("will not replace {out}"))
            .with_reason(
                "a replay writes only the records that pass, and this is the dataset of a run",
            )
            .with_hint("choose another --out, and load both into a warehouse, which merges them")
            .into());
    }
    run.progress
        .start_phase("songs", Some(run.songs.plan.bytes));
    let songs = songs::read_songs(run)?;
    warn_if_no_records(run, &run.songs, &songs.counts);
    if let Err(error) = reject_limit::check_songs(run, &songs.counts) {
        run.progress.finish_phase();
        let logs = LogReport {
            input: run.logs.initial_report(),
            ..LogReport::default()
        };
        return Err(input_failure(
            error,
            build_report(run, began, &songs.counts, logs, 0),
        ));
    }
    let lookup = songs::build_lookup(run, &songs.batches)?;
    run.progress.start_phase("logs", Some(run.logs.plan.bytes));
    let logs = logs::process_logs(run, &lookup)?;
    run.progress.finish_phase();
    warn_if_no_records(run, &run.logs, &logs.counts);
    let log_report = LogReport {
        input: logs.counts.report.clone(),
        kept: logs.counts.kept - logs.duplicates,
        filtered: logs.counts.filtered,
        duplicates: logs.duplicates,
        oldest_event: event_time(logs.oldest_event()),
        newest_event: event_time(logs.newest_event()),
    };
    let checked = reject_limit::check_reject_limit(run, &songs.counts, &logs.counts)
        .and_then(|()| reject_limit::check_has_events(run, &log_report));
    if let Err(error) = checked {
        let report = build_report(run, began, &songs.counts, log_report, logs.matched);
        return Err(input_failure(error, report));
    }
    dimensions::write_dimensions(run, &songs, &lookup, &logs)?;
    Ok(build_report(
        run,
        began,
        &songs.counts,
        log_report,
        logs.matched,
    ))
}

/// Formats the time of an event, in milliseconds since 1970.
fn event_time(milliseconds: Option<i64>) -> Option<String> {
    let time = DateTime::from_timestamp_millis(milliseconds?)?;
    Some(iso_8601(time))
}

/// Formats a time in UTC, to the millisecond.
fn iso_8601(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Creates the failure of a run because of the content of its input. Its report has no tables, because none
/// is published.
fn input_failure(error: Error, mut report: RunReport) -> RunFailure {
    report.status = RunOutcome::Failed;
    for table in report
        .tables
        .values_mut()
        .chain(report.merge_state.values_mut())
    {
        *table = TableReport::default();
    }
    RunFailure {
        error,
        report: Some(Box::new(report)),
    }
}

/// Warns about objects without records, which are valid but seldom intended. If there are no objects, all of
/// them are loaded already, and there is nothing to warn about. The texts of a replay are not objects.
fn warn_if_no_records(run: &RunContext<'_>, source: &InputSource, counts: &SourceCounts) {
    let objects = source.objects.len();
    if counts.report.records == 0 && objects > 0 && run.replayed_run.is_none() {
        let name = source.kind.singular();
        let locations = run.config.input.describe(source.kind);
        let s = if objects == 1 { "" } else { "s" };
        run.progress.warn(&format!(
            "no records in the {objects} {name} object{s} of {locations}"
        ));
    }
}

/// Returns the report of a run that read no object and wrote nothing.
fn nothing_new_report(run: &ReportedRun<'_>, sources: &InputSources) -> RunReport {
    let logs = LogReport {
        input: sources.logs.initial_report(),
        ..LogReport::default()
    };
    RunReport {
        status: RunOutcome::NothingNew,
        ..run.report(sources.songs.initial_report(), logs, 0)
    }
}

fn build_report(
    run: &RunContext<'_>,
    began: Instant,
    songs: &SourceCounts,
    logs: LogReport,
    matched: u64,
) -> RunReport {
    let reported = ReportedRun {
        id: run.staging.run_id(),
        replayed_run: run.replayed_run.as_deref(),
        config: run.config,
        progress: run.progress,
        timings: run.timings,
        parts: &run.parts(),
        began,
        started_at: run.started_at,
    };
    reported.report(songs.report.clone(), logs, matched)
}

/// What a report says about a run besides its input.
struct ReportedRun<'a> {
    id: &'a str,
    replayed_run: Option<&'a str>,
    config: &'a RunConfig,
    progress: &'a WarningRecorder<'a>,
    timings: &'a Timings,
    parts: &'a TableParts,
    began: Instant,
    started_at: DateTime<Utc>,
}

impl ReportedRun<'_> {
    fn report(&self, songs: InputReport, logs: LogReport, matched: u64) -> RunReport {
        let seconds = self.began.elapsed().as_secs_f64();
        let bytes = songs.bytes + logs.input.bytes;
        let total = StageReport::new(seconds, bytes, logs.input.records);
        RunReport {
            report_version: REPORT_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION").to_owned(),
            status: RunOutcome::Ok,
            error: None,
            run: self.id.to_owned(),
            replayed_run: self.replayed_run.map(str::to_owned),
            started_at: iso_8601(self.started_at),
            finished_at: iso_8601(Utc::now()),
            executed_by: executed_by(),
            warnings: self.progress.warnings(),
            compression: self.config.compression,
            songs,
            logs,
            tables: table_reports(self.parts, SPARKIFY.star),
            merge_state: table_reports(self.parts, SPARKIFY.merge_state),
            matched_songplays: matched,
            stages: self.timings.stage_reports(),
            total,
            peak_memory_bytes: peak_rss::peak_rss_bytes(),
            threads: self.config.threads,
        }
    }
}

fn table_reports(
    parts: &TableParts,
    tables: &[&'static TableSchema],
) -> BTreeMap<String, TableReport> {
    let report = |table: &&'static TableSchema| {
        let parts = parts.get(table.name).map(Vec::as_slice);
        let report = TableReport::from_parts(parts.unwrap_or_default());
        (table.name.to_owned(), report)
    };
    tables.iter().map(report).collect()
}
