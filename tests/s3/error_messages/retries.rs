//! Errors that pass, and what is printed about them.

use std::net::TcpListener;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};

use crate::error_messages::fixture::{
    CANNOT_LIST, CANNOT_READ, SONGS_PART, assert_fails, get_log, list_songs, put_songs_part,
    run_with_json,
};
use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, concat_args, server_with_input, write_file};

#[test]
fn transient_errors_are_retried_up_to_max_attempts() {
    let busy = "lower --requests, or run again later";
    let unreachable = "is reachable";
    for (matcher, fault, words) in [
        (
            list_songs(),
            Fault::Error(S3ErrorResponse::slow_down()),
            [CANNOT_LIST, "SlowDown (HTTP 503)", busy],
        ),
        (
            get_log(),
            Fault::Error(S3ErrorResponse::slow_down()),
            [CANNOT_READ, "SlowDown", busy],
        ),
        (
            put_songs_part(),
            Fault::Error(S3ErrorResponse::slow_down()),
            [SONGS_PART, "SlowDown", busy],
        ),
        (
            get_log(),
            Fault::Error(S3ErrorResponse::internal_error()),
            [CANNOT_READ, "InternalError (HTTP 500)", "try again"],
        ),
        (
            put_songs_part(),
            Fault::Error(S3ErrorResponse::request_timeout()),
            [SONGS_PART, "RequestTimeout", "timeout period"],
        ),
        (
            get_log(),
            Fault::Disconnect,
            [CANNOT_READ, "check that http://", unreachable],
        ),
        (
            get_log(),
            Fault::Truncate,
            [CANNOT_READ, "check that http://", unreachable],
        ),
    ] {
        let server = server_with_input(FaultPlan::new().always(matcher.clone(), fault));
        let command = &mut run_with_json(&server);
        let words = [&words[..], &["(2 attempts)"]].concat();
        assert_fails(command.env("AWS_MAX_ATTEMPTS", "2"), 4, &words);
        assert_eq!(server.request_count(&matcher), 2, "{words:?}");
    }
}

#[test]
fn recovered_errors_print_nothing() {
    let once = |faults: FaultPlan, kind, key, response| {
        faults.first_n(
            1,
            RequestMatcher::operation(kind).with_key_suffix(key),
            Fault::Error(response),
        )
    };
    let faults = once(
        FaultPlan::new(),
        S3Operation::List,
        "songs/",
        S3ErrorResponse::slow_down(),
    );
    let faults = once(
        faults,
        S3Operation::List,
        "logs/",
        S3ErrorResponse::internal_error(),
    );
    let faults = once(
        faults,
        S3Operation::Get,
        "songs/a.json",
        S3ErrorResponse::slow_down(),
    );
    let faults = once(
        faults,
        S3Operation::Get,
        "logs/a.json",
        S3ErrorResponse::internal_error(),
    );
    let faults = once(
        faults,
        S3Operation::Put,
        "_report.json",
        S3ErrorResponse::request_timeout(),
    );
    let faults = once(
        faults,
        S3Operation::Put,
        "latest.json",
        S3ErrorResponse::slow_down(),
    );
    let server = server_with_input(faults);
    CommandOutput::run(&mut run_with_json(&server)).assert_success();
    assert_eq!(server.fault_count(), 6);
}

#[test]
fn truncated_latest_json_response_is_retried() {
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    for text in [Some(r#"{"run": "none", "report": "none"}"#), None] {
        let server =
            server_with_input(FaultPlan::new().first_n(1, latest.clone(), Fault::Truncate));
        if let Some(text) = text {
            write_file(&server.bucket("music"), "dataset/latest.json", text);
        }
        CommandOutput::run(&mut run_with_json(&server)).assert_success();
        assert_eq!(
            (server.request_count(&latest), server.fault_count()),
            // When the run starts, once more because of the fault, and when it is published.
            (3, 1),
            "{text:?}"
        );
    }
}

#[test]
fn verbose_logs_every_attempt() {
    let server = server_with_input(
        FaultPlan::new().always(get_log(), Fault::Error(S3ErrorResponse::slow_down())),
    );
    let mut command = sparkify(&server, &concat_args(&RUN_ARGS, &["--verbose"]));
    let output = CommandOutput::run(command.env("AWS_MAX_ATTEMPTS", "3"));
    let lines = output.stderr.lines();
    let attempts: Vec<&str> = lines.filter(|line| line.contains(": attempt ")).collect();
    assert_eq!(attempts.len(), 3, "{output:?}");
    for (line, start, end) in [
        (
            attempts[0],
            " INFO run:logs: attempt 1 failed: cannot read",
            " s",
        ),
        (
            attempts[1],
            " INFO run:logs: attempt 2 failed: cannot read",
            " s",
        ),
        (
            attempts[2],
            " INFO run:logs: attempt 3 failed: cannot read",
            ": giving up",
        ),
    ] {
        assert!(line.contains(start) && line.ends_with(end), "{line:?}");
    }
    assert!(attempts[0].contains(": retrying in 0."), "{attempts:?}");
    let last = output.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("sparkify: cannot read") && last.ends_with("later"),
        "{last:?}"
    );
}

#[test]
fn unreachable_endpoint_is_named() {
    let server = server_with_input(FaultPlan::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    // A DNS label has at most 63 characters, so this name is never sent to a resolver.
    let unresolvable = format!("http://{}:9000", "a".repeat(64));
    let attempts = "(3 attempts)";
    for (url, words) in [(&closed, "refused"), (&unresolvable, "failed to lookup")] {
        let words = [
            CANNOT_LIST,
            words,
            attempts,
            &format!("check that {url} is reachable"),
        ];
        assert_fails(
            run_with_json(&server).env("AWS_ENDPOINT_URL_S3", url),
            4,
            &words,
        );
        // The message names the endpoint that was used.
        assert_fails(
            run_with_json(&server).args(["--endpoint-url", url]),
            4,
            &words,
        );
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}
