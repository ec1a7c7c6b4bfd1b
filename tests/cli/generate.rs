//! The command `sparkify generate`; its data is tested in tests/generate.rs.

use serde_json::Value;
use testkit::cli::generated_data::{generate_data, generate_edge_cases};
use testkit::cli::sandbox::Sandbox;
use testkit::dir_contents::read_files;

#[test]
fn non_empty_output_is_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write("taken/file", "precious");
    sandbox.write("file", "precious");
    for out in ["taken", "file", "."] {
        sandbox
            .exec(&["generate", "--quiet", "--events=10", "--out", out])
            .assert_failure(1, &["cannot generate: "])
            .assert_failure(1, &[out]);
    }
    assert_eq!(read_files(sandbox.root()).len(), 2);
}

#[test]
fn invalid_numbers_are_usage_errors() {
    let sandbox = Sandbox::new();
    for (number, words) in [
        ("--users=0", "users must be from 1 to "),
        ("--users=2147483648", "users must be from 1 to 2147483647"),
        ("--files=0", "files must be from 1 to "),
        ("--events=10000000001", "events must be from 0 to "),
    ] {
        sandbox
            .exec(&["generate", "--quiet", "--out=made", number])
            .assert_failure(2, &[words]);
    }
    for number in ["--events=-1", "--songs=many", "--seed=1.5", "--out="] {
        sandbox
            .exec(&["generate", "--quiet", "--out=made", number])
            .assert_usage_error("");
    }
    assert!(!sandbox.path("made").exists());
}

#[test]
fn summary_matches_the_run_report() {
    let sandbox = Sandbox::new();
    let summary = generate_edge_cases(&sandbox, 20_000);
    let run_output = sandbox
        .exec(&[
            "run",
            "--quiet",
            "--json",
            "--max-rejects=100%",
            "--songs=made/song_data",
            "--logs=made/log_data",
            "--out=dataset",
        ])
        .assert_success_with_warnings();
    let ran: Value = serde_json::from_str(&run_output.stdout).unwrap();

    let input = [
        "objects",
        "ignored_objects",
        "bytes",
        "records",
        "rejected",
        "rejected_by_reason",
    ];
    for key in input {
        assert!(!summary["songs"][key].is_null() && !summary["logs"][key].is_null());
        assert_eq!(summary["songs"][key], ran["songs"][key], "songs: {key}");
        assert_eq!(summary["logs"][key], ran["logs"][key], "logs: {key}");
    }
    for key in ["kept", "filtered", "duplicates"] {
        assert!(summary["logs"][key].as_u64() > Some(0));
        assert_eq!(summary["logs"][key], ran["logs"][key], "logs: {key}");
    }
    assert_eq!(summary["logs"]["matched"], ran["matched_songplays"]);
    for (table, rows) in [
        ("songs", &summary["songs"]["songs"]),
        ("artists", &summary["songs"]["artists"]),
        ("users", &summary["logs"]["users"]),
        ("songplays", &summary["logs"]["kept"]),
    ] {
        assert_eq!(rows, &ran["tables"][table]["rows"], "{table}");
    }
}

#[test]
fn same_seed_gives_the_same_bytes() {
    let sandbox = Sandbox::new();
    for (name, seed) in [("one", 7), ("same", 7), ("other", 8)] {
        generate_data(&sandbox, name, 2000, seed);
    }
    let files = |name: &str| read_files(&sandbox.path(name));
    assert!(files("one") == files("same"));
    assert!(files("one") != files("other"));
}
