//! `sparkify clean`: what goes, what stays, and what it says of both.

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

use crate::s3_server::faults::{Fault, FaultPlan};
use crate::s3_server::request::{Operation, RequestMatcher};
use crate::s3_server::server::S3Server;
use crate::support::cli::{CommandOutput, sparkify};
use crate::support::fixture::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file, write_input,
};
use crate::support::sdk_client::SdkClient;

const OUT_URL: &str = "s3://music/star";

/// The id of a run that began so many hours ago.
fn run_id(hours: i64) -> String {
    let began = Utc::now() - TimeDelta::hours(hours);
    format!("{}-{hours:08x}", began.format("%Y%m%dT%H%M%S%3fZ"))
}

/// Puts an object of a run into a folder, written when the run began.
fn write_run_file(out_dir: &Path, id: &str, name: &str, text: &str) {
    let name = format!("{id}/{name}");
    write_file(out_dir, &name, text);
    let began = id
        .get(..19)
        .map(|time| NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ"));
    if let Some(Ok(began)) = began {
        let file = fs::File::options()
            .write(true)
            .open(out_dir.join(name))
            .unwrap();
        file.set_modified(began.and_utc().into()).unwrap();
    }
}

/// Puts the parts of a run into a folder.
fn write_unfinished_run(out_dir: &Path, id: &str) {
    write_run_file(out_dir, id, "songs/part-00000.parquet", "12345");
    write_run_file(out_dir, id, "_rejects/logs-00000.jsonl", "123");
}

/// Puts a complete run into a folder.
fn write_complete_run(out_dir: &Path, id: &str) {
    write_unfinished_run(out_dir, id);
    write_run_file(out_dir, id, "_report.json", "12");
}

fn write_latest_json(out_dir: &Path, id: &str) {
    let latest = json!({ "run": id, "report": "somewhere" });
    write_file(out_dir, "latest.json", latest.to_string());
}

/// Names runs as published in this order.
fn write_published_runs(out_dir: &Path, ids: &[&str]) {
    let latest = json!({ "run": ids.last(), "report": "somewhere", "published": ids });
    write_file(out_dir, "latest.json", latest.to_string());
}

/// The first parts of the names of all files in a folder.
fn non_empty_entries(out_dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(out_dir).unwrap();
    let full = entries.map(Result::unwrap).filter(|entry| {
        let below = fs::read_dir(entry.path());
        below.map_or(true, |_| {
            !crate::s3_server::bucket_dir::list_keys(&entry.path()).is_empty()
        })
    });
    full.map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn string_set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A bucket with a folder for what is cleaned.
fn server_with_out_dir(faults: FaultPlan) -> (S3Server, std::path::PathBuf) {
    let server = S3Server::with_faults(faults);
    let star = server.bucket("music").join("star");
    fs::create_dir(&star).unwrap();
    (server, star)
}

/// A command that succeeds and prints this JSON.
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
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let [dead, recent, one, two, three, named] = [30, 5, 1, 60, 90, 120].map(run_id);
    write_unfinished_run(&star, &dead);
    write_unfinished_run(&star, &recent);
    for id in [&one, &two, &three, &named] {
        write_complete_run(&star, id);
    }
    write_latest_json(&star, &named);
    let whole = |id, state| run_entry_json(OUT_URL, id, state, 3, 10, 0);
    let begun = |id, state| run_entry_json(OUT_URL, id, state, 2, 8, 0);
    let clean = ["clean", OUT_URL, "--keep", "2"];

    let all = server.objects("music");
    let shown = clean_json(&server, &clean);
    // The one that is named is the newest, whatever its id says.
    let keep = [
        whole(&one, "complete"),
        begun(&recent, "recent"),
        whole(&named, "latest"),
    ];
    assert_eq!(shown["keep"], json!(keep));
    let remove = [
        begun(&dead, "unfinished"),
        whole(&two, "complete"),
        whole(&three, "complete"),
    ];
    assert_eq!(shown["remove"], json!(remove));
    assert_eq!(shown["removed"], false);
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
    assert!(server.objects("music") == all, "shown, not done");
    assert_eq!(
        server.request_count(&RequestMatcher::operation(Operation::Delete)),
        0
    );

    let done = clean_json(&server, &concat_args(&clean, &["--yes"]));
    assert_eq!(
        (&done["removed"], &done["remove"]),
        (&json!(true), &json!(remove))
    );
    assert_eq!(
        non_empty_entries(&star),
        string_set(&[&recent, &one, &named, "latest.json"])
    );
    let text = run_sparkify(&server, &concat_args(&clean, &["--yes"]))
        .assert_success()
        .stdout;
    assert!(text.ends_with("\nnothing to remove\n"), "{text}");
}

#[test]
fn unfinished_after_sets_age_of_abandoned_runs() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let [younger, older] = [1, 3].map(run_id);
    write_unfinished_run(&star, &younger);
    write_unfinished_run(&star, &older);
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", "4"],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&star), string_set(&[&younger, &older]));
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", "2"],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&star), string_set(&[&younger]));
    let most = u32::MAX.to_string();
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", &most],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&star), string_set(&[&younger]));
    run_sparkify(
        &server,
        &["clean", OUT_URL, "--yes", "--unfinished-after", "0"],
    )
    .assert_success();
    assert_eq!(non_empty_entries(&star), string_set(&[]));
}

