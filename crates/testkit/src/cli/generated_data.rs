//! Data that `sparkify generate` makes in a sandbox.

use serde_json::Value;

use crate::cli::sandbox::Sandbox;

/// Generates data with all edge cases in the directory `made`, and returns the summary of `generate`.
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
    sandbox.exec(&arguments).assert_success().json()
}

/// Generates data in `name/song_data` and `name/log_data`.
pub fn generate_data(sandbox: &Sandbox, name: &str, events: u64, seed: u64) -> GeneratedPaths {
    let (events, seed) = (events.to_string(), seed.to_string());
    let sizes = [
        "--songs", "200", "--users", "300", "--files", "8", "--seed", &seed,
    ];
    let mut arguments = vec!["generate", "--quiet", "--out", name, "--events", &events];
    arguments.extend(sizes);
    sandbox.exec(&arguments).assert_success();
    GeneratedPaths {
        songs: format!("{name}/song_data"),
        logs: format!("{name}/log_data"),
    }
}

/// The paths of generated data.
pub struct GeneratedPaths {
    pub songs: String,
    pub logs: String,
}
