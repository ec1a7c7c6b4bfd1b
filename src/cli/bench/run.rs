//! `sparkify bench run`: the whole job.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{BenchArgs, bytes, events, gigabytes, hints, method, several, write_paces};
use crate::bench::{self, RunBenchReport, RunResult, SerialFraction, SpeedupBound};
use crate::cli::args::location::{InputArgs, folder};
use crate::cli::args::s3::S3Args;
use crate::cli::render;
use crate::cli::render::bar::bar;
use crate::config::{LoadedObjects, MaxRejects, RunConfig, Sizes};
use crate::error::Result;
use crate::output::Compression;
use crate::pipeline::Phase;
use crate::progress::Progress;
use crate::storage::Location;

/// Measure the whole job
///
/// Builds and publishes the star as a run does, listing to publishing, whatever is rejected. Each star
/// is removed again, and so is the folder sparkify-bench-PID that they are written to, also when the
/// benchmark fails; only one that is killed (Ctrl-C too) leaves it behind.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Folder that sparkify-bench-PID is made in, and so the disk that is measured; nothing else in it
    /// is touched [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR", value_parser = folder())]
    out: Option<PathBuf>,
    /// Codec of the Parquet files
    #[arg(long, value_name = "CODEC", value_enum, default_value_t)]
    compression: Compression,
    #[command(flatten)]
    asked: BenchArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = "\
Examples:
  sparkify bench run --songs fixtures/song_data --logs fixtures/log_data
  sparkify bench run --songs songs --logs logs --threads 1,16,64 --runs 5 --out /mnt/disk
  sparkify bench run --songs songs --logs logs --quiet --json | jq .serial";

/// Columns of seconds that fit a line of 80 characters.
const COLUMNS: usize = 7;

pub fn main(args: Args) -> Result<()> {
    let progress = Progress::stderr(args.asked.quiet);
    let repeats = args.asked.repeats();
    let out = args.out.clone().unwrap_or_else(std::env::temp_dir);
    let found = bench::run(&config(&args, &out), &out, &repeats, &progress);
    progress.end();
    args.asked.show(found, tables)
}

fn config(args: &Args, out: &Path) -> RunConfig {
    RunConfig {
        songs: args.input.include.of(args.input.songs.clone()),
        logs: args.input.include.of(args.input.logs.clone()),
        out: Location::Local(out.to_owned()),
        s3: args.s3.options(),
        threads: 1,
        max_rejects: MaxRejects::Percent(100.0),
        allow_empty: true,
        loads: false,
        loaded: LoadedObjects::default(),
        compression: args.compression,
        sizes: Sizes::default(),
    }
}

fn tables(found: &RunBenchReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_tables(&mut text, found);
    text
}

fn write_tables(to: &mut String, found: &RunBenchReport) -> std::fmt::Result {
    render::run::write_input(to, &found.songs, &found.logs, bytes)?;
    writeln!(to, "\n{}", method(found.head.runs))?;

    let column = |text: &str| format!(" {text:>12}");
    let peak = |result: &RunResult| result.peak_memory_bytes.map_or("unknown".to_owned(), bytes);
    let rows = found.results.iter();
    let rows = rows.map(|result| (&result.pace, column(&peak(result))));
    write_paces(to, "events/s", &column("peak memory"), rows, 11)?;
    for result in &found.results {
        write_stages(to, result)?;
    }
    writeln!(
        to,
        "\nbusy s adds up over the threads; the rates beside it are those of one thread,\n\
         of list in objects, of encode in bytes of Parquet"
    )?;
    for results in found.results.chunks(COLUMNS) {
        write_phases(to, results)?;
    }
    if let Some(serial) = &found.serial {
        write_serial(to, serial)?;
    }
    to.write_str(hints(found.results.iter().map(|result| &result.pace)))
}

/// Where the time of all threads went.
fn write_stages(to: &mut String, result: &RunResult) -> std::fmt::Result {
    let all = result.pace.total.seconds * result.pace.threads as f64;
    writeln!(
        to,
        "\n{:<12} {:>9} {:>8} {:>12} {:>9}",
        several(result.pace.threads, "thread"),
        "busy s",
        "GB/s",
        "events/s",
        "of all"
    )?;
    let mut row = |name: &str, seconds: f64, rates: [String; 2]| {
        let share = seconds / all;
        let [gigabytes, events] = rates;
        writeln!(
            to,
            "{name:<12} {seconds:>9.3} {gigabytes:>8} {events:>12} {:>7.1} %  {}",
            100.0 * share,
            bar(share, 24)
        )
    };
    for (name, stage) in render::run::in_order(&result.stages) {
        // Listed is not read.
        let gigabytes = match (name, stage.bytes) {
            ("list", _) | (_, 0) => "-".to_owned(),
            _ => gigabytes(stage.bytes_per_second),
        };
        row(name, stage.seconds, [gigabytes, events(stage)])?;
    }
    let none = || "-".to_owned();
    row("rest, idle", result.rest_seconds, [none(), none()])
}

/// What followed what at several numbers of threads.
fn write_phases(to: &mut String, results: &[RunResult]) -> std::fmt::Result {
    writeln!(to, "\nseconds by phase (its pieces) and by threads")?;
    write!(to, "{:<18}", "")?;
    for result in results {
        write!(to, " {:>7}", result.pace.threads)?;
    }
    writeln!(to)?;
    let phases = results.first().map_or(&[][..], |result| &result.phases);
    for (number, phase) in phases.iter().enumerate() {
        write!(to, "{:<18}", format!("{} ({})", phase.name, pieces(phase)))?;
        for result in results {
            let seconds = result.phases.get(number).map_or(0.0, |phase| phase.seconds);
            write!(to, " {seconds:>7.3}")?;
        }
        writeln!(to)?;
    }
    Ok(())
}

fn pieces(phase: &Phase) -> String {
    phase
        .pieces
        .map_or("any".to_owned(), |pieces| pieces.to_string())
}

fn write_serial(to: &mut String, serial: &SerialFraction) -> std::fmt::Result {
    let bounds = |bound: fn(&SpeedupBound) -> f64| {
        let told = serial
            .at_most
            .iter()
            .map(|at| format!("{:.1} times at {} cores", bound(at), at.cores));
        told.collect::<Vec<_>>().join(" and ")
    };
    writeln!(
        to,
        "\nserial share of one thread's time {:.1} %, by Amdahl's law\nat most {}",
        100.0 * serial.share,
        bounds(|at| at.speed_up)
    )?;
    writeln!(
        to,
        "as no phase can use more threads than it has pieces, in brackets above,\nat most {}",
        bounds(|at| at.speed_up_by_pieces)
    )
}
