//! Commands that run the built binary.

use std::env;
use std::process::{Command, Stdio};

/// The variables that affect colours and the width of the output.
const TERMINAL_VARIABLES: [&str; 6] = [
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "NO_COLOR",
    "COLORTERM",
    "COLUMNS",
    "LINES",
];

/// The prefixes of the variables that `sparkify` and its libraries read.
const SETTING_PREFIXES: [&str; 5] = ["AWS_", "OPENLINEAGE_", "PG", "SPARKIFY_", "RUST_"];

/// Returns the path of the binary. Cargo names it in the environment of the tests and benches of its package.
pub fn sparkify_path() -> String {
    env::var("CARGO_BIN_EXE_sparkify").expect("run the tests with cargo, which names the binary")
}

/// Returns a command that runs the binary, in a clean environment and without stdin.
pub fn sparkify() -> Command {
    with_clean_env(Command::new(sparkify_path()))
}

/// Removes the variables from the environment of a command that would make its output depend on this machine,
/// and its stdin.
pub fn with_clean_env(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        if TERMINAL_VARIABLES.contains(&upper.as_str())
            || SETTING_PREFIXES
                .iter()
                .any(|prefix| upper.starts_with(prefix))
            || upper.ends_with("_PROXY")
        {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}
