//! Each fault in turn: one check names it, and no other.

use std::process::Command;

use testkit::aws_api::{ApiAnswer, ApiFault, AwsApi};
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::policy::Policy;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::{ACCESS_KEY, S3Server};

use super::fixture::{doctor, identity_api, run};
use crate::support::sample_bucket::server_with_input;

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
