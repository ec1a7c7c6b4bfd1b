//! The built binary, and a bucket for it to work on.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::faults::Faults;
use crate::server::Server;

/// A quiet run in the bucket `music`.
pub const RUN: [&str; 8] = [
    "run",
    "--quiet",
    "--songs",
    "s3://music/songs",
    "--logs",
    "s3://music/logs",
    "--out",
    "s3://music/star",
];

/// A song.
pub const SONG: &str = r#"{"song_id":"SO1","artist_id":"AR1","title":"Title","artist_name":"Artist","duration":200.5,"year":2000}"#;

/// An event that plays it.
pub const EVENT: &str = r#"{"ts":1541000000000,"userId":"1","sessionId":7,"itemInSession":1,"level":"paid","page":"NextSong","song":"Title","artist":"Artist","length":200.5}"#;

/// A server with the bucket `music`, in which a song and an event are.
pub fn with_input(faults: Faults) -> Server {
    let server = Server::faulty(faults);
    put_input(&server.bucket("music"));
    server
}

/// Puts `songs/a.json` and `logs/a.json` into a folder.
pub fn put_input(folder: &Path) {
    write(folder, "songs/a.json", SONG);
    write(folder, "logs/a.json", EVENT);
}

/// Writes a file, with the folders that it needs.
pub fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The binary, which knows of this server only.
pub fn sparkify(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sparkify"));
    server.surround(&mut command).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn end(server: &Server, arguments: &[&str]) -> Ended {
    Ended::of(&mut sparkify(server, arguments))
}

/// Arguments and more of them.
pub fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// It did what it should, and had nothing to say about it but on stdout.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self
    }

    /// It failed as every failure must: by this code, with one line, in which all these words are.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or("no end of line");
        assert!(
            line.starts_with("sparkify: ") && !line.contains(char::is_control),
            "{self:?}"
        );
        for words in words {
            assert!(line.contains(words), "no {words:?} in {line:?}");
        }
        self
    }

    /// The JSON document that it printed, and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
