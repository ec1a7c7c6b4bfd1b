//! `sparkify check`: a dataset that is right passes, and each way to break one is named.

mod broken_dataset;
mod files;
mod format;
mod reports;
mod rows;

use std::fs;
use std::path::Path;

use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::DatasetSnapshot;

use broken_dataset::Dataset;

/// Runs on the fixtures or an edge case, and returns the sandbox with the dataset.
fn run_on_fixtures(songs: &str, logs: &str) -> Sandbox {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let sandbox = Sandbox::new();
    let path = |name: &str| fixtures.join(name).to_str().unwrap().to_owned();
    let (songs, logs) = (path(songs), path(logs));
    let run = [
        "run",
        "--quiet",
        "--max-rejects=100%",
        "--songs",
        &songs,
        "--logs",
        &logs,
        "--out=dataset",
    ];
    let run = sandbox.exec(&run);
    assert_eq!(run.code, Some(0), "{run:?}");
    sandbox
}

#[test]
fn dataset_of_the_fixtures_passes() {
    let sandbox = run_on_fixtures("song_data", "log_data");
    let snapshot = DatasetSnapshot::take(&sandbox.path("dataset"));
    let check = ["check", "--from", "dataset"];
    sandbox.exec(&check).assert_snapshot("check/summary.txt");
    let json = sandbox.exec(&["check", "--from=dataset", "--json"]);
    let json = json.assert_success().json();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["tables"]["songplays"]["rows"], 1025);
    assert_eq!(json["merge_state"]["state_songs"]["files"], 1);
    assert_eq!(json["manifests"], 0);
    snapshot.assert_unchanged();
}

#[test]
fn dataset_with_rejects_passes_in_every_codec() {
    for codec in ["snappy", "zstd", "gzip", "none"] {
        let dataset = Dataset::with_compression(codec);
        let json = dataset.sandbox.exec(&["check", "--from=dataset", "--json"]);
        let json = json.assert_success().json();
        assert_eq!(json["rejects"], 2, "{codec}");
    }
    let sandbox = run_on_fixtures(
        "edge-cases/reject-reasons/songs",
        "edge-cases/reject-reasons/logs",
    );
    sandbox
        .exec(&["check", "--from", "dataset"])
        .assert_success();
}

#[test]
fn dataset_without_rows_passes() {
    let sandbox = Sandbox::new();
    sandbox.write("songs/a.json", "");
    sandbox.write("logs/a.json", "");
    let run = sandbox.run_with(&["--allow-empty"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    sandbox
        .exec(&["check", "--from", "dataset"])
        .assert_success();
}

#[test]
fn runs_that_are_kept_side_by_side_are_checked_one_at_a_time() {
    let dataset = Dataset::new();
    let run = dataset.report()["run"].as_str().unwrap().to_owned();
    let sandbox = &dataset.sandbox;
    sandbox.create_dir("star");
    let folder = format!("star/{run}");
    fs::rename(sandbox.path("dataset"), sandbox.path(&folder)).unwrap();
    sandbox.write(
        "star/latest.json",
        format!(r#"{{"run":"{run}","report":""}}"#),
    );
    for from in ["star", &folder] {
        let output = sandbox.exec(&["check", "--from", from]).assert_success();
        let first = format!("{folder} is as run {run} reported it\n");
        assert!(output.stdout.starts_with(&first), "{output:?}");
    }

    // A folder with the report of another run.
    let other = format!("{}0", &run[..run.len() - 1]);
    let other = if other == run {
        format!("{}1", &run[..run.len() - 1])
    } else {
        other
    };
    fs::rename(
        sandbox.path(&folder),
        sandbox.path(&format!("star/{other}")),
    )
    .unwrap();
    let report = format!("check of star/{other}/_report.json failed");
    sandbox
        .exec(&["check", "--from", &format!("star/{other}")])
        .assert_failure(1, &[&report, &format!("it is the report of run {run}")]);
    sandbox.exec(&["check", "--from", "star"]).assert_failure(
        1,
        &[
            &format!("cannot read {folder}: No such file or directory"),
            "latest.json names this run",
        ],
    );
}

#[test]
fn what_is_no_dataset_is_named() {
    let sandbox = Sandbox::new();
    sandbox.create_dir("empty");
    sandbox.write("plain/notes.txt", "Not the output of a run");
    for from in ["empty", "plain", "plain/notes.txt"] {
        sandbox.exec(&["check", "--from", from]).assert_failure(
            1,
            &[
                &format!("no dataset in {from}: it contains neither _report.json nor latest.json"),
                "use the --out of an earlier run",
            ],
        );
    }
    sandbox
        .exec(&["check", "--from", "absent"])
        .assert_failure(1, &["cannot read absent: No such file or directory"]);
    let json = sandbox.exec(&["check", "--from=empty", "--json"]).json();
    assert_eq!(json["status"], "failed");
    assert_eq!(json["check_version"], 1);
    sandbox
        .exec(&["check", "--from=empty", "--region=eu-west-1"])
        .assert_failure(2, &["--region has no effect: OUT is not in S3"]);
}
