//! A temporary directory in which `sparkify` runs, and the output of a command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::dataset_snapshot::DatasetSnapshot;
use crate::support::sample_data;

/// The path of the binary.
pub const SPARKIFY: &str = env!("CARGO_BIN_EXE_sparkify");

/// Returns the binary without environment variables that affect colours or the log.
pub fn sparkify_command() -> Command {
    with_clean_env(Command::new(SPARKIFY))
}

/// Returns a command without stdin and without environment variables that affect colours or the log.
pub fn with_clean_env(mut command: Command) -> Command {
    for name in [
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "NO_COLOR",
        "COLORTERM",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Returns the arguments of a quiet run in a [`Sandbox`].
pub fn run_args<'a>(songs: &'a str, logs: &'a str, out: &'a str) -> [&'a str; 8] {
    [
        "run", "--quiet", "--songs", songs, "--logs", logs, "--out", out,
    ]
}

/// A temporary directory, which is the current directory of the commands that run in it.
pub struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// Creates an empty sandbox.
    pub fn new() -> Self {
        Self {
            root: TempDir::new().unwrap(),
        }
    }

    /// Creates a sandbox with one song in `songs` and three events in `logs`.
    pub fn with_input() -> Self {
        let sandbox = Self::new();
        sandbox.write("songs/a.json", sample_data::song(1));
        sandbox.write("logs/a.json", sample_data::events(0..3));
        sandbox
    }

    /// Creates a sandbox with input and with a dataset of other events in `star`, which later runs replace or
    /// keep.
    pub fn with_dataset() -> (Self, DatasetSnapshot) {
        let sandbox = Self::with_input();
        sandbox.write("older/a.json", sample_data::events(10..12));
        sandbox.run("songs", "older", "star").assert_success();
        let snapshot = DatasetSnapshot::take(&sandbox.path("star"));
        (sandbox, snapshot)
    }

    /// Returns the path of a file in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Returns the path of the sandbox.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file and creates its parent directories.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Creates a directory and its parent directories.
    pub fn create_dir(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    /// Creates a symbolic link to `to`.
    pub fn symlink(&self, name: &str, to: impl AsRef<Path>) {
        std::os::unix::fs::symlink(to, self.path(name)).unwrap();
    }

    /// Returns the binary with these arguments, with the sandbox as its current directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sparkify_command();
        command.args(arguments).current_dir(self.root());
        command
    }

    /// Runs the binary with these arguments.
    pub fn exec(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::capture(&mut self.command(arguments))
    }

    /// Runs `run --quiet`.
    pub fn run(&self, songs: &str, logs: &str, out: &str) -> CommandOutput {
        self.exec(&run_args(songs, logs, out))
    }

    /// Runs `run --quiet` on the usual directories with additional arguments.
    pub fn run_with(&self, more: &[&str]) -> CommandOutput {
        let mut arguments = run_args("songs", "logs", "star").to_vec();
        arguments.extend(more);
        self.exec(&arguments)
    }

    /// Asserts that no staging directory is left.
    #[track_caller]
    pub fn assert_no_staging_left(&self) {
        assert_eq!(staging_leftovers(self.root()), Vec::<String>::new());
    }
}

/// Returns the hidden names in a directory; staging directories are hidden.
pub fn staging_leftovers(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('.'))
        .collect()
}

/// The output and exit code of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Runs a command to its end.
    pub fn capture(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// Asserts that a quiet command succeeded and printed nothing.
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self
    }

    /// Asserts that a command succeeded and printed only warnings to stderr.
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

    /// Asserts that a command failed with this exit code and one line on stderr that contains `message`.
    #[track_caller]
    pub fn assert_failure(self, code: i32, message: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_error_line(&self.stderr);
        assert!(self.stderr.contains(message), "{self:?}");
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

    /// Returns the warnings without their common prefix.
    pub fn warnings(&self) -> Vec<&str> {
        let lines = self.stderr.lines();
        lines
            .filter_map(|line| line.strip_prefix("sparkify: warning: "))
            .collect()
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
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
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
