//! Keys that the model does not know, in the summary and the reports.

use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::{event, song};

/// Returns an event with further members.
fn event_with(n: u64, members: &str) -> String {
    format!("{{{members},{}", &event(n)[1..])
}

/// Runs with the summary.
fn run(sandbox: &Sandbox) -> CommandOutput {
    let output = sandbox.exec(&["run", "--songs=songs", "--logs=logs", "--out=dataset"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

/// Returns the lines of the summary about unknown keys.
fn summary_lines(output: &CommandOutput) -> Vec<&str> {
    let lines = output.stderr.lines();
    lines.filter(|line| line.contains("unknown key")).collect()
}

#[test]
fn input_with_known_keys_has_no_line_in_the_summary() {
    let sandbox = Sandbox::with_input();
    let output = run(&sandbox);
    assert_eq!(summary_lines(&output), [""; 0]);
    let report = read_report(&sandbox.path("dataset"));
    for input in ["songs", "logs"] {
        assert_eq!(report[input]["unknown_keys"], json!([]));
        assert_eq!(report[input]["more_unknown_keys"], false);
    }
}

#[test]
fn summary_shows_the_first_keys_and_the_report_all() {
    let sandbox = Sandbox::with_input();
    sandbox.write("songs/b.json", format!("\n{{\"genre\":1,{}", &song(2)[1..]));
    let lines = [
        event_with(11, "\"deviceId\":\"x\""),
        event_with(12, "\"abTest\":[],\"abTest\":1,\"deviceId\":0"),
        event_with(13, "\"c\":1,\"d\":2"),
    ];
    sandbox.write("logs/b.json", lines.join("\n"));
    let output = run(&sandbox);
    assert_eq!(
        summary_lines(&output),
        [
            "unknown keys in songs: \"genre\" (songs/b.json line 2)",
            "unknown keys in logs: \"deviceId\" (logs/b.json line 1), \"abTest\" (logs/b.json line 2), \
             and 2 more: see _report.json",
        ]
    );
    let output = sandbox.run_with(&["--json"]);
    assert_eq!(output.stderr, "");
    let found = |key, line| json!({"key": key, "object": "logs/b.json", "line": line});
    for report in [output.json(), read_report(&sandbox.path("dataset"))] {
        assert_eq!(
            report["logs"]["unknown_keys"],
            json!([
                found("deviceId", 1),
                found("abTest", 2),
                found("c", 3),
                found("d", 3)
            ])
        );
        assert_eq!(report["logs"]["more_unknown_keys"], false);
        assert_eq!(report["songs"]["unknown_keys"][0]["key"], "genre");
    }
}

#[test]
fn more_keys_than_the_report_lists() {
    let sandbox = Sandbox::with_input();
    let members: Vec<_> = (0..101).map(|n| format!("\"k{n}\":{n}")).collect();
    sandbox.write("logs/a.json", event_with(1, &members.join(",")));
    let output = run(&sandbox);
    let [line] = summary_lines(&output)[..] else {
        panic!("{output:?}");
    };
    assert!(
        line.ends_with(", and more than 98 more: see _report.json"),
        "{line}"
    );
    let report = read_report(&sandbox.path("dataset"));
    assert_eq!(
        report["logs"]["unknown_keys"].as_array().map(Vec::len),
        Some(100)
    );
    assert_eq!(report["logs"]["more_unknown_keys"], true);
}

#[test]
fn key_cannot_control_the_terminal() {
    let sandbox = Sandbox::with_input();
    let key = format!("\\u001b[31m\u{202e}\\\"\u{9b}{}", "x".repeat(300));
    sandbox.write("logs/a.json", event_with(1, &format!("\"{key}\":1")));
    let output = run(&sandbox);
    let shown = format!("\"\\u001b[31m\u{fffd}\\\"\u{fffd}{}...\"", "x".repeat(32));
    assert_eq!(
        summary_lines(&output),
        [format!(
            "unknown keys in logs: {shown} (logs/a.json line 1)"
        )]
    );
}

#[test]
fn failed_run_lists_unknown_keys_too() {
    let sandbox = Sandbox::with_input();
    sandbox.write("songs/a.json", format!("{{\"data\": [{}]}}", song(1)));
    sandbox
        .run_with(&[])
        .assert_failure(3, &["jq -c '.data[]'"]);
    let failed = std::fs::read(sandbox.path("dataset.failed/_report.failed.json")).unwrap();
    let failed: Value = serde_json::from_slice(&failed).unwrap();
    assert_eq!(
        failed["songs"]["unknown_keys"],
        json!([{"key": "data", "object": "songs/a.json", "line": 1}])
    );
}
