//! Runs in a bucket, written without running the binary, and the command on them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chrono::{NaiveDateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{concat_args, run_sparkify, write_file};

pub const OUT_URL: &str = "s3://music/dataset";

/// Returns the id of a run that started `hours` hours ago.
pub fn run_id(hours: i64) -> String {
    let start = Utc::now() - TimeDelta::hours(hours);
    format!("{}-{hours:08x}", start.format("%Y%m%dT%H%M%S%3fZ"))
}

/// Writes a file of a run, with the run's start time as its modification time.
pub fn write_run_file(out_dir: &Path, id: &str, name: &str, text: &str) {
    let name = format!("{id}/{name}");
    write_file(out_dir, &name, text);
    let start = id
        .get(..19)
        .map(|time| NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ"));
    if let Some(Ok(start)) = start {
        let file = fs::File::options()
            .write(true)
            .open(out_dir.join(name))
            .unwrap();
        file.set_modified(start.and_utc().into()).unwrap();
    }
}

/// Writes the Parquet parts of a run, without its report.
pub fn write_unfinished_run(out_dir: &Path, id: &str) {
    write_run_file(out_dir, id, "songs/part-00000.parquet", "12345");
    write_run_file(out_dir, id, "_rejects/logs-00000.jsonl", "123");
}

/// Writes a complete run.
pub fn write_complete_run(out_dir: &Path, id: &str) {
    write_unfinished_run(out_dir, id);
    write_run_file(out_dir, id, "_report.json", "12");
}

pub fn write_latest_json(out_dir: &Path, id: &str) {
    let latest = json!({ "run": id, "report": "somewhere" });
    write_file(out_dir, "latest.json", latest.to_string());
}

/// Writes a `latest.json` that lists these runs in this order.
pub fn write_published_runs(out_dir: &Path, ids: &[&str]) {
    let latest = json!({ "run": ids.last(), "report": "somewhere", "published": ids });
    write_file(out_dir, "latest.json", latest.to_string());
}

/// Returns the first path component of every file in a directory.
pub fn non_empty_entries(out_dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(out_dir).unwrap();
    let full = entries.map(Result::unwrap).filter(|entry| {
        let below = fs::read_dir(entry.path());
        below.map_or(true, |_| {
            !testkit::dir_contents::list_files(&entry.path()).is_empty()
        })
    });
    full.map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

pub fn string_set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Starts a server, and returns it with the output directory in its bucket.
pub fn server_with_out_dir(faults: FaultPlan) -> (S3Server, std::path::PathBuf) {
    let server = S3Server::with_faults(faults);
    let out_dir = server.bucket("music").join("dataset");
    fs::create_dir(&out_dir).unwrap();
    (server, out_dir)
}

/// Runs a command that must succeed, and returns the JSON that it prints.
#[track_caller]
pub fn clean_json(server: &S3Server, arguments: &[&str]) -> Value {
    let mut found = run_sparkify(server, &concat_args(arguments, &["--json"]))
        .assert_success()
        .json();
    assert_eq!(found["clean_version"].take(), 2);
    assert_eq!(found["status"].take(), "ok");
    found
}

/// Returns the entry of a run. One of its objects is a reject file.
pub fn run_entry_json(
    at: &str,
    id: &str,
    state: &str,
    objects: u64,
    bytes: u64,
    uploads: u64,
) -> Value {
    json!({ "name": format!("{at}/{id}"), "state": state, "objects": objects, "reject_files": u64::from(objects > 0), "bytes": bytes, "uploads": uploads })
}
