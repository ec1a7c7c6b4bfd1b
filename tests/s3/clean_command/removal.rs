//! How objects and uploads are removed, and what happens if that fails.

use std::time::Duration;

use serde_json::json;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;

use crate::clean_command::fixture::{
    OUT_URL, clean_json, run_entry_json, run_id, server_with_out_dir, write_complete_run,
    write_published_runs, write_run_file, write_unfinished_run,
};
use crate::support::sample_bucket::{run_sparkify, write_file};

#[test]
fn abandoned_multipart_uploads_are_aborted() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let client = SdkClient::new(&server);
    let [abandoned, recent, inspected] = [30, 5, 40].map(run_id);
    write_unfinished_run(&out_dir, &inspected);
    let upload = |key: &str| drop(client.create_upload("music", key));
    let songs = |id: &str| format!("dataset/{id}/songs/part-00000.parquet");
    for key in [
        &songs(&abandoned),
        &songs(&recent),
        &songs(&inspected),
        // Uploads that sparkify did not start.
        "dataset/mine.bin",
        &format!("dataset/{abandoned}"),
        &format!("other/{abandoned}/songs/part-00000.parquet"),
        &format!("datasets/{abandoned}/songs/part-00000.parquet"),
    ] {
        upload(key);
    }
    for id in [&abandoned, &inspected] {
        server.backdate(&out_dir.join(id), Duration::from_secs(30 * 3600));
    }
    let result = clean_json(&server, &["clean", OUT_URL]);
    let remove = [
        run_entry_json(OUT_URL, &abandoned, "unfinished", 0, 0, 1),
        run_entry_json(OUT_URL, &inspected, "unfinished", 2, 8, 1),
    ];
    assert_eq!(result["remove"], json!(remove));
    assert_eq!(
        result["keep"],
        json!([run_entry_json(OUT_URL, &recent, "recent", 0, 0, 1)])
    );
    assert_eq!(server.unfinished_uploads("music").len(), 7);

    clean_json(&server, &["clean", OUT_URL, "--yes"]);
    let mut left = server.unfinished_uploads("music");
    left.sort();
    let mut expected = [
        format!("other/{abandoned}/songs/part-00000.parquet"),
        format!("dataset/{abandoned}"),
        songs(&recent),
        "dataset/mine.bin".to_owned(),
        format!("datasets/{abandoned}/songs/part-00000.parquet"),
    ];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(server.objects("music").len(), 0);
}

#[test]
fn paginated_listing_is_cleaned_completely() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new().with_page_size(7));
    let abandoned = run_id(30);
    for number in 0..20 {
        write_run_file(
            &out_dir,
            &abandoned,
            &format!("songs/part-{number:05}.parquet"),
            "",
        );
        write_complete_run(&out_dir, &run_id(50 + number));
    }
    let result = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(result["remove"].as_array().unwrap().len(), 18);
    assert_eq!(result["keep"].as_array().unwrap().len(), 3);
    assert_eq!(server.objects("music").len(), 9);
}

#[test]
fn more_objects_than_one_batch_delete_are_removed() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let abandoned = run_id(30);
    for number in 0..2100 {
        write_run_file(
            &out_dir,
            &abandoned,
            &format!("songs/part-{number:05}.parquet"),
            "",
        );
    }
    let result = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(result["remove"][0]["objects"], 2100);
    assert_eq!(server.objects("music").len(), 0);
}

#[test]
fn failed_removal_is_reported_and_leaves_no_complete_run() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new().deny_delete("logs-00000.jsonl"));
    let [newest, old] = [30, 40].map(run_id);
    write_complete_run(&out_dir, &newest);
    write_complete_run(&out_dir, &old);
    let clean = ["clean", OUT_URL, "--keep", "1", "--yes", "--json"];
    let what = format!("cannot remove {OUT_URL}/{old}/_rejects/logs-00000.jsonl");
    let words = [what.as_str(), "AccessDenied", "s3:DeleteObject"];
    let output = run_sparkify(&server, &clean).assert_failure(1, &words);
    assert_eq!(output.json()["status"], "failed");
    assert!(!out_dir.join(&old).join("_report.json").exists());
    assert!(out_dir.join(&newest).join("_report.json").exists());
    let result = clean_json(&server, &["clean", OUT_URL, "--keep", "1"]);
    assert_eq!(result["remove"][0]["state"], "unfinished");
}

