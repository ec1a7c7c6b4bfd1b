//! Runs of the binary against a server, each with a bound on its time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::{SECRET_KEY, Server};

/// How long anything may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with these arguments, in the surroundings of a server.
pub fn sparkify(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sparkify"));
    command.args(arguments);
    server.surround(&mut command);
    command
}

/// A quiet run that minds no rejects.
pub fn run(server: &Server, songs: &str, logs: &str, out: &str) -> Command {
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

/// Generates input with every quirk in a folder: `song_data` and `log_data`.
pub fn generate(server: &Server, folder: &Path, sizes: &[&str]) {
    let mut command = sparkify(server, &["generate", "--quiet", "--awkward", "--out"]);
    Ended::of(command.arg(folder).args(sizes)).succeeds();
}

/// Ends a process as nothing else does.
pub fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::KILL);
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs a command to its end, which must come.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        Self::within(PATIENCE, command)
    }

    /// The same, within so much time.
    #[track_caller]
    pub fn within(limit: Duration, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(limit) else {
            kill(pid);
            panic!("no end after {limit:?} of {command:?}");
        };
        let output = output.unwrap();
        let ended = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for told in [&ended.stdout, &ended.stderr] {
            assert!(!told.contains(SECRET_KEY), "the secret key is in {told}");
        }
        ended
    }

    /// It did what it should and had nothing to say.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self
    }

    /// It failed by exit code 1 and one line that holds all these words.
    #[track_caller]
    pub fn fails(self, words: &[&str]) -> Self {
        self.fails_by(1, words)
    }

    /// The same by an exit code.
    #[track_caller]
    pub fn fails_by(self, code: i32, words: &[&str]) -> Self {
        let line = self.stderr.strip_suffix('\n').unwrap_or("no end of line");
        let is_line = line.starts_with("sparkify: ") && !line.contains(char::is_control);
        assert!(self.code == Some(code) && is_line, "{self:?}");
        for word in words {
            assert!(line.contains(word), "no {word:?} in {self:?}");
        }
        self
    }

    /// The JSON document that it printed, and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}
