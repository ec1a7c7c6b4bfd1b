//! Permissions that are limited to prefixes: what a policy as people write it must be enough for.

use testkit::cli::output::CommandOutput;
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

/// Returns infra/policies/etl.json for the bucket `lake`, as a user fills it in.
fn etl_policy() -> Policy {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/policies/etl.json");
    let text = std::fs::read_to_string(path)
        .unwrap()
        .replace("DATA_BUCKET", "lake")
        .replace("INPUT_BUCKET", "lake")
        .replace("OUTPUT_PREFIX", "out")
        .replace("SONGS_PREFIX", "songs")
        .replace("LOGS_PREFIX", "logs");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut policy = Policy::new();
    for statement in document["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in one_or_more(&statement["Action"]) {
            for resource in one_or_more(&statement["Resource"]) {
                let resource = resource.strip_prefix("arn:aws:s3:::").unwrap();
                let prefixes = &statement["Condition"]["StringLike"]["s3:prefix"];
                policy = match action {
                    "s3:ListBucket" => one_or_more(prefixes)
                        .into_iter()
                        .fold(policy, |policy, prefix| policy.allow_list(resource, prefix)),
                    _ => policy.allow(action, resource),
                };
            }
        }
    }
    policy
}

/// Returns the texts of an element of a policy, which is a text or a list of texts.
fn one_or_more(element: &serde_json::Value) -> Vec<&str> {
    match element.as_array() {
        Some(items) => items.iter().map(|item| item.as_str().unwrap()).collect(),
        None => vec![element.as_str().unwrap()],
    }
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
    let server = server_with_policy(etl_policy());
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

/// Returns a plan of a run with these logs, which lists the input only.
fn plan(server: &S3Server, logs: &str) -> CommandOutput {
    let songs = "--songs=s3://lake/songs/";
    let logs = format!("--logs={logs}");
    let out = "--out=absent";
    let arguments = ["run", "--quiet", "--dry-run", "--json", songs, &logs, out];
    run_sparkify(server, &arguments)
}

#[test]
fn permission_to_list_is_enough_to_find_a_single_object() {
    let policy = Policy::new().allow_list("lake", "logs*");
    let server = server_with_policy(policy.allow_list("lake", "songs/*"));
    for (logs, objects) in [
        ("s3://lake/logs/x.json", 1),
        ("s3://lake/logs/2018-11-01", 1),
        ("s3://lake/logs", 3),
    ] {
        let output = plan(&server, logs).assert_success();
        assert_eq!(output.json()["logs"]["objects"], objects, "{logs}");
    }
    plan(&server, "s3://lake/logs/absent.json").assert_failure(1, &["absent.json: HTTP 403"]);
    let folder = tempfile::tempdir().unwrap();
    let out = format!("--out={}", folder.path().join("out").display());
    let run = ["run", "--quiet", "--songs=s3://lake/songs/", &out];
    let run = concat_args(&run, &["--logs=s3://lake/logs/x.json"]);
    let words = ["cannot read s3://lake/", "s3:GetObject"];
    run_sparkify(&server, &run).assert_failure(1, &words);
}

#[test]
fn empty_page_does_not_hide_an_object() {
    let policy = Policy::new()
        .allow_list("lake", "logs*")
        .allow_list("lake", "songs/*")
        .allow_list("lake", "out/*");
    let faults = FaultPlan::new().with_page_size(0).with_policy(policy);
    let server = S3Server::with_faults(faults);
    write_file(&server.bucket("lake"), "songs/a.json", SONG);
    write_file(&server.bucket("lake"), "logs/x.json", EVENT);
    let output = plan(&server, "s3://lake/logs/x.json").assert_success();
    assert_eq!(output.json()["logs"]["objects"], 1);
    // The file that may not be read is not taken for one that does not exist.
    let history = ["history", "--from=s3://lake/out"];
    let output = run_sparkify(&server, &history).assert_success();
    assert!(output.stdout.starts_with("no runs"), "{output:?}");
    write_file(&server.bucket("lake"), "out/latest.json", "{}");
    let words = ["cannot read s3://lake/out/latest.json", "s3:GetObject"];
    run_sparkify(&server, &history).assert_failure(1, &words);
}

#[test]
fn object_that_may_not_be_listed_or_read_is_not_taken_for_an_empty_folder() {
    let policy = Policy::new().allow_list("lake", "logs/x.json/");
    let server = server_with_policy(policy.allow_list("lake", "songs/*"));
    let words = [
        "cannot list s3://lake/logs/x.json: HTTP 403",
        "s3:ListBucket and s3:GetObject",
    ];
    plan(&server, "s3://lake/logs/x.json").assert_failure(1, &words);
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
