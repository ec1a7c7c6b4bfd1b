//! Writing and removing behave the same in every store.

use std::io::Write;

use sparkify::internals::storage::{ListMode, Store};
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::store_conformance::{BUCKET, StoreUnderTest, for_each_store, list_everything};

/// From this size on, objects on S3 are written by multipart uploads.
const PART_BYTES: usize = 8 << 20;

fn pattern_bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Writes an object in chunks of `chunk_bytes`.
fn write_object(store: &dyn Store, key: &str, bytes: &[u8], chunk_bytes: usize) -> u64 {
    let mut upload = store.create(key).unwrap();
    for bytes in bytes.chunks(chunk_bytes) {
        upload.write_all(bytes).unwrap();
    }
    upload.flush().unwrap();
    upload.finish().unwrap()
}

fn list_keys(case: &StoreUnderTest) -> Vec<String> {
    let found = list_everything(case.store().as_ref(), ListMode::Recursive);
    found.into_iter().map(|entry| entry.key).collect()
}

#[test]
fn objects_of_any_size_round_trip() {
    for_each_store(|case| {
        let store = case.store();
        for (length, by) in [
            (0, 1),
            (1, 1),
            (100_000, 999),
            (PART_BYTES - 1, PART_BYTES),
            (PART_BYTES, PART_BYTES / 2),
            (PART_BYTES + 1, 1_000_003),
            (2 * PART_BYTES, 2 * PART_BYTES),
            (3 * PART_BYTES + 77, 100_000),
        ] {
            let bytes = pattern_bytes(length);
            let written_bytes = write_object(store.as_ref(), "a/b/x", &bytes, by);
            assert_eq!(written_bytes, length as u64, "{}", case.name);
            assert!(case.get("a/b/x") == bytes, "{} {length}", case.name);
            assert_eq!(
                case.list_by_key()["a/b/x"].size,
                written_bytes,
                "{}",
                case.name
            );
        }
        let server = case.server.as_ref();
        let unfinished = server.map(|server| server.unfinished_uploads(BUCKET));
        assert_eq!(unfinished.unwrap_or_default(), [""; 0]);
    });
}

#[test]
fn small_object_is_one_put() {
    let case = StoreUnderTest::s3(S3Server::anonymous(FaultPlan::new()));
    write_object(
        case.store().as_ref(),
        "x",
        &pattern_bytes(PART_BYTES - 1),
        PART_BYTES,
    );
    let server = case.server.as_ref().unwrap();
    let count = |kind| server.request_count(&RequestMatcher::operation(kind));
    assert_eq!(
        (count(S3Operation::Put), count(S3Operation::CreateUpload)),
        (1, 0)
    );
    write_object(
        case.store().as_ref(),
        "y",
        &pattern_bytes(2 * PART_BYTES + 1),
        PART_BYTES,
    );
    assert_eq!(
        (count(S3Operation::Put), count(S3Operation::CreateUpload)),
        (1, 1)
    );
    assert_eq!(count(S3Operation::UploadPart), 3);
}

#[test]
fn write_replaces_existing_object() {
    for_each_store(|case| {
        for length in [PART_BYTES + 5, 7, 2 * PART_BYTES, 0] {
            let bytes = pattern_bytes(length);
            write_object(case.store().as_ref(), "x", &bytes, PART_BYTES);
            assert!(case.get("x") == bytes, "{} {length}", case.name);
        }
        assert_eq!(list_keys(case), ["x"], "{}", case.name);
    });
}

#[test]
fn uploads_can_be_interleaved() {
    for_each_store(|case| {
        let store = case.store();
        let names = ["a", "b", "c"];
        let mut uploads = names.map(|name| store.create(name).unwrap());
        let bytes = pattern_bytes(PART_BYTES + PART_BYTES / 2);
        for bytes in bytes.chunks(PART_BYTES / 4) {
            for upload in &mut uploads {
                upload.write_all(bytes).unwrap();
            }
        }
        for upload in uploads {
            assert_eq!(upload.finish().unwrap(), bytes.len() as u64);
        }
        for name in names {
            assert!(case.get(name) == bytes, "{} {name}", case.name);
        }
    });
}

#[test]
fn unfinished_upload_is_invisible_and_aborted() {
    for length in [10, PART_BYTES + 1, 4 * PART_BYTES] {
        let case = StoreUnderTest::s3(S3Server::anonymous(FaultPlan::new()));
        case.put("x", "older");
        let store = case.store();
        let mut upload = store.create("x").unwrap();
        upload.write_all(&pattern_bytes(length)).unwrap();
        assert_eq!(case.list_by_key()["x"].size, 5);
        drop(upload);
        assert_eq!(case.get("x"), b"older");
        let server = case.server.as_ref().unwrap();
        assert_eq!(server.unfinished_uploads(BUCKET), [""; 0]);
        let begun = usize::from(length > PART_BYTES);
        assert_eq!(
            server.request_count(&RequestMatcher::operation(S3Operation::AbortUpload)),
            begun
        );
    }
}

#[test]
fn failed_upload_leaves_nothing() {
    for kind in [S3Operation::UploadPart, S3Operation::CompleteUpload] {
        let denied =
            Fault::Error(testkit::s3_server::error_response::S3ErrorResponse::access_denied());
        let faults = FaultPlan::new().always(RequestMatcher::operation(kind), denied);
        let case = StoreUnderTest::s3(S3Server::anonymous(faults));
        let mut upload = case.store().create("x").unwrap();
        upload.write_all(&pattern_bytes(PART_BYTES + 1)).unwrap();
        let failed = upload.finish().unwrap_err().to_string();
        assert!(failed.contains("cannot write s3://"), "{failed}");
        assert!(failed.contains("s3:PutObject"), "{failed}");
        assert_eq!(list_keys(&case), [""; 0]);
        let server = case.server.as_ref().unwrap();
        assert_eq!(server.unfinished_uploads(BUCKET), [""; 0]);
    }
}

#[test]
fn delete_removes_keys_and_ignores_missing_ones() {
    for_each_store(|case| {
        for key in ["a/x", "a/y", "b"] {
            case.put(key, key);
        }
        let remove = ["b", "a/x", "never", "a/never", "x/never"].map(str::to_owned);
        case.store().delete(&remove).unwrap();
        assert_eq!(list_keys(case), ["a/y"], "{}", case.name);
        case.store().delete(&remove).unwrap();
        case.store().delete(&[]).unwrap();
        assert_eq!(list_keys(case), ["a/y"], "{}", case.name);
    });
}

#[test]
fn delete_is_batched_by_thousand() {
    for_each_store(|case| {
        let remove: Vec<String> = (0..2001).map(|number| format!("{number}")).collect();
        for key in &remove {
            case.put(key, "");
        }
        case.put("stays", "");
        case.store().delete(&remove).unwrap();
        assert_eq!(list_keys(case), ["stays"], "{}", case.name);
        if let Some(server) = &case.server {
            assert_eq!(
                server.request_count(&RequestMatcher::operation(S3Operation::Delete)),
                3
            );
        }
    });
}
