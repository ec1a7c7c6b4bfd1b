//! The supervisor of a server: a shell script that outlives the test process, and stops the server when it ends.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running supervisor. It stops its server when this value is dropped.
pub(super) struct Supervisor {
    process: Child,
    folder: PathBuf,
    responses: BufReader<ChildStdout>,
    // The supervisor stops the server when this pipe is closed.
    ports: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts a script, whose arguments begin with the folder of the server.
    pub(super) fn spawn(script: &str, folder: &Path, arguments: &[&OsStr]) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(folder)
            .args(arguments)
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C must only reach the test process; the supervisor waits for its end.
            .process_group(0)
            .spawn()
            .expect("cannot start sh");
        Self {
            responses: BufReader::new(process.stdout.take().unwrap()),
            ports: process.stdin.take(),
            folder: folder.to_owned(),
            process,
        }
    }

    /// Waits for the script, which must report that it is ready for `task`.
    #[track_caller]
    pub(super) fn wait_until_ready(&mut self, task: &str) {
        assert!(self.is_ready(), "{task} failed:\n{}", self.log());
    }

    /// Lets the script start the server on a free port, and returns the port.
    #[track_caller]
    pub(super) fn start_server(&mut self, name: &str) -> u16 {
        let port = (0..10).find_map(|_| {
            let port = free_port();
            let ports = self.ports.as_mut().expect("open until the drop");
            writeln!(ports, "{port}").unwrap();
            self.is_ready().then_some(port)
        });
        port.unwrap_or_else(|| panic!("{name} did not start:\n{}", self.log()))
    }

    /// Returns whether the script reports that its last task is done.
    fn is_ready(&mut self) -> bool {
        let mut line = String::new();
        self.responses.read_line(&mut line).unwrap();
        line == "ready\n"
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.ports.take());
        let _ = self.process.wait();
    }
}

/// Returns a port that was free when checked.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
