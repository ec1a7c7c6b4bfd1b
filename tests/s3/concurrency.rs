//! Concurrent runs to one prefix, and runs after one that was killed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use testkit::cli::output::CommandOutput;
use testkit::dataset::published_run::{PublishedRun, run_ids};
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};

use crate::fault_tolerance::{BUCKET, BUCKET_URL, latest_run, run_command, server_with_input};

/// Publishes a run with another start time, as another process would.
fn publish_foreign_run(buckets: &Path, start: &str) -> String {
    let id = format!("{start}T000000000Z-00000000");
    let report = format!("s3://music/dataset/{id}/_report.json");
    let json = format!(r#"{{"run": "{id}", "report": "{report}"}}"#);
    let out_dir = buckets.join("music/dataset");
    std::fs::create_dir_all(out_dir.join(&id)).unwrap();
    std::fs::write(out_dir.join(&id).join("_report.json"), "{}").unwrap();
    std::fs::write(out_dir.join("latest.json"), json).unwrap();
    id
}

fn latest_run_id(buckets: &Path) -> String {
    let json = std::fs::read(buckets.join("dataset/latest.json")).unwrap();
    let latest: serde_json::Value = serde_json::from_slice(&json).unwrap();
    latest["run"].as_str().unwrap().to_owned()
}

/// Returns the ids of the runs that `latest.json` lists.
fn published_run_ids(bucket: &Path) -> Vec<String> {
    let json = std::fs::read(bucket.join("dataset/latest.json")).unwrap();
    let latest: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let ids = latest["published"].as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Returns whether a successful run warned that another run remains the latest. No other output is allowed.
#[track_caller]
fn is_superseded(output: &CommandOutput) -> bool {
    assert_eq!(output.code, Some(0), "{output:?}");
    let warning = "sparkify: warning: s3://music/dataset/latest.json names run ";
    let says_so = output.stderr.starts_with(warning) && output.stderr.lines().count() == 1;
    assert!(says_so || output.stderr.is_empty(), "{output:?}");
    says_so
}

fn latest_json_requests(kind: S3Operation) -> RequestMatcher {
    RequestMatcher::operation(kind).with_key_suffix("latest.json")
}

#[test]
fn concurrent_runs_are_complete_and_newest_is_latest() {
    let late = Fault::Delay(std::time::Duration::from_millis(30));
    let server =
        server_with_input(FaultPlan::new().always(latest_json_requests(S3Operation::Get), late));
    let yielded: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| CommandOutput::run(&mut run_command(&server))))
            .collect();
        let outputs = threads.into_iter().map(|one| one.join().unwrap());
        outputs
            .map(|output| usize::from(is_superseded(&output)))
            .sum()
    });
    let all = run_ids(&server, BUCKET, "dataset");
    assert_eq!(all.len(), 4);
    let newest = latest_run(&server).unwrap();
    assert_eq!(Some(&newest.id), all.last());
    assert!(yielded < 4);
    // Whatever the order of publication, an older run is never listed after a newer concurrent one.
    assert_eq!(
        published_run_ids(&server.bucket(BUCKET)),
        Vec::from_iter(all.clone())
    );
    for id in &all {
        let one = PublishedRun::read_complete(&server, BUCKET, "dataset", id, &[BUCKET_URL]);
        one.dataset.assert_same(&newest.dataset, id);
    }
}

#[test]
fn each_run_becomes_latest() {
    let server = server_with_input(FaultPlan::new());
    let mut before = None;
    for _ in 0..3 {
        CommandOutput::run(&mut run_command(&server)).assert_success();
        let id = latest_run(&server).map(|run| run.id);
        assert!(id > before, "{id:?} is not newer than {before:?}");
        before = id;
    }
    assert_eq!(run_ids(&server, BUCKET, "dataset").len(), 3);
}

