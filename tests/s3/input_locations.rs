//! Several locations, globs and `--include` in buckets, and the requests that they cause.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::dataset::contents::DatasetContents;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{SONG, concat_args, run_sparkify, write_file};

/// Returns an event at this second.
fn event(second: u64) -> String {
    let ts = 1_541_000_000_000 + second * 1000;
    format!(
        r#"{{"ts":{ts},"userId":"1","sessionId":7,"itemInSession":{second},"level":"paid","page":"NextSong"}}"#
    ) + "\n"
}

/// Writes the logs of four days and two other objects.
fn write_logs(folder: &Path) {
    write_file(folder, "songs/a.json", SONG);
    for (day, second) in [("10-31", 0), ("11-01", 1), ("11-02", 2), ("11-10", 3)] {
        write_file(folder, &format!("logs/2018-{day}/a.json"), event(second));
        write_file(
            folder,
            &format!("logs/2018-{day}/deep/b.json"),
            event(second + 10),
        );
    }
    write_file(folder, "logs/2018-11-03.json", event(4));
    write_file(folder, "logs/2018-11-04.txt", event(5));
    write_file(folder, "logs/_2018-11-05/a.json", event(6));
    write_file(folder, "logs/[x].json", event(7));
    write_file(folder, "logs/x.json", event(8));
}

fn server_with_logs() -> S3Server {
    let server = S3Server::with_faults(FaultPlan::new().with_page_size(3));
    write_logs(&server.bucket("music"));
    server
}

/// Returns what a run would read, as `--dry-run --json` prints it.
fn dry_run_json(server: &S3Server, arguments: &[&str]) -> Value {
    let usual = [
        "run",
        "--dry-run",
        "--json",
        "--songs=s3://music/songs",
        "--out=s3://music/dataset",
    ];
    run_sparkify(server, &concat_args(&usual, arguments))
        .assert_success()
        .json()
}

