//! `sparkify check` of runs in S3, whose manifests name the files for COPY.

use std::fs;
use std::path::PathBuf;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{RUN_ARGS, run_sparkify, server_with_input, write_file};

const CHECK_ARGS: [&str; 3] = ["check", "--from", "s3://music/dataset"];

/// A complete run in the bucket `music`.
struct PublishedRun {
    server: S3Server,
    /// The folder of the run on the disk of the server.
    dir: PathBuf,
    url: String,
}

impl PublishedRun {
    fn new() -> Self {
        let server = server_with_input(FaultPlan::new());
        run_sparkify(&server, &RUN_ARGS).assert_success();
        let out = server.bucket("music").join("dataset");
        let latest = fs::read(out.join("latest.json")).unwrap();
        let latest: serde_json::Value = serde_json::from_slice(&latest).unwrap();
        let id = latest["run"].as_str().unwrap();
        Self {
            dir: out.join(id),
            url: format!("s3://music/dataset/{id}"),
            server,
        }
    }

    fn check(&self) -> CommandOutput {
        run_sparkify(&self.server, &CHECK_ARGS)
    }

    /// Replaces text in the manifest of songs.
    fn edit_manifest(&self, from: &str, to: &str) {
        let path = self.dir.join("songs.manifest");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        write_file(&self.dir, "songs.manifest", text.replace(from, to));
    }
}

#[test]
fn newest_run_and_a_named_run_pass() {
    let run = PublishedRun::new();
    let before = run.server.objects("music");
    for from in ["s3://music/dataset", "s3://music/dataset/", &run.url] {
        let output = run_sparkify(&run.server, &["check", "--from", from]);
        let output = output.assert_success().stdout;
        assert!(output.contains(&run.url), "{output}");
        assert!(output.contains("checked: 10 manifests"), "{output}");
    }
    assert!(run.server.objects("music") == before, "the bucket changed");
}

#[test]
fn manifest_that_does_not_name_the_parts_is_found() {
    let run = PublishedRun::new();
    let part = format!("{}/songs/part-00000.parquet", run.url);
    let failed = format!("check of {}/songs.manifest failed: ", run.url);
    run.edit_manifest("/part-00000", "/part-00001");
    let other = part.replace("00000", "00001");
    run.check().assert_failure(
        1,
        &[&failed, &format!("it names {other}, which does not exist")],
    );
    // COPY would load the files of another run.
    run.edit_manifest("/part-00001", "/part-00000");
    run.edit_manifest("s3://music/dataset", "s3://music/older");
    run.check()
        .assert_failure(1, &[&failed, "it names s3://music/older/"]);

    let run = PublishedRun::new();
    let failed = format!("check of {}/songs.manifest failed: ", run.url);
    run.edit_manifest("\"content_length\": ", "\"content_length\": 1");
    run.check()
        .assert_failure(1, &[&failed, "it says that s3://", " bytes, but it has "]);
    write_file(&run.dir, "songs.manifest", r#"{"entries": []}"#);
    let reason = format!("it does not name {}/songs/part-00000.parquet", run.url);
    run.check().assert_failure(1, &[&failed, &reason]);
    write_file(&run.dir, "songs.manifest", "[]");
    run.check()
        .assert_failure(1, &[&format!("cannot read {}/songs.manifest: ", run.url)]);
    fs::remove_file(run.dir.join("songs.manifest")).unwrap();
    run.check()
        .assert_failure(1, &[&failed, "it does not exist"]);
}

#[test]
fn removed_surplus_and_damaged_parts_are_found() {
    let run = PublishedRun::new();
    let part = run.dir.join("time/part-00000.parquet");
    let bytes = fs::read(&part).unwrap();
    fs::remove_file(&part).unwrap();
    run.check().assert_failure(
        1,
        &["time.manifest failed: it names ", "which does not exist"],
    );

    fs::write(&part, &bytes[1..]).unwrap();
    let (listed, found) = (bytes.len(), bytes.len() - 1);
    let reason = format!("has {listed} bytes, but it has {found}");
    run.check().assert_failure(1, &["time.manifest", &reason]);

    let damaged = [&b"    "[..], &bytes[..found - 3]].concat();
    fs::write(&part, damaged).unwrap();
    run.check()
        .assert_failure(1, &["time/part-00000.parquet failed: it cannot be decoded"]);

    fs::write(&part, &bytes).unwrap();
    fs::write(run.dir.join("time/part-00001.parquet"), &bytes).unwrap();
    run.check()
        .assert_failure(1, &["time.manifest failed: it does not name "]);
}

#[test]
fn prefix_without_a_run_is_named() {
    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &CHECK_ARGS).assert_failure(
        1,
        &[
            "no dataset in s3://music/dataset",
            "it contains neither _report.json nor latest.json",
        ],
    );
}
