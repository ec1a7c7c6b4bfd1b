//! `sparkify bench run`: benchmarks the complete job, from listing to publishing.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::shared_args::SharedBenchArgs;
use super::throughput::{
    advice, format_events_per_sec, format_gb_per_sec, method_note, write_throughput,
};
use crate::bench::{self, RunBenchReport, RunMeasurement, SerialFraction, SpeedupBound};
use crate::cli::args::location::{InputArgs, dir_parser};
use crate::cli::args::s3::S3Args;
use crate::cli::help;
use crate::cli::progress::TerminalProgress;
use crate::cli::render::numbers::{format_bytes, pluralize};
use crate::cli::render::run::{in_pipeline_order, write_input_counts};
use crate::cli::render::share_bar::bar;
use crate::config::{MaxRejects, RunConfig};
use crate::error::Result;
use crate::output::ParquetCompression;
use crate::pipeline::PhaseTiming;
use crate::storage::Location;

/// Benchmark the complete job, from listing to publishing
///
/// Builds and publishes the dataset as a run does, with any number of rejects. Removes each dataset
/// after its pass, and at the end the temporary folder that they are written to (sparkify-bench-...),
/// also if the benchmark fails. Only a benchmark that is killed (also by Ctrl-C) leaves the folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct RunBenchArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Folder to write in [default: TMPDIR]
    ///
    /// The benchmark creates a temporary folder in it, so it selects the disk that is measured. Nothing
    /// else in it is touched. Without TMPDIR, the default is /tmp.
    #[arg(long, value_name = "DIR", value_parser = dir_parser())]
    out: Option<PathBuf>,
    /// Codec of the Parquet files
    ///
    /// One of snappy, zstd, gzip and none.
    #[arg(
        long,
        value_name = "CODEC",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    compression: ParquetCompression,
    #[command(flatten)]
    bench: SharedBenchArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify bench run --songs fixtures/song_data --logs fixtures/log_data
  sparkify bench run --songs songs --logs logs --threads 1,16,64 --runs 5 \
    --out /mnt/disk
  sparkify bench run --songs songs --logs logs --quiet --json | jq .serial";

/// The number of columns of seconds that fit on a line of 80 characters.
const MAX_COLUMNS: usize = 7;

pub(super) fn main(args: RunBenchArgs) -> Result<()> {
    let progress = TerminalProgress::new(args.bench.quiet);
    let locations = args.input.songs.iter().chain(&args.input.logs);
    args.s3.ensure_used(locations, "the input is not in S3")?;
    let repeats = args.bench.repeats();
    let out = args.out.clone().unwrap_or_else(std::env::temp_dir);
    let result = bench::bench_run(&run_config(&args, &out), &out, &repeats, &progress);
    args.bench.print_result(result, format_result)
}

fn run_config(args: &RunBenchArgs, out: &Path) -> RunConfig {
    let input = |locations: &[Location]| args.input.include.to_input(locations.to_vec());
    RunConfig {
        s3: args.s3.to_options(),
        max_rejects: MaxRejects::Percent(100.0),
        allow_empty: true,
        compression: args.compression,
        ..RunConfig::new(
            input(&args.input.songs),
            input(&args.input.logs),
            Location::Local(out.to_owned()),
        )
    }
}

fn format_result(result: &RunBenchReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_result(&mut text, result);
    text
}

fn write_result(to: &mut String, result: &RunBenchReport) -> std::fmt::Result {
    write_input_counts(to, &result.songs, &result.logs)?;
    writeln!(to, "\n{}", method_note(result.header.runs))?;

    let column = |text: &str| format!(" {text:>12}");
    let peak = |result: &RunMeasurement| {
        result
            .peak_memory_bytes
            .map_or("unknown".to_owned(), format_bytes)
    };
    let rows = result.results.iter();
    let rows = rows.map(|result| (&result.sample, column(&peak(result))));
    write_throughput(to, "events/s", &column("peak memory"), rows, 11)?;
    for result in &result.results {
        write_stages(to, result)?;
    }
    writeln!(
        to,
        "\nthread-seconds are summed over the threads; rates are those of one thread,\n\
         of list in objects, of encode in bytes of Parquet"
    )?;
    for results in result.results.chunks(MAX_COLUMNS) {
        write_phases(to, results)?;
    }
    if let Some(serial) = &result.serial {
        write_speedup_bounds(to, serial)?;
    }
    to.write_str(advice(result.results.iter().map(|result| &result.sample)))
}

/// Writes how much of the time of all threads each stage took.
fn write_stages(to: &mut String, result: &RunMeasurement) -> std::fmt::Result {
    let thread_seconds = result.sample.total.seconds * result.sample.threads as f64;
    writeln!(
        to,
        "\n{:<12} {:>14} {:>8} {:>12} {:>9}",
        pluralize(result.sample.threads, "thread"),
        "thread-seconds",
        "GB/s",
        "events/s",
        "of all"
    )?;
    let mut row = |name: &str, seconds: f64, rates: [String; 2]| {
        let share = seconds / thread_seconds;
        let [gigabytes, events] = rates;
        writeln!(
            to,
            "{name:<12} {seconds:>14.3} {gigabytes:>8} {events:>12} {:>7.1} %  {}",
            100.0 * share,
            bar(share, 19)
        )
    };
    for (name, stage) in in_pipeline_order(&result.stages) {
        // Listing reads no object, so it has no rate in bytes.
        let gigabytes = match (name, stage.bytes) {
            ("list", _) | (_, 0) => "-".to_owned(),
            _ => format_gb_per_sec(stage.bytes_per_second),
        };
        row(
            name,
            stage.seconds,
            [gigabytes, format_events_per_sec(stage)],
        )?;
    }
    let dash = || "-".to_owned();
    row("other / idle", result.idle_seconds, [dash(), dash()])
}

/// Writes the wall-clock time of each phase at several numbers of threads.
fn write_phases(to: &mut String, results: &[RunMeasurement]) -> std::fmt::Result {
    writeln!(to, "\nseconds by phase (its tasks) and by threads")?;
    write!(to, "{:<24}", "")?;
    for result in results {
        write!(to, " {:>7}", result.sample.threads)?;
    }
    writeln!(to)?;
    let phases = results.first().map_or(&[][..], |result| &result.phases);
    for (number, phase) in phases.iter().enumerate() {
        write!(
            to,
            "{:<24}",
            format!("{} ({})", phase.name, format_tasks(phase))
        )?;
        for result in results {
            let seconds = result.phases.get(number).map_or(0.0, |phase| phase.seconds);
            write!(to, " {seconds:>7.3}")?;
        }
        writeln!(to)?;
    }
    Ok(())
}

fn format_tasks(phase: &PhaseTiming) -> String {
    phase
        .tasks
        .map_or("any".to_owned(), |tasks| tasks.to_string())
}

fn write_speedup_bounds(to: &mut String, serial: &SerialFraction) -> std::fmt::Result {
    let bounds = |bound: fn(&SpeedupBound) -> f64| {
        let per_core_count = serial
            .speedup_bounds
            .iter()
            .map(|at| format!("{:.1} times at {} cores", bound(at), at.cores));
        per_core_count.collect::<Vec<_>>().join(" and ")
    };
    writeln!(
        to,
        "\nserial share of one thread's time {:.1} %, by Amdahl's law\nat most {}",
        100.0 * serial.share,
        bounds(|at| at.speedup)
    )?;
    writeln!(
        to,
        "as no phase can use more threads than it has tasks, in brackets above,\nat most {}",
        bounds(|at| at.speedup_bound_by_tasks)
    )
}
