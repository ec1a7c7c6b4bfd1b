//! Arguments that both benchmarks have.

use serde::Serialize;

use crate::bench::{BENCH_VERSION, BenchOptions};
use crate::cli::stdout::{print, print_json, report_failure};
use crate::config::available_cores;
use crate::error::Result;

/// Arguments that both benchmarks have.
#[derive(Debug, clap::Args)]
pub(super) struct SharedBenchArgs {
    /// Numbers of threads [default: 1,2,4,...,CORES]
    ///
    /// Separated by commas, each from 1 to 1024. The default is 1, 2, 4 and so on, up to one thread per
    /// core. The speedup is only known if 1 is among them.
    #[arg(long, value_name = "N,...", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=1024), allow_negative_numbers = true)]
    threads: Vec<u16>,
    /// Passes for each number of threads
    ///
    /// From 1 to 1000. The result is the median.
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=1000), allow_negative_numbers = true)]
    runs: u16,
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl SharedBenchArgs {
    pub(super) fn repeats(&self) -> BenchOptions {
        let mut threads: Vec<usize> = match &self.threads[..] {
            [] => powers_of_two(available_cores()),
            given => given.iter().copied().map(usize::from).collect(),
        };
        threads.sort_unstable();
        // `--threads 1,2,$(nproc)` has duplicates on two cores.
        threads.dedup();
        BenchOptions {
            thread_counts: threads,
            runs: usize::from(self.runs),
        }
    }

    /// Prints the result, as JSON or as tables.
    pub(super) fn print_result<T: Serialize>(
        &self,
        result: Result<T>,
        tables: impl Fn(&T) -> String,
    ) -> Result<()> {
        let result = result
            .map_err(|error| report_failure(error, self.json, ("bench_version", BENCH_VERSION)))?;
        match self.json {
            true => print_json(&result),
            false => print(&tables(&result)),
        }
    }
}

/// Returns 1, 2, 4 and so on, and finally `max` itself.
fn powers_of_two(max: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |n| n.checked_mul(2));
    powers.take_while(|&n| n < max).chain([max]).collect()
}
