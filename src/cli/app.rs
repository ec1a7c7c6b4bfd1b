//! Parses the arguments of the process and runs the command that they name.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::args::logging::LogArgs;
use super::console::print_error;
use super::logging::start_logging;
use super::preconditions::check_machine;
use super::signals::{handle_signals, lock_last_line};
use super::usage_error::print_usage_error;
use super::version::long_version;
use super::{
    bench, check, clean, completions, create_tables, doctor, generate, help, history, infra, load,
    man, query, rejects, replay, run, schema, status,
};
use crate::error::Result;

/// Build a star schema from song and event-log JSON, and load it into a warehouse
///
/// Reads song metadata and event logs from folders or S3, writes the five tables of a star schema as
/// Parquet, and loads them into Amazon Redshift or PostgreSQL.
// The width is fixed so that the help is the same everywhere, as docs/cli.md has it.
#[derive(Debug, Parser)]
#[command(
    version,
    long_version = long_version(),
    term_width = help::WIDTH,
    after_long_help = help::with_all_exit_codes(EXAMPLES)
)]
pub(super) struct Cli {
    #[command(flatten)]
    logging: LogArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = r"Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data \
    --out warehouse
  sparkify create-tables --warehouse postgres://etl@localhost/music
  sparkify load --from warehouse \
    --warehouse postgres://etl@localhost/music
  sparkify history --warehouse postgres://etl@localhost/music
  sparkify status --max-age 26h --warehouse postgres://etl@localhost/music
  sparkify doctor --config dwh.cfg --out s3://bucket/star
  sparkify rejects warehouse
  sparkify replay --from warehouse --edited fixed.jsonl --out replayed
  sparkify query top-songs --since 2018-11-01 --until 2018-12-01 \
    --warehouse postgres://etl@localhost/music
  sparkify schema --format dbt > models/sparkify.yml
  sparkify check --from warehouse
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
    History(history::HistoryArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Rejects(rejects::RejectsArgs),
    Replay(replay::ReplayArgs),
    Query(query::QueryArgs),
    Schema(schema::SchemaArgs),
    Check(check::CheckArgs),
    Clean(clean::CleanArgs),
    Infra(infra::InfraArgs),
    Generate(generate::GenerateArgs),
    Bench(bench::BenchCommandArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command that the arguments of the process name, and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage_error(&error),
    };
    // The log has times, so the clock comes first.
    let result = check_machine().and_then(|()| {
        start_logging(&cli.logging);
        handle_signals();
        run_command(cli.command)
    });
    // It is never released, because no other line may follow.
    std::mem::forget(lock_last_line());
    match result {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_command(command: Command) -> Result<ExitCode> {
    let done = match command {
        Command::Run(args) => run::main(args),
        Command::CreateTables(args) => create_tables::main(args),
        Command::Load(args) => load::main(args),
        Command::History(args) => history::main(args),
        // Stale data are a result, and not a failure of the command.
        Command::Status(args) => return status::main(args),
        // So are findings.
        Command::Doctor(args) => return doctor::main(args),
        Command::Rejects(args) => rejects::main(args),
        Command::Replay(args) => replay::main(args),
        Command::Query(args) => query::main(args),
        Command::Schema(args) => schema::main(&args),
        Command::Check(args) => check::main(args),
        Command::Clean(args) => clean::main(args),
        // A failed warehouse is a result of its status.
        Command::Infra(args) => return infra::main(args),
        Command::Generate(args) => generate::main(args),
        Command::Bench(args) => bench::main(args),
        Command::Completions(args) => completions::main(&args, Cli::command()),
        Command::Man(args) => man::main(&args, Cli::command()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;
    use crate::cli::help::WIDTH;

    /// Returns every command, with its name as it is typed.
    fn all_commands() -> Vec<(String, Command)> {
        let mut root = Cli::command();
        root.build();
        let mut commands = vec![("sparkify".to_owned(), root)];
        let mut next = 0;
        while next < commands.len() {
            let (name, command) = &commands[next];
            let subcommands = command.get_subcommands();
            let subcommands = subcommands.filter(|command| command.get_name() != "help");
            let subcommands: Vec<_> = subcommands
                .map(|command| (format!("{name} {}", command.get_name()), command.clone()))
                .collect();
            commands.extend(subcommands);
            next += 1;
        }
        commands
    }

    /// Returns the example commands of a long help, with continued lines joined.
    fn examples(help: &str) -> Vec<String> {
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        let (examples, _) = examples.split_once("\n\nExit codes: 0 done").unwrap();
        let joined = examples.replace("\\\n", " ");
        joined.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Returns the arguments of an example as a shell splits them, up to a pipe or a redirection.
    fn split_words(command: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut is_quoted = false;
        for c in command.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
                _ => word.push(c),
            }
        }
        assert!(!is_quoted, "{command}");
        words.push(word);
        words.retain(|word| !word.is_empty());
        let end = words.iter().position(|word| word == "|" || word == ">");
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    #[test]
    fn examples_are_commands_that_parse() {
        for (name, mut command) in all_commands() {
            let help = command.render_long_help().to_string();
            let examples = examples(&help);
            assert!(!examples.is_empty(), "{name}");
            for example in examples {
                assert!(example.starts_with(&name), "{name}: {example}");
                let parsed = Cli::command().try_get_matches_from(split_words(&example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn no_help_line_is_wider_than_the_help() {
        for (name, mut command) in all_commands() {
            for help in [command.render_help(), command.render_long_help()] {
                for line in help.to_string().lines() {
                    assert!(line.chars().count() <= WIDTH, "{name}: {line}");
                }
            }
        }
    }

    #[test]
    fn short_help_has_one_line_for_each_flag() {
        for (name, mut command) in all_commands() {
            let help = command.render_help().to_string();
            assert!(!help.contains("Examples:"), "{name}");
            let entries = help.lines().filter(|line| line.starts_with("  "));
            for line in entries {
                let entry = line.trim_start();
                let is_continued = line.len() - entry.len() > 6;
                assert!(!is_continued, "{name}: {line}");
                assert!(entry.contains("  "), "{name}: no help in {line}");
            }
        }
    }

    #[test]
    fn long_help_names_all_possible_values() {
        for (name, mut command) in all_commands() {
            let help = command.render_long_help().to_string();
            for argument in command.get_arguments() {
                for value in argument.get_possible_values() {
                    let value = value.get_name();
                    let is_flag = matches!(value, "true" | "false");
                    assert!(is_flag || help.contains(value), "{name}: {value}");
                }
            }
        }
    }
}
