//! A temporary directory in which `sparkify` runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cli::command::sparkify;
use crate::cli::output::CommandOutput;
use crate::dataset::directory::DatasetSnapshot;
use crate::sample_data;

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

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
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

    /// Creates a sandbox with input and with a dataset of other events in `dataset`, which later runs replace or
    /// keep.
    pub fn with_dataset() -> (Self, DatasetSnapshot) {
        let sandbox = Self::with_input();
        sandbox.write("older/a.json", sample_data::events(10..12));
        sandbox.run("songs", "older", "dataset").assert_success();
        let snapshot = DatasetSnapshot::take(&sandbox.path("dataset"));
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
        let mut command = sparkify();
        command.args(arguments).current_dir(self.root());
        command
    }

    /// Runs the binary with these arguments.
    pub fn exec(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::run(&mut self.command(arguments))
    }

    /// Runs `run --quiet`.
    pub fn run(&self, songs: &str, logs: &str, out: &str) -> CommandOutput {
        self.exec(&run_args(songs, logs, out))
    }

    /// Runs `run --quiet` on the usual directories with additional arguments.
    pub fn run_with(&self, more: &[&str]) -> CommandOutput {
        let mut arguments = run_args("songs", "logs", "dataset").to_vec();
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
