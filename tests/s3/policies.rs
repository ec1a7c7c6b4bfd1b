//! Permissions that are limited to prefixes: what a policy as people write it must be enough for.

use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::policy::Policy;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{EVENT, SONG, concat_args, run_sparkify, write_file};

/// Allows what docs/s3.md lists for an input.
fn allow_input(policy: Policy) -> Policy {
    policy
        .allow_list("lake", "logs/*")
        .allow("s3:GetObject", "lake/logs/*")
        .allow_list("lake", "songs/*")
        .allow("s3:GetObject", "lake/songs/*")
}

/// Allows what docs/s3.md lists for an output.
fn allow_output(policy: Policy) -> Policy {
    policy
        .allow_list("lake", "out/*")
        .allow("s3:GetObject", "lake/out/*")
        .allow("s3:PutObject", "lake/out/*")
        .allow("s3:DeleteObject", "lake/out/*")
        .allow("s3:AbortMultipartUpload", "lake/out/*")
}

fn server_with_policy(policy: Policy) -> S3Server {
    let server = S3Server::with_faults(FaultPlan::new().with_policy(policy));
    let bucket = server.bucket("lake");
    write_file(&bucket, "songs/a.json", SONG);
    write_file(&bucket, "logs/x.json", EVENT);
    write_file(&bucket, "logs/2018-11-01/a.json", EVENT);
    write_file(&bucket, "logs/2018-11-02.json", EVENT);
    // Not allowed, and not asked for.
    write_file(&bucket, "logs_old/a.json", EVENT);
    server
}

#[test]
fn input_needs_no_more_than_its_prefix() {
    let server = server_with_policy(allow_input(Policy::new()));
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("out");
    let out = format!("--out={}", out.display());
    for (logs, objects) in [
        ("s3://lake/logs", 3),
        ("s3://lake/logs/", 3),
        ("s3://lake/logs/2018-11-0*", 2),
        ("s3://lake/logs/**/*.json", 3),
        ("s3://lake/logs/x.json", 1),
        ("s3://lake/logs/2018-11-01", 1),
    ] {
        let arguments = [
            "run",
            "--quiet",
            "--json",
            "--songs=s3://lake/songs",
            &out,
            "--logs",
            logs,
        ];
        let output = run_sparkify(&server, &arguments).assert_success();
        assert_eq!(output.json()["logs"]["objects"], objects, "{logs}");
    }
}

#[test]
fn output_needs_no_more_than_its_prefix() {
    let policy = allow_output(allow_input(Policy::new()));
    let policy = policy.allow("s3:ListBucketMultipartUploads", "lake");
    let server = server_with_policy(policy);
    let input = ["--songs=s3://lake/songs", "--logs=s3://lake/logs"];
    let run = concat_args(&["run", "--quiet", "--out=s3://lake/out"], &input);
    // The first run finds no latest.json, the second one replaces it.
    for _ in 0..2 {
        run_sparkify(&server, &run).assert_success();
    }
    let history =
        run_sparkify(&server, &["history", "--from=s3://lake/out", "--json"]).assert_success();
    assert_eq!(
        history.json()["runs"].as_array().unwrap().len(),
        2,
        "{history:?}"
    );
    write_file(&server.bucket("lake"), "logs/bad.json", "{");
    let failed = concat_args(&run, &["--max-rejects=0"]);
    let failed = run_sparkify(&server, &failed);
    assert_eq!(failed.code, Some(3), "{failed:?}");
    run_sparkify(&server, &["rejects", "s3://lake/out"]).assert_success();
    let clean = ["clean", "s3://lake/out", "--keep=1", "--yes"];
    run_sparkify(&server, &clean).assert_success();
    let history =
        run_sparkify(&server, &["history", "--from=s3://lake/out", "--json"]).assert_success();
    // The failed run is not old enough.
    assert_eq!(
        history.json()["runs"].as_array().unwrap().len(),
        2,
        "{history:?}"
    );
}

#[test]
fn denied_object_is_not_taken_for_an_empty_folder() {
    let policy = Policy::new().allow_list("lake", "logs/*");
    let server = server_with_policy(policy.allow_list("lake", "songs/*"));
    let arguments = [
        "run",
        "--quiet",
        "--dry-run",
        "--songs=s3://lake/songs",
        "--logs=s3://lake/logs/x.json",
        "--out=s3://lake/out",
    ];
    let words = [
        "cannot list s3://lake/logs/x.json: HTTP 403",
        "s3:ListBucket and s3:GetObject",
    ];
    run_sparkify(&server, &arguments).assert_failure(1, &words);
}

#[test]
fn an_input_costs_one_request_more_than_its_listings() {
    let server = server_with_policy(allow_input(Policy::new()));
    let arguments = [
        "run",
        "--quiet",
        "--dry-run",
        "--songs=s3://lake/songs/",
        "--logs=s3://lake/logs",
        "--out=out",
    ];
    run_sparkify(&server, &arguments).assert_success();
    let count = |kind| server.request_count(&RequestMatcher::operation(kind));
    // One for `logs`; with a slash the location is no object.
    assert_eq!(count(S3Operation::Head), 1);
}
