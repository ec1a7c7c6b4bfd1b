//! `sparkify generate`: generates synthetic song and log data.

use std::io;
use std::path::PathBuf;

use super::args::location::dir_parser;
use super::console::print_info;
use super::help;
use super::stdout::print_json;
use crate::cli::progress::TerminalProgress;
use crate::error::{Error, Result};
use crate::generate::{GenerateOptions, generate};
use crate::interrupt::{CanStop, set_leftovers};
use crate::observer::Observer;

/// Generate synthetic song and log data
///
/// Writes DIR/song_data and DIR/log_data in the shape of Sparkify's own data. The same arguments give
/// the same bytes on every machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct GenerateArgs {
    /// Output folder, absent or empty
    #[arg(long, value_name = "DIR", value_parser = dir_parser())]
    out: PathBuf,
    /// Number of log events
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    events: u64,
    /// Number of songs, one file each
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    songs: u64,
    /// Number of users
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    users: u64,
    /// Number of log files
    #[arg(long, value_name = "N", default_value_t = 30)]
    files: u64,
    /// Random seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Add edge cases and records that are rejected
    ///
    /// The summary and the JSON document have the counts that a run must report.
    #[arg(long)]
    edge_cases: bool,
    /// Print the summary as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = r"Examples:
  sparkify generate --out data --events 2000000 --songs 20000 --users 50000 \
    --files 64 --seed 1
  sparkify generate --out data --edge-cases --json > expected.json";

/// Approximate bytes of an event line and of a song object, for the progress bar.
const APPROX_EVENT_BYTES: u64 = 460;
const APPROX_SONG_BYTES: u64 = 250;

pub(super) fn main(args: GenerateArgs) -> Result<()> {
    let GenerateArgs {
        out,
        events,
        songs,
        users,
        files,
        seed,
        edge_cases,
        json,
        quiet,
    } = args;
    let options = GenerateOptions {
        events,
        songs,
        users,
        files,
        seed,
        edge_cases,
    };
    set_leftovers(
        format!("the data in {} is incomplete: remove it", out.display()),
        CanStop::No,
    );
    let progress = TerminalProgress::new(quiet);
    let estimated_bytes = events
        .saturating_mul(APPROX_EVENT_BYTES)
        .saturating_add(songs.saturating_mul(APPROX_SONG_BYTES));
    progress.start_phase("generate", Some(estimated_bytes));
    let mut reported = 0;
    let result = generate(&out, &options, &mut |bytes, _| {
        progress.advance(bytes.saturating_sub(reported));
        reported = bytes;
    });
    progress.finish_phase();
    let summary = result.map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => Error::usage("cannot generate").with_source(e),
        _ => Error::failed("cannot generate").with_source(e),
    })?;
    if !quiet {
        print_info(&format!("{summary}\n"));
    }
    if json {
        print_json(&summary)?;
    }
    Ok(())
}
