//! The command line: arguments to a checked configuration, results to people or machines.

mod generate;
mod run;
mod summary;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

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

Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the star from songs and logs
    Run(run::Args),
    /// Make song and log data to try it on
    Generate(generate::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result: Result<()> = match Cli::parse().command {
        Command::Run(args) => run::main(args),
        Command::Generate(args) => generate::main(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("sparkify: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
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
