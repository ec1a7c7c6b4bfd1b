//! Songs and events to run on.

use std::ops::Range;

use serde_json::Value;

use crate::support::sandbox::Sandbox;

/// A song.
pub fn song(n: u64) -> String {
    format!(
        r#"{{"song_id":"SO{n}","artist_id":"AR{n}","title":"Title {n}","artist_name":"Artist {n}","duration":200.5,"year":2000}}"#
    )
}

/// Several songs, one a line.
pub fn songs(numbers: Range<u64>) -> String {
    numbers.map(|n| song(n) + "\n").collect()
}

/// A `NextSong` event of second `n` that plays the first song.
pub fn event(n: u64) -> String {
    event_with_level(n, "paid")
}

/// The same at a level that tells where the event came from.
pub fn event_with_level(n: u64, level: &str) -> String {
    let ts = 1_541_000_000_000 + n * 1000;
    format!(
        r#"{{"ts":{ts},"userId":"1","sessionId":7,"itemInSession":{n},"level":"{level}","page":"NextSong","song":"Title 1","artist":"Artist 1","length":200.5}}"#
    )
}

/// Several events, one a line.
pub fn events(seconds: Range<u64>) -> String {
    seconds.map(|n| event(n) + "\n").collect()
}

/// A record that is rejected wherever it stands.
pub const MALFORMED_RECORD: &str = "{\"ts\": nonsense}\n";

/// Generated data with every quirk in the folder `made`, and what `generate` says of it.
pub fn generate_edge_cases(sandbox: &Sandbox, events: u64) -> Value {
    let events = format!("--events={events}");
    let arguments = [
        "generate",
        "--quiet",
        "--json",
        "--edge-cases",
        &events,
        "--out=made",
    ];
    serde_json::from_str(&sandbox.exec(&arguments).assert_success().stdout).unwrap()
}

/// Generated data in the folder `name`: `name/song_data` and `name/log_data`.
pub fn generate_data(sandbox: &Sandbox, name: &str, events: u64, seed: u64) -> GeneratedData {
    let (events, seed) = (events.to_string(), seed.to_string());
    let sizes = [
        "--songs", "200", "--users", "300", "--files", "8", "--seed", &seed,
    ];
    let mut arguments = vec!["generate", "--quiet", "--out", name, "--events", &events];
    arguments.extend(sizes);
    sandbox.exec(&arguments).assert_success();
    GeneratedData {
        songs: format!("{name}/song_data"),
        logs: format!("{name}/log_data"),
    }
}

/// Where generated data is.
pub struct GeneratedData {
    pub songs: String,
    pub logs: String,
}
