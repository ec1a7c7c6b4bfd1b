//! Tests of the plan and of what is written for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::given_jsonpaths::GivenJsonPaths;
use super::plan::RawStagingPlan;
use super::raw_source::{RawObject, RawSource};
use crate::error::ErrorKind;
use crate::input::RecordKind;
use crate::model::RecordSchema;
use crate::model::sparkify::{EVENT_RECORD, SONG_RECORD};
use crate::output::run_report::InputReport;
use crate::storage::{Location, MemoryStore, Store, StoreOpener};

const RUN_URL: &str = "s3://out/star/RUN";

fn run_location() -> Location {
    Location::parse(RUN_URL.as_ref()).unwrap()
}

/// Returns a source of objects with these keys and sizes.
fn source(kind: RecordKind, objects: &[(&str, u64)]) -> RawSource {
    let record: &'static RecordSchema = match kind {
        RecordKind::Song => &SONG_RECORD,
        RecordKind::Log => &EVENT_RECORD,
    };
    let object = |(number, &(key, bytes)): (usize, &(&str, u64))| RawObject {
        url: format!("s3://in/{key}"),
        bytes,
        etag: format!("\"{number}\""),
    };
    RawSource {
        kind,
        record,
        objects: objects.iter().enumerate().map(object).collect(),
        report: InputReport::default(),
    }
}

fn songs(objects: &[(&str, u64)]) -> RawSource {
    source(RecordKind::Song, objects)
}

fn logs(objects: &[(&str, u64)]) -> RawSource {
    source(RecordKind::Log, objects)
}

/// Writes what is planned, and returns it by key.
fn upload(plan: &RawStagingPlan<'_>) -> BTreeMap<String, String> {
    let store = MemoryStore::new();
    plan.upload(&store).unwrap();
    let keys = store.list_all("").unwrap().objects.into_iter();
    let read = |key: String| {
        let bytes = store.get(&key).unwrap().unwrap().bytes;
        (key, String::from_utf8(bytes).unwrap())
    };
    keys.map(|object| read(object.key)).collect()
}

/// Returns the object that a URL of the plan names.
fn at<'a>(written: &'a BTreeMap<String, String>, url: &str) -> &'a str {
    let key = url.strip_prefix(RUN_URL).unwrap();
    &written[key.trim_start_matches('/')]
}

/// Returns the URLs in a manifest.
fn listed(manifest: &str) -> Vec<String> {
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    let entries = manifest["entries"].as_array().unwrap().iter();
    let url = |entry: &Value| {
        let url = entry["url"].as_str().unwrap();
        assert_eq!(entry, &json!({ "url": url, "mandatory": true }));
        url.to_owned()
    };
    entries.map(url).collect()
}

/// Writes a JSONPaths file of events, with the keys in reverse order.
fn reversed_jsonpaths(folder: &TempDir) -> (Location, Value) {
    let keys = EVENT_RECORD.known_keys().into_iter().rev();
    let paths: Vec<_> = keys.map(|key| format!("$.{key}")).collect();
    let file = json!({ "jsonpaths": paths });
    let path = folder.path().join("paths.json");
    fs::write(&path, file.to_string()).unwrap();
    (Location::Local(path), file)
}

#[test]
fn each_kind_and_compression_has_a_copy() {
    let songs = songs(&[("s/a.json", 1), ("s/b.json", 2)]);
    let logs = logs(&[
        ("l/a.json.gz", 4),
        ("l/b.json", 8),
        ("l/c.json.GZIP", 16),
        ("l/d.bz2", 32),
        ("l.gz/e.json", 64),
        ("l/f.JSON.Zst", 128),
    ]);
    let plan = RawStagingPlan::new(&run_location(), &songs, &logs, None);
    let copies: Vec<_> = plan
        .copies
        .iter()
        .map(|copy| {
            let manifest = copy.manifest.strip_prefix(RUN_URL).unwrap();
            (
                copy.kind,
                copy.compression,
                manifest,
                copy.objects,
                copy.bytes,
            )
        })
        .collect();
    let expected = [
        (RecordKind::Song, None, "/staging/songs.manifest", 2, 3),
        (RecordKind::Log, None, "/staging/logs.manifest", 2, 72),
        (
            RecordKind::Log,
            Some("GZIP"),
            "/staging/logs.gzip.manifest",
            2,
            20,
        ),
        (
            RecordKind::Log,
            Some("BZIP2"),
            "/staging/logs.bzip2.manifest",
            1,
            32,
        ),
        (
            RecordKind::Log,
            Some("ZSTD"),
            "/staging/logs.zstd.manifest",
            1,
            128,
        ),
    ];
    assert_eq!(copies, expected);
    let written = upload(&plan);
    assert_eq!(
        listed(at(&written, &plan.copies[2].manifest)),
        ["s3://in/l/a.json.gz", "s3://in/l/c.json.GZIP"]
    );
    assert_eq!(
        listed(at(&written, &plan.source_objects_manifest)),
        [format!("{RUN_URL}/staging/source_objects.jsonlines")]
    );
}

