//! `sparkify clean`: which runs are removed, which are kept, and what the command prints about both.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta, Utc};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file, write_input,
};

const OUT_URL: &str = "s3://music/star";

/// Returns the id of a run that started `hours` hours ago.
fn run_id(hours: i64) -> String {
    let start = Utc::now() - TimeDelta::hours(hours);
    format!("{}-{hours:08x}", start.format("%Y%m%dT%H%M%S%3fZ"))
}

/// Writes a file of a run, with the run's start time as its modification time.
fn write_run_file(out_dir: &Path, id: &str, name: &str, text: &str) {
    let name = format!("{id}/{name}");
    write_file(out_dir, &name, text);
    let start = id
        .get(..19)
        .map(|time| NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ"));
    if let Some(Ok(start)) = start {
        let file = fs::File::options()
            .write(true)
            .open(out_dir.join(name))
            .unwrap();
        file.set_modified(start.and_utc().into()).unwrap();
    }
}

/// Writes the Parquet parts of a run, without its report.
fn write_unfinished_run(out_dir: &Path, id: &str) {
    write_run_file(out_dir, id, "songs/part-00000.parquet", "12345");
    write_run_file(out_dir, id, "_rejects/logs-00000.jsonl", "123");
}

/// Writes a complete run.
fn write_complete_run(out_dir: &Path, id: &str) {
    write_unfinished_run(out_dir, id);
    write_run_file(out_dir, id, "_report.json", "12");
}

fn write_latest_json(out_dir: &Path, id: &str) {
    let latest = json!({ "run": id, "report": "somewhere" });
    write_file(out_dir, "latest.json", latest.to_string());
}

/// Writes a `latest.json` that lists these runs in this order.
fn write_published_runs(out_dir: &Path, ids: &[&str]) {
    let latest = json!({ "run": ids.last(), "report": "somewhere", "published": ids });
    write_file(out_dir, "latest.json", latest.to_string());
}

/// Returns the first path component of every file in a directory.
fn non_empty_entries(out_dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(out_dir).unwrap();
    let full = entries.map(Result::unwrap).filter(|entry| {
        let below = fs::read_dir(entry.path());
        below.map_or(true, |_| {
            !testkit::dir_contents::list_files(&entry.path()).is_empty()
        })
    });
    full.map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn string_set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Starts a server, and returns it with the output directory in its bucket.
fn server_with_out_dir(faults: FaultPlan) -> (S3Server, std::path::PathBuf) {
    let server = S3Server::with_faults(faults);
    let out_dir = server.bucket("music").join("star");
    fs::create_dir(&out_dir).unwrap();
    (server, out_dir)
}

/// Runs a command that must succeed, and returns the JSON that it prints.
#[track_caller]
fn clean_json(server: &S3Server, arguments: &[&str]) -> Value {
    let mut found = run_sparkify(server, &concat_args(arguments, &["--json"]))
        .assert_success()
        .json();
    assert_eq!(found["clean_version"].take(), 2);
    assert_eq!(found["status"].take(), "ok");
    found
}

fn run_entry_json(
    at: &str,
    id: &str,
    state: &str,
    objects: u64,
    bytes: u64,
    uploads: u64,
) -> Value {
    json!({ "name": format!("{at}/{id}"), "state": state, "objects": objects, "bytes": bytes, "uploads": uploads })
}

#[test]
fn clean_removes_abandoned_runs_and_keeps_newest_complete_runs() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let [abandoned, recent, one, two, three, published] = [30, 5, 1, 60, 90, 120].map(run_id);
    write_unfinished_run(&out_dir, &abandoned);
    write_unfinished_run(&out_dir, &recent);
    for id in [&one, &two, &three, &published] {
        write_complete_run(&out_dir, id);
    }
    write_latest_json(&out_dir, &published);
    let run_entry = |id, state| run_entry_json(OUT_URL, id, state, 3, 10, 0);
    let begun = |id, state| run_entry_json(OUT_URL, id, state, 2, 8, 0);
    let clean = ["clean", OUT_URL, "--keep", "2"];

    let all = server.objects("music");
    let result = clean_json(&server, &clean);
    // The run that `latest.json` names is the newest one, whatever its id says.
    let keep = [
        run_entry(&one, "complete"),
        begun(&recent, "recent"),
        run_entry(&published, "latest"),
    ];
    assert_eq!(result["keep"], json!(keep));
    let remove = [
        begun(&abandoned, "unfinished"),
        run_entry(&two, "complete"),
        run_entry(&three, "complete"),
    ];
    assert_eq!(result["remove"], json!(remove));
    assert_eq!(result["removed"], false);
    let text = run_sparkify(&server, &clean).assert_success().stdout;
    assert!(
        text.ends_with("\nwould remove: 3; use --yes to remove\n"),
        "{text}"
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("keep "))
            .count(),
        3
    );
    assert!(text.contains(" recent "), "{text}");
    assert!(
        server.objects("music") == all,
        "objects were removed without confirmation"
    );
    assert_eq!(
        server.request_count(&RequestMatcher::operation(S3Operation::Delete)),
        0
    );

    let done = clean_json(&server, &concat_args(&clean, &["--yes"]));
    assert_eq!(
        (&done["removed"], &done["remove"]),
        (&json!(true), &json!(remove))
    );
    assert_eq!(
        non_empty_entries(&out_dir),
        string_set(&[&recent, &one, &published, "latest.json"])
    );
    let text = run_sparkify(&server, &concat_args(&clean, &["--yes"]))
        .assert_success()
        .stdout;
    assert!(text.ends_with("\nnothing to remove\n"), "{text}");
}

