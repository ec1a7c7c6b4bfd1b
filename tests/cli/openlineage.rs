//! `--openlineage`: the events of a run, in a file or on a server. `tests/monitoring` validates them by the schemas of
//! OpenLineage.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::http_sink::{HttpSink, SinkAnswer};
use testkit::sample_data::{MALFORMED_RECORD, events};

const FILE: [&str; 2] = ["--openlineage", "events.jsonl"];

fn read_events(sandbox: &Sandbox) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path("events.jsonl")).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the absolute path of a file in the sandbox, as the events name it.
fn absolute(sandbox: &Sandbox, name: &str) -> String {
    let root = fs::canonicalize(sandbox.root()).unwrap();
    root.join(name).to_str().unwrap().to_owned()
}

fn names(datasets: &Value) -> Vec<&str> {
    let datasets = datasets.as_array().unwrap();
    datasets
        .iter()
        .map(|dataset| dataset["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_run_is_told_by_two_events() {
    let sandbox = Sandbox::with_input();
    let output = sandbox.run_with(&[&FILE[..], &["--json"]].concat());
    let report = output.assert_success().json();
    let [start, complete] = read_events(&sandbox).try_into().unwrap();
    assert_eq!(
        (&start["eventType"], &complete["eventType"]),
        (&json!("START"), &json!("COMPLETE"))
    );
    for (event, time) in [(&start, "started_at"), (&complete, "finished_at")] {
        assert_eq!(event["run"]["runId"], start["run"]["runId"]);
        assert_eq!(event["job"]["namespace"], "sparkify");
        assert_eq!(event["job"]["name"], "sparkify.run");
        let inputs = ["songs", "logs"].map(|name| absolute(&sandbox, name));
        assert_eq!(names(&event["inputs"]), inputs);
        let tables = ["songplays", "users", "songs", "artists", "time"];
        let tables = tables.map(|table| absolute(&sandbox, &format!("dataset/{table}")));
        assert_eq!(names(&event["outputs"]), tables);
        let (event_time, time) = (event["eventTime"].as_str(), report[time].as_str());
        assert_eq!(event_time.unwrap()[..16], time.unwrap()[..16]);
        assert!(event["run"]["facets"].get("errorMessage").is_none());
        assert!(event["run"]["facets"].get("parent").is_none());
    }
    // The version is in the seventh half-byte of the second half.
    let run_id = start["run"]["runId"].as_str().unwrap();
    assert_eq!(run_id.as_bytes()[14], b'7', "{run_id}");
    let fields = &complete["outputs"][0]["facets"]["schema"]["fields"];
    assert_eq!(fields[0]["name"], "songplay_id");
    assert_eq!(fields[0]["type"], "bigint");
    let version = &complete["outputs"][0]["facets"]["version"]["datasetVersion"];
    assert_eq!(version, &report["run"]);
    let written = &complete["outputs"][0]["outputFacets"]["outputStatistics"];
    let table = &report["tables"]["songplays"];
    assert_eq!(written["rowCount"], table["rows"]);
    assert_eq!(
        (&written["size"], &written["fileCount"]),
        (&table["bytes"], &table["files"])
    );
    let read = &complete["inputs"][1]["inputFacets"]["inputStatistics"];
    assert_eq!(read["rowCount"], report["logs"]["records"]);
    assert_eq!(read["size"], report["logs"]["bytes"]);
    assert!(start["inputs"][1].get("inputFacets").is_none(), "{start}");
}

#[test]
fn failures_have_a_message() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a.json", events(0..3) + MALFORMED_RECORD);
    let output = sandbox.run_with(&[&FILE[..], &["--max-rejects", "0"]].concat());
    let output = output.assert_failure(3, &["log records"]);
    let [_, fail] = read_events(&sandbox).try_into().unwrap();
    assert_eq!(fail["eventType"], "FAIL");
    let message = &fail["run"]["facets"]["errorMessage"]["message"];
    assert_eq!(
        output.stderr,
        format!("sparkify: {}\n", message.as_str().unwrap())
    );
    // A usage error before the job is no run.
    sandbox.run_with(&[&FILE[..], &["--full-refresh"]].concat());
    assert_eq!(read_events(&sandbox).len(), 2);
}

#[test]
fn replays_and_globs_are_named_by_folders() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a.json", events(0..3) + MALFORMED_RECORD);
    let run = [
        "run",
        "-q",
        "--songs",
        "songs",
        "songs",
        "--logs",
        "lo*/*.json",
        "--out",
        "dataset",
        "--max-rejects",
        "1",
    ];
    sandbox.exec(&[&run[..], &FILE].concat()).assert_success();
    let [_, complete] = read_events(&sandbox).try_into().unwrap();
    let root = fs::canonicalize(sandbox.root()).unwrap();
    let songs = absolute(&sandbox, "songs");
    assert_eq!(
        names(&complete["inputs"]),
        [&songs, &songs, root.to_str().unwrap()]
    );
    // The counts are those of both paths.
    assert!(
        complete["inputs"][0].get("inputFacets").is_none(),
        "{complete}"
    );
    assert!(
        complete["inputs"][2].get("inputFacets").is_some(),
        "{complete}"
    );
    sandbox.write("fixed.jsonl", "");
    let replay = ["replay", "-q", "--from", "dataset", "--out", "replayed"];
    let output = sandbox.exec(&[&replay[..], &FILE].concat());
    assert_eq!(output.code, Some(3), "{output:?}");
    let events = read_events(&sandbox);
    assert_eq!(events[3]["job"]["name"], "sparkify.replay");
    assert_eq!(
        names(&events[3]["inputs"]),
        [absolute(&sandbox, "dataset/_rejects")]
    );
}

