//! `sparkify completions`: the script of bash in bash, and that the others name all commands.

use std::process::Command;

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;

use crate::help;

/// Completes the last word of a command line in bash, and returns the candidates.
fn complete_in_bash(sandbox: &Sandbox, line: &[&str]) -> Vec<String> {
    // COMPREPLY is what bash offers after Tab. The words before the cursor are the arguments of the script.
    let script = r#"
        set -eu
        source ./completions.bash
        function=$(complete -p sparkify | sed 's/.*-F \([^ ]*\).*/\1/')
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        COMP_LINE="$*"
        COMP_POINT=${#COMP_LINE}
        previous=$(($# - 1))
        "$function" sparkify "${!#}" "${!previous}" || true
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", script, "bash"]);
    bash.args(line).current_dir(sandbox.root());
    let output = CommandOutput::run(&mut bash).assert_success();
    output.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let sandbox = Sandbox::new();
    let script = sandbox.exec(&["completions", "bash"]).assert_success();
    sandbox.write("completions.bash", &script.stdout);
    for (line, expected) in [
        (&["sparkify", "ru"][..], &["run"][..]),
        (&["sparkify", "cre"], &["create-tables"]),
        (
            &["sparkify", "run", "--engine", ""],
            &["in-process", "redshift"],
        ),
        (&["sparkify", "run", "--engine", "r"], &["redshift"]),
        (&["sparkify", "run", "--max-r"], &["--max-rejects"]),
        (&["sparkify", "bench", "p"], &["parse"]),
        (
            &["sparkify", "bench", "parse", "--kind", ""],
            &["log", "song"],
        ),
        (
            &["sparkify", "schema", "--format", "sql-"],
            &["sql-redshift", "sql-postgres"],
        ),
        (&["sparkify", "--log-format", ""], &["text", "json"]),
    ] {
        assert_eq!(complete_in_bash(&sandbox, line), expected, "{line:?}");
    }
}

#[test]
fn script_of_every_shell_names_every_command() {
    let sandbox = Sandbox::new();
    let commands = help::all_commands(&sandbox);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.exec(&["completions", shell]).assert_success();
        for name in commands.iter().flatten() {
            assert!(script.stdout.contains(name), "{shell}: {name}");
        }
    }
    let unknown = sandbox.exec(&["completions", "tcsh"]);
    unknown.assert_usage_error("[possible values: bash, elvish, fish, powershell, zsh]");
}
