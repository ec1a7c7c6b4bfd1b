//! The `sparkify` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sparkify::cli::main()
}
