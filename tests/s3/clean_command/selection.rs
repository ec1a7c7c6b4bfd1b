//! Which runs are removed, and which are kept.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RequestMatcher, S3Operation};

use crate::clean_command::fixture::{
    OUT_URL, clean_json, non_empty_entries, run_entry_json, run_id, server_with_out_dir,
    string_set, write_complete_run, write_latest_json, write_published_runs, write_unfinished_run,
};
use crate::support::sample_bucket::{concat_args, run_sparkify, write_file};

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
    run_sparkify(&server, &clean).assert_snapshot("clean/runs-in-s3.txt");
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
    run_sparkify(&server, &concat_args(&clean, &["--yes"]))
        .assert_snapshot("clean/runs-in-s3-removed.txt");
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
        // A run that does not exist.
        write_latest_json(out_dir, &run_id(40));
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
    assert_eq!(text, "nothing to clean in s3://music/dataset\n");
    let text = run_sparkify(&server, &["clean", "s3://music/absent"]).assert_success();
    assert_eq!(text.stdout, "nothing to clean in s3://music/absent\n");
}

#[test]
fn bucket_root_can_be_cleaned() {
    let (server, _) = server_with_out_dir(FaultPlan::new());
    let bucket = server.bucket("music");
    let abandoned = run_id(30);
    write_unfinished_run(&bucket, &abandoned);
    write_unfinished_run(&bucket.join("dataset"), &abandoned);
    run_sparkify(&server, &["clean", "s3://music", "--yes"]).assert_success();
    assert_eq!(non_empty_entries(&bucket), string_set(&["dataset"]));
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
fn latest_run_is_kept_even_if_incomplete() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let published = run_id(100);
    write_unfinished_run(&out_dir, &published);
    write_latest_json(&out_dir, &published);
    clean_json(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]);
    assert!(non_empty_entries(&out_dir).contains(&published));
}
