//! Runs to a bucket that fail because of what they read: rejects and report are kept, and nothing else.

use serde_json::Value;

use crate::s3_server::error_response::ErrorResponse;
use crate::s3_server::faults::{Fault, FaultPlan};
use crate::s3_server::request::{Operation, RequestMatcher};
use crate::s3_server::server::S3Server;
use crate::support::fixture::{
    EVENT, RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file,
};

/// A record that is rejected wherever it is.
const REJECTED_LINE: &str = "{\"ts\": nonsense}\n";

/// A server with a run in `star`, and by now with logs of which a half is rejected.
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

/// The keys below the run of this id in `star`.
fn run_keys(server: &S3Server, run: &str) -> Vec<String> {
    let home = format!("star/{run}/");
    let objects = server.objects("music");
    let keys = objects.keys().filter_map(|key| key.strip_prefix(&home));
    keys.map(str::to_owned).collect()
}

fn latest_json(server: &S3Server) -> Vec<u8> {
    server.objects("music")["star/latest.json"].clone()
}

#[test]
fn run_over_reject_limit_keeps_rejects_and_report() {
    let server = server_with_rejected_logs(FaultPlan::new());
    let before = latest_json(&server);
    let ended = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    let report = ended.json();
    let run = report["run"].as_str().unwrap().to_owned();
    let kept = format!("rejects and report are in s3://music/star/{run}");
    ended.assert_failure_with_code(3, &["1 of 2 log records (50.00%)", &kept]);
    assert_eq!(
        (&report["status"], &report["logs"]["kept"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(
        run_keys(&server, &run),
        ["_rejects/logs-00000.jsonl", "_report.failed.json"]
    );
    let key = format!("star/{run}/_report.failed.json");
    let stored: Value = serde_json::from_slice(&server.objects("music")[&key]).unwrap();
    assert_eq!(stored, report);
    assert_eq!(latest_json(&server), before);

    // It is no run to load, and a cleaning removes it, and only it, at once.
    let load = [
        "load",
        "--warehouse",
        "postgres://nobody@localhost:1/none",
        "--from",
    ];
    let from = format!("s3://music/star/{run}");
    run_sparkify(&server, &concat_args(&load, &[&from]))
        .assert_failure(&["the run failed and published nothing"]);
    let clean = ["clean", "s3://music/star", "--json"];
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
    let matcher = RequestMatcher::operation(Operation::Delete);
    let server = server_with_rejected_logs(
        FaultPlan::new().always(matcher, Fault::Error(ErrorResponse::access_denied())),
    );
    let ended = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    let report = ended.json();
    let words = [
        "1 of 2 log records",
        "rejects and report could not be kept: ",
        "AccessDenied",
        "run sparkify clean",
    ];
    ended.assert_failure_with_code(3, &words);
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
    // There is no run yet that has any.
    let ended = run_sparkify(&server, &RUN_ARGS);
    assert_eq!(ended.code, Some(0), "{ended:?}");
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
    let ended = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    let report = ended.json();
    let run = report["run"].as_str().unwrap().to_owned();
    let words = [
        "will not replace the dataset in s3://music/star, which has 1 songplays",
        "--allow-empty",
    ];
    ended.assert_failure_with_code(1, &words);
    assert_eq!(run_keys(&server, &run), ["_report.failed.json"]);
    assert_eq!(latest_json(&server), full);

    let ended = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--allow-empty"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_ne!(latest_json(&server), full);
}
