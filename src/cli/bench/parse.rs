//! `sparkify bench parse`: benchmarks the decoder, from JSON to Arrow record batches.

use std::fmt::Write;

use super::shared_args::SharedBenchArgs;
use super::throughput::{
    advice, format_events_per_sec, format_gb_per_sec, method_note, write_throughput,
};
use crate::bench::{self, ParseBenchReport};
use crate::cli::args::location::{IncludeArgs, location_parser};
use crate::cli::args::s3::S3Args;
use crate::cli::help;
use crate::cli::progress::TerminalProgress;
use crate::cli::render::numbers::{format_bytes, format_count, pluralize};
use crate::cli::render::run::format_reject_reasons;
use crate::config::{IoSizes, ParseBenchConfig};
use crate::error::Result;
use crate::input::RecordKind;
use crate::storage::Location;

/// Benchmark the decoder, from JSON to Arrow record batches
///
/// Reads and decodes the input with the splits, the reader and the decoder of a run, drops the record
/// batches and writes nothing. The time does not include listing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct ParseBenchArgs {
    /// Logs or songs: folder, file, S3 prefix or glob
    #[arg(value_name = "PATH", value_parser = location_parser(), required = true)]
    path: Vec<Location>,
    #[command(flatten)]
    include: IncludeArgs,
    /// Kind of the records [default: detected]
    ///
    /// log or song. The default is song if the first object begins with a song, otherwise log.
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    kind: Option<RecordKindArg>,
    #[command(flatten)]
    bench: SharedBenchArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify bench parse fixtures/log_data
  sparkify bench parse songs --kind song --threads 1,8 --runs 5
  sparkify bench parse logs --quiet --json \
    | jq '.results[] | {threads, bytes_per_second}'";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RecordKindArg {
    Log,
    Song,
}

pub(super) fn main(args: ParseBenchArgs) -> Result<()> {
    let ParseBenchArgs {
        path,
        include,
        kind,
        bench,
        s3,
    } = args;
    let progress = TerminalProgress::new(bench.quiet);
    s3.ensure_used(&path, "the input is not in S3")?;
    let repeats = bench.repeats();
    let config = ParseBenchConfig {
        locations: include.to_input(path),
        s3: s3.to_options(),
        kind: kind.map(|kind| match kind {
            RecordKindArg::Log => RecordKind::Log,
            RecordKindArg::Song => RecordKind::Song,
        }),
        threads: 1,
        sizes: IoSizes::default(),
    };
    let result = bench::bench_parse(&config, &repeats, &progress);
    bench.print_result(result, format_result)
}

fn format_result(result: &ParseBenchReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_result(&mut text, result);
    text
}

fn write_result(to: &mut String, result: &ParseBenchReport) -> std::fmt::Result {
    write_input_counts(to, result)?;
    writeln!(to, "{}", method_note(result.header.runs))?;

    let per_second = match result.kind {
        RecordKind::Log => "events/s",
        RecordKind::Song => "songs/s",
    };
    let rows = result.results.iter().map(|result| (&result.sample, ""));
    write_throughput(to, per_second, "", rows, 20)?;
    for stage in ["read", "decode"] {
        writeln!(
            to,
            "\n{stage:<12} {:>14} {:>8} {per_second:>12}",
            "thread-seconds", "GB/s"
        )?;
        for result in &result.results {
            let Some(report) = result.stages.get(stage) else {
                continue;
            };
            writeln!(
                to,
                "{:<12} {:>14.3} {:>8} {:>12}",
                pluralize(result.sample.threads, "thread"),
                report.seconds,
                format_gb_per_sec(report.bytes_per_second),
                format_events_per_sec(report)
            )?;
        }
    }
    writeln!(
        to,
        "\nthread-seconds are summed over the threads; rates are those of one thread"
    )?;
    to.write_str(advice(result.results.iter().map(|result| &result.sample)))
}

fn write_input_counts(to: &mut String, result: &ParseBenchReport) -> std::fmt::Result {
    let counts = &result.input;
    let json_bytes = result.results.first().map_or(0, |r| r.sample.total.bytes);
    writeln!(
        to,
        "{} in {}: {}, {} of JSON, {}",
        result.kind.plural(),
        // Control characters in a path must not reach the terminal.
        result.path.replace(char::is_control, " "),
        pluralize(counts.input.objects as usize, "object"),
        format_bytes(json_bytes),
        pluralize(counts.splits, "split")
    )?;
    write!(
        to,
        "{}: {} kept, {} filtered (page is not NextSong), {} rejected",
        pluralize(counts.input.records as usize, "record"),
        format_count(counts.kept),
        format_count(counts.filtered),
        format_count(counts.input.rejected)
    )?;
    match counts.input.rejected {
        0 => writeln!(to),
        _ => writeln!(to, " ({})", format_reject_reasons(&counts.input)),
    }
}
