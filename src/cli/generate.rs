//! `sparkify generate`: song and log data to try things on.

use std::io;
use std::path::PathBuf;

use super::args::location::dir_parser;
use super::{eprint_line, print_json};
use crate::error::{Error, Result};
use crate::generate::{GenerateOptions, generate};
use crate::progress::Progress;

/// Make song and log data to try it on
///
/// Writes OUT/song_data and OUT/log_data in the shape of Sparkify's own data. The same arguments give
/// the same bytes on every machine.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Folder to write: absent or empty
    #[arg(long, value_name = "DIR", value_parser = dir_parser())]
    out: PathBuf,
    /// Log events
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    events: u64,
    /// Songs, one object each
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    songs: u64,
    /// Users
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    users: u64,
    /// Log files
    #[arg(long, value_name = "N", default_value_t = 30)]
    files: u64,
    /// What chance begins with
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Mix in every kind of reject and oddity, and say what a run must report about them
    #[arg(long)]
    edge_cases: bool,
    /// Print what was made as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  sparkify generate --out data --events 2000000 --songs 20000 --users 50000 --files 64 --seed 1
  sparkify generate --out data --edge-cases --json > expected.json";

/// Bytes of an event line and a song object, about; for the progress bar.
const APPROX_EVENT_BYTES: u64 = 460;
const APPROX_SONG_BYTES: u64 = 250;

pub(super) fn main(args: Args) -> Result<()> {
    let Args {
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
    let progress = Progress::stderr(quiet);
    let estimated_bytes = events
        .saturating_mul(APPROX_EVENT_BYTES)
        .saturating_add(songs.saturating_mul(APPROX_SONG_BYTES));
    progress.start_phase("generate", estimated_bytes);
    let mut reported = 0;
    let result = generate(&out, &options, &mut |bytes, _| {
        progress.advance(bytes.saturating_sub(reported));
        reported = bytes;
    });
    progress.finish_phase();
    let summary = result.map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => Error::usage("cannot generate").with_reason(e),
        _ => Error::failed("cannot generate").with_reason(e),
    })?;
    if !quiet {
        eprint_line(&format!("{summary}\n"));
    }
    if json {
        print_json(&summary)?;
    }
    Ok(())
}
