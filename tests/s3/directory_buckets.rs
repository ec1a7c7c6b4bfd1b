//! Directory buckets (S3 Express One Zone) as input and as output.

use std::time::Duration;

use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::policy::Policy;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{EVENT, SONG, concat_args, run_sparkify, write_file};

const BUCKET: &str = "music--use1-az4--x-s3";

const INPUT: [&str; 2] = [
    "--songs=s3://music--use1-az4--x-s3/songs",
    "--logs=s3://music--use1-az4--x-s3/logs",
];

const OUT: &str = "s3://music--use1-az4--x-s3/out";

fn server_with_directory_bucket() -> S3Server {
    let server = S3Server::with_faults(FaultPlan::new().with_page_size(2));
    let bucket = server.bucket(BUCKET);
    for number in 0..7 {
        let song = SONG.replace("SO1", &format!("SO{number}"));
        write_file(&bucket, &format!("songs/{number}/a.json"), song);
        let event = EVENT.replace("154100000000", &format!("15410000000{number}"));
        write_file(&bucket, &format!("logs/2018-11-{number:02}.json"), event);
    }
    server
}

#[test]
fn directory_bucket_gives_the_same_dataset_as_a_local_folder() {
    let server = server_with_directory_bucket();
    let local = tempfile::tempdir().unwrap();
    let bucket = server.bucket(BUCKET);
    let local_out = local.path().join("out");
    let run = ["run", "--quiet", "--out", OUT];
    run_sparkify(&server, &concat_args(&run, &INPUT)).assert_success();
    let songs = format!("--songs={}", bucket.join("songs").display());
    let logs = format!("--logs={}", bucket.join("logs").display());
    let out = format!("--out={}", local_out.display());
    run_sparkify(&server, &["run", "--quiet", &songs, &logs, &out]).assert_success();
    let objects = server.objects(BUCKET);
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let name = format!("{table}/part-00000.parquet");
        let stored = objects.iter().find(|(key, _)| {
            key.starts_with("out/")
                && key.ends_with(&format!("/{name}"))
                && !key.contains("merge_state")
        });
        let expected = std::fs::read(local_out.join(&name)).unwrap();
        assert_eq!(stored.unwrap().1, &expected, "{table}");
    }
    let requests = server.requests(&RequestMatcher::operation(S3Operation::CreateSession));
    assert!(!requests.is_empty());
}

#[test]
fn globs_in_a_directory_bucket_list_the_folder() {
    let server = server_with_directory_bucket();
    let logs = "--logs=s3://music--use1-az4--x-s3/logs/2018-11-0[1-3]*";
    let arguments = ["run", "--dry-run", "--json", INPUT[0], logs, "--out", OUT];
    let output = run_sparkify(&server, &arguments).assert_success();
    assert_eq!(output.json()["logs"]["objects"], 3);
}

#[test]
fn clean_removes_old_runs_and_uploads_in_a_directory_bucket() {
    let server = server_with_directory_bucket();
    let run = ["run", "--quiet", "--out", OUT];
    for _ in 0..2 {
        run_sparkify(&server, &concat_args(&run, &INPUT)).assert_success();
    }
    let dead = "20181101T000000000Z-01234567";
    let part = format!("out/{dead}/songs/part-00000.parquet");
    write_file(&server.bucket(BUCKET), &part, "");
    server.backdate(
        &server.bucket(BUCKET).join("out").join(dead),
        Duration::from_secs(48 * 3600),
    );
    let clean = ["clean", OUT, "--keep=1", "--yes", "--json"];
    let output = run_sparkify(&server, &clean).assert_success();
    assert_eq!(
        output.json()["remove"].as_array().unwrap().len(),
        2,
        "{output:?}"
    );
    let objects = server.objects(BUCKET);
    assert!(objects.keys().all(|key| !key.contains(dead)), "{objects:?}");
    let lists = server.requests(&RequestMatcher::operation(S3Operation::ListUploads));
    assert!(!lists.is_empty());
}

#[test]
fn the_server_refuses_what_a_directory_bucket_refuses() {
    let server = server_with_directory_bucket();
    let client = SdkClient::new(&server);
    let denied = client.list_pages(BUCKET, "logs/2018").unwrap_err();
    assert_eq!(denied, "InvalidArgument");
    let pages = client.list_pages(BUCKET, "logs/").unwrap();
    let keys = pages.iter().flat_map(|page| page.contents());
    let keys: Vec<_> = keys.map(|object| object.key().unwrap()).collect();
    assert_eq!(keys.len(), 7);
    assert!(!keys.is_sorted(), "{keys:?}");
}

#[test]
fn directory_bucket_without_a_session_is_reported() {
    let server = server_with_directory_bucket();
    let arguments = [
        "run",
        "--quiet",
        INPUT[0],
        INPUT[1],
        "--out=s3://absent--use1-az4--x-s3/out",
    ];
    let words = [
        "s3://absent--use1-az4--x-s3/out/latest.json: NoSuchBucket",
        "check the bucket name",
    ];
    run_sparkify(&server, &arguments).assert_failure(1, &words);
    let denied = FaultPlan::new().with_policy(Policy::new());
    let server = S3Server::with_faults(denied);
    server.bucket(BUCKET);
    let words = [
        "cannot list s3://music--use1-az4--x-s3/songs/: AccessDenied",
        "s3express:CreateSession",
    ];
    run_sparkify(
        &server,
        &concat_args(&["run", "--quiet", "--out", OUT], &INPUT),
    )
    .assert_failure(1, &words);
}
