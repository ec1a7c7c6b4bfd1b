//! `sparkify doctor` in a bucket: each fault is named by one check, and nothing is left behind.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::aws_api::{ApiAnswer, ApiFault, ApiRequest, AwsApi, AwsService};
use testkit::cli::checks::Checks;
use testkit::cli::output::CommandOutput;
use testkit::cli::stopped_command::{STOP_SIGNALS, StopOutcome, stop_command};
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::policy::Policy;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::{ACCESS_KEY, S3Server};

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{server_with_input, write_file};

const USER_ARN: &str = "arn:aws:iam::123456789012:user/etl";

/// Answers whose credentials they are.
struct IdentityService;

impl AwsService for IdentityService {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        (request.action == "GetCallerIdentity").then(|| {
            ApiAnswer::Xml(format!(
                "<UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account><Arn>{USER_ARN}</Arn>"
            ))
        })
    }
}

fn identity_api() -> AwsApi {
    AwsApi::start(vec![Box::new(IdentityService)])
}

/// Returns a checkup of the bucket `music`.
fn doctor(server: &S3Server, api: &AwsApi) -> Command {
    let arguments = [
        "doctor",
        "--songs",
        "s3://music/songs",
        "--logs",
        "s3://music/logs",
        "--out",
        "s3://music/dataset",
        "--json",
    ];
    let mut command = sparkify(server, &arguments);
    command.env("AWS_ENDPOINT_URL_STS", api.url());
    command
}

fn run(command: &mut Command) -> Checks {
    Checks::from_output(CommandOutput::run(command))
}

#[test]
fn healthy_bucket_passes_all_checks() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let before = server.objects("music");
    let checks = run(&mut doctor(&server, &api));
    checks.assert_no_failure(&[]);
    let names = [
        "versions",
        "aws-configuration",
        "s3-endpoint",
        "clock",
        "aws-credentials",
        "buckets",
        "bucket-region",
        "songs-list",
        "songs-read",
        "logs-list",
        "logs-read",
        "out-write",
        "out-read",
        "out-etag",
        "out-conditional-put",
        "out-clean-up",
        "disk",
    ];
    assert_eq!(checks.with_status("ok"), names);
    let identity = checks.field("aws-credentials", "message");
    assert!(identity.contains(USER_ARN), "{identity}");
    assert_eq!(server.objects("music"), before);
    assert_eq!(server.unfinished_uploads("music"), Vec::<String>::new());
}

/// A server that is not AWS accepts credentials without telling whose they are.
#[test]
fn identity_at_a_custom_endpoint_is_unknown() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let checks = run(doctor(&server, &api).env_remove("AWS_ENDPOINT_URL_STS"));
    checks.assert_no_failure(&["aws-credentials"]);
    let message = checks.field("aws-credentials", "message");
    assert!(message.contains("is not AWS"), "{message}");
    assert_eq!(api.actions(), Vec::<String>::new());
    api.inject("GetCallerIdentity", ApiFault::Disconnect);
    let checks = run(doctor(&server, &api).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"));
    checks.assert_no_failure(&["aws-credentials"]);
}

#[test]
fn results_are_lines_with_remedies() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let mut command = sparkify(
        &server,
        &[
            "doctor",
            "--logs",
            "s3://music/nothing",
            "--out",
            "s3://absent/dataset",
        ],
    );
    command.env("AWS_ENDPOINT_URL_STS", api.url());
    let output = CommandOutput::run(&mut command);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(1), ""),
        "{output:?}"
    );
    let lines = [
        "ok       s3-endpoint            http://127.0.0.1:",
        "failed   buckets                bucket absent does not exist\n",
        "\n                                -> check the bucket name, or create the bucket\n",
        "skipped  logs-list              it needs buckets, which failed\n",
        "skipped  out-clean-up           it needs buckets, which failed\n",
        " checks: 1 failed, ",
    ];
    for line in lines {
        assert!(
            output.stdout.contains(line),
            "no {line:?} in {}",
            output.stdout
        );
    }
    assert!(!output.stdout.contains('\x1b'), "{output:?}");
}

