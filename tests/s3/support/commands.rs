//! The binary in the environment of a server.

use std::path::Path;
use std::process::Command;

use testkit::cli::command;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::server::S3Server;

/// Returns the binary with these arguments, in the environment of a server.
pub fn sparkify(server: &S3Server, arguments: &[&str]) -> Command {
    let mut command = command::sparkify();
    command.args(arguments).envs(server.env_vars());
    command
}

/// Returns a quiet run that accepts any number of rejects.
pub fn run_command(server: &S3Server, songs: &str, logs: &str, out: &str) -> Command {
    let arguments = [
        "run",
        "--quiet",
        "--max-rejects",
        "100%",
        "--songs",
        songs,
        "--logs",
        logs,
        "--out",
        out,
    ];
    sparkify(server, &arguments)
}

/// Generates input with all edge cases into `song_data` and `log_data` below a directory.
pub fn generate(server: &S3Server, folder: &Path, sizes: &[&str]) {
    let mut command = sparkify(server, &["generate", "--quiet", "--edge-cases", "--out"]);
    CommandOutput::run(command.arg(folder).args(sizes)).assert_success();
}
