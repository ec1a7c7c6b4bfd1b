//! `sparkify bench parse`: JSON to Arrow record batches.

use std::fmt::Write;

use super::{BenchArgs, bytes, events, gigabytes, hints, method, several, write_paces};
use crate::bench::{self, ParseBenchReport};
use crate::cli::args::location::{IncludeArgs, place};
use crate::cli::args::s3::S3Args;
use crate::cli::render;
use crate::config::{ParseConfig, RecordKind, Sizes};
use crate::error::Result;
use crate::progress::Progress;
use crate::storage::Location;

/// Measure JSON to Arrow record batches
///
/// Reads and decodes everything as a run does: the same splits, reader and decoder, on as many
/// threads. The record batches are dropped and nothing is written. Listing is not in the time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder, file, s3://bucket/prefix or quoted glob with log events or song metadata
    #[arg(value_name = "PATH", value_parser = place(), required = true)]
    path: Vec<Location>,
    #[command(flatten)]
    include: IncludeArgs,
    /// What the records are [default: songs if the first object begins with one, otherwise logs]
    #[arg(long, value_name = "KIND")]
    kind: Option<RecordKindArg>,
    #[command(flatten)]
    asked: BenchArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = "\
Examples:
  sparkify bench parse fixtures/log_data
  sparkify bench parse songs --kind song --threads 1,8 --runs 5
  sparkify bench parse logs --quiet --json | jq '.results[] | {threads, bytes_per_second}'";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RecordKindArg {
    Log,
    Song,
}

pub fn main(args: Args) -> Result<()> {
    let Args {
        path,
        include,
        kind,
        asked,
        s3,
    } = args;
    let progress = Progress::stderr(asked.quiet);
    let repeats = asked.repeats();
    let config = ParseConfig {
        places: include.of(path),
        s3: s3.options(),
        kind: kind.map(|kind| match kind {
            RecordKindArg::Log => RecordKind::Log,
            RecordKindArg::Song => RecordKind::Song,
        }),
        threads: 1,
        sizes: Sizes::default(),
    };
    let found = bench::parse(&config, &repeats, &progress);
    progress.end();
    if let Ok(ParseBenchReport { input, path, .. }) = &found
        && input.kept == 0
    {
        progress.warn(&format!(
            "none of the {} records in {path} becomes a row; check PATH and --kind",
            input.input.records
        ));
    }
    asked.show(found, tables)
}

fn tables(found: &ParseBenchReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_tables(&mut text, found);
    text
}

fn write_tables(to: &mut String, found: &ParseBenchReport) -> std::fmt::Result {
    write_input(to, found)?;
    writeln!(to, "{}", method(found.head.runs))?;

    let per_second = match found.kind {
        RecordKind::Log => "events/s",
        RecordKind::Song => "songs/s",
    };
    let rows = found.results.iter().map(|result| (&result.pace, ""));
    write_paces(to, per_second, "", rows, 20)?;
    for stage in ["read", "decode"] {
        writeln!(
            to,
            "\n{stage:<12} {:>9} {:>8} {per_second:>12}",
            "busy s", "GB/s"
        )?;
        for result in &found.results {
            let Some(report) = result.stages.get(stage) else {
                continue;
            };
            writeln!(
                to,
                "{:<12} {:>9.3} {:>8} {:>12}",
                several(result.pace.threads, "thread"),
                report.seconds,
                gigabytes(report.bytes_per_second),
                events(report)
            )?;
        }
    }
    writeln!(
        to,
        "\nbusy s adds up over the threads; the rates beside it are those of one thread"
    )?;
    to.write_str(hints(found.results.iter().map(|result| &result.pace)))
}

fn write_input(to: &mut String, found: &ParseBenchReport) -> std::fmt::Result {
    let counts = &found.input;
    let json = found.results.first().map_or(0, |r| r.pace.total.bytes);
    writeln!(
        to,
        "{} in {}: {}, {} of JSON, {}",
        found.kind.plural(),
        // It must not steer the terminal.
        found.path.replace(char::is_control, " "),
        several(counts.input.objects as usize, "object"),
        bytes(json),
        several(counts.splits, "split")
    )?;
    write!(
        to,
        "{}: {} kept, {} no NextSong, {} rejected",
        several(counts.input.records as usize, "record"),
        render::count(counts.kept),
        render::count(counts.filtered),
        render::count(counts.input.rejected)
    )?;
    match counts.input.rejected {
        0 => writeln!(to),
        _ => writeln!(to, " ({})", render::run::reasons(&counts.input)),
    }
}
