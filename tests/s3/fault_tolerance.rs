//! Runs against a failing server: they end with the same dataset or with one clear error, never with
//! something in between.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use testkit::cli::output::CommandOutput;
use testkit::dataset::contents::DatasetContents;
use testkit::dataset::published_run::{PublishedRun, run_ids};
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands;

pub const BUCKET: &str = "music";

/// The prefix of input objects in rejects.
pub const BUCKET_URL: &str = "s3://music/";

/// An upper bound that is far above any expected run time.
const DEADLINE: Duration = Duration::from_secs(20);

/// Writes the input of a small run: songs, one of which is rejected, and events.
pub fn write_small_input(folder: &Path) {
    let write = |key: String, text: String| {
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let song = include_str!("../../fixtures/song.json");
    write("song_data/A/a.json".to_owned(), song.to_owned());
    write(
        "song_data/A/b.json".to_owned(),
        "{\"song_id\":\"S\"}\n".to_owned(),
    );
    for object in 0..4 {
        write(
            format!("log_data/2018/{object}.json"),
            event_lines(object, 5),
        );
    }
}

/// Returns events that no other object contains.
pub fn event_lines(object: u64, count: u64) -> String {
    let event = |n: u64| {
        let ts = 1_541_000_000_000 + (object * 1000 + n) * 1000;
        format!(
            r#"{{"ts":{ts},"userId":"{object}","sessionId":{n},"itemInSession":0,"level":"paid","page":"NextSong"}}"#
        )
    };
    (0..count).map(|n| event(n) + "\n").collect()
}

/// Returns a server with a bucket that holds this input.
pub fn server_with_input(faults: FaultPlan) -> S3Server {
    let server = S3Server::with_faults(faults);
    write_small_input(&server.bucket(BUCKET));
    server
}

/// Returns a run in the bucket with the output prefix `dataset`.
pub fn run_command(server: &S3Server) -> Command {
    let (songs, logs) = ("s3://music/song_data", "s3://music/log_data");
    commands::run_command(server, songs, logs, "s3://music/dataset")
}

/// Returns the same run with short timeouts.
pub fn run_command_with_short_timeouts(server: &S3Server) -> Command {
    let mut command = run_command(server);
    command.args(["--read-timeout", "0.3"]);
    command.env("AWS_MAX_ATTEMPTS", "2");
    command
}

/// Returns the newest run in the bucket, which must be complete, or `None` if there is none.
pub fn latest_run(server: &S3Server) -> Option<PublishedRun> {
    PublishedRun::read_latest(server, BUCKET, "dataset", &[BUCKET_URL])
}

/// Builds the dataset of the server's input in a local directory, where nothing fails.
fn expected_dataset(server: &S3Server) -> DatasetContents {
    let out = tempfile::tempdir().unwrap();
    let folder = server.bucket(BUCKET);
    let path = |folder: &Path, name| folder.join(name).to_str().unwrap().to_owned();
    let (songs, logs) = (path(&folder, "song_data"), path(&folder, "log_data"));
    let out_dir = path(out.path(), "dataset");
    CommandOutput::run(&mut commands::run_command(server, &songs, &logs, &out_dir))
        .assert_success();
    DatasetContents::from_dir(out_dir.as_ref(), &[&path(&folder, "")])
}

/// Asserts that nothing is published and that no written object is left.
#[track_caller]
pub fn assert_nothing_left(server: &S3Server) {
    assert!(latest_run(server).is_none());
    assert_eq!(run_ids(server, BUCKET, "dataset"), [].into());
    assert_eq!(server.unfinished_uploads(BUCKET), [""; 0]);
}

/// Returns every fault that is noticed immediately, each with the same probability.
fn immediate_faults(probability: f64) -> Vec<(f64, Fault)> {
    let faults = [
        Fault::Error(S3ErrorResponse::slow_down()),
        Fault::Error(S3ErrorResponse::internal_error()),
        Fault::Truncate,
        Fault::Disconnect,
        Fault::LoseResponse,
        Fault::Delay(Duration::from_millis(20)),
    ];
    faults.map(|fault| (probability, fault)).into()
}

/// Returns the immediate faults, and those that are noticed only by a timeout.
fn all_faults(probability: f64) -> Vec<(f64, Fault)> {
    let silent = [(probability, Fault::Stall), (probability, Fault::Hang)];
    silent
        .into_iter()
        .chain(immediate_faults(probability))
        .collect()
}

/// Writes long records that are rejected, so that the reject file is uploaded in parts.
fn write_large_rejects(server: &S3Server) {
    let line = format!("{{\"ts\":nonsense {}\n", "x".repeat(60_000));
    let path = server.bucket(BUCKET).join("log_data/2018/rejects.json");
    std::fs::write(path, format!("{{}}\n{}", line.repeat(200))).unwrap();
}

/// Runs `each` for several seeds in parallel and returns the sum.
fn sum_over_seeds(each: impl Fn(u64) -> usize + Sync) -> usize {
    let each = &each;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=8)
            .map(|seed| scope.spawn(move || each(seed)))
            .collect();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

#[test]
fn transient_faults_change_nothing() {
    let faults = sum_over_seeds(|seed| {
        // A stalled part of 8 MiB has a longer timeout than a test can wait for.
        let in_parts = seed % 2 == 0;
        let odds = match in_parts {
            true => immediate_faults(0.06),
            false => all_faults(0.03),
        };
        let server = server_with_input(FaultPlan::new().at_random(seed, 2, odds).with_page_size(2));
        if in_parts {
            write_large_rejects(&server);
        }
        let expected = expected_dataset(&server);
        let output = CommandOutput::run(run_command(&server).args(["--read-timeout", "0.5"]));
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(0), ""),
            "{seed}"
        );
        let found = latest_run(&server).unwrap();
        found.dataset.assert_same(&expected, &format!("{seed}"));
        assert_eq!(server.unfinished_uploads(BUCKET), [""; 0], "{seed}");
        assert_eq!(run_ids(&server, BUCKET, "dataset").len(), 1, "{seed}");
        server.fault_count()
    });
    assert!(faults > 20, "{faults}");
}