#[test]
fn abandoned_multipart_uploads_are_aborted() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let client = SdkClient::new(&server);
    let [dead, recent, seen] = [30, 5, 40].map(run_id);
    write_unfinished_run(&star, &seen);
    let upload = |key: &str| drop(client.create_upload("music", key));
    let songs = |id: &str| format!("star/{id}/songs/part-00000.parquet");
    for key in [
        &songs(&dead),
        &songs(&recent),
        &songs(&seen),
        // Others' work.
        "star/mine.bin",
        &format!("star/{dead}"),
        &format!("other/{dead}/songs/part-00000.parquet"),
        &format!("starred/{dead}/songs/part-00000.parquet"),
    ] {
        upload(key);
    }
    for id in [&dead, &seen] {
        server.backdate(&star.join(id), Duration::from_secs(30 * 3600));
    }
    let shown = clean_json(&server, &["clean", OUT_URL]);
    let remove = [
        run_entry_json(OUT_URL, &dead, "unfinished", 0, 0, 1),
        run_entry_json(OUT_URL, &seen, "unfinished", 2, 8, 1),
    ];
    assert_eq!(shown["remove"], json!(remove));
    assert_eq!(
        shown["keep"],
        json!([run_entry_json(OUT_URL, &recent, "recent", 0, 0, 1)])
    );
    assert_eq!(server.unfinished_uploads("music").len(), 7);

    clean_json(&server, &["clean", OUT_URL, "--yes"]);
    let mut left = server.unfinished_uploads("music");
    left.sort();
    let mut expected = [
        format!("other/{dead}/songs/part-00000.parquet"),
        format!("star/{dead}"),
        songs(&recent),
        "star/mine.bin".to_owned(),
        format!("starred/{dead}/songs/part-00000.parquet"),
    ];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(server.objects("music").len(), 0);
}