#[test]
fn newer_run_published_meanwhile_stays_latest() {
    // The other run publishes after this run has read `latest.json` and before it writes it: with and without
    // an earlier published run.
    for has_published_run in [false, true] {
        let server = server_with_input(FaultPlan::new().on_nth(
            1,
            latest_json_requests(S3Operation::Put),
            |buckets| {
                publish_foreign_run(buckets, "29990101");
            },
        ));
        let bucket = server.bucket(BUCKET);
        if has_published_run {
            std::fs::create_dir(bucket.join("dataset")).unwrap();
            publish_foreign_run(bucket.parent().unwrap(), "20000101");
        }
        let output = CommandOutput::run(&mut run_command(&server));
        assert!(is_superseded(&output));
        let newer = "29990101T000000000Z-00000000";
        assert_eq!(latest_run_id(&bucket), newer);
        let [.., this, last] = &published_run_ids(&bucket)[..] else {
            panic!("expected two published runs");
        };
        assert_eq!(last, newer);
        let words = [
            newer,
            "was published while this one was running",
            &format!("s3://music/dataset/{this}"),
        ];
        assert!(
            words.iter().all(|words| output.stderr.contains(words)),
            "{output:?}"
        );
        PublishedRun::read_complete(&server, BUCKET, "dataset", this, &[BUCKET_URL]);
        // The first attempt finds that another run was published; the second inserts this run before it.
        assert_eq!(
            server.request_count(&latest_json_requests(S3Operation::Put)),
            2
        );
    }
}

#[test]
fn later_run_becomes_latest_despite_clock_skew() {
    // Written by this version, and by a version that wrote no list.
    for writes_list in [false, true] {
        let server = server_with_input(FaultPlan::new());
        let bucket = server.bucket(BUCKET);
        std::fs::create_dir(bucket.join("dataset")).unwrap();
        let ahead = publish_foreign_run(bucket.parent().unwrap(), "29990101");
        if writes_list {
            let report = format!("s3://music/dataset/{ahead}/_report.json");
            let json = serde_json::json!({"run": ahead, "report": report, "published": [ahead]});
            std::fs::write(bucket.join("dataset/latest.json"), json.to_string()).unwrap();
        }
        let mut expected = vec![ahead];
        for _ in 0..2 {
            CommandOutput::run(&mut run_command(&server)).assert_success();
            expected.push(latest_run(&server).unwrap().id);
            assert_eq!(published_run_ids(&bucket), expected);
        }
        assert!(expected[1] < expected[2] && expected[2] < expected[0]);
    }
}

#[test]
fn manually_set_latest_run_counts_as_newest() {
    let server = server_with_input(FaultPlan::new());
    let bucket = server.bucket(BUCKET);
    for _ in 0..2 {
        CommandOutput::run(&mut run_command(&server)).assert_success();
    }
    let [first, second] = &published_run_ids(&bucket)[..] else {
        panic!("expected two published runs");
    };
    let path = bucket.join("dataset/latest.json");
    let json = std::fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json["run"] = first.as_str().into();
    std::fs::write(&path, json.to_string()).unwrap();
    CommandOutput::run(&mut run_command(&server)).assert_success();
    let third = latest_run(&server).unwrap().id;
    assert_eq!(
        published_run_ids(&bucket),
        [second.clone(), first.clone(), third]
    );
}

#[test]
fn older_run_published_meanwhile_is_replaced() {
    let server = server_with_input(
        FaultPlan::new()
            .on_nth(1, latest_json_requests(S3Operation::Put), |buckets| {
                publish_foreign_run(buckets, "20010101");
            })
            .on_nth(2, latest_json_requests(S3Operation::Put), |buckets| {
                publish_foreign_run(buckets, "20020101");
            }),
    );
    CommandOutput::run(&mut run_command(&server)).assert_success();
    assert!(latest_run(&server).is_some());
    assert_eq!(
        server.request_count(&latest_json_requests(S3Operation::Put)),
        3
    );
}

#[test]
fn latest_json_may_be_deleted_meanwhile() {
    let server = server_with_input(FaultPlan::new().on_nth(
        1,
        latest_json_requests(S3Operation::Put),
        |buckets| {
            std::fs::remove_file(buckets.join("music/dataset/latest.json")).unwrap();
        },
    ));
    let bucket = server.bucket(BUCKET);
    std::fs::create_dir(bucket.join("dataset")).unwrap();
    publish_foreign_run(bucket.parent().unwrap(), "20000101");
    CommandOutput::run(&mut run_command(&server)).assert_success();
    assert!(latest_run(&server).is_some());
}

