//! Output to stdout and stderr, and the behaviour if it cannot be written.

use std::fs::{self, File};
use std::io::pipe;

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::sample_data::MALFORMED_RECORD;

const RUN_ARGS: [&str; 7] = [
    "run", "--songs", "songs", "--logs", "logs", "--out", "dataset",
];

fn run_args_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    RUN_ARGS.iter().chain(more).copied().collect()
}

#[test]
fn sizes_are_in_decimal_units() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a.json", vec![b'\n'; 1_500_000]);
    let summary = sandbox.exec(&RUN_ARGS);
    let dry_run = sandbox.exec(&run_args_with(&["--dry-run"]));
    for text in [summary.stderr, dry_run.stdout] {
        assert!(text.contains(" 1.50 MB"), "{text}");
        assert!(!text.contains("iB"), "{text}");
    }
    sandbox.write("logs/a.json", MALFORMED_RECORD.repeat(50_000));
    assert_eq!(sandbox.exec(&RUN_ARGS).code, Some(3));
    let clean = sandbox.exec(&["clean", "dataset"]).assert_success().stdout;
    assert!(clean.contains(" MB ") && !clean.contains("iB"), "{clean}");
}

#[test]
fn piped_output_has_no_escape_sequences() {
    let sandbox = Sandbox::with_input();
    let generate = [
        "generate",
        "--out=made",
        "--events=2000",
        "--songs=20",
        "--users=9",
    ];
    for arguments in [&run_args_with(&["--json"])[..], &generate] {
        // As on a terminal with all capabilities.
        let mut command = sandbox.command(arguments);
        let output = CommandOutput::run(command.env("TERM", "xterm-256color"));
        assert_eq!(output.code, Some(0));
        for text in [output.stdout, output.stderr] {
            let control = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(control), "{text:?}");
        }
    }
}

#[test]
fn json_stdout_is_the_report() {
    let sandbox = Sandbox::with_input();
    for quiet in [true, false] {
        let mut arguments = run_args_with(&["--json"]);
        arguments.extend(quiet.then_some("--quiet"));
        let output = sandbox.exec(&arguments);
        let report = fs::read_to_string(sandbox.path("dataset/_report.json")).unwrap();
        assert_eq!((output.code, &output.stdout), (Some(0), &report));
        assert_eq!(output.stderr.is_empty(), quiet);
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(
            (&report["status"], &report["logs"]["kept"]),
            (&"ok".into(), &3.into())
        );
    }
}

#[test]
fn json_failure_is_a_document() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for (songs, logs, out, code) in [
        ("nowhere", "logs", "dataset", 1),
        ("songs", "logs", "songs", 1),
        ("songs", "logs", ".", 1),
    ] {
        assert_fails_with_json(&sandbox, [songs, logs, out], code);
    }
    // A run beyond the reject limit prints a report; see `failed_runs`.
    sandbox.write("bad/a.json", MALFORMED_RECORD);
    let mut arguments = run_args("songs", "bad", "dataset").to_vec();
    arguments.push("--json");
    let output = sandbox.exec(&arguments).assert_failure_with_warnings(3, "");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&report["status"], &report["logs"]["rejected"]),
        (&"failed".into(), &1.into())
    );
    snapshot.assert_unchanged();
}

#[test]
fn json_usage_error_is_a_document() {
    let sandbox = Sandbox::with_input();
    assert_fails_with_json(&sandbox, ["s3://bucket", "logs", "s3://bucket/dataset"], 2);
}

#[track_caller]
fn assert_fails_with_json(sandbox: &Sandbox, [songs, logs, out]: [&str; 3], code: i32) {
    let mut arguments = run_args(songs, logs, out).to_vec();
    arguments.push("--json");
    let output = sandbox.exec(&arguments).assert_failure(code, &[""]);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let error = document["error"].as_str().unwrap();
    assert_eq!(document["status"], "failed");
    assert_eq!(output.stderr, format!("sparkify: {error}\n"));
    assert_eq!(output.stdout.lines().count(), 1);
}

#[test]
fn closed_stderr_does_not_fail_a_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let closed_pipe = || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        writer
    };
    let code = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.stderr(closed_pipe()).status().unwrap().code()
    };
    assert_eq!(
        code(&["run", "--songs=no", "--logs=logs", "--out=dataset"]),
        Some(1)
    );
    snapshot.assert_unchanged();
    // With a summary, and with a warning.
    assert_eq!(code(&RUN_ARGS), Some(0));
    snapshot.assert_replaced();
    assert_eq!(
        code(&["run", "--songs=songs", "--logs=songs", "--out=new"]),
        Some(0)
    );
    assert_eq!(code(&["generate", "--out=made", "--events=10"]), Some(0));
    sandbox.assert_no_staging_left();
}

#[test]
fn closed_stdout_does_not_fail_a_run() {
    let sandbox = Sandbox::with_input();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = sandbox.command(&run_args_with(&["--json", "--quiet"]));
    let child = command.stdout(writer).stderr(std::process::Stdio::piped());
    CommandOutput::from(child.spawn().unwrap().wait_with_output().unwrap()).assert_success();
}

#[test]
#[cfg(target_os = "linux")]
fn stdout_write_error_fails_the_command() {
    let sandbox = Sandbox::with_input();
    let generate = ["generate", "--out=made", "--events=10", "--json", "-q"];
    for arguments in [&run_args_with(&["--json", "--quiet"])[..], &generate] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = sandbox.command(arguments);
        let child = command.stdout(full).stderr(std::process::Stdio::piped());
        let output = CommandOutput::from(child.spawn().unwrap().wait_with_output().unwrap());
        output
            .assert_failure(1, &["cannot write to stdout"])
            .assert_failure(1, &["No space left"]);
    }
    assert!(
        sandbox.path("dataset/_report.json").exists(),
        "dataset is incomplete"
    );
}
