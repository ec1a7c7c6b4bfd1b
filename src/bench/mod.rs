//! A benchmark: the same work at several numbers of threads, several times each.
//!
//! It stands beside the data path and drives [`pipeline`](crate::pipeline) as a run does. One pass
//! that nobody counts warms the system's file cache. Then all numbers of threads take turns, so that
//! whatever else the machine does meanwhile falls on all of them alike.
//!
//! `parse` is JSON to Arrow alone, `run` the whole job with its output in a folder of its own, and
//! `serial` what more cores could bring.

mod amdahl;
mod parse;
mod run;
mod scratch;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::output::report::{RunStatus, StageReport};
use crate::progress::Progress;

pub use amdahl::{SerialFraction, SpeedupBound};
pub use parse::{ParseBenchReport, ParseCounts, ParseResult, bench_parse};
pub use run::{RunBenchReport, RunResult, bench_run};

/// The version of the layout of what benchmarks report.
pub const BENCH_VERSION: u32 = 2;

/// What is repeated.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Numbers of threads, in ascending order, each at least 1.
    pub thread_counts: Vec<usize>,
    /// How often each of them is measured, at least once.
    pub runs: usize,
}

/// What every benchmark reports first.
#[derive(Debug, Clone, Serialize)]
pub struct BenchHeader {
    /// [`BENCH_VERSION`].
    pub bench_version: u32,
    /// The version of sparkify.
    pub sparkify_version: &'static str,
    /// How it ended.
    pub status: RunStatus,
    /// Which benchmark it is.
    pub bench: &'static str,
    /// How often each number of threads was measured.
    pub runs: usize,
}

/// What holds for one number of threads, whatever was measured.
#[derive(Debug, Clone, Serialize)]
pub struct ThroughputSample {
    /// Worker threads.
    pub threads: usize,
    /// The median pass, by the clock.
    #[serde(flatten)]
    pub total: StageReport,
    /// How many times as fast as on one thread; absent if one thread was not measured.
    pub speedup: Option<f64>,
    /// The seconds of all passes, in the order in which they were made.
    pub runs_seconds: Vec<f64>,
}

/// The passes that count.
struct Measurements<T> {
    /// The one that warmed up. What was read and written is the same in all of them.
    warmup: T,
    /// The median for each number of threads.
    medians: Vec<(ThroughputSample, T)>,
}

impl BenchOptions {
    fn header(&self, bench: &'static str) -> BenchHeader {
        BenchHeader {
            bench_version: BENCH_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION"),
            status: RunStatus::Ok,
            bench,
            runs: self.runs,
        }
    }

    /// Makes all passes, and gives of each number of threads the one whose time is the median (of an
    /// even number of passes the slower of the two in the middle).
    fn measure<T>(
        &self,
        progress: &Progress,
        pass: impl Fn(usize) -> Result<T>,
        total: impl Fn(&T) -> StageReport,
    ) -> Result<Measurements<T>> {
        progress.set_prefix("to warm up".to_owned());
        let warmup = pass(self.thread_counts.last().copied().unwrap_or(1))?;
        let ensure_same_input = |pass: T| match (total(&pass), total(&warmup)) {
            (found, first) if (found.bytes, found.events) == (first.bytes, first.events) => {
                Ok(pass)
            }
            (found, first) => Err(input_changed(&found, &first)),
        };
        let mut passes: Vec<Vec<T>> = self.thread_counts.iter().map(|_| Vec::new()).collect();
        for number in 1..=self.runs {
            for (&threads, passes) in self.thread_counts.iter().zip(&mut passes) {
                let runs = self.runs;
                progress.set_prefix(format!("--threads {threads}, run {number} of {runs}"));
                passes.push(ensure_same_input(pass(threads)?)?);
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
        Ok(Measurements { warmup, medians })
    }
}

/// Passes over different input cannot be compared.
fn input_changed(found: &StageReport, first: &StageReport) -> Error {
    let describe = |pass: &StageReport| format!("{} records in {} bytes", pass.events, pass.bytes);
    Error::failed("the input changed while it was measured")
        .with_reason(format!(
            "first {}, then {}",
            describe(first),
            describe(found)
        ))
        .with_hint("measure again when nothing writes to it")
}
