//! What goes to stdout and to stderr, and what happens when nobody takes it.

use std::fs::{self, File};
use std::io::pipe;

use serde_json::Value;

use crate::data::REJECT;
use crate::harness::{Ended, Place, run_arguments};

const RUN: [&str; 7] = ["run", "--songs", "songs", "--logs", "logs", "--out", "star"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    RUN.iter().chain(more).copied().collect()
}

#[test]
fn without_json_stdout_stays_empty_and_people_read_stderr() {
    let place = Place::with_input();
    let ended = place.end(&RUN);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    for words in ["songplays", "records", "star in ", "3 are kept"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn in_a_pipe_there_are_no_escape_sequences() {
    let place = Place::with_input();
    let generate = [
        "generate",
        "--out=made",
        "--events=2000",
        "--songs=20",
        "--users=9",
    ];
    for arguments in [&with(&["--json"])[..], &generate] {
        // As if at a terminal that can do everything.
        let mut command = place.sparkify(arguments);
        let ended = Ended::of(command.env("TERM", "xterm-256color"));
        assert_eq!(ended.code, Some(0));
        for text in [ended.stdout, ended.stderr] {
            let control = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(control), "{text:?}");
        }
    }
}

#[test]
fn with_json_stdout_is_the_report() {
    let place = Place::with_input();
    for quiet in [true, false] {
        let mut arguments = with(&["--json"]);
        arguments.extend(quiet.then_some("--quiet"));
        let ended = place.end(&arguments);
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
fn with_json_a_failure_is_a_document_too() {
    let (place, earlier) = Place::with_star();
    for (songs, logs, out, code) in [
        ("nowhere", "logs", "star", 1),
        ("songs", "logs", "songs", 1),
        ("songs", "logs", ".", 1),
    ] {
        fails_with_a_document(&place, [songs, logs, out], code);
    }
    // That of a run past its limit is a report: see `failed`.
    place.write("bad/a.json", REJECT);
    let mut arguments = run_arguments("songs", "bad", "star").to_vec();
    arguments.push("--json");
    let ended = place.end(&arguments).fails_after_warnings(3, "");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&report["status"], &report["logs"]["rejected"]),
        (&"failed".into(), &1.into())
    );
    earlier.is_untouched();
}

#[test]
fn with_json_wrong_usage_is_a_document_too() {
    let place = Place::with_input();
    fails_with_a_document(&place, ["s3://bucket", "logs", "s3://bucket/star"], 2);
}

#[track_caller]
fn fails_with_a_document(place: &Place, [songs, logs, out]: [&str; 3], code: i32) {
    let mut arguments = run_arguments(songs, logs, out).to_vec();
    arguments.push("--json");
    let ended = place.end(&arguments).fails(code, "");
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let error = document["error"].as_str().unwrap();
    assert_eq!(document["status"], "failed");
    assert_eq!(ended.stderr, format!("sparkify: {error}\n"));
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn a_reader_of_stderr_that_went_away_changes_nothing() {
    let (place, earlier) = Place::with_star();
    let nobody = || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        writer
    };
    let code = |arguments: &[&str]| {
        let mut command = place.sparkify(arguments);
        command.stderr(nobody()).status().unwrap().code()
    };
    assert_eq!(
        code(&["run", "--songs=no", "--logs=logs", "--out=star"]),
        Some(1)
    );
    earlier.is_untouched();
    // With a summary, and with a warning.
    assert_eq!(code(&RUN), Some(0));
    earlier.is_replaced();
    assert_eq!(
        code(&["run", "--songs=songs", "--logs=songs", "--out=new"]),
        Some(0)
    );
    assert_eq!(code(&["generate", "--out=made", "--events=10"]), Some(0));
    place.has_no_leavings();
}

#[test]
fn a_reader_of_stdout_that_had_enough_changes_nothing() {
    let place = Place::with_input();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = place.sparkify(&with(&["--json", "--quiet"]));
    let child = command.stdout(writer).stderr(std::process::Stdio::piped());
    Ended::from(child.spawn().unwrap().wait_with_output().unwrap()).succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn a_report_that_cannot_be_printed_is_a_failure() {
    let place = Place::with_input();
    let generate = ["generate", "--out=made", "--events=10", "--json", "-q"];
    for arguments in [&with(&["--json", "--quiet"])[..], &generate] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = place.sparkify(arguments);
        let child = command.stdout(full).stderr(std::process::Stdio::piped());
        let ended = Ended::from(child.spawn().unwrap().wait_with_output().unwrap());
        ended.fails(1, "cannot print").fails(1, "No space left");
    }
    assert!(
        place.path("star/_report.json").exists(),
        "the star is whole"
    );
}