/// A fault, and how it is named.
struct Case {
    name: &'static str,
    faults: FaultPlan,
    prepare: fn(&mut Command, &S3Server, &AwsApi),
    failed: &'static str,
    remedy: &'static str,
}

fn of(operation: S3Operation) -> RequestMatcher {
    RequestMatcher::operation(operation)
}

fn denied() -> Fault {
    Fault::Error(S3ErrorResponse::access_denied())
}

/// Returns a fault of the server.
fn server_fault(
    name: &'static str,
    matcher: RequestMatcher,
    fault: Fault,
    failed: &'static str,
    remedy: &'static str,
) -> Case {
    Case {
        name,
        faults: FaultPlan::new().always(matcher, fault),
        prepare: |_, _, _| {},
        failed,
        remedy,
    }
}

/// Returns a fault of the surroundings.
fn other_fault(
    name: &'static str,
    prepare: fn(&mut Command, &S3Server, &AwsApi),
    failed: &'static str,
    remedy: &'static str,
) -> Case {
    Case {
        name,
        faults: FaultPlan::new(),
        prepare,
        failed,
        remedy,
    }
}

fn check_case(case: Case) {
    let server = server_with_input(case.faults);
    let api = identity_api();
    let mut command = doctor(&server, &api);
    command.env("AWS_MAX_ATTEMPTS", "2");
    (case.prepare)(&mut command, &server, &api);
    let before = server.objects("music");
    let checks = run(&mut command);
    checks.assert_only_failure(case.name, case.failed, case.remedy);
    let after = server.objects("music");
    assert!(after == before, "{}: {:?}", case.name, after.keys());
}

#[test]
fn faults_on_the_way_to_s3_are_named_once() {
    let permanent_redirect = S3ErrorResponse::permanent_redirect("music", "eu-west-1");
    let skewed = |date: &str| Fault::ResponseHeader("date", date.to_owned());
    let cases = [
        other_fault(
            "no credentials",
            |command, _, _| {
                command.env_remove("AWS_ACCESS_KEY_ID");
            },
            "aws-configuration",
            "set AWS_ACCESS_KEY_ID",
        ),
        other_fault(
            "no server",
            |command, _, _| {
                command.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
            },
            "s3-endpoint",
            "check that http://127.0.0.1:1 is reachable",
        ),
        server_fault(
            "busy server",
            RequestMatcher::any(),
            Fault::Error(S3ErrorResponse::slow_down()),
            "s3-endpoint",
            "run again later",
        ),
        server_fault(
            "clock of this machine ahead",
            of(S3Operation::HeadBucket),
            skewed("Sun, 01 Nov 2026 00:00:00 GMT"),
            "clock",
            "synchronise the clock",
        ),
        server_fault(
            "clock of this machine behind",
            of(S3Operation::HeadBucket),
            skewed("Sun, 01 Nov 2099 00:00:00 GMT"),
            "clock",
            "synchronise the clock",
        ),
        other_fault(
            "invalid credentials",
            |_, _, api| {
                let message = "The security token included in the request is invalid.";
                let answer = ApiAnswer::Error {
                    status: 403,
                    code: "InvalidClientTokenId".to_owned(),
                    message: message.to_owned(),
                };
                api.inject("GetCallerIdentity", ApiFault::Answer(answer));
            },
            "aws-credentials",
            "check AWS_ACCESS_KEY_ID",
        ),
        Case {
            prepare: |command, _, _| {
                command.env_remove("AWS_ENDPOINT_URL_STS");
            },
            ..server_fault(
                "credentials that S3 does not know",
                of(S3Operation::List),
                Fault::Error(S3ErrorResponse::invalid_access_key(ACCESS_KEY)),
                "aws-credentials",
                "check AWS_ACCESS_KEY_ID",
            )
        },
        other_fault(
            "no bucket",
            |command, _, _| {
                command.args(["--logs", "s3://absent/logs"]);
            },
            "buckets",
            "check the bucket name",
        ),
        server_fault(
            "another region",
            of(S3Operation::HeadBucket),
            Fault::Error(permanent_redirect),
            "bucket-region",
            "set --region eu-west-1",
        ),
    ];
    cases.into_iter().for_each(check_case);
}

