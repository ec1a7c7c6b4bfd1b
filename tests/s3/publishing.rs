//! Publishing: every object that a published run names must exist, even if `clean` or another process removes
//! it meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, run_sparkify, server_with_input};

/// Returns the directory of the only run below `dataset`.
fn only_run_dir(buckets: &Path) -> PathBuf {
    let entries = fs::read_dir(buckets.join("music/dataset")).unwrap();
    let runs: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let [run] = &runs[..] else {
        panic!("expected one run, found {runs:?}");
    };
    run.clone()
}

/// Asserts that the bucket holds nothing but the input.
#[track_caller]
fn assert_nothing_published(server: &S3Server) {
    let keys: Vec<String> = server.objects("music").into_keys().collect();
    assert_eq!(keys, ["logs/a.json", "songs/a.json"]);
}

#[test]
fn objects_removed_or_changed_during_run_fail_the_run() {
    let remove = |path: PathBuf| fs::remove_file(path).unwrap();
    let change = |path: PathBuf| fs::write(path, "other").unwrap();
    // The first moment is before the report is written, the second one after it.
    let (before, after) = ("songs.manifest", "_report.json");
    for (name, act, why, moments) in [
        (
            "songs/part-00000.parquet",
            remove as fn(PathBuf),
            "was deleted after it was written",
            &[before, after][..],
        ),
        (
            "songs/part-00000.parquet",
            change,
            "has 5 bytes, expected ",
            &[before, after],
        ),
        (
            "merge_state/songplays/part-00000.parquet",
            remove,
            "was deleted after it was written",
            &[before, after],
        ),
        (
            "songs.manifest",
            remove,
            "was deleted after it was written",
            &[after],
        ),
        (
            "merge_state/users.manifest",
            change,
            "has 5 bytes, expected ",
            &[after],
        ),
    ] {
        for moment in moments {
            let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix(moment);
            let server = server_with_input(FaultPlan::new().on_nth(1, matcher, move |buckets| {
                act(only_run_dir(buckets).join(name));
            }));
            let words = [
                "cannot publish s3://music/dataset/2",
                name,
                why,
                "run again",
            ];
            run_sparkify(&server, &RUN_ARGS).assert_failure(1, &words);
            assert_nothing_published(&server);
        }
    }
}

#[test]
fn reject_file_removed_during_run_fails_the_run() {
    let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix("songs.manifest");
    let server = server_with_input(FaultPlan::new().on_nth(1, matcher, |buckets| {
        fs::remove_dir_all(only_run_dir(buckets).join("_rejects")).unwrap();
    }));
    fs::write(server.bucket("music").join("logs/b.json"), "{\"ts\":\n").unwrap();
    let mut arguments = RUN_ARGS.to_vec();
    arguments.extend(["--max-rejects", "100%"]);
    let output = run_sparkify(&server, &arguments);
    let why = "_rejects/logs-00000.jsonl was deleted after it was written";
    assert!(
        output.code == Some(1) && output.stderr.contains(why),
        "{output:?}"
    );
}

#[test]
fn run_marked_for_removal_fails() {
    for moment in ["users.manifest", "_report.json"] {
        let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix(moment);
        let server = server_with_input(FaultPlan::new().on_nth(1, matcher, |buckets| {
            fs::write(only_run_dir(buckets).join("_removing"), "").unwrap();
        }));
        let words = [
            "cannot publish",
            "sparkify clean considered this run abandoned",
        ];
        run_sparkify(&server, &RUN_ARGS).assert_failure(1, &words);
        assert_nothing_published(&server);
    }
}

#[test]
fn undeletable_remains_of_failed_run_are_reported() {
    let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix("users.manifest");
    let denied = Fault::Error(S3ErrorResponse::access_denied());
    let faults = FaultPlan::new().on_nth(1, matcher, |buckets| {
        fs::remove_dir_all(only_run_dir(buckets).join("songs")).unwrap();
    });
    let server =
        server_with_input(faults.always(RequestMatcher::operation(S3Operation::Delete), denied));
    let words = [
        "cannot publish",
        "what is left in s3://music/dataset/2",
        "sparkify clean",
    ];
    run_sparkify(&server, &RUN_ARGS).assert_failure(1, &words);
}

/// Runs `clean` while a run waits for a response, and returns the output of the run.
fn clean_during_run(
    matcher: &RequestMatcher,
    before_cleaning: impl FnOnce(&S3Server),
) -> (S3Server, CommandOutput) {
    let late = Fault::Delay(Duration::from_secs(3));
    let server = server_with_input(FaultPlan::new().first_n(1, matcher.clone(), late));
    let mut command = sparkify(&server, &RUN_ARGS);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    while server.request_count(matcher) == 0 {
        thread::yield_now();
    }
    before_cleaning(&server);
    let clean = [
        "clean",
        "s3://music/dataset",
        "--yes",
        "--unfinished-after",
        "0",
    ];
    run_sparkify(&server, &clean).assert_success();
    let output = run.wait_with_output().unwrap();
    let output = CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    (server, output)
}

#[test]
fn clean_keeps_running_run() {
    for moment in ["songs.manifest", "_report.json", "latest.json"] {
        let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix(moment);
        let (server, output) = clean_during_run(&matcher, |_| {});
        output.assert_success();
        let run = only_run_dir(server.bucket("music").parent().unwrap());
        assert!(run.join("_report.json").exists() && !run.join("_removing").exists());
        assert!(run.join("songs/part-00000.parquet").exists());
    }
}

#[test]
fn run_removed_as_abandoned_publishes_nothing() {
    for moment in ["songs.manifest", "_report.json"] {
        let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix(moment);
        let (server, output) = clean_during_run(&matcher, |server| {
            let out_dir = server.bucket("music").join("dataset");
            server.backdate(&out_dir, Duration::from_secs(3600));
        });
        output.assert_failure(
            1,
            &[
                "cannot publish s3://music/dataset/2",
                "was deleted after it was written",
            ],
        );
        assert_nothing_published(&server);
    }
}
