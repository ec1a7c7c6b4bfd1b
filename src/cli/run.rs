//! `sparkify run`: songs and logs to a star.

use super::place::{EncryptionArgs, Input, S3Args, place};
use super::{cores, failed, print, print_json, say, summary, warn_of_no_plays};
use crate::config::{LoadedObjects, MaxRejects, RunConfig, Sizes};
use crate::error::Result;
use crate::output::report::REPORT_VERSION;
use crate::pipeline;
use crate::progress::Progress;
use crate::storage::Place;

/// Build the star from songs and logs
///
/// Reads all .json, .jsonl and .ndjson objects (also .gz, .bz2, .zst), and writes
/// OUT/TABLE/part-NNNNN.parquet for songplays, users, songs, artists and time, rejected records as
/// OUT/_rejects/*.jsonl and a report as OUT/_report.json. A folder OUT is replaced as one step: a run
/// that fails or is killed leaves what was there before. In s3://bucket/prefix each run writes to a
/// prefix of its own below OUT, with a manifest for COPY beside each table, and OUT/latest.json names the
/// newest whole run. OUT/_ledger is for loading more than one run into a warehouse.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// Folder to write (absent, empty, or an earlier output), or s3://bucket/prefix
    #[arg(long, value_name = "OUT", value_parser = place())]
    out: Place,
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
    /// List the input and say what would be done, without reading or writing anything
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    encryption: EncryptionArgs,
}

const EXAMPLES: &str = "\
Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data --out warehouse
  sparkify run --songs songs --logs logs/2018/11 --out warehouse --threads 8 --max-rejects 0
  sparkify run --songs songs --logs logs --out warehouse --quiet --json | jq .logs.kept
  sparkify run --songs s3://bucket/song_data --logs s3://bucket/log_data --out s3://bucket/star --dry-run";

pub fn main(args: Args) -> Result<()> {
    let (dry_run, json, quiet) = (args.dry_run, args.json, args.quiet);
    let config = config(args);
    if dry_run {
        return plan(&config, json);
    }
    let progress = Progress::stderr(quiet);
    let result = config
        .check()
        .and_then(|()| pipeline::run(&config, &progress));
    progress.end();
    let report = result.map_err(|error| failed(error, json, ("report_version", REPORT_VERSION)))?;
    if !quiet {
        let out = match (&config.out, &report.run) {
            (Place::S3 { .. }, Some(run)) => config.out.join(run),
            _ => config.out,
        };
        say(&summary::table(&report, &out));
    }
    warn_of_no_plays(&progress, &report.logs, &config.logs);
    if json {
        print_json(&report)?;
    }
    Ok(())
}

/// Says what a run would do.
fn plan(config: &RunConfig, json: bool) -> Result<()> {
    let planned = config.check().and_then(|()| pipeline::plan_run(config));
    let planned =
        planned.map_err(|error| failed(error, json, ("report_version", REPORT_VERSION)))?;
    match json {
        true => print_json(&planned),
        false => print(&summary::plan(&planned)),
    }
}

fn config(args: Args) -> RunConfig {
    RunConfig {
        songs: args.input.songs,
        logs: args.input.logs,
        out: args.out,
        s3: args.encryption.add_to(args.s3.options()),
        threads: args.threads.map_or_else(cores, usize::from),
        max_rejects: args.max_rejects,
        loaded: LoadedObjects::default(),
        sizes: Sizes::default(),
    }
}