#[test]
fn unfinished_after_sets_age_of_abandoned_runs() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let [younger, older] = [1, 3].map(run_id);
    write_unfinished_run(&out_dir, &younger);
    write_unfinished_run(&out_dir, &older);
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", "4"],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&out_dir), string_set(&[&younger, &older]));
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", "2"],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&out_dir), string_set(&[&younger]));
    let most = u32::MAX.to_string();
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", &most],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&out_dir), string_set(&[&younger]));
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", "0"],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&out_dir), string_set(&[]));
}

#[test]
fn abandoned_multipart_uploads_are_aborted() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let client = SdkClient::new(&server);
    let [abandoned, recent, inspected] = [30, 5, 40].map(run_id);
    write_unfinished_run(&out_dir, &inspected);
    let upload = |key: &str| drop(client.create_upload("music", key));
    let songs = |id: &str| format!("star/{id}/songs/part-00000.parquet");
    for key in [
        &songs(&abandoned),
        &songs(&recent),
        &songs(&inspected),
        // Uploads that sparkify did not start.
        "star/mine.bin",
        &format!("star/{abandoned}"),
        &format!("other/{abandoned}/songs/part-00000.parquet"),
        &format!("starred/{abandoned}/songs/part-00000.parquet"),
    ] {
        upload(key);
    }
    for id in [&abandoned, &inspected] {
        server.backdate(&out_dir.join(id), Duration::from_secs(30 * 3600));
    }
    let result = clean_json(&server, &["clean", OUT_URL]);
    let remove = [
        run_entry_json(OUT_URL, &abandoned, "unfinished", 0, 0, 1),
        run_entry_json(OUT_URL, &inspected, "unfinished", 2, 8, 1),
    ];
    assert_eq!(result["remove"], json!(remove));
    assert_eq!(
        result["keep"],
        json!([run_entry_json(OUT_URL, &recent, "recent", 0, 0, 1)])
    );
    assert_eq!(server.unfinished_uploads("music").len(), 7);

    clean_json(&server, &["clean", OUT_URL, "--yes"]);
    let mut left = server.unfinished_uploads("music");
    left.sort();
    let mut expected = [
        format!("other/{abandoned}/songs/part-00000.parquet"),
        format!("star/{abandoned}"),
        songs(&recent),
        "star/mine.bin".to_owned(),
        format!("starred/{abandoned}/songs/part-00000.parquet"),
    ];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(server.objects("music").len(), 0);
}

/// Returns names that are not run ids; a run of 30 hours ago with a valid id would be removed.
fn invalid_run_ids() -> Vec<String> {
    let abandoned = run_id(30);
    let (time, number) = abandoned.split_once('-').unwrap();
    let mut names = vec![
        format!("{abandoned}0"),
        format!("{abandoned}-copy"),
        format!("copy-of-{abandoned}"),
        format!(" {abandoned}"),
        format!("{abandoned} "),
        format!("+{abandoned}"),
        time.to_owned(),
        format!("{time}-"),
        format!("{time}-{}", &number[1..]),
        format!("{time}-0000000G"),
        format!("{time}-0000000A"),
        format!("{}-{number}", time.trim_end_matches('Z')),
        format!("20181301T000000000Z-{number}"),
        format!("20180230T000000000Z-{number}"),
        format!("2018-02-01T00:00:00.000Z-{number}"),
        format!("2018 201T000000000Z-{number}"),
        format!("20180201T 00000000Z-{number}"),
        format!("20180201t000000000z-{number}"),
    ];
    names.extend(["songs", "_rejects", "latest", "backup"].map(str::to_owned));
    names
}