#[test]
fn persistent_faults_publish_nothing_partial() {
    let failed = sum_over_seeds(|seed| {
        // From probabilities that retries can overcome to one that they cannot.
        let odds = all_faults([0.005, 0.01, 0.02, 0.06][usize::try_from(seed % 4).unwrap()]);
        let server = server_with_input(FaultPlan::new().at_random(seed, usize::MAX, odds));
        let expected = expected_dataset(&server);
        let output =
            CommandOutput::run_within(DEADLINE, &mut run_command_with_short_timeouts(&server));
        let published = latest_run(&server);
        if let Some(published) = &published {
            published.dataset.assert_same(&expected, &format!("{seed}"));
        }
        if output.code == Some(0) {
            assert!(published.is_some(), "{seed}");
            return 0;
        }
        output.assert_failure(4, &["cannot ", "s3://music/"]);
        1
    });
    assert!(failed >= 1);
}

#[test]
fn persistent_slow_down_fails() {
    let busy = Fault::Error(S3ErrorResponse::slow_down());
    for kind in [S3Operation::List, S3Operation::Get, S3Operation::Put] {
        let server = server_with_input(
            FaultPlan::new().always(RequestMatcher::operation(kind), busy.clone()),
        );
        CommandOutput::run_within(DEADLINE, &mut run_command_with_short_timeouts(&server))
            .assert_failure(
                4,
                &["SlowDown (HTTP 503)", "(2 attempts)", "lower --requests"],
            );
        assert_nothing_left(&server);
    }
}

#[test]
fn unresponsive_server_fails_after_timeout() {
    for matcher in [
        RequestMatcher::any(),
        RequestMatcher::operation(S3Operation::Get),
        RequestMatcher::operation(S3Operation::Put),
    ] {
        let server = server_with_input(FaultPlan::new().always(matcher, Fault::Hang));
        let endpoint = server.endpoint();
        CommandOutput::run_within(DEADLINE, &mut run_command_with_short_timeouts(&server))
            .assert_failure(
                4,
                &[
                    "timed out after 0.3 s (2 attempts)",
                    &format!("check that {endpoint} is reachable"),
                    "--endpoint-url",
                ],
            );
        assert_nothing_left(&server);
    }
}

