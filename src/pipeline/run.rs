//! Carries out a run: opens the input, builds all tables, and publishes them.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::input_source::InputSource;
use super::input_warnings::{warn_about_input, warn_if_no_records};
use super::reported_run::{ReportedRun, iso_8601, table_sizes};
use super::run_context::RunContext;
use super::run_failure::{RunFailure, input_failure, keep_failed_output};
use super::run_input::open_input;
use super::source_counter::SourceCounts;
use super::thread_pool::build_thread_pool;
use super::timings::Timings;
use super::{dimensions, logs, reject_limit, replay, songs};
use crate::config::RunConfig;
use crate::error::Error;
use crate::observer::{Observer, WarningRecorder};
use crate::output::run_report::{EngineName, InputReport, LogReport, RunOutcome, RunReport};
use crate::output::{RunId, Staging};
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
        let unchanged = format!("{} is unchanged", config.out);
        let sources = open_input(config, &stores, timings, progress)
            .map_err(|error| error.describe_stop(&unchanged))?;
        let discarded = format!("the run is discarded, and {unchanged}");
        warn_about_input(sources.overviews(), progress);
        if sources.has_nothing_new() {
            tracing::info!("found nothing new");
            let run = ReportedRun {
                id: &RunId::new().to_string(),
                engine: EngineName::InProcess,
                replayed_run: None,
                config,
                progress,
                stages: timings.stage_reports(),
                tables: BTreeMap::new(),
                began,
                started_at,
            };
            return Ok(nothing_new_report(run, sources.initial_reports()));
        }
        let locations = sources.resolved_locations();
        let arrangement = config.output_arrangement();
        let staging = Staging::open(
            &stores,
            &config.out,
            arrangement,
            locations,
            config.compression,
        )
        .map_err(|error| error.describe_stop(&unchanged))?;
        progress.run_started(staging.run_id());
        let run = RunContext::new(config, started_at, progress, &staging, timings, sources);
        match build_tables(&run, began) {
            Ok(report) => {
                let _span = tracing::info_span!("publish").entered();
                let began = Instant::now();
                let parts = std::mem::take(&mut *run.parts());
                drop(run);
                let published = staging.publish(&report, &parts);
                if let Some(left) = published.map_err(|e| e.describe_stop(discarded))? {
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
            }) => {
                let error = error.describe_stop(discarded);
                Err(RunFailure::from(match staging.discard() {
                    None => error,
                    Some(left) => error.add_hint(format!(
                        "cannot remove the incomplete output in {left}: run sparkify clean later"
                    )),
                }))
            }
        }
    })
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
    warn_if_nothing_read(run, &run.songs, &songs.counts);
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
    warn_if_nothing_read(run, &run.logs, &logs.counts);
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

/// Returns the report of a run that read no object and wrote nothing.
pub(crate) fn nothing_new_report(
    run: ReportedRun<'_>,
    [songs, logs]: [InputReport; 2],
) -> RunReport {
    let logs = LogReport {
        input: logs,
        ..LogReport::default()
    };
    RunReport {
        status: RunOutcome::NothingNew,
        ..run.report(songs, logs, 0)
    }
}

/// Warns if the objects have no records. The texts of a replay are not objects.
fn warn_if_nothing_read(run: &RunContext<'_>, source: &InputSource, counts: &SourceCounts) {
    if run.replayed_run.is_none() {
        let input = run.config.input.describe(source.kind);
        warn_if_no_records(source.kind, &input, &counts.report, run.progress);
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
        engine: EngineName::InProcess,
        replayed_run: run.replayed_run.as_deref(),
        config: run.config,
        progress: run.progress,
        stages: run.timings.stage_reports(),
        tables: table_sizes(&run.parts()),
        began,
        started_at: run.started_at,
    };
    reported.report(songs.report.clone(), logs, matched)
}
