//! Listing behaves the same in every store.

use sparkify::config::Location;
use sparkify::internals::storage::{ListMode, ObjectMeta, ObjectVersion, StoreOpener};
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::store_conformance::{
    BUCKET, StoreUnderTest, anonymous_options, for_each_store, for_each_store_with_location,
    list_everything,
};

/// Keys that are easily corrupted by the encodings of URLs and XML.
const ODD_KEYS: [&str; 12] = [
    "2018/11/a b.json",
    "2018/11/a+b.json",
    "2018/11/a%20b.json",
    "2018/11/a&amp;b<c>.json",
    "2018/11/a'b\"c.json",
    "2018/11/ä/日本.json",
    "2018/11/e\u{301}.json",
    "2018/11/é.json",
    "2018=x/?versions&#.json",
    "~/*(!).json",
    ".hidden/_x",
    "\u{1F3B5}.json",
];

fn keys(entries: &[ObjectMeta]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key.as_str()).collect()
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names
}

#[test]
fn delimited_listing_stops_at_next_slash() {
    for_each_store(|case| {
        for key in ["b.json", "a/x.json", "a/b/y.json", "c/d/e/z.json"] {
            case.put(key, key);
        }
        let level = case.store().list("", ListMode::Delimited).unwrap();
        assert_eq!(keys(&level.objects), ["b.json"], "{}", case.name);
        let prefixes = sorted(level.common_prefixes.iter().map(String::as_str));
        assert_eq!(prefixes, ["a/", "c/"], "{}", case.name);

        let level = case.store().list("a/", ListMode::Delimited).unwrap();
        assert_eq!(keys(&level.objects), ["a/x.json"], "{}", case.name);
        assert_eq!(level.common_prefixes, ["a/b/"], "{}", case.name);
        assert_eq!(level.objects[0].size, 8, "{}", case.name);
    });
}

#[test]
fn every_key_is_listed_in_both_modes() {
    for_each_store(|case| {
        for (length, key) in ODD_KEYS.into_iter().enumerate() {
            case.put(key, vec![b'x'; length]);
        }
        let expected = sorted(ODD_KEYS);
        for depth in [ListMode::Delimited, ListMode::Recursive] {
            let found = list_everything(case.store().as_ref(), depth);
            assert_eq!(keys(&found), expected, "{} {depth:?}", case.name);
            for entry in found {
                let length = ODD_KEYS.iter().position(|key| *key == entry.key).unwrap();
                assert_eq!(entry.size, length as u64, "{} {depth:?}", case.name);
            }
        }
    });
}

#[test]
fn listed_objects_are_readable() {
    for_each_store(|case| {
        for key in ODD_KEYS {
            case.put(key, key);
        }
        let ranges = ODD_KEYS.map(|key| (key, 0, u64::MAX));
        let mut reader = case.open_ranges(&ranges);
        for key in ODD_KEYS {
            reader.next_range().unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, key, "{}", case.name);
        }
    });
}

#[test]
fn written_objects_are_listed_and_deletable() {
    for_each_store(|case| {
        let store = case.store();
        for key in ODD_KEYS {
            let mut upload = store.create(key).unwrap();
            upload.write_all(key.as_bytes()).unwrap();
            assert_eq!(upload.finish().unwrap(), key.len() as u64);
        }
        let found = list_everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(keys(&found), sorted(ODD_KEYS), "{}", case.name);
        for key in ODD_KEYS {
            assert_eq!(case.get(key), key.as_bytes(), "{}", case.name);
        }
        store.delete(&ODD_KEYS.map(str::to_owned)).unwrap();
        let left = list_everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(keys(&left), [""; 0], "{}", case.name);
    });
}

#[test]
fn pages_are_merged_into_one_listing() {
    let server = S3Server::anonymous(FaultPlan::new().with_page_size(3));
    let case = StoreUnderTest::s3(server);
    let names: Vec<String> = (0..20).map(|n| format!("{:02}/{n}.json", n % 7)).collect();
    for name in names
        .iter()
        .chain([&"a.json".to_owned(), &"b.json".to_owned()])
    {
        case.put(name, name);
    }
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.extend(["a.json", "b.json"]);
    expected.sort_unstable();
    let store = case.store();
    let lists = || {
        let lists = RequestMatcher::operation(S3Operation::List);
        case.server.as_ref().unwrap().request_count(&lists)
    };
    let before = lists();
    let found = list_everything(store.as_ref(), ListMode::Recursive);
    assert_eq!(keys(&found), expected);
    assert_eq!(lists() - before, 22_usize.div_ceil(3));
    let level = store.list("", ListMode::Delimited).unwrap();
    assert_eq!((level.objects.len(), level.common_prefixes.len()), (2, 7));
    assert_eq!(
        keys(&list_everything(store.as_ref(), ListMode::Delimited)),
        expected
    );
}