/// Names that are no run's, of which one of 30 hours ago would go.
fn invalid_run_ids() -> Vec<String> {
    let dead = run_id(30);
    let (time, number) = dead.split_once('-').unwrap();
    let mut names = vec![
        format!("{dead}0"),
        format!("{dead}-copy"),
        format!("copy-of-{dead}"),
        format!(" {dead}"),
        format!("{dead} "),
        format!("+{dead}"),
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
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let folder = TempDir::new().unwrap();
    let (dead, object) = (run_id(30), run_id(50));
    let names = invalid_run_ids();
    for star in [&star, folder.path()] {
        write_unfinished_run(star, &dead);
        for name in &names {
            write_unfinished_run(star, name);
        }
        write_file(star, "mine.parquet", "mine");
        // An object that is named as a run is, but holds nothing.
        write_file(star, &object, "mine");
        write_latest_json(star, "none");
    }
    let before = non_empty_entries(&star);
    for place in [OUT_URL, folder.path().to_str().unwrap()] {
        run_sparkify(&server, &["clean", place, "--yes", "--keep", "1"]).assert_success();
    }
    let mut expected = before;
    assert!(expected.remove(&dead));
    assert_eq!(non_empty_entries(&star), expected);
    assert_eq!(non_empty_entries(folder.path()), expected);
    assert_eq!(server.objects("music").len(), 2 * names.len() + 3);
}

#[test]
fn location_without_runs_has_nothing_to_clean() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    write_file(&star, "mine.parquet", "mine");
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
    let dead = run_id(30);
    write_unfinished_run(&bucket, &dead);
    write_unfinished_run(&bucket.join("star"), &dead);
    run_sparkify(&server, &["clean", "s3://music", "--yes"]).assert_success();
    assert_eq!(non_empty_entries(&bucket), string_set(&["star"]));
}

#[test]
fn paginated_listing_is_cleaned_completely() {
    let (server, star) = server_with_out_dir(FaultPlan::new().with_page_size(7));
    let dead = run_id(30);
    for number in 0..20 {
        write_run_file(&star, &dead, &format!("songs/part-{number:05}.parquet"), "");
        write_complete_run(&star, &run_id(50 + number));
    }
    let shown = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(shown["remove"].as_array().unwrap().len(), 18);
    assert_eq!(shown["keep"].as_array().unwrap().len(), 3);
    assert_eq!(server.objects("music").len(), 9);
}

#[test]
fn more_objects_than_one_batch_delete_are_removed() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let dead = run_id(30);
    for number in 0..2100 {
        write_run_file(&star, &dead, &format!("songs/part-{number:05}.parquet"), "");
    }
    let shown = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(shown["remove"][0]["objects"], 2100);
    assert_eq!(server.objects("music").len(), 0);
}

#[test]
fn failed_removal_is_reported_and_leaves_no_complete_run() {
    let (server, star) = server_with_out_dir(FaultPlan::new().deny_delete("logs-00000.jsonl"));
    let [newest, old] = [30, 40].map(run_id);
    write_complete_run(&star, &newest);
    write_complete_run(&star, &old);
    let clean = ["clean", OUT_URL, "--keep", "1", "--yes", "--json"];
    let what = format!("cannot remove {OUT_URL}/{old}/_rejects/logs-00000.jsonl");
    let words = [what.as_str(), "AccessDenied", "s3:DeleteObject"];
    let ended = run_sparkify(&server, &clean).assert_failure(&words);
    assert_eq!(ended.json()["status"], "failed");
    assert!(!star.join(&old).join("_report.json").exists());
    assert!(star.join(&newest).join("_report.json").exists());
    let shown = clean_json(&server, &["clean", OUT_URL, "--keep", "1"]);
    assert_eq!(shown["remove"][0]["state"], "unfinished");
}

#[test]
fn report_is_removed_first() {
    let kept = FaultPlan::new().deny_delete("_report.json");
    let (server, star) = server_with_out_dir(kept);
    let [newest, old] = [30, 40].map(run_id);
    write_complete_run(&star, &newest);
    write_complete_run(&star, &old);
    let words = [&*format!("{OUT_URL}/{old}/_report.json"), "s3:DeleteObject"];
    run_sparkify(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]).assert_failure(&words);
    assert_eq!(server.objects("music").len(), 6, "all of it is there");
}

