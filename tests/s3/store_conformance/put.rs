//! Reading and writing small objects in one step behaves the same in every store.

use std::sync::Barrier;
use std::thread;

use sparkify::internals::storage::{ListMode, ObjectVersion, PutMode, PutResult, Store};
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::store_conformance::{BUCKET, StoreUnderTest, for_each_store, list_everything};

fn put(store: &dyn Store, key: &str, text: &str, mode: PutMode) -> PutResult {
    store.put(key, text.as_bytes().to_vec(), mode).unwrap()
}

fn version(store: &dyn Store, key: &str) -> ObjectVersion {
    store.get(key).unwrap().unwrap().version
}

#[test]
fn get_returns_contents_and_listed_version() {
    for_each_store(|case| {
        let store = case.store();
        assert_eq!(store.get("a/x").unwrap(), None, "{}", case.name);
        case.put("a/x", "text");
        let found = store.get("a/x").unwrap().unwrap();
        assert_eq!(found.bytes, b"text", "{}", case.name);
        let listed = &case.list_by_key()["a/x"].version;
        assert_eq!(&found.version, listed, "{}", case.name);
        // A prefix of other keys is not an object.
        assert!(!matches!(store.get("a/"), Ok(Some(_))), "{}", case.name);
    });
}

#[test]
fn overwrite_replaces_whatever_is_there() {
    for_each_store(|case| {
        let store = case.store();
        for text in ["first", "", "another and longer text"] {
            let result = put(store.as_ref(), "new/folder/x", text, PutMode::Overwrite);
            assert_eq!(result, PutResult::Written, "{}", case.name);
            assert_eq!(case.get("new/folder/x"), text.as_bytes(), "{}", case.name);
        }
        let found = list_everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(found.len(), 1, "{}: {found:?}", case.name);
    });
}

#[test]
fn create_keeps_an_existing_object() {
    for_each_store(|case| {
        let store = case.store();
        let first = put(store.as_ref(), "x", "first", PutMode::Create);
        assert_eq!(first, PutResult::Written, "{}", case.name);
        let second = put(store.as_ref(), "x", "second", PutMode::Create);
        assert_eq!(second, PutResult::ConditionFailed, "{}", case.name);
        assert_eq!(case.get("x"), b"first", "{}", case.name);
        let found = list_everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(found.len(), 1, "{}: {found:?}", case.name);
    });
}

#[test]
fn update_needs_the_version_that_was_read() {
    for_each_store(|case| {
        let store = case.store();
        case.put("x", "first");
        let first = version(store.as_ref(), "x");
        let update = |text: &str, version: &ObjectVersion| {
            put(store.as_ref(), "x", text, PutMode::Update(version.clone()))
        };
        assert_eq!(
            update("second", &first),
            PutResult::Written,
            "{}",
            case.name
        );
        let stale = update("third", &first);
        assert_eq!(stale, PutResult::ConditionFailed, "{}", case.name);
        assert_eq!(case.get("x"), b"second", "{}", case.name);
        let second = version(store.as_ref(), "x");
        assert_ne!(first, second, "{}", case.name);
        store.delete(&["x".to_owned()]).unwrap();
        let removed = update("fourth", &second);
        assert_eq!(removed, PutResult::ConditionFailed, "{}", case.name);
        assert_eq!(store.get("x").unwrap(), None, "{}", case.name);
    });
}

/// Also if the clock of the store is coarse, and if it gives a new object what an old one had.
#[test]
fn an_update_has_a_version_that_the_object_never_had() {
    for_each_store(|case| {
        case.put("x", "0");
        let mut versions = vec![version(case.store().as_ref(), "x")];
        for number in 1..50 {
            let last = versions.last().unwrap().clone();
            let updated = put(
                case.store().as_ref(),
                "x",
                &number.to_string(),
                PutMode::Update(last),
            );
            assert_eq!(updated, PutResult::Written, "{}", case.name);
            let next = version(case.store().as_ref(), "x");
            assert!(!versions.contains(&next), "{}: {next:?}", case.name);
            versions.push(next);
        }
    });
}