#[test]
fn report_is_removed_first() {
    let faults = FaultPlan::new().deny_delete("_report.json");
    let (server, out_dir) = server_with_out_dir(faults);
    let [newest, old] = [30, 40].map(run_id);
    write_complete_run(&out_dir, &newest);
    write_complete_run(&out_dir, &old);
    let words = [&*format!("{OUT_URL}/{old}/_report.json"), "s3:DeleteObject"];
    run_sparkify(&server, &["clean", OUT_URL, "--keep", "1", "--yes"]).assert_failure(1, &words);
    assert_eq!(server.objects("music").len(), 6, "objects were removed");
}

#[test]
fn missing_permission_is_named() {
    let abandoned = run_id(30);
    for (kind, words) in [
        (
            S3Operation::List,
            ["cannot list s3://music/dataset/", "s3:ListBucket"],
        ),
        (
            S3Operation::ListUploads,
            [
                "cannot list multipart uploads below s3://music/dataset/",
                "s3:ListBucketMultipartUploads",
            ],
        ),
        (
            S3Operation::Get,
            ["cannot read s3://music/dataset/latest.json", "s3:GetObject"],
        ),
        (
            S3Operation::Delete,
            ["cannot remove s3://music/dataset/2", "s3:DeleteObject"],
        ),
        (
            S3Operation::Put,
            ["cannot write s3://music/dataset/2", "s3:PutObject"],
        ),
        (
            S3Operation::AbortUpload,
            [
                "cannot abort multipart upload of s3://music/dataset/2",
                "s3:AbortMultipartUpload",
            ],
        ),
    ] {
        let denied =
            Fault::Error(testkit::s3_server::error_response::S3ErrorResponse::access_denied());
        let (server, out_dir) =
            server_with_out_dir(FaultPlan::new().always(RequestMatcher::operation(kind), denied));
        write_unfinished_run(&out_dir, &abandoned);
        if kind == S3Operation::Get {
            write_file(&out_dir, "latest.json", "{}");
        }
        let key = format!("dataset/{abandoned}/songs/part-00001.parquet");
        SdkClient::new(&server).create_upload("music", &key);
        server.backdate(&out_dir.join(&abandoned), Duration::from_secs(30 * 3600));
        run_sparkify(&server, &["clean", OUT_URL, "--yes"]).assert_failure(1, &words);
        assert_eq!(
            server.request_count(&RequestMatcher::operation(kind)),
            1,
            "{kind:?}"
        );
    }
}

#[test]
fn next_clean_finishes_interrupted_clean() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let abandoned = run_id(30);
    write_unfinished_run(&out_dir, &abandoned);
    write_run_file(
        &out_dir,
        &abandoned,
        "_removing",
        "sparkify clean removes this run",
    );
    let result = clean_json(&server, &["clean", OUT_URL, "--yes"]);
    assert_eq!(result["remove"][0]["objects"], 3);
    assert_eq!(server.objects("music").len(), 0);
}

#[test]
fn what_is_staged_for_redshift_is_removed_with_its_run() {
    let (server, out_dir) = server_with_out_dir(FaultPlan::new());
    let [abandoned, recent, superseded, published] = [30, 5, 60, 50].map(run_id);
    let staged = [
        "staging/songs.manifest",
        "staging/logs.zstd.manifest",
        "staging/logs.jsonpaths",
        "staging/source_objects.jsonlines",
        "staging/source_objects.manifest",
    ];
    for id in [&abandoned, &recent, &superseded, &published] {
        for name in staged {
            write_run_file(&out_dir, id, name, "1");
        }
    }
    for id in [&superseded, &published] {
        write_run_file(&out_dir, id, "_report.json", "12");
    }
    let foreign = format!("{abandoned}/staging/notes.txt");
    write_run_file(&out_dir, &abandoned, "staging/notes.txt", "mine");
    write_published_runs(&out_dir, &[&superseded, &published]);
    let clean = ["clean", OUT_URL, "--keep", "1", "--yes"];
    let result = clean_json(&server, &clean);
    let removed = result["remove"].as_array().unwrap().iter();
    let removed: Vec<_> = removed
        .map(|run| (&run["name"], &run["state"], &run["objects"]))
        .collect();
    let name = |id: &str| json!(format!("{OUT_URL}/{id}"));
    assert_eq!(
        removed,
        [
            (&name(&abandoned), &json!("unfinished"), &json!(5)),
            (&name(&superseded), &json!("complete"), &json!(6)),
        ]
    );
    let mut left: Vec<_> = server.objects("music").into_keys().collect();
    left.retain(|key| !key.contains(&recent) && !key.contains(&published));
    assert_eq!(
        left,
        [
            format!("dataset/{foreign}"),
            "dataset/latest.json".to_owned()
        ]
    );
}