#[test]
fn missing_permission_is_named() {
    let dead = run_id(30);
    for (kind, words) in [
        (
            Operation::List,
            ["cannot list s3://music/star/", "s3:ListBucket"],
        ),
        (
            Operation::ListUploads,
            [
                "cannot list uploads below s3://music/star/",
                "s3:ListBucketMultipartUploads",
            ],
        ),
        (
            Operation::Get,
            ["cannot read s3://music/star/latest.json", "s3:GetObject"],
        ),
        (
            Operation::Delete,
            ["cannot remove s3://music/star/2", "s3:DeleteObject"],
        ),
        (
            Operation::Put,
            ["cannot write s3://music/star/2", "s3:PutObject"],
        ),
        (
            Operation::AbortUpload,
            [
                "cannot abort the upload of s3://music/star/2",
                "s3:AbortMultipartUpload",
            ],
        ),
    ] {
        let denied = Fault::Error(crate::s3_server::error_response::ErrorResponse::access_denied());
        let (server, star) =
            server_with_out_dir(FaultPlan::new().always(RequestMatcher::operation(kind), denied));
        write_unfinished_run(&star, &dead);
        let key = format!("star/{dead}/songs/part-00001.parquet");
        SdkClient::new(&server).create_upload("music", &key);
        server.backdate(&star.join(&dead), Duration::from_secs(30 * 3600));
        run_sparkify(&server, &["clean", OUT_URL, "--yes"]).assert_failure(&words);
        assert_eq!(
            server.request_count(&RequestMatcher::operation(kind)),
            1,
            "{kind:?}"
        );
    }
}

#[test]
fn killed_run_is_removed_once_abandoned() {
    let silent = RequestMatcher::operation(Operation::Put).with_key_suffix("_report.json");
    let server = server_with_input(FaultPlan::new().first_n(1, silent.clone(), Fault::Hang));
    let mut command = sparkify(&server, &RUN_ARGS);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    while server.request_count(&silent) == 0 {
        std::thread::yield_now();
    }
    let clean = ["clean", OUT_URL, "--yes"];
    let shown = clean_json(&server, &clean);
    assert_eq!(shown["keep"][0]["state"], "recent", "it works on");
    child.kill().unwrap();
    child.wait().unwrap();

    let before = server.objects("music").len();
    assert!(
        before > 2 + 5,
        "its parts and manifests are there: {before}"
    );
    clean_json(&server, &clean);
    assert_eq!(server.objects("music").len(), before);
    // A quarter of an hour is the least that a run is given.
    let at_once = concat_args(&clean, &["--unfinished-after", "0"]);
    let star = server.bucket("music").join("star");
    server.backdate(&star, Duration::from_secs(14 * 60));
    let shown = clean_json(&server, &at_once);
    assert_eq!(shown["keep"][0]["state"], "recent");
    assert_eq!(server.objects("music").len(), before);
    server.backdate(&star, Duration::from_secs(60));
    clean_json(&server, &at_once);
    assert_eq!(server.objects("music").len(), 2, "the input");
}

#[test]
fn keep_follows_publish_order_not_run_id() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let [one, two, unlisted] = [50, 60, 40].map(run_id);
    let ahead = "22000101T000000000Z-00000000".to_owned();
    for id in [&ahead, &one, &two, &unlisted] {
        write_complete_run(&star, id);
    }
    let centuries = Duration::from_secs(200 * 365 * 24 * 3600);
    server.backdate(&star.join(&ahead), centuries);
    write_published_runs(&star, &[&ahead, &two, &one]);
    for (keep, expected) in [
        ("4", vec![&unlisted, &ahead, &two, &one]),
        // What was never named is older than all that were.
        ("3", vec![&ahead, &two, &one]),
        ("2", vec![&two, &one]),
        ("1", vec![&one]),
    ] {
        run_sparkify(&server, &["clean", OUT_URL, "--yes", "--keep", keep]).assert_success();
        let mut names = vec!["latest.json"];
        names.extend(expected.into_iter().map(String::as_str));
        assert_eq!(
            non_empty_entries(&star),
            string_set(&names),
            "--keep {keep}"
        );
    }
}

#[test]
fn recent_unpublished_run_is_kept() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let [fresh, named] = [0, 50].map(run_id);
    write_complete_run(&star, &fresh);
    write_complete_run(&star, &named);
    write_published_runs(&star, &[&named]);
    let clean = ["clean", OUT_URL, "--yes", "--keep", "1"];
    clean_json(&server, &clean);
    assert_eq!(
        non_empty_entries(&star),
        string_set(&[&fresh, &named, "latest.json"])
    );
    server.backdate(&star.join(&fresh), Duration::from_secs(15 * 60));
    clean_json(&server, &clean);
    assert_eq!(
        non_empty_entries(&star),
        string_set(&[&named, "latest.json"])
    );
}

