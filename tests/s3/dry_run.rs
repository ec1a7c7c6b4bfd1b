//! `run --dry-run`: it makes the checks and listings of a run, and writes nothing.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    EVENT, RUN_ARGS, SONG, concat_args, run_sparkify, server_with_input, write_file, write_input,
};

/// Asserts that the server received nothing but listings, questions for one object and reads of `latest.json`.
#[track_caller]
fn assert_no_writes(server: &S3Server) {
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    let count = |kind| server.request_count(&RequestMatcher::operation(kind));
    let reads = count(S3Operation::List) + count(S3Operation::Head) + server.request_count(&latest);
    assert_eq!(server.request_count(&RequestMatcher::any()), reads);
}

fn dry_run_json(server: &S3Server, arguments: &[&str]) -> Value {
    let output = run_sparkify(server, &concat_args(arguments, &["--dry-run", "--json"]));
    output.assert_success().json()
}

#[test]
fn dry_run_lists_but_does_not_read_input() {
    let server = server_with_input(FaultPlan::new());
    let bucket = server.bucket("music");
    write_file(&bucket, "logs/2018/11/b.json.gz", "not even compressed");
    write_file(&bucket, "logs/README.txt", "");
    write_file(&bucket, "logs/_SUCCESS", "");
    server.add_folder_marker("music", "logs/2018/");
    let plan = dry_run_json(&server, &RUN_ARGS);
    assert_no_writes(&server);

    let song = "s3://music/songs/a.json";
    assert_eq!(
        plan["songs"],
        json!({
            "objects": 1, "ignored_objects": 0, "ignored_extensions": {}, "bytes": SONG.len(),
            "splits": [{
                "bytes": SONG.len(), "objects": 1,
                "first_object": song, "start": 0, "last_object": song, "end": null,
            }],
        })
    );
    let bytes = EVENT.len() + "not even compressed".len();
    assert_eq!(
        plan["logs"],
        json!({
            "objects": 2, "ignored_objects": 2, "bytes": bytes,
            "ignored_extensions": {".txt": 1, "hidden": 1},
            "splits": [{
                "bytes": bytes, "objects": 2,
                "first_object": "s3://music/logs/2018/11/b.json.gz", "start": 0,
                "last_object": "s3://music/logs/a.json", "end": null,
            }],
        })
    );
    let out = plan["out"].as_str().unwrap();
    let id = out.strip_prefix("s3://music/dataset/").unwrap();
    let id = id.strip_suffix(", the first run there").unwrap();
    assert_eq!(id.len(), "20181101T000000000Z-01234567".len(), "{out}");
    assert_eq!(server.objects("music").len(), 5);
}

#[test]
fn dry_run_names_previous_run() {
    let server = server_with_input(FaultPlan::new());
    let done = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--json"]))
        .assert_success()
        .json();
    let before = server.objects("music");
    let plan = dry_run_json(&server, &RUN_ARGS);
    let next_to = format!(
        ", next to the latest run s3://music/dataset/{}",
        done["run"].as_str().unwrap()
    );
    let out = plan["out"].as_str().unwrap();
    assert!(out.ends_with(&next_to), "{out}");
    assert!(server.objects("music") == before);
}

#[test]
fn text_output_matches_json() {
    let server = server_with_input(FaultPlan::new());
    let text = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--dry-run"]))
        .assert_success()
        .stdout;
    let bytes = |text: &str| format!("{} B", text.len());
    for words in [
        &["songs", "1", &bytes(SONG), "0", "1"][..],
        &["logs", "1", &bytes(EVENT), "0", "1"],
        &[
            "split 0",
            "1",
            &bytes(SONG),
            "s3://music/songs/a.json .. end",
        ],
        &[
            "split 0",
            "1",
            &bytes(EVENT),
            "s3://music/logs/a.json .. end",
        ],
        &[
            "would write to s3://music/dataset/2",
            ", the first run there",
        ],
    ] {
        let has_all = |line: &str| words.iter().all(|words| line.contains(words));
        assert!(text.lines().any(has_all), "no {words:?} in {text}");
    }
    assert_no_writes(&server);
}

/// Returns a directory with input; commands run with it as the current directory.
fn dir_with_input() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_input(folder.path());
    folder
}

/// Runs a dry run with `--json` in a directory.
fn run_locally(server: &S3Server, folder: &Path, out: &str, more: &[&str]) -> CommandOutput {
    let arguments = [
        "run",
        "--quiet",
        "--songs=songs",
        "--logs=logs",
        "--out",
        out,
    ];
    let mut command = sparkify(server, &concat_args(&arguments, more));
    CommandOutput::run(command.current_dir(folder))
}