#[test]
fn more_than_1000_objects_are_listed() {
    for_each_store(|case| {
        for number in 0..1001 {
            case.put(&format!("{number:04}.json"), "");
        }
        let found = list_everything(case.store().as_ref(), ListMode::Recursive);
        assert_eq!(found.len(), 1001, "{}", case.name);
        assert_eq!(found[1000].key, "1000.json", "{}", case.name);
    });
}

#[test]
fn empty_prefix_lists_nothing() {
    for_each_store(|case| {
        for depth in [ListMode::Delimited, ListMode::Recursive] {
            let level = case.store().list("", depth).unwrap();
            assert!(level.objects.is_empty(), "{}", case.name);
            assert!(level.common_prefixes.is_empty(), "{}", case.name);
        }
    });
}

#[test]
fn prefix_matches_whole_path_segments() {
    for_each_store(|case| {
        case.put("logs/a.json", "a");
        case.put("logs-old/b.json", "b");
        case.put("logs.json", "c");
        let store = case.store_at("logs");
        let found = list_everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(keys(&found), ["a.json"], "{}", case.name);
    });
}

#[test]
fn folder_markers_are_not_listed() {
    let case = StoreUnderTest::s3(S3Server::anonymous(FaultPlan::new()));
    case.put("2018/a.json", "a");
    let server = case.server.as_ref().unwrap();
    let below = case.url("").replacen(&format!("s3://{BUCKET}/"), "", 1);
    for mark in ["", "2018/", "2018/12/"] {
        server.add_folder_marker(BUCKET, &format!("{below}{mark}"));
    }
    let store = case.store();
    for depth in [ListMode::Delimited, ListMode::Recursive] {
        assert_eq!(
            keys(&list_everything(store.as_ref(), depth)),
            ["2018/a.json"]
        );
    }
    let level = store.list("2018/", ListMode::Delimited).unwrap();
    assert_eq!(level.common_prefixes, ["2018/12/"]);
}

#[test]
fn single_object_is_a_location() {
    for_each_store_with_location(|case| {
        let others = ["x.json.gz", "x.json.d/y.json", "x.jsonl", "w.json"];
        for key in others {
            case.put(key, "other");
        }
        case.put("x.json", "this one");
        let store = case.store_at("x.json");
        for depth in [ListMode::Delimited, ListMode::Recursive] {
            let found = list_everything(store.as_ref(), depth);
            assert_eq!(keys(&found), ["x.json"], "{}", case.name);
            assert_eq!(found[0].size, 8, "{}", case.name);
        }
        assert_eq!(store.display("x.json"), case.url("x.json"), "{}", case.name);
        let mut reader = store.read_ranges(vec![sparkify::internals::storage::ObjectRange {
            object: list_everything(store.as_ref(), ListMode::Delimited).remove(0),
            start: 5,
            expected_end: u64::MAX,
        }]);
        reader.next_range().unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one", "{}", case.name);
    });
}

#[test]
fn display_matches_user_notation() {
    for_each_store_with_location(|case| {
        let store = case.store();
        for key in ODD_KEYS {
            assert_eq!(store.display(key), case.url(key), "{}", case.name);
        }
    });
}

#[test]
fn bucket_is_a_location() {
    let server = S3Server::anonymous(FaultPlan::new());
    let folder = server.bucket(BUCKET);
    std::fs::write(folder.join("x.json"), "x").unwrap();
    let stores = StoreOpener::new(anonymous_options(&server));
    for url in ["s3://music", "s3://music/", "S3://music"] {
        let location = Location::parse(url.as_ref()).unwrap();
        let store = stores.open(&location).unwrap();
        let found = list_everything(store.as_ref(), ListMode::Delimited);
        assert_eq!(keys(&found), ["x.json"], "{url}");
        assert_eq!(store.display("x.json"), "s3://music/x.json", "{url}");
    }
}

#[test]
fn versions_differ_with_content() {
    let case = StoreUnderTest::s3(S3Server::anonymous(FaultPlan::new()));
    case.put("x.json", "older");
    case.put("y.json", "older");
    let older = case.list_by_key();
    case.put("x.json", "newer");
    let newer = case.list_by_key();
    assert!(matches!(older["x.json"].version, ObjectVersion::ETag(_)));
    assert_ne!(older["x.json"], newer["x.json"]);
    assert_eq!(older["y.json"], newer["y.json"]);
}