#[test]
fn unreachable_server_fails_fast() {
    let server = server_with_input(FaultPlan::new());
    // Nothing listens on this port.
    let unreachable = "http://127.0.0.1:1";
    let output = CommandOutput::run_within(
        DEADLINE,
        run_command(&server).args(["--endpoint-url", unreachable]),
    );
    output.assert_failure(
        4,
        &[
            "cannot list s3://music/song_data: ",
            "(3 attempts)",
            &format!("check that {unreachable} is reachable"),
        ],
    );
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn failed_multipart_upload_is_aborted() {
    let busy = Fault::Error(S3ErrorResponse::internal_error());
    for (kind, words) in [
        (S3Operation::CreateUpload, "InternalError (HTTP 500)"),
        (S3Operation::UploadPart, "InternalError (HTTP 500)"),
        (S3Operation::CompleteUpload, "InternalError (HTTP 500)"),
    ] {
        let faults = FaultPlan::new().always(RequestMatcher::operation(kind), busy.clone());
        let server = server_with_input(faults);
        write_large_rejects(&server);
        let output =
            CommandOutput::run_within(DEADLINE, &mut run_command_with_short_timeouts(&server));
        output.assert_failure(
            4,
            &["cannot write s3://music/dataset/", "/_rejects/logs-", words],
        );
        assert!(server.request_count(&RequestMatcher::operation(kind)) >= 2);
        assert_nothing_left(&server);
    }
}

#[test]
fn multipart_upload_recovers_from_transient_faults() {
    let late = S3ErrorResponse::new(200, "InternalError", "We encountered an internal error.");
    let cases = [
        vec![(S3Operation::CreateUpload, Fault::LoseResponse)],
        vec![(S3Operation::UploadPart, Fault::Truncate)],
        vec![(S3Operation::UploadPart, Fault::LoseResponse)],
        vec![(
            S3Operation::UploadPart,
            Fault::Error(S3ErrorResponse::request_timeout()),
        )],
        vec![(S3Operation::CompleteUpload, Fault::LoseResponse)],
        vec![
            (S3Operation::CompleteUpload, Fault::LoseResponse),
            (S3Operation::Head, Fault::Disconnect),
        ],
        vec![(S3Operation::CompleteUpload, Fault::Truncate)],
        vec![(
            S3Operation::CompleteUpload,
            Fault::Error(S3ErrorResponse::slow_down()),
        )],
        vec![(S3Operation::CompleteUpload, Fault::Error(late))],
    ];
    thread::scope(|scope| {
        for faults in cases {
            scope.spawn(|| assert_upload_survives_faults(faults));
        }
    });
}

fn assert_upload_survives_faults(once: Vec<(S3Operation, Fault)>) {
    let (case, count) = (format!("{once:?}"), once.len());
    let first = |faults: FaultPlan, (kind, fault)| {
        // Not the HEAD requests that ask whether an input is one object.
        let matcher = RequestMatcher::operation(kind).with_key_suffix(".jsonl");
        faults.first_n(1, matcher, fault)
    };
    let server = server_with_input(once.into_iter().fold(FaultPlan::new(), first));
    write_large_rejects(&server);
    let output = CommandOutput::run(&mut run_command(&server));
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(0), ""),
        "{case}"
    );
    assert_eq!(server.fault_count(), count, "{case}");
    assert!(latest_run(&server).is_some(), "{case}");
    assert_eq!(server.unfinished_uploads(BUCKET), [""; 0], "{case}");
}