#[test]
fn foreign_objects_are_never_removed() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let folder = TempDir::new().unwrap();
    let (abandoned, object) = (run_id(30), run_id(50));
    let names = invalid_run_ids();
    for out_dir in [&out_dir, folder.path()] {
        write_unfinished_run(out_dir, &abandoned);
        for name in &names {
            write_unfinished_run(out_dir, name);
        }
        write_file(out_dir, "mine.parquet", "mine");
        // An object whose name is a run id, with nothing below it.
        write_file(out_dir, &object, "mine");
        write_latest_json(out_dir, "none");
    }
    let before = non_empty_entries(&out_dir);
    for location in [OUT_URL, folder.path().to_str().unwrap()] {
        run_sparkify(&server, &["clean", location, "--yes", "--keep", "1"]).assert_success();
    }
    let mut expected = before;
    assert!(expected.remove(&abandoned));
    assert_eq!(non_empty_entries(&out_dir), expected);
    assert_eq!(non_empty_entries(folder.path()), expected);
    assert_eq!(server.objects("music").len(), 2 * names.len() + 3);
}

#[test]
fn location_without_runs_has_nothing_to_clean() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    write_file(&out_dir, "mine.parquet", "mine");
    let text = run_sparkify(&server, &["clean", OUT_URL, "--yes"])
        .assert_success()
        .stdout;
    assert_eq!(text, "nothing to clean in s3://music/star\n");
    let text = run_sparkify(&server, &["clean", "s3://music/absent"]).assert_success();
    assert_eq!(text.stdout, "nothing to clean in s3://music/absent\n");
}

#[test]
fn bucket_root_can_be_cleaned() {
    let (server, _) = server_with_out_dir(FaultPlan::new());
    let bucket = server.bucket("music");
    let abandoned = run_id(30);
    write_unfinished_run(&bucket, &abandoned);
    write_unfinished_run(&bucket.join("star"), &abandoned);
    run_sparkify(&server, &["clean", "s3://music", "--yes"]).assert_success();
    assert_eq!(non_empty_entries(&bucket), string_set(&["star"]));
}

#[test]
fn paginated_listing_is_cleaned_completely() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new().with_page_size(7));
    let abandoned = run_id(30);
    for number in 0..20 {
        write_run_file(
            &out_dir,
            &abandoned,
            &format!("songs/part-{number:05}.parquet"),
            "",
        );
        write_complete_run(&out_dir, &run_id(50 + number));
    }
    let result = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(result["remove"].as_array().unwrap().len(), 18);
    assert_eq!(result["keep"].as_array().unwrap().len(), 3);
    assert_eq!(server.objects("music").len(), 9);
}

#[test]
fn more_objects_than_one_batch_delete_are_removed() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let abandoned = run_id(30);
    for number in 0..2100 {
        write_run_file(
            &out_dir,
            &abandoned,
            &format!("songs/part-{number:05}.parquet"),
            "",
        );
    }
    let result = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(result["remove"][0]["objects"], 2100);
    assert_eq!(server.objects("music").len(), 0);
}

#[test]
fn failed_removal_is_reported_and_leaves_no_complete_run() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new().deny_delete("logs-00000.jsonl"));
    let [newest, old] = [30, 40].map(run_id);
    write_complete_run(&out_dir, &newest);
    write_complete_run(&out_dir, &old);
    let clean = ["clean", OUT_URL, "--keep", "1", "--yes", "--json"];
    let what = format!("cannot remove {OUT_URL}/{old}/_rejects/logs-00000.jsonl");
    let words = [what.as_str(), "AccessDenied", "s3:DeleteObject"];
    let output = run_sparkify(&server, &clean).assert_failure(1, &words);
    assert_eq!(output.json()["status"], "failed");
    assert!(!out_dir.join(&old).join("_report.json").exists());
    assert!(out_dir.join(&newest).join("_report.json").exists());
    let result = clean_json(&server, &["clean", OUT_URL, "--keep", "1"]);
    assert_eq!(result["remove"][0]["state"], "unfinished");
}

#[test]
fn report_is_removed_first() {
    let faults = FaultPlan::new().deny_delete("_report.json");
    let (server, out_dir) = server_with_out_dir(faults);
    let [newest, old] = [30, 40].map(run_id);
    write_complete_run(&out_dir, &newest);
    write_complete_run(&out_dir, &old);
    let words = [&*format!("{OUT_URL}/{old}/_report.json"), "s3:DeleteObject"];
    run_sparkify(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]).assert_failure(1, &words);
    assert_eq!(server.objects("music").len(), 6, "objects were removed");
}

