//! Runs of the binary against a server, each with a timeout.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::s3_server::server::{S3Server, SECRET_KEY};

/// The timeout of a command, chosen for a machine under load.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the binary with these arguments, in the environment of a server.
pub fn sparkify(server: &S3Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sparkify"));
    command.args(arguments);
    server.set_env(&mut command);
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

/// Kills a process with SIGKILL.
pub fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    // The process may have ended already.
    let _ = kill_process(pid, Signal::KILL);
}

/// The output and exit code of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Runs a command to its end, and panics after the timeout.
    #[track_caller]
    pub fn run(command: &mut Command) -> Self {
        Self::run_within(COMMAND_TIMEOUT, command)
    }

    /// Runs a command to its end, and panics after `limit`.
    #[track_caller]
    pub fn run_within(limit: Duration, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = output.recv_timeout(limit) else {
            kill(pid);
            panic!("timeout after {limit:?}: {command:?}");
        };
        let output = output.unwrap();
        let output = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for stream in [&output.stdout, &output.stderr] {
            assert!(
                !stream.contains(SECRET_KEY),
                "the secret key is in {stream}"
            );
        }
        output
    }

    /// Asserts that the command succeeded and printed nothing to stderr.
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self
    }

    /// Asserts that the command failed with exit code 1 and one line on stderr that contains all these words.
    #[track_caller]
    pub fn assert_failure(self, words: &[&str]) -> Self {
        self.assert_failure_with_code(1, words)
    }

    /// Asserts that the command failed with this exit code and one line on stderr that contains all these
    /// words.
    #[track_caller]
    pub fn assert_failure_with_code(self, code: i32, words: &[&str]) -> Self {
        let line = self.stderr.strip_suffix('\n').unwrap_or("no end of line");
        let is_line = line.starts_with("sparkify: ") && !line.contains(char::is_control);
        assert!(self.code == Some(code) && is_line, "{self:?}");
        for word in words {
            assert!(line.contains(word), "no {word:?} in {self:?}");
        }
        self
    }

    /// Returns the JSON document that is all of stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}
