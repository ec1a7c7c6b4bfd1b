//! Local directories: copies of runs, links, and the staging directories of killed runs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde_json::json;
use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::RequestMatcher;
use testkit::s3_server::server::S3Server;

use crate::clean_command::fixture::{
    OUT_URL, clean_json, run_entry_json, run_id, server_with_out_dir, string_set,
    write_complete_run, write_latest_json, write_unfinished_run,
};
use crate::support::commands::sparkify;
use crate::support::sample_bucket::{run_sparkify, write_file, write_input};

/// Returns a directory into which a prefix of a bucket was copied.
fn local_out_parent() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("dataset")).unwrap();
    folder
}

#[test]
fn local_copy_of_runs_is_cleaned() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out_dir = folder.path().join("dataset");
    let [abandoned, recent, one, two, published] = [30, 5, 1, 60, 90].map(run_id);
    write_unfinished_run(&out_dir, &abandoned);
    write_unfinished_run(&out_dir, &recent);
    for id in [&one, &two, &published] {
        write_complete_run(&out_dir, id);
    }
    let empty = run_id(31);
    fs::create_dir_all(out_dir.join(&empty).join("songs")).unwrap();
    write_latest_json(&out_dir, &published);
    let out = out_dir.to_str().unwrap();
    let result = clean_json(&server, &["clean", out, "--keep=1"]);
    let remove = [
        run_entry_json(out, &one, "complete", 3, 10, 0),
        run_entry_json(out, &abandoned, "unfinished", 2, 8, 0),
        run_entry_json(out, &empty, "unfinished", 0, 0, 0),
        run_entry_json(out, &two, "complete", 3, 10, 0),
    ];
    assert_eq!(result["remove"], json!(remove));
    assert_eq!(entry_names(&out_dir).len(), 7);
    clean_json(&server, &["clean", out, "--keep=1", "--yes"]);
    assert_eq!(
        entry_names(&out_dir),
        string_set(&[&recent, &published, "latest.json"])
    );
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

/// Returns the names of all entries of a directory.
fn entry_names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn current_directory_can_be_cleaned() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out_dir = folder.path().join("dataset");
    write_unfinished_run(&out_dir, &run_id(30));
    let mut command = sparkify(&server, &["clean", ".", "--yes"]);
    CommandOutput::run(command.current_dir(&out_dir)).assert_success();
    assert_eq!(entry_names(&out_dir), string_set(&[]));
}

#[test]
fn symlink_targets_are_not_removed() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out_dir = folder.path().join("dataset");
    let precious = folder.path().join("precious");
    write_file(&precious, "songs/part-00000.parquet", "mine");
    symlink(&precious, out_dir.join(run_id(30))).unwrap();
    let [abandoned, out] = [run_id(40), out_dir.to_str().unwrap().to_owned()];
    write_unfinished_run(&out_dir, &abandoned);
    let linked = out_dir.join(&abandoned).join("linked");
    symlink(&precious, &linked).unwrap();
    // A link with a recent modification time would count as activity.
    let long_ago = Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: long_ago,
        last_modification: long_ago,
    };
    utimensat(CWD, &linked, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    run_sparkify(&server, &["clean", &out, "--yes"]).assert_success();
    assert!(precious.join("songs/part-00000.parquet").exists());
    assert!(!out_dir.join(&abandoned).join("songs").exists());
}

/// The staging directory of a run that was killed.
const STAGING_DIR: &str = ".dataset.sparkify-staging";

#[test]
fn abandoned_staging_dir_is_removed() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out = folder.path().join("dataset");
    write_input(folder.path());
    let run = [
        "run",
        "--quiet",
        "--songs=songs",
        "--logs=logs",
        "--out=dataset",
    ];
    CommandOutput::run(sparkify(&server, &run).current_dir(folder.path())).assert_success();
    let files_before = testkit::dir_contents::list_files(&out);
    write_file(
        folder.path(),
        &format!("{STAGING_DIR}/songs/part-00000.parquet"),
        "12345",
    );
    let out = out.to_str().unwrap();
    let left = folder.path().join(STAGING_DIR);
    let expected = json!({ "name": left, "state": "unfinished", "objects": 1, "reject_files": 0, "bytes": 5, "uploads": 0 });

    let result = clean_json(&server, &["clean", out]);
    assert_eq!(
        (&result["remove"], &result["keep"]),
        (&json!([expected]), &json!([]))
    );
    assert!(left.exists());
    clean_json(&server, &["clean", out, "--yes"]);
    assert_eq!(
        entry_names(folder.path()),
        string_set(&["logs", "songs", "dataset"])
    );
    assert_eq!(
        testkit::dir_contents::list_files(Path::new(out)),
        files_before
    );
    let text = run_sparkify(&server, &["clean", out, "--yes"])
        .assert_success()
        .stdout;
    assert_eq!(text, format!("nothing to clean in {out}\n"));

    // The same where the killed run was the first one.
    fs::remove_dir_all(out).unwrap();
    write_file(
        folder.path(),
        &format!("{STAGING_DIR}/songs/part-00000.parquet"),
        "12345",
    );
    run_sparkify(&server, &["clean", out, "--yes"]).assert_success();
    assert!(!left.exists());
    let words = ["cannot clean", "no such folder"];
    run_sparkify(&server, &["clean", out, "--yes"]).assert_failure(1, &words);
}

#[test]
fn staging_dir_of_running_run_is_kept() {
    let server = S3Server::start();
    let folder = local_out_parent();
    write_file(
        folder.path(),
        &format!("{STAGING_DIR}/songs/part-00000.parquet"),
        "12345",
    );
    let staging = folder.path().join(STAGING_DIR);
    // A running process holds this lock.
    let lock = fs::File::open(&staging).unwrap();
    lock.lock().unwrap();
    let out = folder.path().join("dataset");
    let out = out.to_str().unwrap();
    run_sparkify(&server, &["clean", out, "--yes"]).assert_success();
    assert!(staging.join("songs/part-00000.parquet").exists());
    drop(lock);
    write_file(&staging, "mine.txt", "mine");
    let words = [
        "will not empty",
        "it contains mine.txt, which sparkify did not write",
    ];
    run_sparkify(&server, &["clean", out, "--yes"]).assert_failure(1, &words);
    assert!(staging.join("songs/part-00000.parquet").exists());
}

#[test]
fn foreign_files_inside_runs_are_kept() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let (abandoned, newer, older) = (run_id(30), run_id(1), run_id(60));
    write_unfinished_run(&out_dir, &abandoned);
    write_complete_run(&out_dir, &newer);
    write_complete_run(&out_dir, &older);
    let theirs = [
        format!("dataset/{abandoned}/mine/precious.csv"),
        format!("dataset/{older}/notes.txt"),
        format!("dataset/{older}/songs/part-00000.csv"),
    ];
    for key in &theirs {
        write_file(&server.bucket("music"), key, "theirs");
    }
    for id in [&abandoned, &older] {
        server.backdate(&out_dir.join(id), Duration::from_secs(30 * 3600));
    }
    clean_json(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]);
    let left = server.objects("music");
    let is_removed = |key: &&String| key.contains(&abandoned) || key.contains(&older);
    let mut left: Vec<&String> = left.keys().filter(is_removed).collect();
    left.sort();
    let mut theirs: Vec<&String> = theirs.iter().collect();
    theirs.sort();
    assert_eq!(left, theirs);
}
