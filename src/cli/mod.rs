//! The command line: parses and checks the arguments, runs a command, and prints its result as text or JSON.

mod args;
mod bench;
mod clean;
mod create_tables;
mod generate;
mod help;
mod load;
mod progress;
mod query;
mod render;
mod run;
mod stderr;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use stderr::eprint_line;

/// Build a star schema from song and event-log JSON, and load it into a warehouse
///
/// Reads song metadata and event logs from folders or S3, writes the five tables of a star schema as
/// Parquet, and loads them into Amazon Redshift or PostgreSQL.
// The width is fixed so that the help is the same everywhere, as docs/cli.md has it.
#[derive(Debug, Parser)]
#[command(version, term_width = help::WIDTH, after_long_help = help::with_all_exit_codes(EXAMPLES))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = r"Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data \
    --out warehouse
  sparkify create-tables --warehouse postgres://etl@localhost/music
  sparkify load --from warehouse \
    --warehouse postgres://etl@localhost/music
  sparkify query top-songs --from 2018-11-01 --to 2018-12-01 \
    --warehouse postgres://etl@localhost/music
  sparkify clean s3://bucket/star --keep 3
  sparkify generate --out data --events 2000000 --songs 20000 --users 50000 \
    --files 64
  sparkify bench run --songs data/song_data --logs data/log_data";

// Doc comments on the variants would hide those of the arguments, which the help shows.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    CreateTables(create_tables::CreateTablesArgs),
    Load(load::LoadArgs),
    Query(query::QueryArgs),
    Clean(clean::CleanArgs),
    Generate(generate::GenerateArgs),
    Bench(bench::BenchCommandArgs),
}

/// Runs the command that the arguments of the process name, and returns its exit code.
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

/// Prints what the argument parser returns: the help, or a usage error. A usage error repeats arguments,
/// which may be URLs with credentials.
fn print_usage_error(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    match redact_url_credentials(&text) {
        Some(text) if error.use_stderr() => eprint_line(&text),
        // A closed stream must not change the exit code.
        _ => drop(error.print()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Returns the text with everything between `://` and the last `@` on the same line replaced, or `None` if it
/// has no such part. A password may contain any character, quotes and spaces too.
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

/// Returns the number of threads that the machine can run at the same time.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns the error for a flag that would do nothing.
fn no_effect(flag: &str, reason: impl std::fmt::Display) -> Error {
    Error::usage(format!("{flag} has no effect")).with_reason(reason)
}

/// Prints a failure as JSON on stdout if `--json` is given, and returns it.
fn report_failure(error: Error, json: bool, version: (&str, u32)) -> Error {
    if json {
        // The failure itself is more important than a failure to print it.
        let _ = print(&format!("{}\n", render::failure_json(&error, version)));
    }
    error
}

/// Prints on stdout. A closed pipe is not an error, but a full disk is.
fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::failed("cannot write to stdout").with_source(e))
        }
        _ => Ok(()),
    }
}

/// Prints the document of `--json` on stdout.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Error::failed("cannot write to stdout").with_source(e))?;
    print(&(json + "\n"))
}
