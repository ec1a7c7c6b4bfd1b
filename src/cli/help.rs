//! Help texts: what all commands share, and tests of the help of every command.

/// Columns of the help, on every terminal and in files.
pub(super) const WIDTH: usize = 80;

/// Returns the end of the long help of a command that does not limit rejects.
pub(super) fn with_exit_codes(examples: &str) -> String {
    format!("{examples}\n\nExit codes: 0 success, 1 failure, 2 wrong usage.")
}

/// Returns the end of the long help of a command that may fail because of too many rejects.
pub(super) fn with_all_exit_codes(examples: &str) -> String {
    format!("{examples}\n\nExit codes: 0 success, 1 failure, 2 wrong usage, 3 too many rejects.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;
    use crate::cli::Cli;

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
        let (examples, _) = examples.split_once("\n\nExit codes: 0 success").unwrap();
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
