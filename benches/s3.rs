//! Measures complete runs that read from an S3 server on this machine: many tiny objects and a few large
//! ones, with several numbers of concurrent requests, and compared with a run that reads the same objects
//! from disk.
//!
//! The server shares the cores with the run, so the table also has its CPU time.
//!
//! `cargo bench --bench s3`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;

use serde_json::Value;
use sparkify::generate::{GenerateOptions, generate};
use testkit::cli::command::sparkify;
use testkit::dir_contents::list_files;
use testkit::s3_server::server::S3Server;

const BUCKET: &str = "bench";

fn main() {
    let server = S3Server::start();
    let dir = server.bucket(BUCKET);
    let generator_options = |songs, events, files| GenerateOptions {
        events,
        songs,
        users: 10_000,
        files,
        seed: 1,
        edge_cases: false,
    };
    for (name, options, requests) in [
        (
            "100,000 tiny objects",
            generator_options(100_000, 10_000, 4),
            &[4, 64, 256][..],
        ),
        (
            "16 large objects",
            generator_options(1000, 1_000_000, 16),
            &[1, 4, 16, 64],
        ),
    ] {
        let data = dir.join("data");
        generate(&data, &options, &mut |_, _| {}).unwrap();
        println!("\n{name}: {:?}", total_bytes(&data));
        println!("from   requests  seconds   GB/s  CPU s  server's CPU s  at once  peak MB");
        // The first S3 run fills the caches of the system and of the server.
        for requests in [None, Some(64)]
            .into_iter()
            .chain(requests.iter().copied().map(Some))
        {
            let location = match requests {
                None => data.to_str().unwrap().to_owned(),
                Some(_) => format!("s3://{BUCKET}/data"),
            };
            run_once(&server, &location, requests);
        }
        fs::remove_dir_all(&data).unwrap();
    }
}

/// Runs the binary once and prints a row of the table.
fn run_once(server: &S3Server, location: &str, requests: Option<u16>) {
    let out = tempfile::tempdir().unwrap();
    let mut command = sparkify();
    command.args(["run", "--quiet", "--json", "--songs"]);
    command.args([format!("{location}/song_data"), "--logs".to_owned()]);
    command.args([format!("{location}/log_data"), "--out".to_owned()]);
    command.arg(out.path().join("dataset"));
    command.args(requests.map(|n| format!("--requests={n}")));
    let before = cpu_seconds();
    let output = command.envs(server.env_vars()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let after = cpu_seconds();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let total = &report["total"];
    println!(
        "{:<6} {:>8} {:>8.2} {:>6.2} {:>6.2} {:>15.2} {:>8} {:>8.0}",
        requests.map_or("disk", |_| "S3"),
        requests.map_or(String::new(), |n| n.to_string()),
        total["seconds"].as_f64().unwrap(),
        total["bytes_per_second"].as_f64().unwrap() / 1e9,
        after.1 - before.1,
        after.0 - before.0,
        server.max_concurrent_gets(),
        report["peak_memory_bytes"].as_f64().unwrap() / 1e6,
    );
}

/// Returns the CPU seconds of this process and of its child processes that have ended.
fn cpu_seconds() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: Vec<f64> = fields.split(' ').filter_map(|f| f.parse().ok()).collect();
    // The fields after the name and the state, which is not a number: utime and stime, cutime and cstime.
    let seconds = |at: usize| (ticks[at] + ticks[at + 1]) / 100.0;
    (seconds(10), seconds(12))
}

/// Returns the total size of all files in a directory.
fn total_bytes(dir: &std::path::Path) -> u64 {
    let keys = list_files(dir);
    keys.iter()
        .map(|key| fs::metadata(dir.join(key)).unwrap().len())
        .sum()
}