/// Returns the prefixes below the logs that were listed.
fn listed_prefixes(server: &S3Server) -> Vec<String> {
    let requests = server.requests(&RequestMatcher::operation(S3Operation::List));
    let mut keys: Vec<_> = requests.into_iter().map(|request| request.key).collect();
    keys.retain(|key| key.starts_with("logs") || key.is_empty());
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn glob_lists_only_matching_prefixes() {
    for (glob, objects, listed) in [
        (
            "logs/2018-11-0*",
            5,
            &[
                "logs/2018-11-0",
                "logs/2018-11-01/",
                "logs/2018-11-01/deep/",
                "logs/2018-11-02/",
                "logs/2018-11-02/deep/",
            ][..],
        ),
        (
            "logs/2018-11-0*/",
            4,
            &[
                "logs/2018-11-0",
                "logs/2018-11-01/",
                "logs/2018-11-01/deep/",
                "logs/2018-11-02/",
                "logs/2018-11-02/deep/",
            ],
        ),
        (
            "logs/2018-1?-?1/*.json",
            2,
            &["logs/2018-1", "logs/2018-10-31/", "logs/2018-11-01/"],
        ),
        (
            "logs/**/b.json",
            4,
            &[
                "logs/",
                "logs/2018-10-31/",
                "logs/2018-10-31/deep/",
                "logs/2018-11-01/",
                "logs/2018-11-01/deep/",
                "logs/2018-11-02/",
                "logs/2018-11-02/deep/",
                "logs/2018-11-10/",
                "logs/2018-11-10/deep/",
            ],
        ),
        ("logs/_2018*", 1, &["logs/_2018", "logs/_2018-11-05/"]),
        // Unlike a path, a key with such characters must be written as a glob that matches it.
        ("logs/[x].json", 1, &["logs/"]),
        ("logs/[[]x].json", 1, &["logs/"]),
        ("logs/??.json", 0, &[]),
    ] {
        let server = server_with_logs();
        let url = format!("s3://music/{glob}");
        if objects == 0 {
            let words = ["no logs in s3://music/logs/??.json: the glob matches nothing"];
            let arguments = [
                "run",
                "-q",
                "--songs=s3://music/songs",
                "--out=s3://music/dataset",
            ];
            run_sparkify(&server, &concat_args(&arguments, &["--logs", &url]))
                .assert_failure(1, &words);
            continue;
        }
        let logs = dry_run_json(&server, &["--logs", &url])["logs"].clone();
        assert_eq!(logs["objects"], objects, "{glob}");
        assert_eq!(listed_prefixes(&server), listed, "{glob}");
    }
}

/// Runs with a local output directory and returns the dataset.
fn build_dataset(server: &S3Server, current: &Path, logs: &[&str]) -> DatasetContents {
    let out = TempDir::new().unwrap();
    let out_dir = out.path().join("dataset");
    let mut command = sparkify(server, &["run", "-q", "--songs=s3://music/songs", "--out"]);
    command
        .arg(&out_dir)
        .arg("--logs")
        .args(logs)
        .current_dir(current);
    CommandOutput::run(&mut command).assert_success();
    let locations = ["s3://music", current.to_str().unwrap(), ""];
    DatasetContents::from_dir(&out_dir, &locations)
}

#[test]
fn globs_and_multiple_locations_match_local_run() {
    let server = server_with_logs();
    let here = server.bucket("music");
    let cases = [
        &["logs/2018-11-*"][..],
        &["logs/2018-11-0*", "logs/2018-1[01]-*1", "logs/x.json"],
        &["logs", "logs/2018-11-0?/**", "logs/2018-11-03.json"],
    ];
    for logs in cases {
        let urls: Vec<_> = logs
            .iter()
            .map(|name| format!("s3://music/{name}"))
            .collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        build_dataset(&server, &here, &urls)
            .assert_same(&build_dataset(&server, &here, logs), &format!("{logs:?}"));
    }
}

#[test]
fn s3_and_local_locations_can_be_mixed() {
    let server = server_with_logs();
    let here = TempDir::new().unwrap();
    for second in 20..30 {
        write_file(here.path(), &format!("more/{second}.json"), event(second));
    }
    write_file(here.path(), "all/z.json", event(3));
    let logs = [
        "s3://music/logs/2018-11-1*",
        "more/2[0-4].json",
        "s3://music/logs/x.json",
        "more/25.json",
    ];
    let mixed = build_dataset(&server, here.path(), &logs);
    assert_eq!(mixed.counts["logs"]["objects"], 9);
    assert_eq!(mixed.counts["logs"]["kept"], 9);
    // Objects are read in the order of their identities, not of the arguments: paths sort before URLs.
    let all: String = [20, 21, 22, 23, 24, 25, 3, 13, 8]
        .into_iter()
        .map(event)
        .collect();
    fs::write(here.path().join("all/z.json"), all).unwrap();
    let one = build_dataset(&server, here.path(), &["all"]);
    for table in ["songplays", "users", "time"] {
        let part = format!("{table}/part-00000.parquet");
        assert!(mixed.parts[&part] == one.parts[&part], "{table}");
    }
}

#[test]
fn include_reads_matching_objects() {
    let server = server_with_logs();
    let bucket = server.bucket("music");
    write_file(&bucket, "logs/2018-11-01/firehose-1", event(30));
    write_file(&bucket, "logs/firehose-2", event(31));
    for (logs, include, objects) in [
        ("s3://music/logs", "--include=firehose-*", 13),
        ("s3://music/logs", "--include=*/firehose-*", 12),
        ("s3://music/logs/2018-11-01", "--include=firehose-?", 3),
        ("s3://music/logs/f*", "--include=firehose-?", 1),
    ] {
        let logs = dry_run_json(&server, &["--logs", logs, include])["logs"].clone();
        assert_eq!(logs["objects"], objects, "{include}");
    }
}

#[test]
fn only_objects_to_be_split_are_probed() {
    let server = S3Server::start();
    let bucket = server.bucket("music");
    write_file(&bucket, "songs/a.json", SONG);
    for number in 0..20 {
        write_file(&bucket, &format!("logs/{number:02}.json"), event(number));
    }
    // Large enough to be split: plain events, and compressed events under a name that does not say so.
    let note = format!("{{\"note\":\"{}\",", "x".repeat(60_000));
    let events = |first: u64| -> String {
        let lines = (first..first + 700).map(|second| event(second).replacen('{', &note, 1));
        lines.collect()
    };
    write_file(&bucket, "logs/large.json", events(1000));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(events(2000).as_bytes()).unwrap();
    write_file(&bucket, "logs/packed.json", packed.finish().unwrap());

    let run = [
        "run",
        "--quiet",
        "--songs=s3://music/songs",
        "--logs=s3://music/logs",
        "--out=s3://music/dataset",
    ];
    let planned = run_sparkify(&server, &concat_args(&run, &["--dry-run", "--json"]))
        .assert_success()
        .json();
    let probes = server.requests(&RequestMatcher::operation(S3Operation::Get));
    let probes: Vec<_> = probes
        .iter()
        .filter(|request| request.key.starts_with("logs/"))
        .map(|request| (request.key.as_str(), request.header("range").unwrap()))
        .collect();
    assert_eq!(probes.len(), 2, "{probes:?}");
    for name in ["logs/large.json", "logs/packed.json"] {
        assert!(probes.contains(&(name, "bytes=0-4095")), "{probes:?}");
    }
    let splits = planned["logs"]["splits"].as_array().unwrap();
    let splits_with = |name: &str| {
        let has = |split: &&Value| {
            let (first, last) = (
                split["first_object"].as_str(),
                split["last_object"].as_str(),
            );
            first.unwrap().ends_with(name) || last.unwrap().ends_with(name)
        };
        splits.iter().filter(has).count()
    };
    assert!(splits_with("large.json") > 1);
    assert_eq!(splits_with("packed.json"), 1, "{splits:?}");

    let report = run_sparkify(&server, &concat_args(&run, &["--json"]))
        .assert_success()
        .json();
    assert_eq!(report["logs"]["kept"], 20 + 2 * 700);
    assert_eq!(report["logs"]["rejected"], 0);
    let small =
        server.requests(&RequestMatcher::operation(S3Operation::Get).with_key_suffix("07.json"));
    assert_eq!(small.len(), 1, "more than one request for a small object");
}
