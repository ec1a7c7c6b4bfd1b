//! S3 errors, and the one-line message for each.
//!
//! Every command here runs with `--json`, so that both the line on stderr and the JSON document are checked.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::{ACCESS_KEY, S3Server};

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file,
};

/// Returns the run that is expected to fail.
fn run_with_json(server: &S3Server) -> Command {
    sparkify(server, &concat_args(&RUN_ARGS, &["--json"]))
}

/// Asserts that a command fails with this exit code, and that both its one-line message and its JSON document
/// contain these words.
#[track_caller]
fn assert_fails(command: &mut Command, code: i32, words: &[&str]) {
    let output = CommandOutput::run(command).assert_failure(code, words);
    let json = output.json();
    assert_eq!(json["status"], "failed");
    let line = format!("sparkify: {}\n", json["error"].as_str().unwrap());
    assert_eq!(line, output.stderr);
}

/// Asserts that a run fails on an error response to the matching requests, and that it does not retry them.
#[track_caller]
fn assert_fails_without_retry(matcher: &RequestMatcher, response: S3ErrorResponse, words: &[&str]) {
    let server =
        server_with_input(FaultPlan::new().always(matcher.clone(), Fault::Error(response)));
    assert_fails(&mut run_with_json(&server), 1, words);
    assert_eq!(server.request_count(matcher), 1, "{words:?}");
}

fn list_songs() -> RequestMatcher {
    RequestMatcher::operation(S3Operation::List).with_key_suffix("songs")
}

fn get_log() -> RequestMatcher {
    RequestMatcher::operation(S3Operation::Get).with_key_suffix("logs/a.json")
}

fn put_songs_part() -> RequestMatcher {
    RequestMatcher::operation(S3Operation::Put).with_key_suffix("/songs/part-00000.parquet")
}

const CANNOT_LIST: &str = "cannot list s3://music/songs";
const CANNOT_READ: &str = "cannot read s3://music/logs/a.json";
const SONGS_PART: &str = "/songs/part-00000.parquet: ";

#[test]
fn missing_bucket_is_named() {
    let server = server_with_input(FaultPlan::new());
    let arguments = [
        "run",
        "--songs=s3://no-such/songs",
        "--logs=s3://music/logs",
        "--out=s3://music/star",
        "--json",
    ];
    let words = [
        "cannot list s3://no-such/songs",
        "NoSuchBucket (HTTP 404)",
        "check the bucket name",
    ];
    assert_fails(&mut sparkify(&server, &arguments), 1, &words);
    assert_eq!(server.request_count(&RequestMatcher::any()), 1);

    let arguments = [&RUN_ARGS[..6], &["--out=s3://no-such/star", "--json"]].concat();
    let words = [
        "cannot read s3://no-such/star/latest.json",
        "NoSuchBucket",
        words[2],
    ];
    assert_fails(&mut sparkify(&server, &arguments), 1, &words);

    let words = ["cannot list s3://no-such/", "NoSuchBucket", words[2]];
    run_sparkify(&server, &["clean", "s3://no-such/star"]).assert_failure(1, &words);
}

#[test]
fn access_denied_names_missing_permission() {
    for (matcher, what, permission) in [
        (list_songs(), CANNOT_LIST, "s3:ListBucket"),
        (get_log(), CANNOT_READ, "s3:GetObject"),
        (put_songs_part(), SONGS_PART, "s3:PutObject"),
    ] {
        let words = [
            what,
            "AccessDenied (HTTP 403)",
            "request ID 4442587FB7D0A2F9",
            &format!("the credentials need {permission}; use"),
        ];
        assert_fails_without_retry(&matcher, S3ErrorResponse::access_denied(), &words);
    }
}

#[test]
fn denied_latest_json_write_reports_complete_run() {
    let words = [
        "cannot write s3://music/star/latest.json: AccessDenied",
        "s3:PutObject",
        "the run itself is complete in s3://music/star/2",
    ];
    let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix("latest.json");
    assert_fails_without_retry(&matcher, S3ErrorResponse::access_denied(), &words);
}

#[test]
fn denied_latest_json_read_fails_before_reading_input() {
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    let denied = Fault::Error(S3ErrorResponse::access_denied());
    let server = server_with_input(FaultPlan::new().always(latest, denied));
    let words = [
        "cannot read s3://music/star/latest.json: AccessDenied",
        "s3:GetObject and s3:ListBucket",
    ];
    CommandOutput::run(&mut run_with_json(&server)).assert_failure(1, &words);
    assert_eq!(
        server.request_count(&RequestMatcher::operation(S3Operation::Get)),
        1
    );
    assert_eq!(
        server.objects("music").len(),
        2,
        "objects other than the input"
    );
}

