//! Missing buckets, permissions, wrong regions and rejected credentials.

use std::path::Path;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::ACCESS_KEY;

use crate::error_messages::fixture::{
    CANNOT_LIST, CANNOT_READ, SONGS_PART, assert_fails, assert_fails_without_retry, get_log,
    list_songs, put_songs_part, run_with_json,
};
use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, run_sparkify, server_with_input, write_file};

#[test]
fn missing_bucket_is_named() {
    let server = server_with_input(FaultPlan::new());
    let arguments = [
        "run",
        "--songs=s3://no-such/songs",
        "--logs=s3://music/logs",
        "--out=s3://music/dataset",
        "--json",
    ];
    let words = [
        "cannot list s3://no-such/songs",
        "NoSuchBucket (HTTP 404)",
        "check the bucket name",
    ];
    assert_fails(&mut sparkify(&server, &arguments), 1, &words);
    // A HEAD, whose response does not tell why it failed, and a listing.
    assert_eq!(server.request_count(&RequestMatcher::any()), 2);

    let arguments = [&RUN_ARGS[..6], &["--out=s3://no-such/dataset", "--json"]].concat();
    let words = [
        "cannot read s3://no-such/dataset/latest.json",
        "NoSuchBucket",
        words[2],
    ];
    assert_fails(&mut sparkify(&server, &arguments), 1, &words);
    // It was found before the work.
    assert_eq!(server.request_count(&get_log()), 0);

    let words = ["cannot list s3://no-such/", "NoSuchBucket", words[2]];
    run_sparkify(&server, &["clean", "s3://no-such/dataset"]).assert_failure(1, &words);
}

#[test]
fn unusable_output_is_found_before_the_work() {
    let read = "cannot read s3://music/dataset/latest.json: ";
    for (response, words) in [
        (
            S3ErrorResponse::permanent_redirect("music", "eu-west-3"),
            [read, "set --region eu-west-3 or AWS_REGION"],
        ),
        (
            S3ErrorResponse::no_such_bucket("music"),
            [read, "check the bucket name"],
        ),
        (
            S3ErrorResponse::access_denied(),
            [read, "the credentials need s3:GetObject and s3:ListBucket"],
        ),
    ] {
        let latest = RequestMatcher::any().with_key_suffix("latest.json");
        let fault = Fault::Error(response);
        let server = server_with_input(FaultPlan::new().always(latest, fault));
        assert_fails(&mut run_with_json(&server), 1, &words);
        let gets = server.requests(&RequestMatcher::operation(S3Operation::Get));
        let keys: Vec<_> = gets.iter().map(|request| request.key.as_str()).collect();
        assert_eq!(keys, ["dataset/latest.json"]);
        assert_eq!(
            server.request_count(&RequestMatcher::operation(S3Operation::Put)),
            0
        );
    }
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
        "cannot write s3://music/dataset/latest.json: AccessDenied",
        "s3:PutObject",
        "the run itself is complete in s3://music/dataset/2",
    ];
    let matcher = RequestMatcher::operation(S3Operation::Put).with_key_suffix("latest.json");
    assert_fails_without_retry(&matcher, S3ErrorResponse::access_denied(), &words);
}

#[test]
fn denied_latest_json_read_fails_before_reading_input() {
    let latest = RequestMatcher::operation(S3Operation::Get).with_key_suffix("latest.json");
    let denied = Fault::Error(S3ErrorResponse::access_denied());
    let server = server_with_input(FaultPlan::new().always(latest, denied));
    write_file(&server.bucket("music"), "dataset/latest.json", "{}");
    let words = [
        "cannot read s3://music/dataset/latest.json: AccessDenied",
        "s3:GetObject and s3:ListBucket",
    ];
    CommandOutput::run(&mut run_with_json(&server)).assert_failure(1, &words);
    assert_eq!(
        server.request_count(&RequestMatcher::operation(S3Operation::Get)),
        1
    );
    assert_eq!(
        server.objects("music").len(),
        3,
        "objects other than the input and latest.json"
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
fn wrong_secret_key_fails_without_retry() {
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
    // The object, its key and the folder.
    assert_eq!(server.request_count(&RequestMatcher::any()), 3);
}

#[test]
fn unreadable_object_error_has_hint() {
    let key = "arn:aws:kms:eu-west-3:";
    for (matcher, response, words) in [
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
    let words = [
        CANNOT_READ,
        "NoSuchKey (HTTP 404)",
        "run again when nothing deletes",
    ];
    assert_fails(&mut run_with_json(&server), 4, &words);
    assert_eq!(server.request_count(&get_log()), 1);
}