#[test]
fn run_that_becomes_latest_during_clean_is_kept() {
    let [one, two] = [50, 60].map(run_id);
    let rolled_back = two.clone();
    let latest = RequestMatcher::operation(Operation::Get).with_key_suffix("latest.json");
    let (server, star) = server_with_out_dir(FaultPlan::new().on_nth(2, latest, move |buckets| {
        write_published_runs(&buckets.join("music/star"), &[&rolled_back]);
    }));
    write_complete_run(&star, &one);
    write_complete_run(&star, &two);
    write_published_runs(&star, &[&two, &one]);
    clean_json(&server, &["clean", OUT_URL, "--yes", "--keep", "1"]);
    assert_eq!(
        non_empty_entries(&star),
        string_set(&[&one, &two, "latest.json"])
    );
}

#[test]
fn run_finished_during_clean_is_kept() {
    for name in ["_report.json", "users/part-00000.parquet"] {
        let dead = run_id(30);
        let (own, id) = (dead.clone(), dead.clone());
        let marker = RequestMatcher::operation(Operation::Put).with_key_suffix("_removing");
        let (server, star) =
            server_with_out_dir(FaultPlan::new().on_nth(1, marker.clone(), move |buckets| {
                write_run_file(&buckets.join("music/star"), &id, name, "12");
            }));
        write_unfinished_run(&star, &dead);
        clean_json(&server, &["clean", OUT_URL, "--yes"]);
        assert_eq!(server.request_count(&marker), 1);
        let left = crate::s3_server::bucket_dir::list_keys(&star.join(own));
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
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let dead = run_id(30);
    write_unfinished_run(&star, &dead);
    write_run_file(&star, &dead, "_removing", "sparkify clean removes this run");
    let shown = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(shown["remove"][0]["objects"], 3);
    assert_eq!(server.objects("music").len(), 0);
}

/// A folder that a prefix of a bucket was copied to.
fn local_out_parent() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("star")).unwrap();
    folder
}

#[test]
fn local_copy_of_runs_is_cleaned() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let star = folder.path().join("star");
    let [dead, recent, one, two, named] = [30, 5, 1, 60, 90].map(run_id);
    write_unfinished_run(&star, &dead);
    write_unfinished_run(&star, &recent);
    for id in [&one, &two, &named] {
        write_complete_run(&star, id);
    }
    let empty = run_id(31);
    fs::create_dir_all(star.join(&empty).join("songs")).unwrap();
    write_latest_json(&star, &named);
    let out = star.to_str().unwrap();
    let shown = clean_json(&server, &["clean", out, "--keep=1"]);
    let remove = [
        run_entry_json(out, &one, "complete", 3, 10, 0),
        run_entry_json(out, &dead, "unfinished", 2, 8, 0),
        run_entry_json(out, &empty, "unfinished", 0, 0, 0),
        run_entry_json(out, &two, "complete", 3, 10, 0),
    ];
    assert_eq!(shown["remove"], json!(remove));
    assert_eq!(entry_names(&star).len(), 7);
    clean_json(&server, &["clean", out, "--keep=1", "--yes"]);
    assert_eq!(
        entry_names(&star),
        string_set(&[&recent, &named, "latest.json"])
    );
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

/// All names in a folder.
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
    let star = folder.path().join("star");
    write_unfinished_run(&star, &run_id(30));
    let mut command = sparkify(&server, &["clean", ".", "--yes"]);
    CommandOutput::run(command.current_dir(&star)).assert_success();
    assert_eq!(entry_names(&star), string_set(&[]));
}

