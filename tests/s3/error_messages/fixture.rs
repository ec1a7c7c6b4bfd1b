//! The run that is expected to fail, and assertions on its message.

use std::process::Command;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, concat_args, server_with_input};

/// Returns the run that is expected to fail.
pub fn run_with_json(server: &S3Server) -> Command {
    sparkify(server, &concat_args(&RUN_ARGS, &["--json"]))
}

/// Asserts that a command fails with this exit code, and that both its one-line message and its JSON document
/// contain these words.
#[track_caller]
pub fn assert_fails(command: &mut Command, code: i32, words: &[&str]) {
    let output = CommandOutput::run(command).assert_failure(code, words);
    let json = output.json();
    assert_eq!(json["status"], "failed");
    let line = format!("sparkify: {}\n", json["error"].as_str().unwrap());
    assert_eq!(line, output.stderr);
}

/// Asserts that a run fails on an error response to the matching requests, and that it does not retry them.
#[track_caller]
pub fn assert_fails_without_retry(
    matcher: &RequestMatcher,
    response: S3ErrorResponse,
    words: &[&str],
) {
    let server =
        server_with_input(FaultPlan::new().always(matcher.clone(), Fault::Error(response)));
    assert_fails(&mut run_with_json(&server), 1, words);
    assert_eq!(server.request_count(matcher), 1, "{words:?}");
}

pub fn list_songs() -> RequestMatcher {
    RequestMatcher::operation(S3Operation::List).with_key_suffix("songs/")
}

pub fn get_log() -> RequestMatcher {
    RequestMatcher::operation(S3Operation::Get).with_key_suffix("logs/a.json")
}

pub fn put_songs_part() -> RequestMatcher {
    RequestMatcher::operation(S3Operation::Put).with_key_suffix("/songs/part-00000.parquet")
}

pub const CANNOT_LIST: &str = "cannot list s3://music/songs";

pub const CANNOT_READ: &str = "cannot read s3://music/logs/a.json";

pub const SONGS_PART: &str = "/songs/part-00000.parquet: ";
