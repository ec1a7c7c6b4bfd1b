//! What a command printed, and its exit code.

use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::redshift_simulator::PASSWORD;
use crate::s3_server::server::SECRET_KEY;

/// The timeout of a command, chosen for a machine under load.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);

/// The output and exit code of a command. It contains no secret of the test servers.
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
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        wait_for_output(limit, command.spawn().unwrap())
    }

    /// Asserts that the command succeeded and printed nothing to stderr.
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// Asserts that the command succeeded and printed only warnings to stderr.
    #[track_caller]
    pub fn assert_success_with_warnings(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(
            self.warnings().len(),
            self.stderr.lines().count(),
            "{self:?}"
        );
        assert!(!self.stderr.is_empty(), "no warning");
        self
    }

    /// Asserts that the command failed with this exit code and one line on stderr that contains all these
    /// words.
    #[track_caller]
    pub fn assert_failure(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_error_line(&self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
        self
    }

    /// Asserts a failure as [`assert_failure`](Self::assert_failure) does, but after one or more warnings.
    #[track_caller]
    pub fn assert_failure_with_warnings(self, code: i32, message: &str) -> Self {
        let line = self.stderr.lines().last().unwrap_or_default();
        let is_failure = self.code == Some(code) && line.starts_with("sparkify: ");
        assert!(is_failure && line.contains(message), "{self:?}");
        let warnings = self.stderr.lines().count() - 1;
        assert_eq!(self.warnings().len(), warnings, "{self:?}");
        assert!(warnings > 0, "{self:?}");
        self
    }

    /// Asserts that the argument parser rejected the command; its message may have several lines.
    #[track_caller]
    pub fn assert_usage_error(self, message: &str) -> Self {
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert!(self.stderr.contains(message), "{self:?}");
        assert!(!self.stderr.contains('\x1b'), "{self:?}");
        self
    }

    /// Returns the warnings without their common prefix.
    pub fn warnings(&self) -> Vec<&str> {
        let lines = self.stderr.lines();
        lines
            .filter_map(|line| line.strip_prefix("sparkify: warning: "))
            .collect()
    }

    /// Returns the JSON document that is all of stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl From<Output> for CommandOutput {
    #[track_caller]
    fn from(output: Output) -> Self {
        let output = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for stream in [&output.stdout, &output.stderr] {
            for secret in [SECRET_KEY, PASSWORD] {
                assert!(!stream.contains(secret), "a secret is in {stream}");
            }
        }
        output
    }
}

/// Waits for the end of a command, and panics after `limit`.
#[track_caller]
pub fn wait_for_output(limit: Duration, child: Child) -> CommandOutput {
    let pid = child.id();
    let (sender, output) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = output.recv_timeout(limit) else {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        kill(pid);
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        panic!("timeout after {limit:?}: {arguments}");
    };
    CommandOutput::from(output.unwrap())
}

/// Asserts that stderr is one line with a valid error message.
#[track_caller]
pub fn assert_error_line(stderr: &str) {
    let line = stderr.strip_suffix('\n').unwrap_or("no end of line");
    assert!(
        line.starts_with("sparkify: ") && !line.contains(char::is_control),
        "{stderr:?}"
    );
}

/// Kills a process with SIGKILL.
pub fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    // The process may have ended already.
    let _ = kill_process(pid, Signal::KILL);
}