#[test]
fn faults_of_the_input_are_named_once() {
    let cases = [
        server_fault(
            "songs that may not be listed",
            of(S3Operation::List).with_key_suffix("songs/"),
            denied(),
            "songs-list",
            "the credentials need s3:ListBucket",
        ),
        server_fault(
            "songs that may not be read",
            of(S3Operation::Get).with_key_suffix("songs/a.json"),
            denied(),
            "songs-read",
            "the credentials need s3:GetObject",
        ),
        server_fault(
            "songs with another key of KMS",
            of(S3Operation::Get).with_key_suffix("songs/a.json"),
            Fault::Error(S3ErrorResponse::kms_denied("us-east-1")),
            "songs-read",
            "check the KMS key",
        ),
        other_fault(
            "no logs",
            |_, server, _| {
                let path = server.bucket("music").join("logs/a.json");
                std::fs::rename(&path, path.with_extension("csv")).unwrap();
            },
            "logs-list",
            "or read such objects with --include GLOB",
        ),
        server_fault(
            "archived logs",
            of(S3Operation::Get).with_key_suffix("logs/a.json"),
            Fault::Error(S3ErrorResponse::archived()),
            "logs-read",
            "restore the object",
        ),
    ];
    cases.into_iter().for_each(check_case);
}

#[test]
fn faults_of_the_output_are_named_once() {
    let cases = [
        server_fault(
            "output that may not be written",
            of(S3Operation::Put),
            denied(),
            "out-write",
            "the credentials need s3:PutObject",
        ),
        Case {
            name: "output that may not be listed",
            faults: FaultPlan::new().with_policy(
                Policy::new()
                    .allow("s3:GetObject", "music/*")
                    .allow("s3:PutObject", "music/dataset/*")
                    .allow("s3:DeleteObject", "music/dataset/*")
                    .allow_list("music", "songs/*")
                    .allow_list("music", "logs/*"),
            ),
            prepare: |_, _, _| {},
            failed: "out-read",
            remedy: "the credentials need s3:ListBucket",
        },
        server_fault(
            "output that may not be read",
            of(S3Operation::Get).with_key_suffix("/probe"),
            denied(),
            "out-read",
            "the credentials need s3:GetObject",
        ),
        server_fault(
            "ETags that are not those of listings",
            of(S3Operation::Get).with_key_suffix("/probe"),
            Fault::ResponseHeader("etag", "\"0123456789abcdef\"".to_owned()),
            "out-etag",
            "use a server with the ETags of S3",
        ),
        server_fault(
            "no conditional writes",
            of(S3Operation::Put).with_key_suffix("/probe"),
            Fault::IgnoreConditions,
            "out-conditional-put",
            "never let two runs write to the same output",
        ),
    ];
    cases.into_iter().for_each(check_case);
}

/// What cannot be removed is named, because it is left.
#[test]
fn objects_that_cannot_be_removed_are_named() {
    let server = server_with_input(FaultPlan::new().deny_delete("/probe"));
    let checks = run(&mut doctor(&server, &identity_api()));
    let remedy = "the credentials need s3:DeleteObject";
    checks.assert_only_failure("delete", "out-clean-up", remedy);
    let left: Vec<_> = server.objects("music").into_keys().collect();
    let probe = left.iter().find(|key| key.ends_with("/probe")).unwrap();
    let named = checks.field("out-clean-up", "remedy");
    assert!(
        named.contains(&format!("remove s3://music/{probe}")),
        "{named}"
    );
}

