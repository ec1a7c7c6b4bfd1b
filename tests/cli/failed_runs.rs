//! Runs that fail because of their input keep their rejects and a report next to the output.

use std::fs;

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::DatasetSnapshot;
use testkit::dir_contents::read_files;
use testkit::sample_data::{MALFORMED_RECORD, events};

/// Returns a sandbox with a dataset, and with logs of which a quarter of the records is rejected.
fn sandbox_with_bad_logs() -> (Sandbox, DatasetSnapshot) {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("logs/a.json", events(0..3) + MALFORMED_RECORD);
    (sandbox, snapshot)
}

fn parse_json(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[test]
fn run_over_the_limit_keeps_rejects_and_report() {
    let (sandbox, snapshot) = sandbox_with_bad_logs();
    let failed = sandbox.path("dataset.failed");
    let words = format!(
        "; rejects and report are in {}",
        failed.canonicalize().unwrap_or(failed.clone()).display()
    );
    let output = sandbox
        .run_with(&["--json"])
        .assert_failure(3, &[""])
        .assert_failure(3, &[&words]);
    let files = read_files(&failed);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["_rejects/logs-00000.jsonl", "_report.failed.json"]);
    let report = parse_json(&files["_report.failed.json"]);
    assert_eq!(parse_json(output.stdout.as_bytes()), report);
    assert_eq!(report["status"], "failed");
    assert_eq!(
        output.stderr,
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
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn non_song_input_fails_before_logs_are_read() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let output = sandbox.exec(&[
        "run", "--quiet", "--json", "--songs", "logs", "--logs", "logs", "--out", "dataset",
    ]);
    let output = output
        .assert_failure(3, &["no record in logs is a song: "])
        .assert_failure(3, &["the logs were not read"]);
    let report = parse_json(output.stdout.as_bytes());
    assert_eq!(
        (&report["songs"]["rejected"], &report["logs"]["records"]),
        (&3.into(), &0.into())
    );
    assert_eq!(report["logs"]["objects"], 1);
    assert!(
        sandbox
            .path("dataset.failed/_rejects/songs-00000.jsonl")
            .is_file()
    );
    snapshot.assert_unchanged();
}

#[test]
fn failed_output_is_replaced_by_the_next_failed_run() {
    let (sandbox, snapshot) = sandbox_with_bad_logs();
    sandbox.run_with(&[]).assert_failure(3, &[""]);
    let first = read_files(&sandbox.path("dataset.failed"));
    sandbox.write("logs/a.json", events(0..3));
    sandbox.write(
        "songs/a.json",
        MALFORMED_RECORD.repeat(2) + &testkit::sample_data::song(1),
    );
    sandbox.run_with(&[]).assert_failure(3, &["song records"]);
    let second = read_files(&sandbox.path("dataset.failed"));
    let names: Vec<_> = second.keys().map(String::as_str).collect();
    assert_eq!(names, ["_rejects/songs-00000.jsonl", "_report.failed.json"]);
    let run = |files: &testkit::dir_contents::FilesByPath| {
        parse_json(&files["_report.failed.json"])["run"].clone()
    };
    assert_ne!(run(&first), run(&second));
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn failed_output_is_removed_by_a_successful_run() {
    for with_star in [true, false] {
        let (sandbox, _) = sandbox_with_bad_logs();
        if !with_star {
            fs::remove_dir_all(sandbox.path("dataset")).unwrap();
        }
        sandbox.run_with(&[]).assert_failure(3, &[""]);
        assert!(sandbox.path("dataset.failed").exists());
        sandbox.run_with(&["--max-rejects", "1"]).assert_success();
        assert!(!sandbox.path("dataset.failed").exists());
        sandbox.assert_no_staging_left();
    }
}

#[test]
fn clean_removes_failed_output() {
    for with_star in [true, false] {
        let (sandbox, snapshot) = sandbox_with_bad_logs();
        if !with_star {
            fs::remove_dir_all(sandbox.path("dataset")).unwrap();
        }
        sandbox.run_with(&[]).assert_failure(3, &[""]);
        let output = sandbox
            .exec(&["clean", "dataset", "--json"])
            .assert_success();
        let found = parse_json(output.stdout.as_bytes());
        let name = found["remove"][0]["name"].as_str().unwrap();
        assert!(name.ends_with("/dataset.failed"), "{found}");
        assert_eq!(
            (&found["remove"][0]["state"], &found["remove"][0]["objects"]),
            (&"failed".into(), &2.into())
        );
        assert!(sandbox.path("dataset.failed").exists());
        sandbox
            .exec(&["clean", "dataset", "--yes"])
            .assert_success();
        assert!(!sandbox.path("dataset.failed").exists());
        if with_star {
            snapshot.assert_unchanged();
        }
    }
}

#[test]
fn unrelated_path_at_the_failed_output_path_is_untouched() {
    for file in [
        "dataset.failed/notes.txt",
        "dataset.failed/_rejects/mine.csv",
        "dataset.failed",
    ] {
        let (sandbox, snapshot) = sandbox_with_bad_logs();
        sandbox.write(file, "precious");
        sandbox
            .run_with(&[])
            .assert_failure(3, &["1 of 4 log records (25.00%)"])
            .assert_failure(3, &["rejects and report could not be kept: "])
            .assert_failure(
                3,
                &["dataset.failed: it was not left by a failed run; move it away"],
            );
        snapshot.assert_unchanged();
        sandbox.run_with(&["--max-rejects", "1"]).assert_success();
        snapshot.assert_replaced();
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), b"precious");
        sandbox
            .exec(&["clean", "dataset", "--yes"])
            .assert_success();
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), b"precious");
        sandbox.assert_no_staging_left();
    }
}