#[test]
fn local_output_is_described_but_not_created() {
    let server = S3Server::start();
    let folder = dir_with_input();
    let at = folder.path();
    let dry = |out: &str| run_locally(&server, at, out, &["--dry-run", "--json"]).assert_success();
    let name = |name: &str| at.canonicalize().unwrap().join(name).display().to_string();
    let is_new = format!("{}, a new folder", name("dataset"));
    assert_eq!(dry("dataset").json()["out"], is_new);
    let below = format!("{}, a new folder", name("not/yet/dataset"));
    assert_eq!(dry("not/yet/dataset").json()["out"], below);
    assert_eq!(
        fs::read_dir(at).unwrap().count(),
        2,
        "files other than the input"
    );

    fs::create_dir(at.join("empty")).unwrap();
    let is_empty = format!("{}, an empty folder", name("empty"));
    assert_eq!(dry("empty").json()["out"], is_empty);
    assert_eq!(fs::read_dir(at.join("empty")).unwrap().count(), 0);

    run_locally(&server, at, "dataset", &[]).assert_success();
    let report = fs::read(at.join("dataset/_report.json")).unwrap();
    let there = format!("{}, replacing the existing dataset", name("dataset"));
    assert_eq!(dry("dataset").json()["out"], there);
    assert_eq!(fs::read(at.join("dataset/_report.json")).unwrap(), report);
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn dry_run_rejects_what_run_rejects() {
    let server = server_with_input(FaultPlan::new());
    let folder = dir_with_input();
    let at = folder.path();
    write_file(at, "mine/notes.txt", "mine");
    write_file(at, "plain", "a file");
    for (out, code) in [
        ("mine", 1),
        ("plain", 1),
        ("logs", 1),
        (".", 1),
        ("s3://no-such/dataset", 1),
    ] {
        let dry = run_locally(&server, at, out, &["--dry-run", "--json"]);
        assert_eq!(dry.json()["status"], "failed");
        let dry = dry.assert_failure(code, &[]);
        let run = run_locally(&server, at, out, &[]).assert_failure(code, &[]);
        if !out.starts_with("s3://") {
            assert_eq!(dry.stderr, run.stderr);
        }
        assert!(dry.stderr.contains("no-such") || !out.starts_with("s3://"));
    }
    assert_eq!(fs::read_dir(at.join("mine")).unwrap().count(), 1);
    let arguments = concat_args(
        &RUN_ARGS[..6],
        &["--out=s3://music/logs/dataset", "--dry-run"],
    );
    let words = ["it is below the input s3://music/logs"];
    run_sparkify(&server, &arguments).assert_failure(2, &words);
    let arguments = concat_args(&["run", "--songs=s3://music/absent"], &RUN_ARGS[4..]);
    let words = ["no songs in s3://music/absent", "check --songs"];
    run_sparkify(&server, &concat_args(&arguments, &["--dry-run"])).assert_failure(1, &words);
}

#[test]
fn dry_run_shows_splits_of_large_objects() {
    let server = S3Server::start();
    let folder = dir_with_input();
    let log = fs::File::create(folder.path().join("logs/b.json")).unwrap();
    // A sparse file: it has a length, but no data.
    log.set_len(10 << 30).unwrap();
    let all = run_locally(&server, folder.path(), "dataset", &["--dry-run", "--json"]);
    let all = all.assert_success().json();
    let logs = &all["logs"];
    assert_eq!(logs["bytes"], (10_u64 << 30) + EVENT.len() as u64);
    let splits = logs["splits"].as_array().unwrap();
    assert!(splits.len() > 100, "{}", splits.len());
    let first = splits.first().unwrap();
    assert_eq!(
        (&first["first_object"], &first["objects"]),
        (&json!("logs/a.json"), &json!(2))
    );
    for pair in splits.windows(2) {
        assert_eq!(pair[0]["last_object"], "logs/b.json");
        assert_eq!(pair[0]["end"], pair[1]["start"]);
    }
    assert_eq!(splits.last().unwrap()["end"], Value::Null);
    let bytes = splits.iter().map(|split| split["bytes"].as_u64().unwrap());
    assert_eq!(json!(bytes.sum::<u64>()), logs["bytes"]);

    let text = run_locally(&server, folder.path(), "dataset", &["--dry-run"])
        .assert_success()
        .stdout;
    let more = format!("\n{} more: --json shows all\n", splits.len() - 20);
    assert!(text.contains(&more), "{text}");
}

#[test]
fn local_and_s3_locations_can_be_mixed() {
    let server = server_with_input(FaultPlan::new());
    let folder = dir_with_input();
    let arguments = [
        "run",
        "--songs=songs",
        "--logs=s3://music/logs",
        "--out=dataset",
    ];
    let mut command = sparkify(&server, &concat_args(&arguments, &["--dry-run", "--json"]));
    let plan = CommandOutput::run(command.current_dir(folder.path()))
        .assert_success()
        .json();
    assert_eq!(plan["songs"]["splits"][0]["first_object"], "songs/a.json");
    assert_eq!(
        plan["logs"]["splits"][0]["first_object"],
        "s3://music/logs/a.json"
    );
    assert_no_writes(&server);
    assert!(!folder.path().join("dataset").exists());
}

#[test]
fn unreadable_output_is_reported() {
    let denied = Fault::Error(S3ErrorResponse::access_denied());
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    let server = server_with_input(FaultPlan::new().always(latest, denied));
    write_file(&server.bucket("music"), "dataset/latest.json", "{}");
    let words = ["cannot read s3://music/dataset/latest.json", "AccessDenied"];
    let output = run_sparkify(&server, &concat_args(&RUN_ARGS, &["--dry-run", "--json"]))
        .assert_failure(1, &words);
    assert_eq!(output.json()["status"], "failed");
}

#[test]
fn dry_run_of_a_load_into_redshift() {
    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let load = ["load", "--from=s3://music/dataset", "--dry-run"];
    let warehouse = "--warehouse=redshift://etl@127.0.0.1:1/music";
    run_sparkify(&server, &concat_args(&load, &[warehouse]))
        .assert_snapshot("load/dry-run-redshift.txt");
}
