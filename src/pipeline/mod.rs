//! Runs the pipeline: connects the stages and distributes their work over threads. Only this module starts
//! worker threads.
//!
//! `list objects -> plan splits -> read -> decode -> build the star schema -> encode Parquet -> publish`
//!
//! Songs come first, because the events are joined with them. A worker turns a split into its own Parquet part
//! and keeps small states (users, ids, times). When all splits are done, the dimensions are built from these
//! states.

mod dimensions;
mod dry_run;
mod duplicate_ids;
mod duplicate_removal;
mod input_source;
mod instrumented_runs;
mod logs;
mod peak_rss;
mod readability;
mod reject_limit;
mod songs;
mod source_counter;
mod source_objects;
mod split_processing;
mod split_reader;
mod timings;
mod wrapper_record_hint;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use crate::config::{IoSizes, LoadedLogObjects, RunConfig};
use crate::error::{Error, Result};
use crate::input::{InputSpec, RecordKind};
use crate::observer::Observer;
use crate::output::run_report::{
    LogReport, REPORT_VERSION, RunOutcome, RunReport, StageReport, TableReport,
};
use crate::output::{PartInfo, Staging, TableParts};
use crate::star::schema::{MERGE_STATE_TABLES, STAR_TABLES, TableSchema};
use crate::storage::StoreOpener;
use input_source::InputSource;
use source_counter::SourceCounts;
use timings::{PipelineStage, Timings};

pub use dry_run::{InputPlan, RunPlan, SplitPlan, plan_run};
pub use instrumented_runs::{TimedParse, TimedRun, measure_parse, measure_run};
pub use timings::PhaseTiming;

/// The state of a run that every phase needs.
#[derive(Debug)]
struct RunContext<'a> {
    config: &'a RunConfig,
    progress: &'a dyn Observer,
    staging: &'a Staging,
    timings: &'a Timings,
    songs: InputSource,
    logs: InputSource,
    parts: Mutex<TableParts>,
}

/// The part of the state of a run that reading and decoding need.
#[derive(Debug, Clone, Copy)]
struct ReadContext<'a> {
    sizes: IoSizes,
    progress: &'a dyn Observer,
    timings: &'a Timings,
}