#[test]
fn wrong_region_error_names_right_region() {
    let region_hint = "set --region eu-west-3 or AWS_REGION";
    let malformed = "AuthorizationHeaderMalformed (HTTP 400)";
    let message = "the region 'us-east-1' is wrong; expecting 'eu-west-3'";
    for (response, words) in [
        (
            S3ErrorResponse::permanent_redirect("music", "eu-west-3"),
            [CANNOT_LIST, "PermanentRedirect (HTTP 301)", region_hint],
        ),
        (
            S3ErrorResponse::wrong_region("us-east-1", "eu-west-3"),
            [CANNOT_LIST, malformed, region_hint],
        ),
        // Here the region is only in the text of the message.
        (
            S3ErrorResponse::new(400, "AuthorizationHeaderMalformed", message),
            [CANNOT_LIST, malformed, region_hint],
        ),
        (
            S3ErrorResponse::new(301, "PermanentRedirect", ""),
            [
                CANNOT_LIST,
                "in another region",
                "set --region or AWS_REGION",
            ],
        ),
    ] {
        assert_fails_without_retry(&list_songs(), response, &words);
    }
}

#[test]
fn rejected_credentials_error_has_hint() {
    let check =
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or --profile";
    for (response, code, advice) in [
        (
            S3ErrorResponse::expired_token(),
            "ExpiredToken",
            "refresh the credentials",
        ),
        (
            S3ErrorResponse::invalid_access_key(ACCESS_KEY),
            "InvalidAccessKeyId",
            check,
        ),
        (
            S3ErrorResponse::signature_mismatch(ACCESS_KEY),
            "SignatureDoesNotMatch",
            check,
        ),
        (
            S3ErrorResponse::clock_skew(),
            "RequestTimeTooSkewed",
            "correct the clock of this machine",
        ),
    ] {
        assert_fails_without_retry(
            &list_songs(),
            response.clone(),
            &[CANNOT_LIST, code, advice],
        );
        assert_fails_without_retry(&get_log(), response, &[CANNOT_READ, code, advice]);
    }
}

#[test]
fn wrong_secret_key_fails_on_first_request() {
    let server = server_with_input(FaultPlan::new());
    let words = [
        CANNOT_LIST,
        "SignatureDoesNotMatch",
        "AWS_SECRET_ACCESS_KEY",
    ];
    assert_fails(
        run_with_json(&server).env("AWS_SECRET_ACCESS_KEY", "guessed"),
        1,
        &words,
    );
    assert_eq!(server.request_count(&RequestMatcher::any()), 1);
}

#[test]
fn unreadable_object_error_has_hint() {
    let key = "arn:aws:kms:eu-west-3:";
    for (matcher, response, words) in [
        (
            get_log(),
            S3ErrorResponse::new(404, "NoSuchKey", "The specified key does not exist."),
            [
                CANNOT_READ,
                "NoSuchKey (HTTP 404)",
                "run again when nothing deletes",
            ],
        ),
        (
            get_log(),
            S3ErrorResponse::kms_disabled("eu-west-3"),
            [
                key,
                "KMS.DisabledException",
                "check the KMS key and its policy",
            ],
        ),
        (
            get_log(),
            S3ErrorResponse::kms_denied("eu-west-3"),
            [key, "kms:Decrypt", "check the KMS key and its policy"],
        ),
        (
            put_songs_part(),
            S3ErrorResponse::new(400, "KMS.NotFoundException", "Key does not exist"),
            [SONGS_PART, "KMS.NotFoundException", "--sse-kms-key-id"],
        ),
        (
            get_log(),
            S3ErrorResponse::archived(),
            [
                CANNOT_READ,
                "InvalidObjectState",
                "restore the object from its archive",
            ],
        ),
    ] {
        assert_fails_without_retry(&matcher, response, &words);
    }
}

