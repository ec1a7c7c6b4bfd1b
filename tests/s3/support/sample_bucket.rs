//! The bucket `music` with a song and an event, and a run over them.

use std::fs;
use std::path::Path;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;

/// The arguments of a quiet run in the bucket.
pub const RUN_ARGS: [&str; 8] = [
    "run",
    "--quiet",
    "--songs",
    "s3://music/songs",
    "--logs",
    "s3://music/logs",
    "--out",
    "s3://music/dataset",
];

/// A song record.
pub const SONG: &str = r#"{"song_id":"SO1","artist_id":"AR1","title":"Title","artist_name":"Artist","duration":200.5,"year":2000}"#;

/// An event that plays the song.
pub const EVENT: &str = r#"{"ts":1541000000000,"userId":"1","sessionId":7,"itemInSession":1,"level":"paid","page":"NextSong","song":"Title","artist":"Artist","length":200.5}"#;

/// Starts a server with the song and the event in the bucket `music`.
pub fn server_with_input(faults: FaultPlan) -> S3Server {
    let server = S3Server::with_faults(faults);
    write_input(&server.bucket("music"));
    server
}

/// Writes `songs/a.json` and `logs/a.json` into a directory.
pub fn write_input(folder: &Path) {
    write_file(folder, "songs/a.json", SONG);
    write_file(folder, "logs/a.json", EVENT);
}

/// Writes a file and creates its parent directories.
pub fn write_file(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs the binary to its end.
pub fn run_sparkify(server: &S3Server, arguments: &[&str]) -> CommandOutput {
    CommandOutput::run(&mut sparkify(server, arguments))
}

/// Appends arguments to others.
pub fn concat_args<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}
