//! Runs to a bucket that fail because of their input: they keep the rejects and the report, and nothing else.

use serde_json::Value;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{
    EVENT, RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file,
};

/// A record that is rejected as a song and as an event.
const REJECTED_LINE: &str = "{\"ts\": nonsense}\n";

/// Returns a server with a run in `dataset`, and with logs of which half of the records are rejected.
fn server_with_rejected_logs(faults: FaultPlan) -> S3Server {
    let server = server_with_input(faults);
    run_sparkify(&server, &RUN_ARGS).assert_success();
    write_file(
        &server.bucket("music"),
        "logs/a.json",
        format!("{EVENT}\n{REJECTED_LINE}"),
    );
    server
}

/// Returns the keys below the run with this id in `dataset`.
fn run_keys(server: &S3Server, run: &str) -> Vec<String> {
    let run_prefix = format!("dataset/{run}/");
    let objects = server.objects("music");
    let keys = objects
        .keys()
        .filter_map(|key| key.strip_prefix(&run_prefix));
    keys.map(str::to_owned).collect()
}

fn latest_json(server: &S3Server) -> Vec<u8> {
    server.objects("music")["dataset/latest.json"].clone()
}

#[test]
fn run_over_reject_limit_keeps_rejects_and_report() {
    let server = server_with_rejected_logs(FaultPlan::new());
    let before = latest_json(&server);
    let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    let report = output.json();
    let run = report["run"].as_str().unwrap().to_owned();
    let kept_message = format!("rejects and report are in s3://music/dataset/{run}");
    output.assert_failure(3, &["1 of 2 log records (50.00%)", &kept_message]);
    assert_eq!(
        (&report["status"], &report["logs"]["kept"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(
        run_keys(&server, &run),
        ["_rejects/logs-00000.jsonl", "_report.failed.json"]
    );
    let key = format!("dataset/{run}/_report.failed.json");
    let stored: Value = serde_json::from_slice(&server.objects("music")[&key]).unwrap();
    assert_eq!(stored, report);
    assert_eq!(latest_json(&server), before);

    // A failed run cannot be loaded, and `clean` removes it when others have failed since then.
    let load = [
        "load",
        "--warehouse",
        "postgres://nobody@localhost:1/none",
        "--from",
    ];
    let from = format!("s3://music/dataset/{run}");
    run_sparkify(&server, &concat_args(&load, &[&from]))
        .assert_failure(1, &["the run failed and published nothing"]);
    let clean = ["clean", "s3://music/dataset", "--json", "--keep", "1"];
    let found = run_sparkify(&server, &clean).assert_success().json();
    assert_eq!(found["remove"].as_array().unwrap().len(), 0, "{found}");
    run_sparkify(&server, &RUN_ARGS).assert_failure(3, &["rejects exceed"]);
    let found = run_sparkify(&server, &clean).assert_success().json();
    let [removed] = found["remove"].as_array().unwrap().as_slice() else {
        panic!("{found}");
    };
    assert_eq!(
        (&removed["state"], &removed["objects"]),
        (&"failed".into(), &2.into())
    );
    run_sparkify(&server, &concat_args(&clean, &["--yes"])).assert_success();
    assert!(run_keys(&server, &run).is_empty());
    assert_eq!(latest_json(&server), before);
    run_sparkify(&server, &concat_args(&RUN_ARGS, &["--max-rejects=1"])).assert_success();
    assert_ne!(latest_json(&server), before);
}

#[test]
fn undeletable_parts_are_reported() {
    let matcher = RequestMatcher::operation(S3Operation::Delete);
    let server = server_with_rejected_logs(
        FaultPlan::new().always(matcher, Fault::Error(S3ErrorResponse::access_denied())),
    );
    let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    let report = output.json();
    let words = [
        "1 of 2 log records",
        "rejects and report could not be kept: ",
        "AccessDenied",
        "run sparkify clean",
    ];
    output.assert_failure(3, &words);
    let run = report["run"].as_str().unwrap();
    assert!(
        !run_keys(&server, run)
            .iter()
            .any(|key| key.starts_with("_report"))
    );
}

#[test]
fn run_without_events_does_not_become_latest() {
    let server = server_with_input(FaultPlan::new());
    write_file(
        &server.bucket("music"),
        "logs/a.json",
        EVENT.replace("NextSong", "Home"),
    );
    // No earlier run has any events yet.
    let output = run_sparkify(&server, &RUN_ARGS);
    assert_eq!(output.code, Some(0), "{output:?}");
    let empty = latest_json(&server);
    write_file(&server.bucket("music"), "logs/a.json", EVENT);
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let full = latest_json(&server);
    assert_ne!(full, empty);

    write_file(
        &server.bucket("music"),
        "logs/a.json",
        EVENT.replace("NextSong", "Home"),
    );
    let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    let report = output.json();
    let run = report["run"].as_str().unwrap().to_owned();
    let words = [
        "will not replace the dataset in s3://music/dataset, which has 1 songplays",
        "--allow-empty",
    ];
    output.assert_failure(1, &words);
    assert_eq!(run_keys(&server, &run), ["_report.failed.json"]);
    assert_eq!(latest_json(&server), full);

    let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--allow-empty"]));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_ne!(latest_json(&server), full);
}
