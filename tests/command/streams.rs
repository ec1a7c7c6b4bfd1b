//! What goes to stdout and to stderr, and what happens when nobody takes it.

use std::fs::{self, File};
use std::io::pipe;

use serde_json::Value;

use crate::data::MALFORMED_RECORD;
use crate::harness::{CommandOutput, Sandbox, run_args};

const RUN_ARGS: [&str; 7] = ["run", "--songs", "songs", "--logs", "logs", "--out", "star"];

fn run_args_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    RUN_ARGS.iter().chain(more).copied().collect()
}

#[test]
fn summary_goes_to_stderr_without_json() {
    let place = Sandbox::with_input();
    let ended = place.exec(&RUN_ARGS);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    for words in ["songplays", "records", "star in ", "3 are kept"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn piped_output_has_no_escape_sequences() {
    let place = Sandbox::with_input();
    let generate = [
        "generate",
        "--out=made",
        "--events=2000",
        "--songs=20",
        "--users=9",
    ];
    for arguments in [&run_args_with(&["--json"])[..], &generate] {
        // As if at a terminal that can do everything.
        let mut command = place.command(arguments);
        let ended = CommandOutput::capture(command.env("TERM", "xterm-256color"));
        assert_eq!(ended.code, Some(0));
        for text in [ended.stdout, ended.stderr] {
            let control = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(control), "{text:?}");
        }
    }
}

#[test]
fn json_stdout_is_the_report() {
    let place = Sandbox::with_input();
    for quiet in [true, false] {
        let mut arguments = run_args_with(&["--json"]);
        arguments.extend(quiet.then_some("--quiet"));
        let ended = place.exec(&arguments);
        let report = fs::read_to_string(place.path("star/_report.json")).unwrap();
        assert_eq!((ended.code, &ended.stdout), (Some(0), &report));
        assert_eq!(ended.stderr.is_empty(), quiet);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(
            (&report["status"], &report["logs"]["kept"]),
            (&"ok".into(), &3.into())
        );
    }
}

#[test]
fn json_failure_is_a_document() {
    let (place, earlier) = Sandbox::with_dataset();
    for (songs, logs, out, code) in [
        ("nowhere", "logs", "star", 1),
        ("songs", "logs", "songs", 1),
        ("songs", "logs", ".", 1),
    ] {
        assert_fails_with_json(&place, [songs, logs, out], code);
    }
    // That of a run past its limit is a report: see `failed`.
    place.write("bad/a.json", MALFORMED_RECORD);
    let mut arguments = run_args("songs", "bad", "star").to_vec();
    arguments.push("--json");
    let ended = place.exec(&arguments).assert_failure_with_warnings(3, "");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&report["status"], &report["logs"]["rejected"]),
        (&"failed".into(), &1.into())
    );
    earlier.assert_unchanged();
}

#[test]
fn json_usage_error_is_a_document() {
    let place = Sandbox::with_input();
    assert_fails_with_json(&place, ["s3://bucket", "logs", "s3://bucket/star"], 2);
}

#[track_caller]
fn assert_fails_with_json(place: &Sandbox, [songs, logs, out]: [&str; 3], code: i32) {
    let mut arguments = run_args(songs, logs, out).to_vec();
    arguments.push("--json");
    let ended = place.exec(&arguments).assert_failure(code, "");
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let error = document["error"].as_str().unwrap();
    assert_eq!(document["status"], "failed");
    assert_eq!(ended.stderr, format!("sparkify: {error}\n"));
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn closed_stderr_does_not_fail_a_run() {
    let (place, earlier) = Sandbox::with_dataset();
    let closed_pipe = || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        writer
    };
    let code = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.stderr(closed_pipe()).status().unwrap().code()
    };
    assert_eq!(
        code(&["run", "--songs=no", "--logs=logs", "--out=star"]),
        Some(1)
    );
    earlier.assert_unchanged();
    // With a summary, and with a warning.
    assert_eq!(code(&RUN_ARGS), Some(0));
    earlier.assert_replaced();
    assert_eq!(
        code(&["run", "--songs=songs", "--logs=songs", "--out=new"]),
        Some(0)
    );
    assert_eq!(code(&["generate", "--out=made", "--events=10"]), Some(0));
    place.assert_no_staging_left();
}

#[test]
fn closed_stdout_does_not_fail_a_run() {
    let place = Sandbox::with_input();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = place.command(&run_args_with(&["--json", "--quiet"]));
    let child = command.stdout(writer).stderr(std::process::Stdio::piped());
    CommandOutput::from(child.spawn().unwrap().wait_with_output().unwrap()).assert_success();
}

#[test]
#[cfg(target_os = "linux")]
fn stdout_write_error_fails_the_command() {
    let place = Sandbox::with_input();
    let generate = ["generate", "--out=made", "--events=10", "--json", "-q"];
    for arguments in [&run_args_with(&["--json", "--quiet"])[..], &generate] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = place.command(arguments);
        let child = command.stdout(full).stderr(std::process::Stdio::piped());
        let ended = CommandOutput::from(child.spawn().unwrap().wait_with_output().unwrap());
        ended
            .assert_failure(1, "cannot print")
            .assert_failure(1, "No space left");
    }
    assert!(
        place.path("star/_report.json").exists(),
        "the star is whole"
    );
}
