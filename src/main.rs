//! The `sparkify` command: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    sparkify::cli::main()
}
