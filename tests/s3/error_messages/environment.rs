//! Errors in the configuration of the client and in the arguments.

use std::time::{Duration, Instant};

use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RequestMatcher, S3Operation};

use crate::error_messages::fixture::{assert_fails, run_with_json};
use crate::support::commands::sparkify;
use crate::support::sample_bucket::{concat_args, server_with_input, write_file};

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
        let arguments = concat_args(&arguments, &["--out=s3://music/dataset", "--json"]);
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