#[test]
fn failing_cleanup_does_not_delay_exit() {
    let busy = Fault::Error(S3ErrorResponse::internal_error());
    let mut faults =
        FaultPlan::new().always(RequestMatcher::operation(S3Operation::CompleteUpload), busy);
    for kind in [
        S3Operation::AbortUpload,
        S3Operation::ListUploads,
        S3Operation::Delete,
    ] {
        faults = faults.always(RequestMatcher::operation(kind), Fault::Hang);
    }
    let server = server_with_input(faults);
    write_large_rejects(&server);
    let output = CommandOutput::run_within(DEADLINE, &mut run_command_with_short_timeouts(&server));
    output.assert_failure(4, &["cannot write s3://music/dataset/", "InternalError"]);
    // The run has stopped retrying by then.
    assert_eq!(
        server.request_count(&RequestMatcher::operation(S3Operation::Delete)),
        1
    );
    assert!(latest_run(&server).is_none());
}

#[test]
fn object_changed_before_read_fails_the_run() {
    let matcher = || RequestMatcher::operation(S3Operation::Get).with_key_suffix("2018/2.json");
    let same_length = event_lines(7, 5);
    let server = server_with_input(FaultPlan::new().on_nth(1, matcher(), move |buckets| {
        std::fs::write(buckets.join("music/log_data/2018/2.json"), same_length).unwrap();
    }));
    CommandOutput::run(&mut run_command(&server)).assert_failure(
        4,
        &[
            "cannot read s3://music/log_data/2018/2.json",
            "changed after it was listed",
            "run again when nothing writes to it",
        ],
    );
    // The rejects of the songs had been written already.
    let rejects =
        RequestMatcher::operation(S3Operation::Put).with_key_suffix("_rejects/songs-00000.jsonl");
    assert_eq!(server.request_count(&rejects), 1);
    assert_nothing_left(&server);
}

#[test]
fn object_changed_between_ranges_fails_the_run() {
    for longer in [false, true] {
        let key = "music/log_data/2018/long.json";
        let matcher = RequestMatcher::operation(S3Operation::Get).with_key_suffix("2018/long.json");
        let server = server_with_input(FaultPlan::new().on_nth(2, matcher, move |buckets| {
            let text = event_lines(8, if longer { 60_000 } else { 10 });
            std::fs::write(buckets.join(key), text).unwrap();
        }));
        let path = server.bucket(BUCKET).join("log_data/2018/long.json");
        std::fs::write(path, event_lines(9, 50_000)).unwrap();
        CommandOutput::run(&mut run_command(&server)).assert_failure(
            4,
            &[
                "cannot read s3://music/log_data/2018/long.json",
                "changed after it was listed",
            ],
        );
        assert_nothing_left(&server);
    }
}

#[test]
fn object_deleted_before_read_fails_the_run() {
    let matcher = RequestMatcher::operation(S3Operation::Get).with_key_suffix("2018/2.json");
    let server = server_with_input(FaultPlan::new().on_nth(1, matcher, |buckets| {
        std::fs::remove_file(buckets.join("music/log_data/2018/2.json")).unwrap();
    }));
    CommandOutput::run(&mut run_command(&server)).assert_failure(
        4,
        &[
            "cannot read s3://music/log_data/2018/2.json",
            "NoSuchKey (HTTP 404)",
            "the object was deleted after it was listed",
        ],
    );
    assert_nothing_left(&server);
}

#[test]
fn concurrent_requests_never_exceed_limit() {
    for requests in [1, 3] {
        let late = Fault::Delay(Duration::from_millis(3));
        let server = server_with_input(
            FaultPlan::new().always(RequestMatcher::operation(S3Operation::Get), late),
        );
        for object in 10..60 {
            let key = format!("log_data/2018/{object}.json");
            std::fs::write(server.bucket(BUCKET).join(key), event_lines(object, 3)).unwrap();
        }
        let long = server.bucket(BUCKET).join("log_data/2018/long.json");
        std::fs::write(long, event_lines(99, 100_000)).unwrap();
        let (threads, most) = ("4", requests.to_string());
        let mut command = run_command(&server);
        CommandOutput::run(command.args(["--threads", threads, "--requests", &most]))
            .assert_success();
        assert_eq!(server.max_concurrent_gets(), requests);
        assert!(latest_run(&server).is_some());
    }
}
