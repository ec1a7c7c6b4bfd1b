//! Input that is encrypted with a customer-provided key (SSE-C).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::customer_keys::KEY_HEADER;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file, write_input,
};

const KEY: [u8; 32] = *b"ThisKeyMustNeverBeSeen-123456789";
const KEY_BASE64: &str = "VGhpc0tleU11c3ROZXZlckJlU2Vlbi0xMjM0NTY3ODk=";

/// Returns a server whose songs and logs are encrypted, in the bucket `music`.
fn server_with_encrypted_input() -> S3Server {
    let server = S3Server::with_faults(FaultPlan::new().encrypt("music/in/", KEY));
    write_input(&server.bucket("music").join("in"));
    server
}

const ENCRYPTED_RUN: [&str; 5] = [
    "run",
    "--quiet",
    "--songs=s3://music/in/songs",
    "--logs=s3://music/in/logs",
    "--out=s3://music/out",
];

/// Returns the flag for a file with these contents.
fn key_flag(folder: &Path, contents: &[u8]) -> String {
    write_file(folder, "key", contents);
    let path = folder.join("key");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    format!("--sse-c-key-file={}", path.display())
}

#[test]
fn encrypted_input_is_read_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    for contents in [
        &KEY[..],
        KEY_BASE64.as_bytes(),
        format!("{KEY_BASE64}\r\n").as_bytes(),
    ] {
        let server = server_with_encrypted_input();
        let flag = key_flag(folder.path(), contents);
        let mut command = sparkify(&server, &concat_args(&ENCRYPTED_RUN, &["-vv", &flag]));
        let output = CommandOutput::run(command.env("RUST_LOG", "trace"));
        assert_eq!(output.code, Some(0), "{output:?}");
        for secret in ["ThisKeyMustNever", "VGhpc0tleU11c3R"] {
            assert!(!output.stderr.contains(secret), "{output:?}");
        }
        // Only reads of the input have the key: the output is not encrypted with it.
        for request in server.requests(&RequestMatcher::any()) {
            let reads = matches!(request.operation, S3Operation::Get | S3Operation::Head);
            let needs_key = reads && request.key.starts_with("in/");
            assert_eq!(
                request.header(KEY_HEADER).is_some(),
                needs_key,
                "{request:?}"
            );
        }
    }
}

#[test]
fn single_encrypted_objects_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_encrypted_input();
    let flag = key_flag(folder.path(), &KEY);
    let run = [
        "run",
        "--quiet",
        "--songs=s3://music/in/songs/a.json",
        "--logs=s3://music/in/logs/a.json",
        "--out=s3://music/out",
    ];
    run_sparkify(&server, &concat_args(&run, &[&flag])).assert_success();
    // The object is listed, so that the response to the read tells the reason.
    let words = [
        "cannot read s3://music/in/songs/a.json: InvalidRequest (HTTP 400)",
        "name the file of the key with --sse-c-key-file",
    ];
    run_sparkify(&server, &run).assert_failure(1, &words);
}

#[test]
fn missing_wrong_and_needless_keys_have_hints() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_encrypted_input();
    let words = [
        "cannot read s3://music/in/",
        "InvalidRequest (HTTP 400): The object was stored using a form of Server Side Encryption",
        "name the file of the key with --sse-c-key-file",
    ];
    run_sparkify(&server, &ENCRYPTED_RUN).assert_failure(1, &words);
    let flag = key_flag(folder.path(), &[7; 32]);
    let words = [
        "cannot read s3://music/in/",
        "AccessDenied (HTTP 403)",
        "s3:GetObject, and --sse-c-key-file must hold the key of the object",
    ];
    run_sparkify(&server, &concat_args(&ENCRYPTED_RUN, &[&flag])).assert_failure(1, &words);
    let plain = server_with_input(FaultPlan::new());
    let words = [
        "cannot read s3://music/",
        "the object is not encrypted with a customer-provided key (SSE-C): leave out --sse-c-key-file",
    ];
    run_sparkify(&plain, &concat_args(&RUN_ARGS, &[&flag])).assert_failure(1, &words);
}

#[test]
fn invalid_key_files_are_refused_before_any_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_encrypted_input();
    for contents in [&KEY[..31], b"", b"VGhpc0tleU11c3ROZXZlcg==", &[b'x'; 5000]] {
        let flag = key_flag(folder.path(), contents);
        let output = run_sparkify(&server, &concat_args(&ENCRYPTED_RUN, &[&flag]));
        let words = [
            "/key: expected the 32 bytes of a key, or their base64 text",
            "--sse-c-key-file",
        ];
        let output = output.assert_failure(2, &words);
        assert!(!output.stderr.contains("VGhpc0"), "{output:?}");
    }
    let flag = "--sse-c-key-file=/nonexistent/key";
    let words = ["cannot read /nonexistent/key", "check --sse-c-key-file"];
    run_sparkify(&server, &concat_args(&ENCRYPTED_RUN, &[flag])).assert_failure(1, &words);
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn text_of_a_shorter_key_is_not_taken_for_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_encrypted_input();
    // A key of 24 bytes.
    let flag = key_flag(folder.path(), b"VGhpc0tleU11c3ROZXZlckJlU2Vlbg+/");
    let words = [
        "/key: it has 32 characters of base64 text, which are a key of 24 bytes",
        "encode a key of 32 bytes",
    ];
    let output = run_sparkify(&server, &concat_args(&ENCRYPTED_RUN, &[&flag]));
    let output = output.assert_failure(2, &words);
    assert!(!output.stderr.contains("VGhpc0"), "{output:?}");
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn key_file_that_everybody_can_read_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_encrypted_input();
    let flag = key_flag(folder.path(), &KEY);
    let path = folder.path().join("key");
    for (mode, is_warned) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let output = run_sparkify(&server, &concat_args(&ENCRYPTED_RUN, &[&flag]));
        assert_eq!(output.code, Some(0), "{output:?}");
        let warning = format!(
            "the key in {0} is readable by every user of this machine; run chmod 600 {0}",
            path.display()
        );
        assert_eq!(output.stderr.contains(&warning), is_warned, "{output:?}");
    }
}

#[test]
fn key_is_refused_where_it_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_encrypted_input();
    let flag = key_flag(folder.path(), &KEY);
    let local = [
        "run",
        "--quiet",
        "--songs=songs",
        "--logs=logs",
        "--out=s3://music/out",
    ];
    let words = ["--sse-c-key-file has no effect: no input is in S3"];
    run_sparkify(&server, &concat_args(&local, &[&flag])).assert_failure(2, &words);
    let engine = [
        "--engine=redshift",
        "--warehouse=redshift://etl@127.0.0.1:1/music",
    ];
    let redshift = concat_args(&ENCRYPTED_RUN, &engine);
    let words = [
        "cannot use --engine redshift: COPY cannot read objects that are encrypted with a customer-provided key",
    ];
    run_sparkify(&server, &concat_args(&redshift, &[&flag])).assert_failure(2, &words);
    // Whoever listens on the way to another machine would read the key.
    let mut command = sparkify(&server, &concat_args(&ENCRYPTED_RUN, &[&flag]));
    command.env("AWS_ENDPOINT_URL_S3", "http://s3.example.invalid:9000");
    let words = [
        "cannot use --sse-c-key-file: the key would be sent unencrypted to http://s3.example.invalid:9000",
        "https://",
    ];
    CommandOutput::run(&mut command).assert_failure(2, &words);
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}