#[test]
fn object_deleted_after_listing_is_named() {
    let vanish = |buckets: &Path| std::fs::remove_file(buckets.join("music/logs/a.json")).unwrap();
    let server = server_with_input(FaultPlan::new().on_nth(1, get_log(), vanish));
    assert_fails(&mut run_with_json(&server), 1, &[CANNOT_READ, "NoSuchKey"]);
    assert_eq!(server.request_count(&get_log()), 1);
}

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
        assert_fails(command.env("AWS_MAX_ATTEMPTS", "2"), 1, &words);
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
        "songs",
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
            write_file(&server.bucket("music"), "star/latest.json", text);
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
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, prefix, suffix) in [
        (lines[0], "sparkify: attempt 1 failed: cannot read", " s"),
        (lines[1], "sparkify: attempt 2 failed: cannot read", " s"),
        (
            lines[2],
            "sparkify: attempt 3 failed: cannot read",
            ": giving up",
        ),
        (lines[3], "sparkify: cannot read", "later"),
    ] {
        assert!(
            line.starts_with(prefix) && line.ends_with(suffix),
            "{line:?}"
        );
    }
    assert!(lines[0].contains(": retrying in 0."), "{lines:?}");
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
            1,
            &words,
        );
        // The message names the endpoint that was used.
        assert_fails(
            run_with_json(&server).args(["--endpoint-url", url]),
            1,
            &words,
        );
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn missing_credentials_fail_fast() {
    let server = server_with_input(FaultPlan::new());
    let start = Instant::now();
    let words = [
        "cannot use S3: unable to locate credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile",
        "--no-sign-request",
    ];
    let mut command = run_with_json(&server);
    command.env_remove("AWS_ACCESS_KEY_ID");
    assert_fails(command.env_remove("AWS_SECRET_ACCESS_KEY"), 1, &words);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn invalid_environment_fails_before_any_request() {
    let server = server_with_input(FaultPlan::new());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        write_file(folder.path(), name, text);
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let text = file("text.pem", "no certificate at all\n");
    let broken = file("broken.pem", &pem("AAAA"));
    let garbled = file("garbled.pem", &pem("&&&&"));
    let absent = folder.path().join("absent.pem");
    let absent = absent.to_str().unwrap();
    let bundle = "check AWS_CA_BUNDLE";
    for (name, value, code, words) in [
        ("AWS_MAX_ATTEMPTS", "x", 2, ["AWS_MAX_ATTEMPTS", "'x'"]),
        ("AWS_MAX_ATTEMPTS", "0", 2, ["AWS_MAX_ATTEMPTS", "'0'"]),
        ("AWS_MAX_ATTEMPTS", "-1", 2, ["AWS_MAX_ATTEMPTS", "'-1'"]),
        ("AWS_CA_BUNDLE", absent, 1, ["No such file", bundle]),
        ("AWS_CA_BUNDLE", &text, 1, ["text.pem", bundle]),
        ("AWS_CA_BUNDLE", &broken, 1, ["broken.pem", bundle]),
        ("AWS_CA_BUNDLE", &garbled, 1, ["garbled.pem", bundle]),
    ] {
        assert_fails(run_with_json(&server).env(name, value), code, &words);
    }
    // Values that sparkify does not interpret do not fail the run.
    let mut command = run_with_json(&server);
    CommandOutput::run(command.env("AWS_RETRY_MODE", "nonsense")).assert_success();
}

fn pem(base64: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

#[test]
fn missing_profile_is_named() {
    let server = server_with_input(FaultPlan::new());
    let words = ["cannot use S3", "nobody", "--profile"];
    let mut command = run_with_json(&server);
    command.env_remove("AWS_ACCESS_KEY_ID");
    assert_fails(command.env("AWS_PROFILE", "nobody"), 1, &words);
    // A profile that a flag names takes precedence over the environment.
    assert_fails(
        run_with_json(&server).args(["--profile", "nobody"]),
        1,
        &words,
    );
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn missing_region_is_reported() {
    let server = server_with_input(FaultPlan::new());
    let words = ["cannot use S3: no region", "set --region or AWS_REGION"];
    let mut command = run_with_json(&server);
    command.env_remove("AWS_ENDPOINT_URL_S3");
    assert_fails(command.env_remove("AWS_REGION"), 1, &words);
    assert_fails(command.env("AWS_REGION", ""), 1, &words);
}

#[test]
fn prefix_without_input_fails() {
    let server = server_with_input(FaultPlan::new());
    let bucket = server.bucket("music");
    write_file(&bucket, "readme/README.txt", "no input");
    write_file(&bucket, "hidden/_old/a.json", "{}");
    server.add_folder_marker("music", "console/");
    for (logs, words) in [
        (
            "s3://music/absent",
            ["no logs in s3://music/absent", "check --logs"],
        ),
        (
            "s3://music/log",
            ["no logs in s3://music/log: ", "check --logs"],
        ),
        (
            "s3://music/console/",
            ["no logs in s3://music/console/", "check --logs"],
        ),
        (
            "s3://music/readme",
            ["no logs in s3://music/readme", "ignored: 1"],
        ),
        (
            "s3://music/hidden/",
            ["no logs in s3://music/hidden/", "ignored: 1"],
        ),
    ] {
        let arguments = ["run", "--songs=s3://music/songs", "--logs", logs];
        let arguments = concat_args(&arguments, &["--out=s3://music/star", "--json"]);
        assert_fails(&mut sparkify(&server, &arguments), 1, &words);
    }
    assert_eq!(
        server.request_count(&RequestMatcher::operation(S3Operation::Put)),
        0
    );
}

#[test]
fn invalid_header_values_fail_before_any_request() {
    let server = server_with_input(FaultPlan::new());
    for (name, value, code, words) in [
        (
            "AWS_ACCESS_KEY_ID",
            "AKIA\r",
            1,
            "the access key ID contains a line break",
        ),
        (
            "AWS_SESSION_TOKEN",
            "to\nken",
            1,
            "the session token contains a line break",
        ),
        ("AWS_REGION", "us-east-1\n", 2, "invalid region"),
    ] {
        assert_fails(run_with_json(&server).env(name, value), code, &[words]);
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}