#[test]
fn symlink_targets_are_not_removed() {
    let server = S3Server::start();
    let folder = local_out_parent();
    let star = folder.path().join("star");
    let precious = folder.path().join("precious");
    write_file(&precious, "songs/part-00000.parquet", "mine");
    symlink(&precious, star.join(run_id(30))).unwrap();
    let [dead, out] = [run_id(40), star.to_str().unwrap().to_owned()];
    write_unfinished_run(&star, &dead);
    let linked = star.join(&dead).join("linked");
    symlink(&precious, &linked).unwrap();
    // A link that was made just now would be a sign of life.
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
    assert!(!star.join(&dead).join("songs").exists());
}

/// The staging folder of a run that was killed.
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
    let star = crate::s3_server::bucket_dir::list_keys(&out);
    write_file(
        folder.path(),
        &format!("{STAGING_DIR}/songs/part-00000.parquet"),
        "12345",
    );
    let out = out.to_str().unwrap();
    let left = folder.path().join(STAGING_DIR);
    let expected =
        json!({ "name": left, "state": "unfinished", "objects": 1, "bytes": 5, "uploads": 0 });

    let shown = clean_json(&server, &["clean", out]);
    assert_eq!(
        (&shown["remove"], &shown["keep"]),
        (&json!([expected]), &json!([]))
    );
    assert!(left.exists());
    clean_json(&server, &["clean", out, "--yes"]);
    assert_eq!(
        entry_names(folder.path()),
        string_set(&["logs", "songs", "star"])
    );
    assert_eq!(
        crate::s3_server::bucket_dir::list_keys(Path::new(out)),
        star
    );
    let text = run_sparkify(&server, &["clean", out, "--yes"])
        .assert_success()
        .stdout;
    assert_eq!(text, format!("nothing to clean in {out}\n"));

    // Also where the first run of all was killed.
    fs::remove_dir_all(out).unwrap();
    write_file(
        folder.path(),
        &format!("{STAGING_DIR}/songs/part-00000.parquet"),
        "12345",
    );
    run_sparkify(&server, &["clean", out, "--yes"]).assert_success();
    assert!(!left.exists());
    let words = ["cannot clean", "there is no such folder"];
    run_sparkify(&server, &["clean", out, "--yes"]).assert_failure(&words);
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
    // As a run holds it.
    let lock = fs::File::open(&staging).unwrap();
    lock.lock().unwrap();
    let out = folder.path().join("star");
    let out = out.to_str().unwrap();
    run_sparkify(&server, &["clean", out, "--yes"]).assert_success();
    assert!(staging.join("songs/part-00000.parquet").exists());
    drop(lock);
    write_file(&staging, "mine.txt", "mine");
    let words = ["will not empty", "it holds mine.txt, which no run wrote"];
    run_sparkify(&server, &["clean", out, "--yes"]).assert_failure(&words);
    assert!(staging.join("songs/part-00000.parquet").exists());
}

#[test]
fn foreign_files_inside_runs_are_kept() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let (dead, newer, older) = (run_id(30), run_id(1), run_id(60));
    write_unfinished_run(&star, &dead);
    write_complete_run(&star, &newer);
    write_complete_run(&star, &older);
    let theirs = [
        format!("star/{dead}/mine/precious.csv"),
        format!("star/{older}/notes.txt"),
        format!("star/{older}/songs/part-00000.csv"),
    ];
    for key in &theirs {
        write_file(&server.bucket("music"), key, "theirs");
    }
    for id in [&dead, &older] {
        server.backdate(&star.join(id), Duration::from_secs(30 * 3600));
    }
    clean_json(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]);
    let left = server.objects("music");
    let of_gone = |key: &&String| key.contains(&dead) || key.contains(&older);
    let mut left: Vec<&String> = left.keys().filter(of_gone).collect();
    left.sort();
    let mut theirs: Vec<&String> = theirs.iter().collect();
    theirs.sort();
    assert_eq!(left, theirs);
}

#[test]
fn latest_run_is_kept_even_if_incomplete() {
    let (server, star) = server_with_out_dir(FaultPlan::new());
    let named = run_id(100);
    write_unfinished_run(&star, &named);
    write_latest_json(&star, &named);
    clean_json(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]);
    assert!(non_empty_entries(&star).contains(&named));
}
