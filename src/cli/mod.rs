//! The command line: arguments to a checked configuration, results to people or machines.

mod bench;
mod generate;
mod run;
mod summary;

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::output::report::LogReport;
use crate::progress::Progress;

/// Turns song and event-log JSON into a star schema in Parquet.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data --out warehouse
  sparkify generate --out data --events 2000000 --songs 20000 --users 50000 --files 64 --seed 1
  sparkify bench run --songs data/song_data --logs data/log_data

Exit codes: 0 done, 1 failed, 2 wrong usage.";

// What the help says of each stands with its arguments: words here would hide them.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Generate(generate::Args),
    Bench(bench::Args),
}

/// Where the input of the whole job is.
#[derive(Debug, clap::Args)]
struct Input {
    /// Folder or file with song metadata
    #[arg(long, value_name = "PATH")]
    songs: String,
    /// Folder or file with log events
    #[arg(long, value_name = "PATH")]
    logs: String,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result: Result<()> = match Cli::parse().command {
        Command::Run(args) => run::main(args),
        Command::Generate(args) => generate::main(args),
        Command::Bench(args) => bench::main(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("sparkify: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// How many threads the machine runs at a time.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// An error if an output folder is not a local one.
fn refuse_remote(out: &Path) -> Result<()> {
    match out.to_str() {
        Some(place) if crate::storage::is_remote(place) => {
            Err(Error::usage(format!("cannot write to {place}"))
                .because("this version reads and writes local folders only"))
        }
        _ => Ok(()),
    }
}

/// Logs of something else are no error, but seldom meant.
fn warn_of_no_plays(progress: &Progress, logs: &LogReport, place: &str) {
    if logs.filtered > 0 && logs.filtered == logs.input.records {
        progress.warn(&format!(
            "none of the {} records in {place} is a NextSong event; check --logs",
            logs.filtered
        ));
    }
}

/// Says of a failure on stdout too, if `--json` asks for that.
fn failed(error: Error, json: bool, version: (&str, u32)) -> Error {
    if json {
        // The failure itself matters more than that it cannot be printed.
        let _ = print(&format!("{}\n", summary::failure(&error, version)));
    }
    error
}

/// Prints on stderr. Where nobody reads it there is nobody to tell (`eprint!` would panic).
fn say(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints on stdout. A reader that stopped reading is not our failure, a full disk is.
fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failed("cannot print on stdout").because(e))
        }
        _ => Ok(()),
    }
}

/// Prints what `--json` asks for.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Error::failed("cannot print on stdout").because(e))?;
    print(&(json + "\n"))
}