#[test]
fn latest_json_update_recovers_from_faults() {
    for (kind, fault) in [
        (S3Operation::Get, Fault::Truncate),
        (S3Operation::Get, Fault::Disconnect),
        (S3Operation::Put, Fault::Truncate),
        (S3Operation::Put, Fault::LoseResponse),
        (
            S3Operation::Put,
            Fault::Error(S3ErrorResponse::conflict("latest.json")),
        ),
        (S3Operation::Put, Fault::Error(S3ErrorResponse::slow_down())),
        (
            S3Operation::Put,
            Fault::Error(S3ErrorResponse::request_timeout()),
        ),
        (
            S3Operation::Put,
            Fault::Error(S3ErrorResponse::new(
                501,
                "NotImplemented",
                "No conditions here.",
            )),
        ),
    ] {
        let case = format!("{kind:?} {fault:?}");
        let server =
            server_with_input(FaultPlan::new().first_n(1, latest_json_requests(kind), fault));
        let bucket = server.bucket(BUCKET);
        std::fs::create_dir(bucket.join("dataset")).unwrap();
        publish_foreign_run(bucket.parent().unwrap(), "20000101");
        let output = CommandOutput::run(&mut run_command(&server));
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(0), ""),
            "{case}"
        );
        assert!(latest_run(&server).is_some(), "{case}");
        assert_eq!(server.fault_count(), 1, "{case}");
    }
}

#[test]
fn denied_latest_json_update_leaves_complete_run() {
    let denied = Fault::Error(S3ErrorResponse::access_denied());
    let server =
        server_with_input(FaultPlan::new().always(latest_json_requests(S3Operation::Put), denied));
    let output = CommandOutput::run(&mut run_command(&server));
    let all = run_ids(&server, BUCKET, "dataset");
    let id = all.first().unwrap();
    PublishedRun::read_complete(&server, BUCKET, "dataset", id, &[BUCKET_URL]);
    let message = format!("the run itself is complete in s3://music/dataset/{id}");
    output.assert_failure(
        1,
        &["s3://music/dataset/latest.json", "AccessDenied", &message],
    );
}

#[test]
fn killed_run_leaves_previous_latest() {
    // The first run passes all these points too, and every run reads `latest.json` twice.
    for (nth, matcher) in [
        (
            2,
            RequestMatcher::operation(S3Operation::Get).with_key_suffix("log_data/2018/3.json"),
        ),
        (
            2,
            RequestMatcher::operation(S3Operation::Put)
                .with_key_suffix("songplays/part-00000.parquet"),
        ),
        (
            2,
            RequestMatcher::operation(S3Operation::Put).with_key_suffix("songs.manifest"),
        ),
        (
            2,
            RequestMatcher::operation(S3Operation::Put).with_key_suffix("_report.json"),
        ),
        (3, latest_json_requests(S3Operation::Get)),
        (4, latest_json_requests(S3Operation::Get)),
    ] {
        let case = format!("{matcher:?} {nth}");
        let running = Arc::new(AtomicU32::new(0));
        let victim = running.clone();
        let server = server_with_input(FaultPlan::new().on_nth(nth, matcher, move |_| {
            let pid = loop {
                match victim.load(Ordering::Acquire) {
                    0 => thread::yield_now(),
                    pid => break pid,
                }
            };
            testkit::cli::output::kill(pid);
        }));
        CommandOutput::run(&mut run_command(&server)).assert_success();
        let earlier = latest_run(&server).unwrap();

        let mut child = run_command(&server).spawn().unwrap();
        running.store(child.id(), Ordering::Release);
        assert_eq!(child.wait().unwrap().code(), None, "{case}");
        let left = latest_run(&server).unwrap();
        assert_eq!(left.id, earlier.id, "{case}");

        CommandOutput::run(&mut run_command(&server)).assert_success();
        let next = latest_run(&server).unwrap();
        assert!(next.id > earlier.id, "{case}");
        next.dataset.assert_same(&earlier.dataset, &case);
    }
}

#[test]
fn latest_json_without_run_is_replaced() {
    let server = server_with_input(FaultPlan::new());
    let bucket = server.bucket("music");
    std::fs::create_dir_all(bucket.join("dataset")).unwrap();
    let id = publish_foreign_run(bucket.parent().unwrap(), "29990101");
    std::fs::remove_file(bucket.join("dataset").join(&id).join("_report.json")).unwrap();
    CommandOutput::run(&mut run_command(&server)).assert_success();
    assert_ne!(latest_run_id(&bucket), id);
}
