//! Runs that are killed, or that publish during a cleaning.

use std::process::Stdio;
use std::time::Duration;

use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};

use crate::clean_command::fixture::{
    OUT_URL, clean_json, non_empty_entries, run_id, server_with_out_dir, string_set,
    write_complete_run, write_published_runs, write_run_file, write_unfinished_run,
};
use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, concat_args, server_with_input};

#[test]
fn killed_run_is_removed_once_abandoned() {
    let silent = RequestMatcher::operation(S3Operation::Put).with_key_suffix("_report.json");
    let server = server_with_input(FaultPlan::new().first_n(1, silent.clone(), Fault::Hang));
    let mut command = sparkify(&server, &RUN_ARGS);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    while server.request_count(&silent) == 0 {
        std::thread::yield_now();
    }
    let clean = ["clean", OUT_URL, "--yes"];
    let result = clean_json(&server, &clean);
    assert_eq!(result["keep"][0]["state"], "recent", "run in progress");
    child.kill().unwrap();
    child.wait().unwrap();

    let before = server.objects("music").len();
    assert!(before > 2 + 5, "parts and manifests are missing: {before}");
    clean_json(&server, &clean);
    assert_eq!(server.objects("music").len(), before);
    // A run younger than 15 minutes is always kept.
    let at_once = concat_args(&clean, &["--unfinished-after", "0"]);
    let out_dir = server.bucket("music").join("dataset");
    server.backdate(&out_dir, Duration::from_secs(14 * 60));
    let result = clean_json(&server, &at_once);
    assert_eq!(result["keep"][0]["state"], "recent");
    assert_eq!(server.objects("music").len(), before);
    server.backdate(&out_dir, Duration::from_secs(60));
    clean_json(&server, &at_once);
    assert_eq!(
        server.objects("music").len(),
        2,
        "objects other than the input"
    );
}

#[test]
fn run_that_becomes_latest_during_clean_is_kept() {
    let [one, two] = [50, 60].map(run_id);
    let rolled_back = two.clone();
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    let (server, out_dir) =
        server_with_out_dir(FaultPlan::new().on_nth(2, latest, move |buckets| {
            write_published_runs(&buckets.join("music/dataset"), &[&rolled_back]);
        }));
    write_complete_run(&out_dir, &one);
    write_complete_run(&out_dir, &two);
    write_published_runs(&out_dir, &[&two, &one]);
    clean_json(&server, &["clean", OUT_URL, "--yes", "--keep", "1"]);
    assert_eq!(
        non_empty_entries(&out_dir),
        string_set(&[&one, &two, "latest.json"])
    );
}

#[test]
fn run_finished_during_clean_is_kept() {
    for name in ["_report.json", "users/part-00000.parquet"] {
        let abandoned = run_id(30);
        let (own, id) = (abandoned.clone(), abandoned.clone());
        let marker = RequestMatcher::operation(S3Operation::Put).with_key_suffix("_removing");
        let (server, out_dir) =
            server_with_out_dir(FaultPlan::new().on_nth(1, marker.clone(), move |buckets| {
                write_run_file(&buckets.join("music/dataset"), &id, name, "12");
            }));
        write_unfinished_run(&out_dir, &abandoned);
        clean_json(&server, &["clean", OUT_URL, "--yes"]);
        assert_eq!(server.request_count(&marker), 1);
        let left = testkit::dir_contents::list_files(&out_dir.join(own));
        let names = [
            "_rejects/logs-00000.jsonl",
            name,
            "songs/part-00000.parquet",
        ];
        assert_eq!(left, string_set(&names), "{name}");
    }
}
