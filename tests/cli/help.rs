//! The help of every command.

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;

/// Returns the arguments that name each command, in the order of the help: none for `sparkify` itself.
pub fn all_commands(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut pending: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = pending.pop() {
        let help = long_help(sandbox, &command);
        // The last one is the next one.
        pending.extend(subcommands(&help).into_iter().rev().map(|name| {
            let name = [name.to_owned()];
            [&command[..], &name].concat()
        }));
        found.push(command);
    }
    found
}

/// Returns what `--help` prints for a command.
pub fn long_help(sandbox: &Sandbox, command: &[String]) -> String {
    let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    arguments.push("--help");
    sandbox.exec(&arguments).assert_success().stdout
}

/// Returns the names of the commands that a help lists, in order.
fn subcommands(help: &str) -> Vec<&str> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|&name| name != "help").collect()
}

/// `docs/cli.md` is the snapshot of the long help.
#[test]
fn short_help_of_every_command() {
    let sandbox = Sandbox::new();
    for command in all_commands(&sandbox) {
        let mut help = sandbox.command(&[]);
        // The width of the terminal makes no difference.
        help.args(&command).arg("-h").env("COLUMNS", "40");
        let name = [&["sparkify".to_owned()], &command[..]].concat().join("-");
        CommandOutput::run(&mut help).assert_snapshot(&format!("help/{name}.txt"));
    }
}

#[test]
fn help_fits_a_terminal_and_has_no_colour() {
    let sandbox = Sandbox::new();
    for command in all_commands(&sandbox) {
        let help = long_help(&sandbox, &command);
        assert!(!help.contains('\x1b'), "{help}");
        let wide = help.lines().find(|line| line.len() > 80);
        assert_eq!(wide, None, "line is too long for a terminal");
    }
}

#[test]
fn help_command_prints_the_long_help() {
    let sandbox = Sandbox::new();
    let help = sandbox.exec(&["help", "run"]).assert_success().stdout;
    assert_eq!(help, long_help(&sandbox, &["run".to_owned()]));
}

#[test]
fn missing_subcommand_prints_the_help_to_stderr() {
    Sandbox::new()
        .exec(&[])
        .assert_snapshot("help/without-command.txt");
}