/// Builds the dataset from the configured input and publishes it.
///
/// # Errors
/// Returns an error if the input cannot be read, if the output cannot be written, or if there are too many
/// rejects. A dataset that was published before is then unchanged.
pub fn run(
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

impl std::fmt::Display for RunFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
fn run_with_timings(
    config: &RunConfig,
    progress: &dyn Observer,
    timings: &Timings,
) -> std::result::Result<RunReport, RunFailure> {
    let began = Instant::now();
    let span = tracing::Span::current();
    build_thread_pool(config.threads)?.install(|| {
        let _entered = span.enter();
        let stores = StoreOpener::new(config.s3.clone());
        let (songs, logs) = open_sources(config, &stores, timings)?;
        let staging = Staging::open(
            &stores,
            &config.out,
            [songs.resolved_locations(), logs.resolved_locations()],
            config.compression,
        )?;
        let run = RunContext {
            config,
            progress,
            staging: &staging,
            timings,
            songs,
            logs,
            parts: Mutex::default(),
        };
        match run.build_tables(began) {
            Ok(report) => {
                let _span = tracing::info_span!("publish").entered();
                let began = Instant::now();
                let parts = std::mem::take(&mut *run.lock_parts());
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

/// Lists and plans the songs and the logs.
fn open_sources(
    config: &RunConfig,
    stores: &StoreOpener,
    timings: &Timings,
) -> Result<(InputSource, InputSource)> {
    let split_bytes = config.sizes.split_bytes;
    let open = |kind, argument, locations, loaded| {
        InputSource::open(
            kind,
            argument,
            stores,
            locations,
            loaded,
            split_bytes,
            timings,
        )
    };
    let none_loaded = LoadedLogObjects::default();
    let songs = open(RecordKind::Song, "--songs", &config.songs, &none_loaded)?;
    let logs = open(
        RecordKind::Log,
        "--logs",
        &config.logs,
        &config.loaded_objects,
    )?;
    Ok((songs, logs))
}

/// Creates a pool of worker threads.
fn build_thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("worker-{index}"))
        .build()
        .map_err(|e| Error::failed(format!("cannot start {threads} threads")).with_source(e))
}

impl RunContext<'_> {
    fn read_context(&self) -> ReadContext<'_> {
        ReadContext {
            sizes: self.config.sizes,
            progress: self.progress,
            timings: self.timings,
        }
    }

    /// Reads the input and writes all tables to the staging area, without publishing them.
    fn build_tables(&self, began: Instant) -> std::result::Result<RunReport, RunFailure> {
        self.progress
            .start_phase("songs", Some(self.songs.plan.bytes));
        let (batches, songs) = songs::read_songs(self)?;
        self.warn_if_no_records(&self.songs, &self.config.songs, &songs);
        if let Err(error) = reject_limit::check_songs(self, &songs) {
            self.progress.finish_phase();
            let logs = LogReport {
                input: self.logs.initial_report(),
                already_loaded_objects: self.logs.skipped_loaded(),
                ..LogReport::default()
            };
            return Err(self.input_failure(error, self.build_report(began, &songs, logs, 0)));
        }
        let lookup = songs::build_lookup(self, &batches)?;
        self.progress
            .start_phase("logs", Some(self.logs.plan.bytes));
        let logs = logs::process_logs(self, &lookup)?;
        self.progress.finish_phase();
        self.warn_if_no_records(&self.logs, &self.config.logs, &logs.counts);
        let log_report = LogReport {
            input: logs.counts.report.clone(),
            kept: logs.counts.kept - logs.duplicates,
            filtered: logs.counts.filtered,
            duplicates: logs.duplicates,
            already_loaded_objects: self.logs.skipped_loaded(),
        };
        let checked = reject_limit::check_reject_limit(self, &songs, &logs.counts)
            .and_then(|()| reject_limit::check_has_events(self, &log_report));
        if let Err(error) = checked {
            let report = self.build_report(began, &songs, log_report, logs.matched);
            return Err(self.input_failure(error, report));
        }
        dimensions::write_dimensions(self, &batches, &lookup, &logs)?;
        Ok(self.build_report(began, &songs, log_report, logs.matched))
    }

    /// Creates the failure of a run because of the content of its input. Its report has no tables, because none
    /// is published.
    fn input_failure(&self, error: Error, mut report: RunReport) -> RunFailure {
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
    /// them are loaded already, and there is nothing to warn about.
    fn warn_if_no_records(
        &self,
        source: &InputSource,
        locations: &InputSpec,
        counts: &SourceCounts,
    ) {
        let objects = source.objects.len();
        if counts.report.records == 0 && objects > 0 {
            let name = source.kind.singular();
            let s = if objects == 1 { "" } else { "s" };
            self.progress.warn(&format!(
                "no records in the {objects} {name} object{s} of {locations}"
            ));
        }
    }

    fn build_report(
        &self,
        began: Instant,
        songs: &SourceCounts,
        logs: LogReport,
        matched: u64,
    ) -> RunReport {
        let seconds = began.elapsed().as_secs_f64();
        let bytes = songs.report.bytes + logs.input.bytes;
        let total = StageReport::new(seconds, bytes, logs.input.records);
        RunReport {
            report_version: REPORT_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION").to_owned(),
            status: RunOutcome::Ok,
            error: None,
            run: self.staging.run_id().to_owned(),
            compression: self.config.compression,
            songs: songs.report.clone(),
            logs,
            tables: self.table_reports(&STAR_TABLES),
            merge_state: self.table_reports(&MERGE_STATE_TABLES),
            matched_songplays: matched,
            stages: self.timings.stage_reports(),
            total,
            peak_memory_bytes: peak_rss::peak_rss_bytes(),
            threads: self.config.threads,
        }
    }

    fn table_reports(&self, tables: &[&'static TableSchema]) -> BTreeMap<String, TableReport> {
        let parts = self.lock_parts();
        let report = |table: &&'static TableSchema| {
            let parts = parts.get(table.name).map(Vec::as_slice);
            let report = TableReport::from_parts(parts.unwrap_or_default());
            (table.name.to_owned(), report)
        };
        tables.iter().map(report).collect()
    }

    /// Writes a table as a single part.
    fn write_table(&self, table: &'static TableSchema, rows: &RecordBatch) -> Result<()> {
        self.write_part(table, 0, rows)
    }

    /// Writes one part of a table.
    fn write_part(
        &self,
        table: &'static TableSchema,
        part_number: usize,
        rows: &RecordBatch,
    ) -> Result<()> {
        let began = Instant::now();
        let mut writer = self
            .staging
            .create_part(table, part_number, rows.schema())?;
        let row_group_rows = self.config.sizes.row_group_rows.max(1);
        for start in (0..rows.num_rows()).step_by(row_group_rows) {
            writer.write(&rows.slice(start, row_group_rows.min(rows.num_rows() - start)))?;
        }
        let part = writer.close()?;
        self.timings
            .record(PipelineStage::Encode, began, part.bytes, part.rows);
        self.register_part(table, part);
        Ok(())
    }

    /// Registers a written part of a table.
    fn register_part(&self, table: &'static TableSchema, part: PartInfo) {
        let mut parts = self.lock_parts();
        let parts = parts.entry(table.name).or_default();
        // Parts are in order of their numbers, not of their completion.
        let insert_at = parts.partition_point(|other| other.number < part.number);
        parts.insert(insert_at, part);
    }

    fn lock_parts(&self) -> std::sync::MutexGuard<'_, TableParts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
