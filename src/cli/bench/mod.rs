//! `sparkify bench`: benchmarks throughput and stage timings on this machine.

mod parse;
mod run;

use std::fmt::{Display, Write};

use clap::Subcommand;
use serde::Serialize;

use super::render::pluralize;
use super::render::share_bar::bar;
use super::{available_cores, help, print, print_json, render, report_failure};
use crate::bench::{BENCH_VERSION, BenchOptions, ThroughputSample};
use crate::error::Result;
use crate::output::run_report::StageReport;

/// Benchmark throughput and stage timings
///
/// Measures each number of threads several times, in turns, after one pass that warms up the file cache
/// of the system. The result is the median.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct BenchCommandArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

const EXAMPLES: &str = "Examples:
  sparkify bench parse fixtures/log_data
  sparkify bench run --songs fixtures/song_data --logs fixtures/log_data";

/// The shortest time that a benchmark measures well: in less, starting threads takes a large share.
const MIN_MEASURABLE_SECS: f64 = 0.1;

#[derive(Debug, Subcommand)]
enum BenchCommand {
    Parse(parse::ParseBenchArgs),
    Run(run::RunBenchArgs),
}

/// Arguments that both benchmarks have.
#[derive(Debug, clap::Args)]
struct SharedBenchArgs {
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
    quiet: bool,
}

pub(super) fn main(args: BenchCommandArgs) -> Result<()> {
    match args.command {
        BenchCommand::Parse(args) => parse::main(args),
        BenchCommand::Run(args) => run::main(args),
    }
}

impl SharedBenchArgs {
    fn repeats(&self) -> BenchOptions {
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
    fn print_result<T: Serialize>(
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

/// Describes how the result was measured.
fn method_note(runs: usize) -> String {
    let aggregate = match runs {
        1 => "one run".to_owned(),
        runs => format!("median of {runs} runs"),
    };
    format!("{aggregate} at each number of threads, after one to warm up the file cache")
}

/// Formats a rate in GB/s.
fn format_gb_per_sec(rate: f64) -> String {
    format!("{:.3}", rate / 1e9)
}

/// Formats the events per second of a stage.
fn format_events_per_sec(stage: &StageReport) -> String {
    render::format_count(stage.events_per_second as u64)
}

fn format_speedup(sample: &ThroughputSample) -> String {
    sample
        .speedup
        .map_or("-".to_owned(), |times| format!("{times:.2}x"))
}

/// Returns a note on how to get better numbers, or an empty text.
fn advice<'a>(samples: impl Iterator<Item = &'a ThroughputSample>) -> &'static str {
    let mut samples = samples.peekable();
    if samples.peek().is_some_and(|first| first.speedup.is_none()) {
        return "\nthe speedup is unknown without 1 in --threads\n";
    }
    if samples.any(|sample| sample.total.seconds < MIN_MEASURABLE_SECS) {
        return "\nthe input is too small to measure: use one that takes a second or more\n";
    }
    ""
}

/// Writes the throughput by wall clock: a row for each number of threads, which ends with an extra column
/// and a bar. The bar of the fastest row has `bar_width` characters.
fn write_throughput<'a>(
    to: &mut String,
    per_second: &str,
    extra_header: &str,
    rows: impl Iterator<Item = (&'a ThroughputSample, impl Display)> + Clone,
    bar_width: usize,
) -> std::fmt::Result {
    let rate = |sample: &ThroughputSample| sample.total.bytes_per_second;
    let fastest = rows
        .clone()
        .map(|(sample, _)| rate(sample))
        .fold(0.0, f64::max);
    writeln!(
        to,
        "\n{:<12} {:>9} {:>8} {per_second:>12} {:>9}{extra_header}",
        "wall clock", "seconds", "GB/s", "speedup"
    )?;
    for (sample, extra) in rows {
        writeln!(
            to,
            "{:<12} {:>9.3} {:>8} {:>12} {:>9}{extra}  {}",
            pluralize(sample.threads, "thread"),
            sample.total.seconds,
            format_gb_per_sec(rate(sample)),
            format_events_per_sec(&sample.total),
            format_speedup(sample),
            bar(rate(sample) / fastest, bar_width)
        )?;
    }
    Ok(())
}
