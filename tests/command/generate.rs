//! `sparkify generate` as a command; what it makes is tested in tests/generate.rs.

use serde_json::Value;

use crate::data::{generated, generated_awkward};
use crate::harness::Place;
use crate::star::all_files;

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let place = Place::new();
    place.write("taken/file", "precious");
    place.write("file", "precious");
    for out in ["taken", "file", "."] {
        place
            .end(&["generate", "--quiet", "--events=10", "--out", out])
            .fails(1, "cannot generate: ")
            .fails(1, out);
    }
    assert_eq!(all_files(place.root()).len(), 2);
}

#[test]
fn numbers_that_make_no_sense_are_wrong_usage() {
    let place = Place::new();
    for (number, words) in [
        ("--users=0", "users must be from 1 to "),
        ("--users=2147483648", "users must be from 1 to 2147483647"),
        ("--files=0", "files must be from 1 to "),
        ("--events=10000000001", "events must be from 0 to "),
    ] {
        place
            .end(&["generate", "--quiet", "--out=made", number])
            .fails(2, words);
    }
    for number in ["--events=-1", "--songs=many", "--seed=1.5", "--out="] {
        place
            .end(&["generate", "--quiet", "--out=made", number])
            .fails_as_wrong_usage("");
    }
    assert!(!place.path("made").exists());
}

#[test]
fn the_summary_is_what_a_run_reports() {
    let place = Place::new();
    let made = generated_awkward(&place, 20_000);
    let ran = place
        .end(&[
            "run",
            "--quiet",
            "--json",
            "--max-rejects=100%",
            "--songs=made/song_data",
            "--logs=made/log_data",
            "--out=star",
        ])
        .succeeds_with_warnings();
    let ran: Value = serde_json::from_str(&ran.stdout).unwrap();

    let input = [
        "objects",
        "ignored_objects",
        "bytes",
        "records",
        "rejected",
        "rejected_by_reason",
    ];
    for key in input {
        assert!(!made["songs"][key].is_null() && !made["logs"][key].is_null());
        assert_eq!(made["songs"][key], ran["songs"][key], "songs: {key}");
        assert_eq!(made["logs"][key], ran["logs"][key], "logs: {key}");
    }
    for key in ["kept", "filtered", "duplicates"] {
        assert!(made["logs"][key].as_u64() > Some(0));
        assert_eq!(made["logs"][key], ran["logs"][key], "logs: {key}");
    }
    assert_eq!(made["logs"]["matched"], ran["matched_songplays"]);
    for (table, rows) in [
        ("songs", &made["songs"]["songs"]),
        ("artists", &made["songs"]["artists"]),
        ("users", &made["logs"]["users"]),
        ("songplays", &made["logs"]["kept"]),
    ] {
        assert_eq!(rows, &ran["tables"][table]["rows"], "{table}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let place = Place::new();
    for (name, seed) in [("one", 7), ("same", 7), ("other", 8)] {
        generated(&place, name, 2000, seed);
    }
    let files = |name: &str| all_files(&place.path(name));
    assert!(files("one") == files("same"));
    assert!(files("one") != files("other"));
}

#[test]
fn without_json_stdout_stays_empty() {
    let place = Place::new();
    let ended = place.end(&["generate", "--out=made", "--events=10"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("log_data: 10 records"));
}
