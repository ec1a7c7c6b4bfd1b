//! What a run that fails because of what it read keeps: its rejects and a report, beside the output.

use std::fs;

use serde_json::Value;

use crate::data::{MALFORMED_RECORD, events};
use crate::harness::{CommandOutput, Sandbox};
use crate::star::{DatasetSnapshot, all_files};

/// A place with an earlier star, and logs of which a quarter is rejected.
fn sandbox_with_bad_logs() -> (Sandbox, DatasetSnapshot) {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("logs/a.json", events(0..3) + MALFORMED_RECORD);
    (place, earlier)
}

fn parse_json(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[test]
fn run_over_the_limit_keeps_rejects_and_report() {
    let (place, earlier) = sandbox_with_bad_logs();
    let failed = place.path("star.failed");
    let words = format!(
        "; rejects and report are in {}",
        failed.canonicalize().unwrap_or(failed.clone()).display()
    );
    let ended = place
        .run_with(&["--json"])
        .assert_failure(3, "")
        .assert_failure(3, &words);
    let files = all_files(&failed);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["_rejects/logs-00000.jsonl", "_report.failed.json"]);
    let report = parse_json(&files["_report.failed.json"]);
    assert_eq!(parse_json(ended.stdout.as_bytes()), report);
    assert_eq!(report["status"], "failed");
    assert_eq!(
        ended.stderr,
        format!("sparkify: {}\n", report["error"].as_str().unwrap())
    );
    let logs = &report["logs"];
    let counts = ["records", "kept", "filtered", "rejected", "duplicates"]
        .map(|count| logs[count].as_u64().unwrap());
    assert_eq!(counts, [4, 3, 0, 1, 0]);
    assert_eq!(report["songs"]["records"], 1);
    assert_eq!(report["tables"]["songplays"]["rows"], 0);
    let reject = parse_json(&files["_rejects/logs-00000.jsonl"]);
    assert_eq!(
        (&reject["reason"], &reject["run"]),
        (&"syntax".into(), &report["run"])
    );
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn non_song_input_fails_before_logs_are_read() {
    let (place, earlier) = Sandbox::with_dataset();
    let ended = place.exec(&[
        "run", "--quiet", "--json", "--songs", "logs", "--logs", "logs", "--out", "star",
    ]);
    let ended = ended
        .assert_failure(3, "no record in logs is a song: ")
        .assert_failure(3, "the logs were not read");
    let report = parse_json(ended.stdout.as_bytes());
    assert_eq!(
        (&report["songs"]["rejected"], &report["logs"]["records"]),
        (&3.into(), &0.into())
    );
    assert_eq!(report["logs"]["objects"], 1);
    assert!(
        place
            .path("star.failed/_rejects/songs-00000.jsonl")
            .is_file()
    );
    earlier.assert_unchanged();
}

#[test]
fn failed_output_is_replaced_by_the_next_failed_run() {
    let (place, earlier) = sandbox_with_bad_logs();
    place.run_with(&[]).assert_failure(3, "");
    let first = all_files(&place.path("star.failed"));
    place.write("logs/a.json", events(0..3));
    place.write(
        "songs/a.json",
        MALFORMED_RECORD.repeat(2) + &crate::data::song(1),
    );
    place.run_with(&[]).assert_failure(3, "song records");
    let second = all_files(&place.path("star.failed"));
    let names: Vec<_> = second.keys().map(String::as_str).collect();
    assert_eq!(names, ["_rejects/songs-00000.jsonl", "_report.failed.json"]);
    let run = |files: &crate::star::FileContents| {
        parse_json(&files["_report.failed.json"])["run"].clone()
    };
    assert_ne!(run(&first), run(&second));
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn failed_output_is_removed_by_a_successful_run() {
    for with_star in [true, false] {
        let (place, _) = sandbox_with_bad_logs();
        if !with_star {
            fs::remove_dir_all(place.path("star")).unwrap();
        }
        place.run_with(&[]).assert_failure(3, "");
        assert!(place.path("star.failed").exists());
        place.run_with(&["--max-rejects", "1"]).assert_success();
        assert!(!place.path("star.failed").exists());
        place.assert_no_staging_left();
    }
}

#[test]
fn clean_removes_failed_output() {
    for with_star in [true, false] {
        let (place, earlier) = sandbox_with_bad_logs();
        if !with_star {
            fs::remove_dir_all(place.path("star")).unwrap();
        }
        place.run_with(&[]).assert_failure(3, "");
        let ended = place.exec(&["clean", "star", "--json"]).assert_success();
        let found = parse_json(ended.stdout.as_bytes());
        let name = found["remove"][0]["name"].as_str().unwrap();
        assert!(name.ends_with("/star.failed"), "{found}");
        assert_eq!(
            (&found["remove"][0]["state"], &found["remove"][0]["objects"]),
            (&"failed".into(), &2.into())
        );
        assert!(place.path("star.failed").exists());
        place.exec(&["clean", "star", "--yes"]).assert_success();
        assert!(!place.path("star.failed").exists());
        if with_star {
            earlier.assert_unchanged();
        }
    }
}

#[test]
fn unrelated_path_at_the_failed_output_path_is_untouched() {
    for file in [
        "star.failed/notes.txt",
        "star.failed/_rejects/mine.csv",
        "star.failed",
    ] {
        let (place, earlier) = sandbox_with_bad_logs();
        place.write(file, "precious");
        place
            .run_with(&[])
            .assert_failure(3, "1 of 4 log records (25.00%)")
            .assert_failure(3, "rejects and report could not be kept: ")
            .assert_failure(
                3,
                "star.failed: it is not what a failed run left; move it away",
            );
        earlier.assert_unchanged();
        place.run_with(&["--max-rejects", "1"]).assert_success();
        earlier.assert_replaced();
        assert_eq!(fs::read(place.path(file)).unwrap(), b"precious");
        place.exec(&["clean", "star", "--yes"]).assert_success();
        assert_eq!(fs::read(place.path(file)).unwrap(), b"precious");
        place.assert_no_staging_left();
    }
}

#[test]
fn failed_output_with_unknown_files_is_not_removed() {
    let (place, earlier) = sandbox_with_bad_logs();
    place.run_with(&[]).assert_failure(3, "");
    place.write("star.failed/notes.txt", "precious");
    let words = "star.failed: it holds notes.txt, which no run wrote";
    place.run_with(&[]).assert_failure(3, words);
    let ended = place
        .run_with(&["--max-rejects", "1"])
        .assert_success_with_warnings();
    assert!(ended.warnings()[0].contains(words), "{ended:?}");
    earlier.assert_replaced();
    place
        .exec(&["clean", "star", "--yes"])
        .assert_failure(1, words);
    assert_eq!(all_files(&place.path("star.failed")).len(), 3);
}

#[test]
fn dataset_at_the_failed_output_path_is_untouched() {
    let (place, _) = sandbox_with_bad_logs();
    place.run("songs", "older", "star.failed").assert_success();
    let other = DatasetSnapshot::take(&place.path("star.failed"));
    place
        .run_with(&[])
        .assert_failure(3, "star.failed: it is not what a failed run left");
    place.run_with(&["--max-rejects", "1"]).assert_success();
    place.exec(&["clean", "star", "--yes"]).assert_success();
    other.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn symlink_at_the_failed_output_path_is_not_followed() {
    let (place, _) = sandbox_with_bad_logs();
    place.run_with(&[]).assert_failure(3, "");
    fs::rename(place.path("star.failed"), place.path("elsewhere")).unwrap();
    place.symlink("star.failed", "elsewhere");
    place
        .run_with(&[])
        .assert_failure(3, "rejects and report could not be kept: ");
    place.run_with(&["--max-rejects", "1"]).assert_success();
    place.exec(&["clean", "star", "--yes"]).assert_success();
    assert_eq!(all_files(&place.path("elsewhere")).len(), 2);
    place.assert_no_staging_left();
}

#[test]
fn load_rejects_failed_output() {
    let (place, _) = sandbox_with_bad_logs();
    place.run_with(&[]).assert_failure(3, "");
    place
        .exec(&[
            "load",
            "--from",
            "star.failed",
            "--warehouse",
            "postgres://nobody@localhost:1/none",
            "--quiet",
        ])
        .assert_failure(
            1,
            "no star in star.failed: the run failed and published nothing",
        );
}

#[test]
fn failure_before_reading_keeps_no_failed_output() {
    let (place, earlier) = Sandbox::with_dataset();
    let arguments = [
        "run", "--quiet", "--json", "--songs", "nowhere", "--logs", "logs", "--out", "star",
    ];
    let ended = place
        .exec(&arguments)
        .assert_failure(1, "cannot read nowhere");
    assert_eq!(parse_json(ended.stdout.as_bytes())["status"], "failed");
    assert!(!place.path("star.failed").exists());
    earlier.assert_unchanged();
}

#[test]
fn failed_output_is_beside_the_symlink_target() {
    let (place, earlier) = sandbox_with_bad_logs();
    place.create_dir("links");
    place.symlink("links/link", "../star");
    let ended: CommandOutput = place.run("songs", "logs", "links/link");
    ended.assert_failure(3, "/star.failed");
    assert!(place.path("star.failed/_report.failed.json").is_file());
    assert!(!place.path("links/link.failed").exists());
    earlier.assert_unchanged();
}
