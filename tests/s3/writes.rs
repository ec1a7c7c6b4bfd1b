//! Writing and removing: the same in every store.

use std::io::Write;

use sparkify::storage::{ListMode, Store};

use crate::asked::{Kind, Which};
use crate::every::{BUCKET, Case, every_store, everything};
use crate::faults::{Fault, Faults};
use crate::server::Server;

/// From so many bytes on S3 is written in parts.
const PART: usize = 8 << 20;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Writes an object, by so many bytes at a time.
fn write(store: &dyn Store, key: &str, bytes: &[u8], by: usize) -> u64 {
    let mut upload = store.create(key).unwrap();
    for bytes in bytes.chunks(by) {
        upload.write_all(bytes).unwrap();
    }
    upload.flush().unwrap();
    upload.finish().unwrap()
}

fn keys(case: &Case) -> Vec<String> {
    let found = everything(case.store().as_ref(), ListMode::Recursive);
    found.into_iter().map(|entry| entry.key).collect()
}

#[test]
fn objects_of_any_size_are_written() {
    every_store(|case| {
        let store = case.store();
        for (length, by) in [
            (0, 1),
            (1, 1),
            (100_000, 999),
            (PART - 1, PART),
            (PART, PART / 2),
            (PART + 1, 1_000_003),
            (2 * PART, 2 * PART),
            (3 * PART + 77, 100_000),
        ] {
            let bytes = content(length);
            let told = write(store.as_ref(), "a/b/x", &bytes, by);
            assert_eq!(told, length as u64, "{}", case.name);
            assert!(case.get("a/b/x") == bytes, "{} {length}", case.name);
            assert_eq!(case.listed()["a/b/x"].size, told, "{}", case.name);
        }
        let server = case.server.as_ref();
        let unfinished = server.map(|server| server.unfinished(BUCKET));
        assert_eq!(unfinished.unwrap_or_default(), [""; 0]);
    });
}

#[test]
fn small_objects_are_one_request() {
    let case = Case::s3(Server::public(Faults::new()));
    write(case.store().as_ref(), "x", &content(PART - 1), PART);
    let server = case.server.as_ref().unwrap();
    let count = |kind| server.requests(&Which::kind(kind));
    assert_eq!((count(Kind::Put), count(Kind::CreateUpload)), (1, 0));
    write(case.store().as_ref(), "y", &content(2 * PART + 1), PART);
    assert_eq!((count(Kind::Put), count(Kind::CreateUpload)), (1, 1));
    assert_eq!(count(Kind::UploadPart), 3);
}

#[test]
fn an_object_takes_the_place_of_another() {
    every_store(|case| {
        for length in [PART + 5, 7, 2 * PART, 0] {
            let bytes = content(length);
            write(case.store().as_ref(), "x", &bytes, PART);
            assert!(case.get("x") == bytes, "{} {length}", case.name);
        }
        assert_eq!(keys(case), ["x"], "{}", case.name);
    });
}

#[test]
fn several_objects_are_written_at_once() {
    every_store(|case| {
        let store = case.store();
        let names = ["a", "b", "c"];
        let mut uploads = names.map(|name| store.create(name).unwrap());
        let bytes = content(PART + PART / 2);
        for bytes in bytes.chunks(PART / 4) {
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
fn nothing_is_to_be_seen_of_what_is_not_finished() {
    for length in [10, PART + 1, 4 * PART] {
        let case = Case::s3(Server::public(Faults::new()));
        case.put("x", "older");
        let store = case.store();
        let mut upload = store.create("x").unwrap();
        upload.write_all(&content(length)).unwrap();
        assert_eq!(case.listed()["x"].size, 5);
        drop(upload);
        assert_eq!(case.get("x"), b"older");
        let server = case.server.as_ref().unwrap();
        assert_eq!(server.unfinished(BUCKET), [""; 0]);
        let begun = usize::from(length > PART);
        assert_eq!(server.requests(&Which::kind(Kind::AbortUpload)), begun);
    }
}

#[test]
fn an_upload_that_cannot_be_finished_leaves_nothing() {
    for kind in [Kind::UploadPart, Kind::CompleteUpload] {
        let denied = Fault::Reply(crate::reply::Reply::access_denied());
        let faults = Faults::new().always(Which::kind(kind), denied);
        let case = Case::s3(Server::public(faults));
        let mut upload = case.store().create("x").unwrap();
        upload.write_all(&content(PART + 1)).unwrap();
        let failed = upload.finish().unwrap_err().to_string();
        assert!(failed.contains("cannot write s3://"), "{failed}");
        assert!(failed.contains("s3:PutObject"), "{failed}");
        assert_eq!(keys(&case), [""; 0]);
        let server = case.server.as_ref().unwrap();
        assert_eq!(server.unfinished(BUCKET), [""; 0]);
    }
}

#[test]
fn what_is_removed_is_gone_and_may_have_been() {
    every_store(|case| {
        for key in ["a/x", "a/y", "b"] {
            case.put(key, key);
        }
        let remove = ["b", "a/x", "never", "a/never", "x/never"].map(str::to_owned);
        case.store().delete(&remove).unwrap();
        assert_eq!(keys(case), ["a/y"], "{}", case.name);
        case.store().delete(&remove).unwrap();
        case.store().delete(&[]).unwrap();
        assert_eq!(keys(case), ["a/y"], "{}", case.name);
    });
}

#[test]
fn thousands_are_removed_at_once() {
    every_store(|case| {
        let remove: Vec<String> = (0..2001).map(|number| format!("{number}")).collect();
        for key in &remove {
            case.put(key, "");
        }
        case.put("stays", "");
        case.store().delete(&remove).unwrap();
        assert_eq!(keys(case), ["stays"], "{}", case.name);
        if let Some(server) = &case.server {
            assert_eq!(server.requests(&Which::kind(Kind::Delete)), 3);
        }
    });
}
