//! `sparkify bench`: how fast it goes here, and where the time goes.

mod parse;
mod run;

use std::fmt::{Display, Write};

use clap::Subcommand;
use indicatif::DecimalBytes;
use serde::Serialize;

use super::render::bar::bar;
use super::{available_cores, print, print_json, render, report_failure};
use crate::bench::{BENCH_VERSION, BenchOptions, ThroughputSample};
use crate::error::Result;
use crate::output::report::StageReport;

/// Measure how fast it goes, and where the time goes
///
/// Every number of threads is measured several times, in turns, after one pass that warms the
/// system's file cache. What is shown is the median.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sparkify bench parse fixtures/log_data
  sparkify bench run --songs fixtures/song_data --logs fixtures/log_data";

/// Seconds in which starting threads and the like count for much.
const MIN_MEASURABLE_SECS: f64 = 0.1;

#[derive(Debug, Subcommand)]
enum Command {
    Parse(parse::Args),
    Run(run::Args),
}

/// What is asked of both benchmarks.
#[derive(Debug, clap::Args)]
struct BenchArgs {
    /// Numbers of threads to measure, each at most 1024 [default: 1, 2, 4 and so on up to one a core]
    #[arg(long, value_name = "N,...", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=1024), allow_negative_numbers = true)]
    threads: Vec<u16>,
    /// How often to measure each of them, at most 1000; the median counts
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=1000), allow_negative_numbers = true)]
    runs: u16,
    /// Print one JSON document on stdout in place of tables
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn main(args: Args) -> Result<()> {
    match args.command {
        Command::Parse(args) => parse::main(args),
        Command::Run(args) => run::main(args),
    }
}

impl BenchArgs {
    fn repeats(&self) -> BenchOptions {
        let mut threads: Vec<usize> = match &self.threads[..] {
            [] => powers_of_two(available_cores()),
            given => given.iter().copied().map(usize::from).collect(),
        };
        threads.sort_unstable();
        // As in `--threads 1,2,$(nproc)` on two cores.
        threads.dedup();
        BenchOptions {
            thread_counts: threads,
            runs: usize::from(self.runs),
        }
    }

    /// Prints what was found, for machines or for people.
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

/// 1, 2, 4 and so on, and at last `most` itself.
fn powers_of_two(max: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |n| n.checked_mul(2));
    powers.take_while(|&n| n < max).chain([max]).collect()
}

/// How the median was come by, for people.
fn method_note(runs: usize) -> String {
    let aggregate = match runs {
        1 => "one run".to_owned(),
        runs => format!("median of {runs} runs"),
    };
    format!("{aggregate} at each number of threads, after one to warm up the file cache")
}

/// So many of something, in the plural unless there is one.
fn pluralize(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", render::format_count(n as u64))
}

/// Billions of bytes a second.
fn format_gb_per_sec(rate: f64) -> String {
    format!("{:.3}", rate / 1e9)
}

fn format_decimal_bytes(n: u64) -> String {
    DecimalBytes(n).to_string()
}

/// Events a second.
fn format_events_per_sec(stage: &StageReport) -> String {
    render::format_count(stage.events_per_second as u64)
}

fn format_speedup(pace: &ThroughputSample) -> String {
    pace.speedup
        .map_or("-".to_owned(), |times| format!("{times:.2}x"))
}

/// What to do for better numbers, if anything.
fn advice<'a>(paces: impl Iterator<Item = &'a ThroughputSample>) -> &'static str {
    let mut paces = paces.peekable();
    if paces.peek().is_some_and(|first| first.speedup.is_none()) {
        return "\nno speed-up is known without 1 in --threads\n";
    }
    if paces.any(|pace| pace.total.seconds < MIN_MEASURABLE_SECS) {
        return "\nthis is too little input to measure: take some that takes a second or more\n";
    }
    ""
}

/// How fast it was by the clock: a row for each number of threads, with `more` behind its figures and
/// then a bar, that of the fastest so many characters long.
fn write_throughput<'a>(
    to: &mut String,
    per_second: &str,
    extra_header: &str,
    rows: impl Iterator<Item = (&'a ThroughputSample, impl Display)> + Clone,
    bar_width: usize,
) -> std::fmt::Result {
    let rate = |pace: &ThroughputSample| pace.total.bytes_per_second;
    let fastest = rows.clone().map(|(pace, _)| rate(pace)).fold(0.0, f64::max);
    writeln!(
        to,
        "\n{:<12} {:>9} {:>8} {per_second:>12} {:>9}{extra_header}",
        "by the clock", "seconds", "GB/s", "speed-up"
    )?;
    for (pace, more) in rows {
        writeln!(
            to,
            "{:<12} {:>9.3} {:>8} {:>12} {:>9}{more}  {}",
            pluralize(pace.threads, "thread"),
            pace.total.seconds,
            format_gb_per_sec(rate(pace)),
            format_events_per_sec(&pace.total),
            format_speedup(pace),
            bar(rate(pace) / fastest, bar_width)
        )?;
    }
    Ok(())
}