/// Every writer reads the number, adds 1, and tries again if another was faster.
#[test]
fn concurrent_updates_lose_nothing() {
    const WRITERS: usize = 4;
    const UPDATES: usize = 10;
    for_each_store(|case| {
        case.put("count", "0");
        let barrier = Barrier::new(WRITERS);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    let store = case.store();
                    barrier.wait();
                    for _ in 0..UPDATES {
                        while add_one(store.as_ref()) == PutResult::ConditionFailed {}
                    }
                });
            }
        });
        let expected = (WRITERS * UPDATES).to_string();
        assert_eq!(case.get("count"), expected.as_bytes(), "{}", case.name);
    });
}

fn add_one(store: &dyn Store) -> PutResult {
    let found = store.get("count").unwrap().unwrap();
    let count: usize = std::str::from_utf8(&found.bytes).unwrap().parse().unwrap();
    let next = (count + 1).to_string();
    put(store, "count", &next, PutMode::Update(found.version))
}

#[test]
fn only_one_of_concurrent_creators_succeeds() {
    for_each_store(|case| {
        let barrier = Barrier::new(4);
        let created = thread::scope(|scope| {
            let create = |name: &'static str| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let store = case.store();
                    barrier.wait();
                    put(store.as_ref(), "x", name, PutMode::Create)
                })
            };
            let writers = ["a", "b", "c", "d"].map(create);
            writers.map(|writer| writer.join().unwrap())
        });
        let written = created.iter().filter(|&&r| r == PutResult::Written);
        assert_eq!(written.count(), 1, "{}", case.name);
    });
}

#[test]
fn subfolder_is_a_store_of_its_own() {
    for_each_store(|case| {
        case.put("a/x", "in a");
        case.put("ab", "not in a");
        let folder = case.store().subfolder("a");
        let written = put(folder.as_ref(), "b/y", "in b", PutMode::Create);
        assert_eq!(written, PutResult::Written);
        let found = list_everything(folder.as_ref(), ListMode::Delimited);
        let keys: Vec<_> = found.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(keys, ["b/y", "x"], "{}", case.name);
        assert_eq!(case.get("a/b/y"), b"in b", "{}", case.name);
        assert_eq!(folder.display("x"), case.store().display("a/x"));
        assert_eq!(folder.absolute_name("x"), case.store().absolute_name("a/x"));
    });
}

#[test]
fn incomplete_uploads_are_listed_and_aborted() {
    let lost = Fault::Error(S3ErrorResponse::access_denied());
    let aborts = RequestMatcher::operation(S3Operation::AbortUpload);
    let case = StoreUnderTest::s3(S3Server::anonymous(
        FaultPlan::new().first_n(1, aborts, lost),
    ));
    let store = case.store();
    let mut upload = store.create("a/x").unwrap();
    upload.write_all(&vec![0; 9 << 20]).unwrap();
    // The abort fails, as if the writer had been killed.
    drop(upload);
    let found = store.list_incomplete_uploads().unwrap();
    let keys: Vec<_> = found.iter().map(|upload| upload.key.as_str()).collect();
    assert_eq!(keys, ["a/x"]);
    assert!(found[0].initiated.is_some());
    let elsewhere = store.subfolder("b").list_incomplete_uploads().unwrap();
    assert_eq!(elsewhere, []);
    store.abort_upload(&found[0]).unwrap();
    store.abort_upload(&found[0]).unwrap();
    assert_eq!(store.list_incomplete_uploads().unwrap(), []);
    let server = case.server.as_ref().unwrap();
    assert_eq!(server.unfinished_uploads(BUCKET), [""; 0]);
}

#[test]
fn stores_without_multipart_uploads_list_none() {
    for_each_store(|case| {
        drop(case.store().create("x").unwrap());
        assert_eq!(case.store().list_incomplete_uploads().unwrap(), []);
    });
}
