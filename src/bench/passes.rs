//! Repeats a benchmark with several numbers of threads, and takes the median passes.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::run_report::{RunOutcome, RunReport, StageReport};
use crate::storage::Location;

/// The version of the layout of benchmark reports.
pub(crate) const BENCH_VERSION: u32 = 2;

/// How often a benchmark repeats its work, and with how many threads.
#[derive(Debug, Clone)]
pub(crate) struct BenchOptions {
    /// Numbers of threads to measure, in ascending order, each at least 1.
    pub thread_counts: Vec<usize>,
    /// Measured passes for each number of threads, at least one.
    pub runs: usize,
}

/// The first fields of every benchmark report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BenchHeader {
    /// The layout version, [`BENCH_VERSION`].
    pub bench_version: u32,
    /// The version of sparkify.
    pub sparkify_version: &'static str,
    /// How the benchmark ended.
    pub status: RunOutcome,
    /// The name of the benchmark, `parse` or `run`.
    pub bench: &'static str,
    /// Measured passes for each number of threads.
    pub runs: usize,
}

/// The throughput with one number of threads.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ThroughputSample {
    /// Worker threads.
    pub threads: usize,
    /// The wall-clock time and the amount of work of the median pass.
    #[serde(flatten)]
    pub total: StageReport,
    /// How many times as fast as on one thread, absent if one thread was not measured.
    pub speedup: Option<f64>,
    /// The seconds of all measured passes, in the order in which they ran.
    pub runs_seconds: Vec<f64>,
}

/// The results of all passes.
pub(super) struct PassResults<T> {
    /// The unmeasured pass. All passes read and write the same data.
    pub(super) warmup: T,
    /// The median pass for each number of threads.
    pub(super) medians: Vec<(ThroughputSample, T)>,
}

impl BenchOptions {
    pub(super) fn header(&self, bench: &'static str) -> BenchHeader {
        BenchHeader {
            bench_version: BENCH_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION"),
            status: RunOutcome::Ok,
            bench,
            runs: self.runs,
        }
    }

    /// Runs all passes. Returns the pass with the median time for each number of threads: of an even number of
    /// passes, the slower of the two in the middle.
    ///
    /// # Errors
    /// Returns an error if a pass fails, or if two passes read different input.
    pub(super) fn measure<T>(
        &self,
        progress: &dyn Observer,
        pass: impl Fn(usize, &dyn Observer) -> Result<T>,
        total: impl Fn(&T) -> StageReport,
    ) -> Result<PassResults<T>> {
        let warmup_threads = self.thread_counts.last().copied().unwrap_or(1);
        let warmup = pass(warmup_threads, &PassObserver::new(progress, "warmup"))?;
        let ensure_same_input = |pass: T| match (total(&pass), total(&warmup)) {
            (this, first) if (this.bytes, this.events) == (first.bytes, first.events) => Ok(pass),
            (this, first) => Err(input_changed(&first, &this)),
        };
        let mut passes: Vec<Vec<T>> = self.thread_counts.iter().map(|_| Vec::new()).collect();
        for number in 1..=self.runs {
            for (&threads, passes) in self.thread_counts.iter().zip(&mut passes) {
                let name = format!("--threads {threads}, run {number} of {}", self.runs);
                let observer = PassObserver::new(progress, &name);
                passes.push(ensure_same_input(pass(threads, &observer)?)?);
            }
        }
        let seconds = |pass: &T| total(pass).seconds;
        let mut medians = Vec::new();
        let mut single_thread = None;
        for (&threads, mut passes) in self.thread_counts.iter().zip(passes) {
            let runs_seconds = passes.iter().map(seconds).collect();
            passes.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
            let Some(median) = passes.into_iter().nth(self.runs / 2) else {
                continue;
            };
            if threads == 1 {
                single_thread = Some(seconds(&median));
            }
            let sample = ThroughputSample {
                threads,
                total: total(&median),
                speedup: single_thread.map(|single_thread| single_thread / seconds(&median)),
                runs_seconds,
            };
            medians.push((sample, median));
        }
        Ok(PassResults { warmup, medians })
    }
}

/// Puts the name of a pass before the names of its phases.
struct PassObserver<'a> {
    observer: &'a dyn Observer,
    pass: &'a str,
}

impl<'a> PassObserver<'a> {
    fn new(observer: &'a dyn Observer, pass: &'a str) -> Self {
        Self { observer, pass }
    }
}

impl Observer for PassObserver<'_> {
    fn start_phase(&self, name: &str, total_bytes: Option<u64>) {
        let name = format!("{}: {name}", self.pass);
        self.observer.start_phase(&name, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.observer.advance(bytes);
    }

    fn finish_phase(&self) {
        self.observer.finish_phase();
    }

    fn dataset_published(&self, report: &RunReport, location: &Location) {
        self.observer.dataset_published(report, location);
    }

    fn warn(&self, message: &str) {
        self.observer.warn(message);
    }
}

/// Creates the error for passes that read different input and so cannot be compared.
fn input_changed(first: &StageReport, later: &StageReport) -> Error {
    let describe = |pass: &StageReport| format!("{} records in {} bytes", pass.events, pass.bytes);
    Error::failed("the input changed during the benchmark")
        .with_reason(format!(
            "first {}, then {}",
            describe(first),
            describe(later)
        ))
        .with_hint("run the benchmark again when nothing writes to the input")
}
