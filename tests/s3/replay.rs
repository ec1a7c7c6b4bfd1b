//! `sparkify rejects` and `sparkify replay` of runs in a bucket.

use serde_json::Value;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{
    EVENT, RUN_ARGS, SONG, concat_args, run_sparkify, server_with_input, write_file,
};

/// Returns a server with a run in `dataset`, and with logs of which one of two records is rejected.
fn server_with_rejected_event() -> S3Server {
    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let bad = EVENT.replace("\"userId\":\"1\"", "\"userId\":\"one\"");
    write_file(
        &server.bucket("music"),
        "logs/a.json",
        format!("{EVENT}\n{bad}"),
    );
    server
}

/// Returns the rejects of the logs of a run in `dataset`.
fn log_rejects(server: &S3Server, run: &str) -> Vec<Value> {
    let key = format!("dataset/{run}/_rejects/logs-00000.jsonl");
    let text = String::from_utf8(server.objects("music")[&key].clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn rejects_of_the_newest_run_in_a_bucket_are_replayed_beside_it() {
    let server = server_with_rejected_event();
    let tolerant = concat_args(&RUN_ARGS, &["--max-rejects", "100%", "--json"]);
    let report = run_sparkify(&server, &tolerant).assert_success().json();
    let run = report["run"].as_str().unwrap();

    let rejects = ["rejects", "s3://music/dataset", "--json"];
    let json = run_sparkify(&server, &rejects).assert_success().json();
    assert_eq!(
        (&json["run"], &json["total"]["rejects"]),
        (&run.into(), &1.into())
    );
    assert_eq!(json["groups"][0]["key"], "userId");
    assert_eq!(
        json["groups"][0]["example"]["object"],
        "s3://music/logs/a.json"
    );

    let mut lines = log_rejects(&server, run);
    lines[0]["text"] = EVENT
        .replace("\"itemInSession\":1", "\"itemInSession\":2")
        .into();
    write_file(
        &server.bucket("music"),
        "fixed/logs-00000.jsonl",
        lines[0].to_string(),
    );
    let replay = [
        "replay",
        "--quiet",
        "--json",
        "--from",
        "s3://music/dataset",
        "--edited",
        "s3://music/fixed/logs-00000.jsonl",
        "--out",
        "s3://music/dataset",
    ];
    let replayed = run_sparkify(&server, &replay).assert_success().json();
    assert_eq!(replayed["replayed_run"], run);
    assert_eq!(replayed["logs"]["kept"], 1);
    let latest = &server.objects("music")["dataset/latest.json"];
    let latest: Value = serde_json::from_slice(latest).unwrap();
    assert_eq!(latest["run"], replayed["run"]);
}

#[test]
fn rejects_of_a_failed_run_in_a_bucket_are_shown_and_replayed() {
    let server = server_with_rejected_event();
    let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
    assert_eq!(output.code, Some(3), "{output:?}");
    let run = output.json()["run"].as_str().unwrap().to_owned();
    let from = format!("s3://music/dataset/{run}");
    let output = run_sparkify(&server, &["rejects", &from]).assert_success();
    assert!(
        output
            .stdout
            .starts_with(&format!("failed run {run} in {from}\n"))
    );
    let replay = [
        "replay",
        "--quiet",
        "--from",
        &from,
        "--out",
        "s3://music/replayed",
    ];
    run_sparkify(&server, &replay).assert_failure(
        3,
        &[
            "the only reject was rejected again",
            "s3://music/logs/a.json line 2 ",
        ],
    );
    // The newest complete run has no rejects, which does not hide the failure.
    let output = run_sparkify(&server, &["rejects", "s3://music/dataset"]).assert_success();
    assert!(
        output.stdout.starts_with("no rejects in run "),
        "{output:?}"
    );
    let hint = format!("\na later run failed: see sparkify rejects {from}\n");
    assert!(output.stdout.ends_with(&hint), "{output:?}");
    // It is in the past when a run is complete again.
    let tolerant = concat_args(&RUN_ARGS, &["--max-rejects", "100%"]);
    run_sparkify(&server, &tolerant).assert_success();
    let output = run_sparkify(&server, &["rejects", "s3://music/dataset"]).assert_success();
    assert!(!output.stdout.contains("failed"), "{output:?}");
}

#[test]
fn rejects_of_the_first_run_are_found_if_it_failed() {
    let server = server_with_input(FaultPlan::new());
    let bad = EVENT.replace("\"userId\":\"1\"", "\"userId\":\"one\"");
    write_file(
        &server.bucket("music"),
        "logs/a.json",
        format!("{EVENT}\n{bad}"),
    );
    for _ in 0..2 {
        let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]));
        assert_eq!(output.code, Some(3), "{output:?}");
        let newest = output.json()["run"].as_str().unwrap().to_owned();
        let output = run_sparkify(&server, &["rejects", "s3://music/dataset"]).assert_success();
        let first = format!("failed run {newest} in s3://music/dataset/{newest}\n");
        assert!(output.stdout.starts_with(&first), "{output:?}");
    }
}

#[test]
fn songs_alone_are_replayed_beside_the_run() {
    let server = server_with_input(FaultPlan::new());
    write_file(
        &server.bucket("music"),
        "songs/b.json",
        "{\"song_id\": nonsense}",
    );
    let tolerant = concat_args(&RUN_ARGS, &["--max-rejects", "100%", "--json"]);
    let output = run_sparkify(&server, &tolerant).assert_success_with_warnings();
    let report = output.json();
    assert_eq!(report["tables"]["songplays"]["rows"], 1);
    let run = report["run"].as_str().unwrap();
    let [key] = server
        .objects("music")
        .into_keys()
        .filter(|key| key.starts_with(&format!("dataset/{run}/_rejects/songs-")))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let line = server.objects("music")[&key].clone();
    let mut line: Value = serde_json::from_slice(&line).unwrap();
    line["text"] = SONG.replace("SO1", "SO2").into();
    write_file(&server.bucket("music"), "fixed.jsonl", line.to_string());
    let replay = [
        "replay",
        "--quiet",
        "--json",
        "--from",
        "s3://music/dataset",
        "--edited",
        "s3://music/fixed.jsonl",
        "--out",
        "s3://music/dataset",
    ];
    let replayed = run_sparkify(&server, &replay).assert_success().json();
    assert_eq!(replayed["tables"]["songs"]["rows"], 1);
    assert_eq!(replayed["tables"]["songplays"]["rows"], 0);
}

#[test]
fn an_edited_pointer_to_the_newest_run_does_not_lead_out_of_the_output() {
    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let elsewhere = r#"{"run":"../other","report":""}"#;
    write_file(&server.bucket("music"), "dataset/latest.json", elsewhere);
    let expected = [
        "cannot read s3://music/dataset/latest.json: '../other' is not the id of a run",
        "correct it",
    ];
    run_sparkify(&server, &["rejects", "s3://music/dataset"]).assert_failure(1, &expected);
}