#[test]
fn jsonpaths_of_the_config_file_are_checked() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("dwh.cfg");
    std::fs::write(
        &config,
        "[S3]\nLOG_DATA = s3://music/logs\nLOG_JSONPATH = s3://music/paths.json\n",
    )
    .unwrap();
    let mut command = sparkify(&server, &["doctor", "--json", "--config"]);
    command.arg(&config).env("AWS_ENDPOINT_URL_STS", api.url());
    let checks = run(&mut command);
    let remedy = "check --log-jsonpath, or LOG_JSONPATH";
    checks.assert_only_failure("absent", "log-jsonpath", remedy);
    assert_eq!(checks.field("logs-read", "status"), "ok");
    write_file(
        &server.bucket("music"),
        "paths.json",
        "{\"jsonpaths\": [\"$['ts']\"]}",
    );
    let checks = run(&mut command);
    checks.assert_only_failure("incomplete", "log-jsonpath", "with a path such as $['key']");
}

/// The checks of folders need no S3.
#[test]
fn folders_are_checked_without_s3() {
    let server = server_with_input(FaultPlan::new());
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    write_file(folder.path(), "logs/a.json", "{}");
    let mut command = sparkify(&server, &["doctor", "--json", "--logs"]);
    command.args([&path("logs"), "--out", &path("new/dataset")]);
    let checks = run(&mut command);
    checks.assert_no_failure(&[]);
    assert_eq!(
        checks.with_status("ok"),
        ["versions", "logs-list", "logs-read", "out-write", "disk"]
    );
    assert!(!folder.path().join("new").exists());
    let mut command = sparkify(&server, &["doctor", "--json", "--logs"]);
    command.args([&path("logs"), "--out", &path("logs/a.json")]);
    run(&mut command).assert_only_failure("file", "out-write", "choose another --out");
    let mut command = sparkify(&server, &["doctor", "--json", "--logs"]);
    command.args([&path("logs")]).env("TMPDIR", path("absent"));
    run(&mut command).assert_only_failure("TMPDIR", "disk", "set TMPDIR");
}

#[test]
fn nothing_to_check_is_wrong_usage() {
    let server = server_with_input(FaultPlan::new());
    CommandOutput::run(&mut sparkify(&server, &["doctor"]))
        .assert_failure(2, &["nothing to check is named; give --config"]);
    let unused = ["doctor", "--logs", "logs", "--region", "us-west-2"];
    CommandOutput::run(&mut sparkify(&server, &unused))
        .assert_failure(2, &["--region has no effect"]);
}

/// The requests take so long that the signals meet the time in which the probe exists.
#[test]
fn signal_leaves_nothing_in_the_bucket() {
    let is_probe = |operation| of(operation).with_key_suffix("/probe");
    let slow = FaultPlan::new()
        .always(
            is_probe(S3Operation::Get),
            Fault::Delay(Duration::from_millis(300)),
        )
        .always(
            is_probe(S3Operation::Put),
            Fault::Delay(Duration::from_millis(100)),
        );
    let server = server_with_input(slow);
    let api = identity_api();
    let before = server.objects("music");
    let mut stopped = 0;
    for signal in STOP_SIGNALS {
        for delay in [0, 50, 150, 300] {
            let seen = server.request_count(&is_probe(S3Operation::Put));
            let wait = || {
                let deadline = Instant::now() + Duration::from_secs(20);
                while server.request_count(&is_probe(S3Operation::Put)) == seen
                    && Instant::now() < deadline
                {
                    sleep(Duration::from_millis(5));
                }
                sleep(Duration::from_millis(delay));
            };
            let mut command = doctor(&server, &api);
            let (outcome, output) = stop_command(&mut command, signal, wait);
            if outcome == StopOutcome::Stopped {
                stopped += 1;
                let outcome = "not all checks were made";
                assert!(output.stderr.contains(outcome), "{output:?}");
                // A write that the server was executing when the client gave up may come after the removal.
                if delay >= 150 {
                    assert!(server.objects("music") == before, "{output:?}");
                }
            }
            let left = server.bucket("music").join("dataset");
            let _ = std::fs::remove_dir_all(left);
        }
    }
    assert!(stopped >= 4, "{stopped}");
}
