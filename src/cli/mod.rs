//! The command line: arguments to a checked configuration, results to people or machines.

mod args;
mod bench;
mod clean;
mod create_tables;
mod generate;
mod load;
mod query;
mod render;
mod run;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::progress::eprint_line;

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
  sparkify run --songs s3://bucket/song_data --logs s3://bucket/log_data --out s3://bucket/star
  sparkify create-tables --warehouse postgres://etl@localhost/music
  sparkify load --from warehouse --warehouse postgres://etl@localhost/music
  sparkify query top-songs --from 2018-11-01 --to 2018-12-01 --warehouse postgres://etl@localhost/music
  sparkify clean s3://bucket/star --keep 3
  sparkify generate --out data --events 2000000 --songs 20000 --users 50000 --files 64 --seed 1
  sparkify bench run --songs data/song_data --logs data/log_data

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 too many rejects.";

// What the help says of each stands with its arguments: words here would hide them.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    CreateTables(create_tables::Args),
    Load(load::Args),
    Query(query::Args),
    Clean(clean::Args),
    Generate(generate::Args),
    Bench(bench::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage_error(&error),
    };
    let result: Result<()> = match cli.command {
        Command::Run(args) => run::main(args),
        Command::CreateTables(args) => create_tables::main(args),
        Command::Load(args) => load::main(args),
        Command::Query(args) => query::main(args),
        Command::Clean(args) => clean::main(args),
        Command::Generate(args) => generate::main(args),
        Command::Bench(args) => bench::main(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_line(&format!("sparkify: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// What the argument parser says: help, or that the usage is wrong. It repeats arguments, and some write
/// credentials into a URL.
fn print_usage_error(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    match redact_url_credentials(&text) {
        Some(text) if error.use_stderr() => eprint_line(&text),
        // Nobody reading it is no reason to fail in another way.
        _ => drop(error.print()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// A text without what stands before the last `@` on the line of a URL, if there is any: a password can hold
/// anything, quotes and spaces too.
fn redact_url_credentials(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("://")?;
    let (url, after) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
    let masked = url.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
    let after_masked = redact_url_credentials(after);
    if masked.is_none() && after_masked.is_none() {
        return None;
    }
    let url = masked.as_deref().unwrap_or(url);
    let after = after_masked.as_deref().unwrap_or(after);
    Some(format!("{before}://{url}{after}"))
}

/// How many threads the machine runs at a time.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Says of a failure on stdout too, if `--json` asks for that.
fn report_failure(error: Error, json: bool, version: (&str, u32)) -> Error {
    if json {
        // The failure itself matters more than that it cannot be printed.
        let _ = print(&format!("{}\n", render::failure_json(&error, version)));
    }
    error
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
            Err(Error::failed("cannot print on stdout").with_reason(e))
        }
        _ => Ok(()),
    }
}

/// Prints what `--json` asks for.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Error::failed("cannot print on stdout").with_reason(e))?;
    print(&(json + "\n"))
}
