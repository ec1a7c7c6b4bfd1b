//! Listing: the same for every store.

use sparkify::storage::{ListMode, Location, ObjectMeta, ObjectVersion, StoreRegistry};

use crate::asked::{Kind, Which};
use crate::every::{BUCKET, Case, every_store, everything, options};
use crate::faults::Faults;
use crate::server::Server;

/// Names that are easily lost on the way through URLs and XML.
const HARD: [&str; 12] = [
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
fn a_level_ends_at_the_next_slash() {
    every_store(|case| {
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
fn all_is_found_at_any_depth() {
    every_store(|case| {
        for (length, key) in HARD.into_iter().enumerate() {
            case.put(key, vec![b'x'; length]);
        }
        let expected = sorted(HARD);
        for depth in [ListMode::Delimited, ListMode::Recursive] {
            let found = everything(case.store().as_ref(), depth);
            assert_eq!(keys(&found), expected, "{} {depth:?}", case.name);
            for entry in found {
                let length = HARD.iter().position(|key| *key == entry.key).unwrap();
                assert_eq!(entry.size, length as u64, "{} {depth:?}", case.name);
            }
        }
    });
}

#[test]
fn what_is_listed_can_be_read() {
    every_store(|case| {
        for key in HARD {
            case.put(key, key);
        }
        let ranges = HARD.map(|key| (key, 0, u64::MAX));
        let mut reader = case.read(&ranges);
        for key in HARD {
            reader.next_range().unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, key, "{}", case.name);
        }
    });
}

#[test]
fn what_is_written_is_listed_and_can_be_removed() {
    every_store(|case| {
        let store = case.store();
        for key in HARD {
            let mut upload = store.create(key).unwrap();
            upload.write_all(key.as_bytes()).unwrap();
            assert_eq!(upload.finish().unwrap(), key.len() as u64);
        }
        let found = everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(keys(&found), sorted(HARD), "{}", case.name);
        for key in HARD {
            assert_eq!(case.get(key), key.as_bytes(), "{}", case.name);
        }
        store.delete(&HARD.map(str::to_owned)).unwrap();
        let left = everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(keys(&left), [""; 0], "{}", case.name);
    });
}

#[test]
fn many_pages_are_one_listing() {
    let server = Server::public(Faults::new().page(3));
    let case = Case::s3(server);
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
        let lists = Which::kind(Kind::List);
        case.server.as_ref().unwrap().requests(&lists)
    };
    let before = lists();
    let found = everything(store.as_ref(), ListMode::Recursive);
    assert_eq!(keys(&found), expected);
    assert_eq!(lists() - before, 22_usize.div_ceil(3));
    let level = store.list("", ListMode::Delimited).unwrap();
    assert_eq!((level.objects.len(), level.common_prefixes.len()), (2, 7));
    assert_eq!(
        keys(&everything(store.as_ref(), ListMode::Delimited)),
        expected
    );
}

#[test]
fn more_than_a_page_of_a_thousand_is_listed() {
    every_store(|case| {
        for number in 0..1001 {
            case.put(&format!("{number:04}.json"), "");
        }
        let found = everything(case.store().as_ref(), ListMode::Recursive);
        assert_eq!(found.len(), 1001, "{}", case.name);
        assert_eq!(found[1000].key, "1000.json", "{}", case.name);
    });
}

#[test]
fn nothing_is_in_an_empty_prefix() {
    every_store(|case| {
        for depth in [ListMode::Delimited, ListMode::Recursive] {
            let level = case.store().list("", depth).unwrap();
            assert!(level.objects.is_empty(), "{}", case.name);
            assert!(level.common_prefixes.is_empty(), "{}", case.name);
        }
    });
}

#[test]
fn a_prefix_that_only_begins_alike_is_another() {
    every_store(|case| {
        case.put("logs/a.json", "a");
        case.put("logs-old/b.json", "b");
        case.put("logs.json", "c");
        let store = case.store_of("logs");
        let found = everything(store.as_ref(), ListMode::Recursive);
        assert_eq!(keys(&found), ["a.json"], "{}", case.name);
    });
}

#[test]
fn folder_marks_of_consoles_are_no_objects() {
    let case = Case::s3(Server::public(Faults::new()));
    case.put("2018/a.json", "a");
    let server = case.server.as_ref().unwrap();
    let below = case.url("").replacen(&format!("s3://{BUCKET}/"), "", 1);
    for mark in ["", "2018/", "2018/12/"] {
        server.mark(BUCKET, &format!("{below}{mark}"));
    }
    let store = case.store();
    for depth in [ListMode::Delimited, ListMode::Recursive] {
        assert_eq!(keys(&everything(store.as_ref(), depth)), ["2018/a.json"]);
    }
    let level = store.list("2018/", ListMode::Delimited).unwrap();
    assert_eq!(level.common_prefixes, ["2018/12/"]);
}

#[test]
fn one_object_is_a_place() {
    every_store(|case| {
        let others = ["x.json.gz", "x.json.d/y.json", "x.jsonl", "w.json"];
        for key in others {
            case.put(key, "other");
        }
        case.put("x.json", "this one");
        let store = case.store_of("x.json");
        for depth in [ListMode::Delimited, ListMode::Recursive] {
            let found = everything(store.as_ref(), depth);
            assert_eq!(keys(&found), ["x.json"], "{}", case.name);
            assert_eq!(found[0].size, 8, "{}", case.name);
        }
        assert_eq!(store.display("x.json"), case.url("x.json"), "{}", case.name);
        let mut reader = store.read_ranges(vec![sparkify::storage::ObjectRange {
            object: everything(store.as_ref(), ListMode::Delimited).remove(0),
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
fn objects_are_named_as_users_name_them() {
    every_store(|case| {
        let store = case.store();
        for key in HARD {
            assert_eq!(store.display(key), case.url(key), "{}", case.name);
        }
    });
}

#[test]
fn a_bucket_is_a_place() {
    let server = Server::public(Faults::new());
    let folder = server.bucket(BUCKET);
    std::fs::write(folder.join("x.json"), "x").unwrap();
    let stores = StoreRegistry::new(options(&server));
    for url in ["s3://music", "s3://music/", "S3://music"] {
        let place = Location::parse(url.as_ref()).unwrap();
        let store = stores.open(&place).unwrap();
        let found = everything(store.as_ref(), ListMode::Delimited);
        assert_eq!(keys(&found), ["x.json"], "{url}");
        assert_eq!(store.display("x.json"), "s3://music/x.json", "{url}");
    }
}

#[test]
fn versions_tell_contents_apart() {
    let case = Case::s3(Server::public(Faults::new()));
    case.put("x.json", "older");
    case.put("y.json", "older");
    let older = case.listed();
    case.put("x.json", "newer");
    let newer = case.listed();
    assert!(matches!(older["x.json"].version, ObjectVersion::ETag(_)));
    assert_ne!(older["x.json"], newer["x.json"]);
    assert_eq!(older["y.json"], newer["y.json"]);
}
