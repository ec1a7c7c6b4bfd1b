//! The bucket `music`: a song and an event, and the run that makes a star of them.

use std::fs;
use std::path::Path;

use crate::faults::Faults;
use crate::job::{Ended, sparkify};
use crate::server::Server;

/// A quiet run in the bucket.
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

/// Runs the binary to its end.
pub fn end(server: &Server, arguments: &[&str]) -> Ended {
    Ended::of(&mut sparkify(server, arguments))
}

/// Arguments and more of them.
pub fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}