#[test]
fn missing_permission_is_named() {
    let abandoned = run_id(30);
    for (kind, words) in [
        (
            S3Operation::List,
            ["cannot list s3://music/star/", "s3:ListBucket"],
        ),
        (
            S3Operation::ListUploads,
            [
                "cannot list multipart uploads below s3://music/star/",
                "s3:ListBucketMultipartUploads",
            ],
        ),
        (
            S3Operation::Get,
            ["cannot read s3://music/star/latest.json", "s3:GetObject"],
        ),
        (
            S3Operation::Delete,
            ["cannot remove s3://music/star/2", "s3:DeleteObject"],
        ),
        (
            S3Operation::Put,
            ["cannot write s3://music/star/2", "s3:PutObject"],
        ),
        (
            S3Operation::AbortUpload,
            [
                "cannot abort multipart upload of s3://music/star/2",
                "s3:AbortMultipartUpload",
            ],
        ),
    ] {
        let denied =
            Fault::Error(testkit::s3_server::error_response::S3ErrorResponse::access_denied());
        let (server, out_dir) =
            server_with_out_dir(FaultPlan::new().always(RequestMatcher::operation(kind), denied));
        write_unfinished_run(&out_dir, &abandoned);
        let key = format!("star/{abandoned}/songs/part-00001.parquet");
        SdkClient::new(&server).create_upload("music", &key);
        server.backdate(&out_dir.join(&abandoned), Duration::from_secs(30 * 3600));
        run_sparkify(&server, &["clean", OUT_URL, "--yes"]).assert_failure(1, &words);
        assert_eq!(
            server.request_count(&RequestMatcher::operation(kind)),
            1,
            "{kind:?}"
        );
    }
}

#[test]
fn killed_run_is_removed_once_abandoned() {
    let silent = RequestMatcher::operation(S3Operation::Put).with_key_suffix("_report.json");
    let server = server_with_input(FaultPlan::new().first_n(1, silent.clone(), Fault::Hang));
    let mut command = sparkify(&server, &RUN_ARGS);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    while server.request_count(&silent) == 0 {
        std::thread::yield_now();
    }
    let clean = ["clean", OUT_URL, "--yes"];
    let result = clean_json(&server, &clean);
    assert_eq!(result["keep"][0]["state"], "recent", "run in progress");
    child.kill().unwrap();
    child.wait().unwrap();

    let before = server.objects("music").len();
    assert!(before > 2 + 5, "parts and manifests are missing: {before}");
    clean_json(&server, &clean);
    assert_eq!(server.objects("music").len(), before);
    // A run younger than 15 minutes is always kept.
    let at_once = concat_args(&clean, &["--unfinished-after", "0"]);
    let out_dir = server.bucket("music").join("star");
    server.backdate(&out_dir, Duration::from_secs(14 * 60));
    let result = clean_json(&server, &at_once);
    assert_eq!(result["keep"][0]["state"], "recent");
    assert_eq!(server.objects("music").len(), before);
    server.backdate(&out_dir, Duration::from_secs(60));
    clean_json(&server, &at_once);
    assert_eq!(
        server.objects("music").len(),
        2,
        "objects other than the input"
    );
}

#[test]
fn keep_follows_publish_order_not_run_id() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let [one, two, unlisted] = [50, 60, 40].map(run_id);
    let ahead = "22000101T000000000Z-00000000".to_owned();
    for id in [&ahead, &one, &two, &unlisted] {
        write_complete_run(&out_dir, id);
    }
    let centuries = Duration::from_secs(200 * 365 * 24 * 3600);
    server.backdate(&out_dir.join(&ahead), centuries);
    write_published_runs(&out_dir, &[&ahead, &two, &one]);
    for (keep, expected) in [
        ("4", vec![&unlisted, &ahead, &two, &one]),
        // A run that was never published is older than all that were.
        ("3", vec![&ahead, &two, &one]),
        ("2", vec![&two, &one]),
        ("1", vec![&one]),
    ] {
        run_sparkify(&server, &["clean", OUT_URL, "--yes", "--keep", keep]).assert_success();
        let mut names = vec!["latest.json"];
        names.extend(expected.into_iter().map(String::as_str));
        assert_eq!(
            non_empty_entries(&out_dir),
            string_set(&names),
            "--keep {keep}"
        );
    }
}