#[test]
fn events_are_posted_with_the_settings_of_the_environment() {
    let sandbox = Sandbox::with_input();
    let parent = "01890c5b-6b9c-7a43-9c5d-0d3f4b1f8a11";
    for (path, expected_path) in [
        ("", "/api/v1/lineage"),
        ("/", "/api/v1/lineage"),
        ("/x/y?z=1", "/x/y?z=1"),
    ] {
        let sink = HttpSink::start();
        let mut command = sandbox.command(&[
            "run",
            "-q",
            "--songs",
            "songs",
            "--logs",
            "logs",
            "--out",
            "dataset",
            "--openlineage",
            &sink.url(path),
        ]);
        command.env("OPENLINEAGE_NAMESPACE", "nightly");
        command.env("OPENLINEAGE_API_KEY", "ThisKeyOfTheCatalog");
        command.env(
            "OPENLINEAGE_PARENT_ID",
            format!("airflow/music.load/{parent}"),
        );
        CommandOutput::run(&mut command).assert_success();
        let requests = sink.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.path, expected_path);
            assert_eq!(
                request.header("authorization"),
                Some("Bearer ThisKeyOfTheCatalog")
            );
            let event = request.json();
            assert_eq!(event["job"]["namespace"], "nightly");
            let facet = &event["run"]["facets"]["parent"];
            assert_eq!(facet["run"]["runId"], parent);
            assert_eq!(facet["job"]["namespace"], "airflow");
            assert_eq!(facet["job"]["name"], "music.load");
        }
    }
}

#[test]
fn a_server_that_fails_is_a_warning() {
    let sandbox = Sandbox::with_input();
    let sink = HttpSink::with_answers([SinkAnswer::Status(401), SinkAnswer::Status(500)]);
    let output = sandbox.run_with(&["--openlineage", &sink.url("/secret")]);
    let output = output.assert_success_with_warnings();
    let host = sink.url("");
    let warning = format!("cannot send an OpenLineage event to {host}: HTTP status");
    assert_eq!(
        output.warnings(),
        [
            format!("{warning} 401; check OPENLINEAGE_API_KEY"),
            format!("{warning} 500"),
        ]
    );
    assert_eq!(sink.requests().len(), 2);
}

#[test]
fn a_server_that_does_not_answer_delays_a_run_by_seconds() {
    let sandbox = Sandbox::with_input();
    let sink = HttpSink::with_answers([SinkAnswer::Silence, SinkAnswer::Silence]);
    let began = Instant::now();
    let output = sandbox.run_with(&["--openlineage", &sink.url("")]);
    let output = output.assert_success_with_warnings();
    assert!(
        output.warnings()[0].ends_with("no answer within 5 s"),
        "{output:?}"
    );
    let took = began.elapsed();
    assert!(took < Duration::from_secs(25), "{took:?}");
}

/// Somebody who stops a run knows it, and is not told.
#[test]
fn a_signal_aborts_the_run() {
    let sandbox = Sandbox::with_input();
    let sink = HttpSink::with_answers([SinkAnswer::Silence]);
    let webhook = HttpSink::start();
    let mut command = sandbox.command(&[
        "run",
        "-q",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        "dataset",
        "--metrics",
        "run.prom",
        "--openlineage",
        &sink.url(""),
        "--webhook",
        &webhook.url("/hook"),
    ]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while sink.requests().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    let signaled_at = Instant::now();
    kill_process(
        Pid::from_raw(child.id().cast_signed()).unwrap(),
        Signal::TERM,
    )
    .unwrap();
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    assert!(signaled_at.elapsed() < Duration::from_secs(5));
    assert_eq!(output.code, Some(143), "{output:?}");
    let [start, abort] = sink.requests().try_into().unwrap();
    assert_eq!(abort.json()["eventType"], "ABORT");
    assert_eq!(abort.json()["run"]["runId"], start.json()["run"]["runId"]);
    assert!(webhook.requests().is_empty());
    let metrics = fs::read_to_string(sandbox.path("run.prom")).unwrap();
    let code = metrics
        .lines()
        .find(|line| line.starts_with("sparkify_last_run_exit_code{"));
    assert!(code.is_some_and(|line| line.ends_with(" 143")), "{metrics}");
}

#[test]
fn settings_that_are_not_valid_are_noticed() {
    let sandbox = Sandbox::with_input();
    for (target, words) in [
        (
            "nowhere/events.jsonl",
            "cannot write OpenLineage events to nowhere/events.jsonl: ",
        ),
        (
            "kafka://broker",
            "cannot use --openlineage: expected a URL that begins with https://",
        ),
        (
            "https://user:ThisKey@h",
            "a user or a password in the URL is not supported",
        ),
    ] {
        let output = sandbox.run_with(&["--openlineage", target]);
        assert!(!output.stderr.contains("ThisKey"), "{output:?}");
        output.assert_failure(2, &[words]);
    }
    let run = [
        "run", "-q", "--songs", "songs", "--logs", "logs", "--out", "dataset",
    ];
    let mut command =
        sandbox.command(&[&run[..], &["--openlineage", "http://127.0.0.1:1"]].concat());
    let output = CommandOutput::run(command.env("OPENLINEAGE_API_KEY", "ThisKey\nx"));
    assert!(!output.stderr.contains("ThisKey"), "{output:?}");
    output.assert_failure(2, &["cannot use OPENLINEAGE_API_KEY: "]);
    let mut command = sandbox.command(&[&run[..], &FILE].concat());
    let output = CommandOutput::run(command.env("OPENLINEAGE_PARENT_ID", "x"));
    let output = output.assert_success_with_warnings();
    let warning =
        "OPENLINEAGE_PARENT_ID is ignored: expected NAMESPACE/JOB/RUN, with a UUID as RUN";
    assert_eq!(output.warnings(), [warning]);
}
