//! What a run that fails because of what it read keeps: its rejects and a report, beside the output.

use std::fs;

use serde_json::Value;

use crate::data::{REJECT, events};
use crate::harness::{Ended, Place};
use crate::star::{Earlier, all_files};

/// A place with an earlier star, and logs of which a quarter is rejected.
fn with_bad_logs() -> (Place, Earlier) {
    let (place, earlier) = Place::with_star();
    place.write("logs/a.json", events(0..3) + REJECT);
    (place, earlier)
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[test]
fn a_run_past_its_limit_keeps_its_rejects_and_a_report() {
    let (place, earlier) = with_bad_logs();
    let failed = place.path("star.failed");
    let words = format!(
        "; rejects and report are in {}",
        failed.canonicalize().unwrap_or(failed.clone()).display()
    );
    let ended = place.run_with(&["--json"]).fails(3, "").fails(3, &words);
    let files = all_files(&failed);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["_rejects/logs-00000.jsonl", "_report.failed.json"]);
    let report = parse(&files["_report.failed.json"]);
    assert_eq!(parse(ended.stdout.as_bytes()), report);
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
    let reject = parse(&files["_rejects/logs-00000.jsonl"]);
    assert_eq!(
        (&reject["reason"], &reject["run"]),
        (&"syntax".into(), &report["run"])
    );
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn songs_of_something_else_fail_before_the_logs_are_read() {
    let (place, earlier) = Place::with_star();
    let ended = place.end(&[
        "run", "--quiet", "--json", "--songs", "logs", "--logs", "logs", "--out", "star",
    ]);
    let ended = ended
        .fails(3, "no record in logs is a song: ")
        .fails(3, "the logs were not read");
    let report = parse(ended.stdout.as_bytes());
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
    earlier.is_untouched();
}

#[test]
fn the_next_failed_run_replaces_what_the_last_one_kept() {
    let (place, earlier) = with_bad_logs();
    place.run_with(&[]).fails(3, "");
    let first = all_files(&place.path("star.failed"));
    place.write("logs/a.json", events(0..3));
    place.write("songs/a.json", REJECT.repeat(2) + &crate::data::song(1));
    place.run_with(&[]).fails(3, "song records");
    let second = all_files(&place.path("star.failed"));
    let names: Vec<_> = second.keys().map(String::as_str).collect();
    assert_eq!(names, ["_rejects/songs-00000.jsonl", "_report.failed.json"]);
    let run = |files: &crate::star::Files| parse(&files["_report.failed.json"])["run"].clone();
    assert_ne!(run(&first), run(&second));
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn a_later_successful_run_removes_what_a_failed_one_kept() {
    for with_star in [true, false] {
        let (place, _) = with_bad_logs();
        if !with_star {
            fs::remove_dir_all(place.path("star")).unwrap();
        }
        place.run_with(&[]).fails(3, "");
        assert!(place.path("star.failed").exists());
        place.run_with(&["--max-rejects", "1"]).succeeds();
        assert!(!place.path("star.failed").exists());
        place.has_no_leavings();
    }
}

#[test]
fn clean_removes_what_a_failed_run_kept() {
    for with_star in [true, false] {
        let (place, earlier) = with_bad_logs();
        if !with_star {
            fs::remove_dir_all(place.path("star")).unwrap();
        }
        place.run_with(&[]).fails(3, "");
        let ended = place.end(&["clean", "star", "--json"]).succeeds();
        let found = parse(ended.stdout.as_bytes());
        let name = found["remove"][0]["name"].as_str().unwrap();
        assert!(name.ends_with("/star.failed"), "{found}");
        assert_eq!(
            (&found["remove"][0]["state"], &found["remove"][0]["objects"]),
            (&"failed".into(), &2.into())
        );
        assert!(place.path("star.failed").exists());
        place.end(&["clean", "star", "--yes"]).succeeds();
        assert!(!place.path("star.failed").exists());
        if with_star {
            earlier.is_untouched();
        }
    }
}

#[test]
fn a_folder_in_that_place_that_no_failed_run_left_is_not_touched() {
    for file in [
        "star.failed/notes.txt",
        "star.failed/_rejects/mine.csv",
        "star.failed",
    ] {
        let (place, earlier) = with_bad_logs();
        place.write(file, "precious");
        place
            .run_with(&[])
            .fails(3, "1 of 4 log records (25.00%)")
            .fails(3, "rejects and report could not be kept: ")
            .fails(
                3,
                "star.failed: it is not what a failed run left; move it away",
            );
        earlier.is_untouched();
        place.run_with(&["--max-rejects", "1"]).succeeds();
        earlier.is_replaced();
        assert_eq!(fs::read(place.path(file)).unwrap(), b"precious");
        place.end(&["clean", "star", "--yes"]).succeeds();
        assert_eq!(fs::read(place.path(file)).unwrap(), b"precious");
        place.has_no_leavings();
    }
}

#[test]
fn a_file_that_was_put_beside_what_a_failed_run_kept_is_not_removed() {
    let (place, earlier) = with_bad_logs();
    place.run_with(&[]).fails(3, "");
    place.write("star.failed/notes.txt", "precious");
    let words = "star.failed: it holds notes.txt, which no run wrote";
    place.run_with(&[]).fails(3, words);
    let ended = place
        .run_with(&["--max-rejects", "1"])
        .succeeds_with_warnings();
    assert!(ended.warnings()[0].contains(words), "{ended:?}");
    earlier.is_replaced();
    place.end(&["clean", "star", "--yes"]).fails(1, words);
    assert_eq!(all_files(&place.path("star.failed")).len(), 3);
}

#[test]
fn another_star_in_that_place_is_not_touched() {
    let (place, _) = with_bad_logs();
    place.run("songs", "older", "star.failed").succeeds();
    let other = Earlier::of(&place.path("star.failed"));
    place
        .run_with(&[])
        .fails(3, "star.failed: it is not what a failed run left");
    place.run_with(&["--max-rejects", "1"]).succeeds();
    place.end(&["clean", "star", "--yes"]).succeeds();
    other.is_untouched();
    place.has_no_leavings();
}

#[test]
fn a_link_in_that_place_is_not_followed() {
    let (place, _) = with_bad_logs();
    place.run_with(&[]).fails(3, "");
    fs::rename(place.path("star.failed"), place.path("elsewhere")).unwrap();
    place.link("star.failed", "elsewhere");
    place
        .run_with(&[])
        .fails(3, "rejects and report could not be kept: ");
    place.run_with(&["--max-rejects", "1"]).succeeds();
    place.end(&["clean", "star", "--yes"]).succeeds();
    assert_eq!(all_files(&place.path("elsewhere")).len(), 2);
    place.has_no_leavings();
}

#[test]
fn what_a_failed_run_kept_is_no_star() {
    let (place, _) = with_bad_logs();
    place.run_with(&[]).fails(3, "");
    place
        .end(&[
            "load",
            "--from",
            "star.failed",
            "--warehouse",
            "postgres://nobody@localhost:1/none",
            "--quiet",
        ])
        .fails(
            1,
            "no star in star.failed: the run failed and published nothing",
        );
}

#[test]
fn a_failure_before_anything_is_read_keeps_nothing() {
    let (place, earlier) = Place::with_star();
    let arguments = [
        "run", "--quiet", "--json", "--songs", "nowhere", "--logs", "logs", "--out", "star",
    ];
    let ended = place.end(&arguments).fails(1, "cannot read nowhere");
    assert_eq!(parse(ended.stdout.as_bytes())["status"], "failed");
    assert!(!place.path("star.failed").exists());
    earlier.is_untouched();
}

#[test]
fn an_output_behind_a_link_keeps_them_beside_the_folder_itself() {
    let (place, earlier) = with_bad_logs();
    place.folder("links");
    place.link("links/link", "../star");
    let ended: Ended = place.run("songs", "logs", "links/link");
    ended.fails(3, "/star.failed");
    assert!(place.path("star.failed/_report.failed.json").is_file());
    assert!(!place.path("links/link.failed").exists());
    earlier.is_untouched();
}