#[test]
fn recent_unpublished_run_is_kept() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let [fresh, published] = [0, 50].map(run_id);
    write_complete_run(&out_dir, &fresh);
    write_complete_run(&out_dir, &published);
    write_published_runs(&out_dir, &[&published]);
    let clean = ["clean", OUT_URL, "--yes", "--keep", "1"];
    clean_json(&server, &clean);
    assert_eq!(
        non_empty_entries(&out_dir),
        string_set(&[&fresh, &published, "latest.json"])
    );
    server.backdate(&out_dir.join(&fresh), Duration::from_secs(15 * 60));
    clean_json(&server, &clean);
    assert_eq!(
        non_empty_entries(&out_dir),
        string_set(&[&published, "latest.json"])
    );
}

#[test]
fn run_that_becomes_latest_during_clean_is_kept() {
    let [one, two] = [50, 60].map(run_id);
    let rolled_back = two.clone();
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    let (server, out_dir) =
        server_with_out_dir(FaultPlan::new().on_nth(2, latest, move |buckets| {
            write_published_runs(&buckets.join("music/star"), &[&rolled_back]);
        }));
    write_complete_run(&out_dir, &one);
    write_complete_run(&out_dir, &two);
    write_published_runs(&out_dir, &[&two, &one]);
    clean_json(&server, &["clean", OUT_URL, "--yes", "--keep", "1"]);
    assert_eq!(
        non_empty_entries(&out_dir),
        string_set(&[&one, &two, "latest.json"])
    );
}

#[test]
fn run_finished_during_clean_is_kept() {
    for name in ["_report.json", "users/part-00000.parquet"] {
        let abandoned = run_id(30);
        let (own, id) = (abandoned.clone(), abandoned.clone());
        let marker = RequestMatcher::operation(S3Operation::Put).with_key_suffix("_removing");
        let (server, out_dir) =
            server_with_out_dir(FaultPlan::new().on_nth(1, marker.clone(), move |buckets| {
                write_run_file(&buckets.join("music/star"), &id, name, "12");
            }));
        write_unfinished_run(&out_dir, &abandoned);
        clean_json(&server, &["clean", OUT_URL, "--yes"]);
        assert_eq!(server.request_count(&marker), 1);
        let left = testkit::dir_contents::list_files(&out_dir.join(own));
        let names = [
            "_rejects/logs-00000.jsonl",
            name,
            "songs/part-00000.parquet",
        ];
        assert_eq!(left, string_set(&names), "{name}");
    }
}

#[test]
fn next_clean_finishes_interrupted_clean() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let abandoned = run_id(30);
    write_unfinished_run(&out_dir, &abandoned);
    write_run_file(
        &out_dir,
        &abandoned,
        "_removing",
        "sparkify clean removes this run",
    );
    let result = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(result["remove"][0]["objects"], 3);
    assert_eq!(server.objects("music").len(), 0);
}

/// Returns a directory into which a prefix of a bucket was copied.
fn local_out_parent() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("star")).unwrap();
    folder
}

#[test]
fn local_copy_of_runs_is_cleaned() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out_dir = folder.path().join("star");
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
    let out_dir = folder.path().join("star");
    write_unfinished_run(&out_dir, &run_id(30));
    let mut command = sparkify(&server, &["clean", ".", "--yes"]);
    CommandOutput::run(command.current_dir(&out_dir)).assert_success();
    assert_eq!(entry_names(&out_dir), string_set(&[]));
}

#[test]
fn symlink_targets_are_not_removed() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out_dir = folder.path().join("star");
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
const STAGING_DIR: &str = ".star.sparkify-staging";

#[test]
fn abandoned_staging_dir_is_removed() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let out = folder.path().join("star");
    write_input(folder.path());
    let run = [
        "run",
        "--quiet",
        "--songs=songs",
        "--logs=logs",
        "--out=star",
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
    let expected =
        json!({ "name": left, "state": "unfinished", "objects": 1, "bytes": 5, "uploads": 0 });

    let result = clean_json(&server, &["clean", out]);
    assert_eq!(
        (&result["remove"], &result["keep"]),
        (&json!([expected]), &json!([]))
    );
    assert!(left.exists());
    clean_json(&server, &["clean", out, "--yes"]);
    assert_eq!(
        entry_names(folder.path()),
        string_set(&["logs", "songs", "star"])
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
    let out = folder.path().join("star");
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
        format!("star/{abandoned}/mine/precious.csv"),
        format!("star/{older}/notes.txt"),
        format!("star/{older}/songs/part-00000.csv"),
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

#[test]
fn latest_run_is_kept_even_if_incomplete() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let published = run_id(100);
    write_unfinished_run(&out_dir, &published);
    write_latest_json(&out_dir, &published);
    clean_json(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]);
    assert!(non_empty_entries(&out_dir).contains(&published));
}
