//! Benchmarks the complete job, from listing to publishing, with a temporary folder as output.

use std::collections::BTreeMap;
use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;
use tempfile::TempDir;

use super::amdahl::SerialFraction;
use super::passes::{BenchHeader, BenchOptions, PassResults, ThroughputSample};
use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::observer::Observer;
use crate::output::ParquetCompression;
use crate::output::run_report::{InputReport, LogReport, StageReport, TableReport};
use crate::pipeline::{PhaseTiming, TimedRun, measure_run};
use crate::storage::Location;

/// The report of [`bench_run`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunBenchReport {
    /// The fields that all benchmark reports share.
    #[serde(flatten)]
    pub header: BenchHeader,
    /// The locations of the songs.
    pub songs_path: String,
    /// The locations of the logs.
    pub logs_path: String,
    /// The counts of song records in one pass.
    pub songs: InputReport,
    /// The counts of log events in one pass.
    pub logs: LogReport,
    /// The codec of the Parquet files.
    pub compression: ParquetCompression,
    /// The size of each table of one pass.
    pub tables: BTreeMap<String, TableReport>,
    /// One result for each number of threads.
    pub results: Vec<RunMeasurement>,
    /// The part that only one thread can work on at a time, absent if one thread was not measured.
    pub serial: Option<SerialFraction>,
}

/// The measurements with one number of threads.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunMeasurement {
    /// The throughput. Bytes are those of the input, as stored.
    #[serde(flatten)]
    pub sample: ThroughputSample,
    /// Peak memory of the process in the median pass, in bytes. It includes what the allocator kept from earlier
    /// passes. Absent if the system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// The time and the amount of work of each stage.
    pub stages: BTreeMap<String, StageReport>,
    /// Seconds outside all stages, summed over the threads. Most of them are spent waiting for work.
    pub idle_seconds: f64,
    /// The phases in order.
    pub phases: Vec<PhaseTiming>,
}

/// Measures complete runs. Their output goes to a temporary folder in `temp_parent`, not to `config.out`. The
/// folder is removed at the end, also if a run fails.
///
/// # Errors
/// Returns an error if a run fails, if the input changes between two runs, or if the temporary folder cannot be
/// created or removed.
pub(crate) fn bench_run(
    config: &RunConfig,
    temp_parent: &Path,
    options: &BenchOptions,
    progress: &dyn Observer,
) -> Result<RunBenchReport> {
    let temp_dir = create_temp_dir(temp_parent)?;
    let out = temp_dir.path().join("dataset");
    let pass = |threads, progress: &dyn Observer| {
        let config = RunConfig {
            threads,
            out: Location::Local(out.clone()),
            ..config.clone()
        };
        let timed_run = measure_run(&config, progress)?;
        // The next pass replaces nothing, and the disk holds only one dataset at a time.
        fs::remove_dir_all(&out).map_err(|e| Error::io("cannot remove", &out, e))?;
        Ok(timed_run)
    };
    let measured = options.measure(progress, pass, |timed_run| timed_run.report.total);
    progress.finish_phase();
    // An error of a pass matters more than one of the removal.
    let temp_path = temp_dir.path().to_owned();
    let removed = temp_dir.close();
    let PassResults { warmup, medians } = measured?;
    removed.map_err(|e| Error::io("cannot remove", &temp_path, e))?;
    let single_thread = medians.iter().find(|(sample, _)| sample.threads == 1);
    Ok(RunBenchReport {
        header: options.header("run"),
        songs_path: config.input.describe(RecordKind::Song),
        logs_path: config.input.describe(RecordKind::Log),
        serial: single_thread.map(|(_, timed_run)| SerialFraction::from_phases(&timed_run.phases)),
        songs: warmup.report.songs,
        logs: warmup.report.logs,
        compression: warmup.report.compression,
        tables: warmup.report.tables,
        results: medians.into_iter().map(run_result).collect(),
    })
}

/// Creates a folder in `parent` that is removed when it is dropped. Other users cannot read it, because it
/// holds names, locations and the text of rejects.
fn create_temp_dir(parent: &Path) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix("sparkify-bench-")
        .permissions(Permissions::from_mode(0o700));
    let created = builder.tempdir_in(parent);
    created.map_err(|e| {
        let kind = e.kind();
        let error = Error::io("cannot create a temporary folder in", parent, e);
        match kind {
            io::ErrorKind::NotFound => error.with_hint("the folder must exist"),
            _ => error,
        }
    })
}

fn run_result((sample, timed_run): (ThroughputSample, TimedRun)) -> RunMeasurement {
    let TimedRun { report, phases } = timed_run;
    let busy_seconds: f64 = report.stages.values().map(|stage| stage.seconds).sum();
    let thread_seconds = sample.total.seconds * sample.threads as f64;
    RunMeasurement {
        peak_memory_bytes: report.peak_memory_bytes,
        stages: report.stages,
        idle_seconds: (thread_seconds - busy_seconds).max(0.0),
        phases,
        sample,
    }
}