#[test]
fn copies_read_the_columns_of_the_model() {
    let (songs, logs) = (songs(&[("a.json", 1)]), logs(&[("b.json", 1)]));
    let plan = RawStagingPlan::new(&run_location(), &songs, &logs, None);
    let written = upload(&plan);
    for (copy, record) in plan.copies.iter().zip([&SONG_RECORD, &EVENT_RECORD]) {
        let keys = record.known_keys().into_iter();
        let (paths, columns): (Vec<_>, Vec<_>) = keys
            .map(|key| (format!("$['{key}']"), key.to_lowercase()))
            .unzip();
        let jsonpaths: Value = serde_json::from_str(at(&written, &copy.jsonpaths)).unwrap();
        assert_eq!(jsonpaths, json!({ "jsonpaths": paths }));
        assert_eq!(copy.columns, columns);
    }
    assert_eq!(
        plan.copies[0].columns,
        [
            "artist_id",
            "artist_latitude",
            "artist_location",
            "artist_longitude",
            "artist_name",
            "duration",
            "num_songs",
            "song_id",
            "title",
            "year"
        ]
    );
}

#[test]
fn a_kind_without_contents_has_no_copy_but_source_objects() {
    let songs = songs(&[("a.json", 0), ("b.json.gz", 0)]);
    let logs = logs(&[("c.json", 5), ("ä \"d\"\\.json", 0), ("e.json.gz", 0)]);
    let plan = RawStagingPlan::new(&run_location(), &songs, &logs, None);
    let written = upload(&plan);
    let keys: Vec<_> = written.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "staging/logs.jsonpaths",
            "staging/logs.manifest",
            "staging/source_objects.jsonlines",
            "staging/source_objects.manifest",
        ]
    );
    assert_eq!(
        listed(at(&written, &plan.copies[0].manifest)),
        ["s3://in/c.json"]
    );
    let lines = written["staging/source_objects.jsonlines"].lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        json!({ "kind": "song", "object": "s3://in/a.json", "etag": "\"0\"" }),
        json!({ "kind": "song", "object": "s3://in/b.json.gz", "etag": "\"1\"" }),
        json!({ "kind": "log", "object": "s3://in/c.json", "etag": "\"0\"" }),
        json!({ "kind": "log", "object": "s3://in/ä \"d\"\\.json", "etag": "\"1\"" }),
        json!({ "kind": "log", "object": "s3://in/e.json.gz", "etag": "\"2\"" }),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_local_jsonpaths_file_is_uploaded_in_place_of_the_own_one() {
    let folder = TempDir::new().unwrap();
    let (location, file) = reversed_jsonpaths(&folder);
    let stores = StoreOpener::default();
    let given = GivenJsonPaths::read(&stores, &location, &EVENT_RECORD).unwrap();
    let (songs, logs) = (songs(&[("a.json", 1)]), logs(&[("b.json", 1)]));
    let plan = RawStagingPlan::new(&run_location(), &songs, &logs, Some(&given));
    let written = upload(&plan);
    let [song_copy, log_copy] = &plan.copies[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(
        log_copy.jsonpaths,
        format!("{RUN_URL}/staging/logs.jsonpaths")
    );
    let uploaded: Value = serde_json::from_str(at(&written, &log_copy.jsonpaths)).unwrap();
    assert_eq!(uploaded, file);
    let columns = log_copy.columns.iter().map(String::as_str);
    assert_eq!(columns.clone().next(), Some("userid"));
    assert!(columns.rev().is_sorted());
    assert!(song_copy.columns.is_sorted());
}

#[test]
fn a_jsonpaths_file_that_cannot_be_used_is_a_usage_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("paths.json");
    let location = Location::Local(path.clone());
    let read = || GivenJsonPaths::read(&StoreOpener::default(), &location, &SONG_RECORD);
    let keys = SONG_RECORD.known_keys().join(", ");
    for (bytes, reason) in [
        (&b"\x1f\x8b\x08\x00"[..], "it is compressed with gzip"),
        (b"[]", "it is not a JSON object"),
        (
            br#"{"jsonpaths":["$.title"]}"#,
            "it has 1 paths, staging_songs has 10 columns: there is no path for artist_id, artist_latitude, artist_location, \
             artist_longitude, artist_name, duration, num_songs, song_id, year",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        let expected = format!(
            "cannot use the JSONPaths file {location}: {reason}; leave out --log-jsonpath and LOG_JSONPATH, or write one JSON object \
             {{\"jsonpaths\": [...]}} with a path such as $['key'] for each of these keys: {keys}"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_jsonpaths_file_that_cannot_be_read_is_an_error() {
    let folder = TempDir::new().unwrap();
    let read_error = |name: &str| {
        let location = Location::Local(folder.path().join(name));
        let given = GivenJsonPaths::read(&StoreOpener::default(), &location, &EVENT_RECORD);
        let error = given.unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "FOLDER")
    };
    assert_eq!(
        read_error("absent.json"),
        "cannot read FOLDER/absent.json: No such file or directory (os error 2); check --log-jsonpath, or LOG_JSONPATH in the --config file"
    );
    assert_eq!(
        read_error(""),
        "cannot read FOLDER/: it is a folder, expected a JSONPaths file; check --log-jsonpath, or LOG_JSONPATH in the --config file"
    );
    fs::write(folder.path().join("large.json"), vec![b' '; 1_000_001]).unwrap();
    assert_eq!(
        read_error("large.json"),
        "cannot read FOLDER/large.json: it has more than 1 MB, which is too much for a JSONPaths file; check --log-jsonpath, or LOG_JSONPATH in the --config file"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn manifests_list_each_object_with_contents_once(
        names in vec(("[a-c\\\\\"é/ ]{0,3}", "(\\.json)?", "(\\.gz|\\.GZ|\\.gzip|\\.bz2|\\.zst)?", 0u64..3), 0..40),
        log_count in 0usize..40,
    ) {
        let keys: BTreeMap<String, u64> = names
            .into_iter()
            .enumerate()
            .map(|(number, (stem, json, compression, bytes))| {
                (format!("{number}{stem}{json}{compression}"), bytes)
            })
            .collect();
        let objects: Vec<_> = keys.iter().map(|(key, &bytes)| (key.as_str(), bytes)).collect();
        let (log_objects, song_objects) = objects.split_at(log_count.min(objects.len()));
        let (songs, logs) = (songs(song_objects), logs(log_objects));
        let plan = RawStagingPlan::new(&run_location(), &songs, &logs, None);
        let written = upload(&plan);
        for source in [&songs, &logs] {
            let mut copied = Vec::new();
            for copy in plan.copies.iter().filter(|copy| copy.kind == source.kind) {
                let urls = listed(at(&written, &copy.manifest));
                prop_assert!(!urls.is_empty());
                prop_assert_eq!(urls.len() as u64, copy.objects);
                for url in &urls {
                    let ending = url.rsplit('.').next().unwrap().to_lowercase();
                    let expected = match ending.as_str() {
                        "gz" | "gzip" => Some("GZIP"),
                        "bz2" => Some("BZIP2"),
                        "zst" => Some("ZSTD"),
                        _ => None,
                    };
                    prop_assert_eq!(copy.compression, expected, "{}", url);
                }
                copied.extend(urls);
            }
            let distinct: BTreeSet<_> = copied.iter().cloned().collect();
            prop_assert_eq!(distinct.len(), copied.len());
            let with_contents = source.objects.iter().filter(|object| object.bytes > 0);
            let expected: BTreeSet<_> = with_contents.map(|object| object.url.clone()).collect();
            prop_assert_eq!(distinct, expected);
        }
        let lines = written["staging/source_objects.jsonlines"].lines().count();
        prop_assert_eq!(lines, objects.len());
    }
}
