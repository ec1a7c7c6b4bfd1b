//! Keys that XML cannot hold as they are.

use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{EVENT, SONG, run_sparkify, write_file};

/// Returns the number of logs that a run reads.
fn log_objects(server: &S3Server) -> u64 {
    let out = tempfile::tempdir().unwrap();
    let out = format!("--out={}", out.path().join("out").display());
    let input = ["--songs=s3://music/songs", "--logs=s3://music/logs"];
    let output = run_sparkify(
        server,
        &["run", "--quiet", "--json", input[0], input[1], &out],
    );
    output.assert_success().json()["logs"]["objects"]
        .as_u64()
        .unwrap()
}

#[test]
fn keys_that_xml_cannot_hold_are_read() {
    let server = S3Server::with_faults(FaultPlan::new().with_page_size(2));
    let bucket = server.bucket("music");
    write_file(&bucket, "songs/a.json", SONG);
    for name in [
        "a\u{1}b.json",
        "c\u{fffe}d.json",
        "folder \u{2}/e+f.json",
        "g%2Bh.json",
        "i&<j>.json",
    ] {
        write_file(&bucket, &format!("logs/{name}"), EVENT);
    }
    assert_eq!(log_objects(&server), 5);
}

#[test]
fn keys_are_not_decoded_if_the_server_does_not_encode_them() {
    let server = S3Server::with_faults(FaultPlan::new().ignore_encoding_type());
    let bucket = server.bucket("music");
    write_file(&bucket, "songs/a.json", SONG);
    for name in ["g%2Bh.json", "folder+x/e+f.json", "k l.json"] {
        write_file(&bucket, &format!("logs/{name}"), EVENT);
    }
    assert_eq!(log_objects(&server), 3);
}
