//! `sparkify run`: songs and logs to a star.

use std::path::PathBuf;

use super::{Input, cores, failed, print_json, refuse_remote, say, summary, warn_of_no_plays};
use crate::config::{MaxRejects, RunConfig, Sizes};
use crate::error::{Error, Result};
use crate::output::report::REPORT_VERSION;
use crate::pipeline;
use crate::progress::Progress;

/// Build the star from songs and logs
///
/// Reads all .json, .jsonl and .ndjson objects (also .gz, .bz2, .zst), and writes
/// OUT/TABLE/part-NNNNN.parquet for songplays, users, songs, artists and time, rejected records as
/// OUT/_rejects/*.jsonl and a report as OUT/_report.json. OUT is replaced as one step: a run that
/// fails or is killed leaves what was there before.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Folder to write: absent, empty, or an earlier output
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Worker threads, at most 1024 [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024),
        allow_negative_numbers = true)]
    threads: Option<u16>,
    /// Rejected records to tolerate: a count, or a percentage of all records
    #[arg(
        long,
        value_name = "N|P%",
        default_value_t,
        allow_negative_numbers = true
    )]
    max_rejects: MaxRejects,
    /// Print the report as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data --out warehouse
  sparkify run --songs songs --logs logs/2018/11 --out warehouse --threads 8 --max-rejects 0
  sparkify run --songs songs --logs logs --out warehouse --quiet --json | jq .logs.kept";

pub fn main(args: Args) -> Result<()> {
    let Args { json, quiet, .. } = args;
    let progress = Progress::stderr(quiet);
    let result = config(args).and_then(|config| {
        let report = pipeline::run(&config, &progress)?;
        Ok((config, report))
    });
    progress.end();
    let (config, report) =
        result.map_err(|error| failed(error, json, ("report_version", REPORT_VERSION)))?;
    if !quiet {
        say(&summary::table(&report, &config.out));
    }
    warn_of_no_plays(&progress, &report.logs, &config.logs);
    if json {
        print_json(&report)?;
    }
    Ok(())
}

fn config(args: Args) -> Result<RunConfig> {
    if args.out.as_os_str().is_empty() {
        return Err(Error::usage("--out is empty").hint("name a folder"));
    }
    refuse_remote(&args.out)?;
    Ok(RunConfig {
        songs: args.input.songs,
        logs: args.input.logs,
        out: args.out,
        threads: args.threads.map_or_else(cores, usize::from),
        max_rejects: args.max_rejects,
        sizes: Sizes::default(),
    })
}
