//! The benchmark of the whole job: listing to publishing, into a folder that is removed again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::scratch::{self, Scratch};
use super::{BenchHeader, BenchOptions, Measurements, SerialFraction, ThroughputSample};
use crate::config::RunConfig;
use crate::error::Result;
use crate::output::Compression;
use crate::output::report::{InputReport, LogReport, StageReport, TableReport};
use crate::pipeline::{Phase, TimedRun, measure_run};
use crate::progress::Progress;
use crate::storage::Location;

/// What the benchmark found.
#[derive(Debug, Clone, Serialize)]
pub struct RunBenchReport {
    /// What every benchmark reports.
    #[serde(flatten)]
    pub header: BenchHeader,
    /// Where the songs are.
    pub songs_path: String,
    /// Where the logs are.
    pub logs_path: String,
    /// Song records, once.
    pub songs: InputReport,
    /// Log events, once.
    pub logs: LogReport,
    /// The codec of the Parquet files.
    pub compression: Compression,
    /// What was written once, by table.
    pub tables: BTreeMap<String, TableReport>,
    /// A result for each number of threads.
    pub results: Vec<RunResult>,
    /// What only one thread can do at a time; absent if one thread was not measured.
    pub serial: Option<SerialFraction>,
}

/// What was measured at one number of threads.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// How fast it was; bytes are those of the input, as stored.
    #[serde(flatten)]
    pub sample: ThroughputSample,
    /// The most memory that the process held in the median pass, in bytes; absent where the system
    /// does not tell. What it kept from earlier passes is in it.
    pub peak_memory_bytes: Option<u64>,
    /// Where the threads' time went.
    pub stages: BTreeMap<String, StageReport>,
    /// Seconds that no stage counts, summed over the threads: mostly waiting for work.
    pub idle_seconds: f64,
    /// What followed what.
    pub phases: Vec<Phase>,
}

/// Measures whole runs; a scratch folder for their output is made in `folder`, whatever `config.out` is.
///
/// # Errors
/// Those of a run, or the scratch folder cannot be made or removed.
pub fn bench_run(
    config: &RunConfig,
    scratch_parent: &Path,
    options: &BenchOptions,
    progress: &Progress,
) -> Result<RunBenchReport> {
    let scratch = Scratch::create(scratch_parent)?;
    let out = scratch.join("star");
    let pass = |threads| {
        let config = RunConfig {
            threads,
            out: Location::Local(out.clone()),
            ..config.clone()
        };
        let timed_run = measure_run(&config, progress)?;
        // Nothing is replaced in the next pass, and the disk holds one star at a time.
        scratch::remove(&out)?;
        Ok(timed_run)
    };
    let measured = options.measure(progress, pass, |timed_run| timed_run.report.total);
    progress.finish_phase();
    let removed = scratch.remove();
    let Measurements {
        warmup: warm,
        medians,
    } = measured?;
    removed?;
    let single_thread = medians.iter().find(|(sample, _)| sample.threads == 1);
    Ok(RunBenchReport {
        header: options.header("run"),
        songs_path: config.songs.to_string(),
        logs_path: config.logs.to_string(),
        serial: single_thread.map(|(_, timed_run)| SerialFraction::from_phases(&timed_run.phases)),
        songs: warm.report.songs,
        logs: warm.report.logs,
        compression: warm.report.compression,
        tables: warm.report.tables,
        results: medians.into_iter().map(run_result).collect(),
    })
}

fn run_result((sample, timed_run): (ThroughputSample, TimedRun)) -> RunResult {
    let TimedRun { report, phases } = timed_run;
    let busy_seconds: f64 = report.stages.values().map(|stage| stage.seconds).sum();
    let thread_seconds = sample.total.seconds * sample.threads as f64;
    RunResult {
        peak_memory_bytes: report.peak_memory_bytes,
        stages: report.stages,
        idle_seconds: (thread_seconds - busy_seconds).max(0.0),
        phases,
        sample,
    }
}