#[test]
fn failed_output_with_unknown_files_is_not_removed() {
    let (sandbox, snapshot) = sandbox_with_bad_logs();
    sandbox.run_with(&[]).assert_failure(3, &[""]);
    sandbox.write("dataset.failed/notes.txt", "precious");
    let words = "dataset.failed: it contains notes.txt, which sparkify did not write";
    sandbox.run_with(&[]).assert_failure(3, &[words]);
    let output = sandbox
        .run_with(&["--max-rejects", "1"])
        .assert_success_with_warnings();
    assert!(output.warnings()[0].contains(words), "{output:?}");
    snapshot.assert_replaced();
    sandbox
        .exec(&["clean", "dataset", "--yes"])
        .assert_failure(1, &[words]);
    assert_eq!(read_files(&sandbox.path("dataset.failed")).len(), 3);
}

#[test]
fn dataset_at_the_failed_output_path_is_untouched() {
    let (sandbox, _) = sandbox_with_bad_logs();
    sandbox
        .run("songs", "older", "dataset.failed")
        .assert_success();
    let other = DatasetSnapshot::take(&sandbox.path("dataset.failed"));
    sandbox
        .run_with(&[])
        .assert_failure(3, &["dataset.failed: it was not left by a failed run"]);
    sandbox.run_with(&["--max-rejects", "1"]).assert_success();
    sandbox
        .exec(&["clean", "dataset", "--yes"])
        .assert_success();
    other.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn symlink_at_the_failed_output_path_is_not_followed() {
    let (sandbox, _) = sandbox_with_bad_logs();
    sandbox.run_with(&[]).assert_failure(3, &[""]);
    fs::rename(sandbox.path("dataset.failed"), sandbox.path("elsewhere")).unwrap();
    sandbox.symlink("dataset.failed", "elsewhere");
    sandbox
        .run_with(&[])
        .assert_failure(3, &["rejects and report could not be kept: "]);
    sandbox.run_with(&["--max-rejects", "1"]).assert_success();
    sandbox
        .exec(&["clean", "dataset", "--yes"])
        .assert_success();
    assert_eq!(read_files(&sandbox.path("elsewhere")).len(), 2);
    sandbox.assert_no_staging_left();
}

#[test]
fn load_rejects_failed_output() {
    let (sandbox, _) = sandbox_with_bad_logs();
    sandbox.run_with(&[]).assert_failure(3, &[""]);
    sandbox
        .exec(&[
            "load",
            "--from",
            "dataset.failed",
            "--warehouse",
            "postgres://nobody@localhost:1/none",
            "--quiet",
        ])
        .assert_failure(
            1,
            &["no dataset in dataset.failed: the run failed and published nothing"],
        );
}

#[test]
fn failure_before_reading_keeps_no_failed_output() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let arguments = [
        "run", "--quiet", "--json", "--songs", "nowhere", "--logs", "logs", "--out", "dataset",
    ];
    let output = sandbox
        .exec(&arguments)
        .assert_failure(1, &["cannot read nowhere"]);
    assert_eq!(parse_json(output.stdout.as_bytes())["status"], "failed");
    assert!(!sandbox.path("dataset.failed").exists());
    snapshot.assert_unchanged();
}

#[test]
fn failed_output_is_beside_the_symlink_target() {
    let (sandbox, snapshot) = sandbox_with_bad_logs();
    sandbox.create_dir("links");
    sandbox.symlink("links/link", "../dataset");
    let output: CommandOutput = sandbox.run("songs", "logs", "links/link");
    output.assert_failure(3, &["/dataset.failed"]);
    assert!(sandbox.path("dataset.failed/_report.failed.json").is_file());
    assert!(!sandbox.path("links/link.failed").exists());
    snapshot.assert_unchanged();
}
