//! What the engine inside Redshift lists and writes in buckets before its COPYs.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use sparkify::config::{
    Encryption, Glob, InputSpec, LoadedObjects, Location, RecordKind, ReplayInput, RunConfig,
};
use sparkify::internals::model::sparkify::EVENT_RECORD;
use sparkify::internals::output::{GivenJsonPaths, RawObject, RawSource, RawStagingPlan};
use sparkify::internals::pipeline::{RawInput, list_raw_input};
use sparkify::internals::storage::StoreOpener;
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::store_conformance::anonymous_options;
use crate::support::sample_bucket::write_file;

/// The size of each object.
const OBJECT_BYTES: usize = 200;

const OUT_URL: &str = "s3://music/dataset";

fn location(url: &str) -> Location {
    Location::parse(url.as_ref()).unwrap()
}

/// Starts a server with these objects, all of the same size, in the bucket `music`.
fn server_with_objects(keys: &[&str]) -> S3Server {
    let server = S3Server::anonymous(FaultPlan::new().with_page_size(3));
    for key in keys {
        write_file(&server.bucket("music"), key, " ".repeat(OBJECT_BYTES));
    }
    server
}

/// Returns the configuration of a run over songs and logs in the bucket `music`.
fn config(server: &S3Server, songs: &[&str], logs: &[&str]) -> RunConfig {
    let locations = |keys: &[&str]| -> Vec<_> {
        let urls = keys
            .iter()
            .map(|key| location(&format!("s3://music/{key}")));
        urls.collect()
    };
    let mut config = RunConfig::new(locations(songs), locations(logs), location(OUT_URL));
    config.s3 = anonymous_options(server);
    config
}

fn list(config: &RunConfig) -> RawInput {
    let stores = StoreOpener::new(config.s3.clone());
    list_raw_input(config, &stores, &WarningCollector::default()).unwrap()
}

fn list_error(config: &RunConfig) -> (u8, String) {
    let stores = StoreOpener::new(config.s3.clone());
    let error = list_raw_input(config, &stores, &WarningCollector::default()).unwrap_err();
    (error.exit_code(), error.to_string())
}

fn urls(source: &RawSource) -> Vec<&str> {
    source
        .objects
        .iter()
        .map(|object| object.url.as_str())
        .collect()
}

#[test]
fn the_objects_and_their_order_are_those_of_other_runs() {
    let server = server_with_objects(&[
        "songs/A/a.json",
        "songs/A/B/b.json.gz",
        "songs/_hidden/c.json",
        "songs/d.txt",
        "logs/2018-11-01.json",
        "logs/2018-11-02/a.json",
        "logs/2018-11-02/ä b+c%2F&<d>.json.bz2",
        "logs/2018-11-02/b.dat",
        "logs/2018-11-02/deep/c.json.ZST",
        "logs/2018-12-01.json",
        "late/2018-11-01.json",
        "late/x.log",
    ]);
    let mut config = config(
        &server,
        &["songs"],
        &[
            "logs/2018-11-0*",
            "late/",
            "logs/2018-11-02/a.json",
            "logs/2018-11-02/",
        ],
    );
    let sparkify::config::RunInput::Objects { logs, .. } = &mut config.input else {
        panic!("no objects");
    };
    logs.include = vec![Glob::parse("**/*.dat").unwrap()];
    let raw = list(&config);
    // With splits of one object each, the plan names every object in the order in which it is read.
    config.sizes.split_bytes = Some(OBJECT_BYTES as u64);
    let job = RunJob { config, load: None };
    let plan = job.plan().unwrap().run;
    for (source, plan) in [(&raw.songs, plan.songs), (&raw.logs, plan.logs)] {
        let planned = plan.splits.iter().map(|split| split.first_object.as_str());
        assert_eq!(urls(source), planned.collect::<Vec<_>>());
        let report = &source.report;
        assert_eq!(report.objects, plan.objects);
        assert_eq!(report.ignored_objects, plan.ignored_objects);
        assert_eq!(report.ignored_extensions, plan.ignored_extensions);
        assert_eq!(report.bytes, plan.bytes);
        assert!(
            source
                .objects
                .iter()
                .all(|o| o.bytes == OBJECT_BYTES as u64)
        );
        assert!(source.objects.iter().all(|o| o.etag.starts_with('"')));
    }
    assert_eq!(
        urls(&raw.songs),
        [
            "s3://music/songs/A/B/b.json.gz",
            "s3://music/songs/A/a.json"
        ]
    );
    assert_eq!(raw.logs.objects.len(), 6);
    assert_eq!(raw.stages["list"].bytes, 8 * OBJECT_BYTES as u64);
}

#[test]
fn no_object_is_read() {
    let server = server_with_objects(&["songs/a.json", "logs/a.json.gz"]);
    list(&config(&server, &["songs"], &["logs"]));
    let requests = server.requests(&RequestMatcher::any());
    let count = |kind| server.request_count(&RequestMatcher::operation(kind));
    let lists = count(S3Operation::List) + count(S3Operation::Head);
    assert_eq!(requests.len(), lists, "{requests:?}");
}

#[test]
fn loaded_objects_are_left_out_and_changed_ones_are_named() {
    let keys = [
        "songs/a.json",
        "logs/2018-11-01.json",
        "logs/2018-11-02.json",
        "logs/2018-11-04.json",
    ];
    let server = server_with_objects(&keys);
    let mut config = config(&server, &["songs"], &["logs"]);
    let all = list(&config);
    assert!(!all.has_nothing_new);

    let mut loaded = LoadedObjects::default();
    let [song] = &all.songs.objects[..] else {
        panic!("{:?}", all.songs);
    };
    loaded.insert("song", &song.url, &song.etag);
    loaded.insert("log", &all.logs.objects[0].url, &all.logs.objects[0].etag);
    loaded.insert("log", &all.logs.objects[1].url, "another");
    config.loaded_objects = Some(loaded.clone());
    let warnings = WarningCollector::default();
    let stores = StoreOpener::new(config.s3.clone());
    let some = list_raw_input(&config, &stores, &warnings).unwrap();
    assert!(!some.has_nothing_new);
    assert_eq!(some.songs.objects, []);
    assert_eq!(some.logs.objects, all.logs.objects[1..]);
    let report = &some.logs.report;
    let counts = (
        report.objects,
        report.new_objects,
        report.changed_objects,
        report.already_loaded_objects,
    );
    assert_eq!(counts, (2, 1, 1, 1));
    let warnings = warnings.warnings();
    let [changed, absent] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(
        changed.starts_with(
            "1 log object changed after it was loaded: s3://music/logs/2018-11-02.json; "
        ),
        "{changed}"
    );
    assert!(
        absent.starts_with("no log of 1 day: 2018-11-03; "),
        "{absent}"
    );

    for object in &all.logs.objects {
        loaded.insert("log", &object.url, &object.etag);
    }
    config.loaded_objects = Some(loaded);
    let none = list(&config);
    assert!(none.has_nothing_new);
    assert_eq!((none.songs.objects.len(), none.logs.objects.len()), (0, 0));
}

#[test]
fn local_input_is_a_usage_error() {
    let server = server_with_objects(&["songs/a.json", "logs/a.json"]);
    let mut config = config(&server, &["songs"], &["logs"]);
    let sparkify::config::RunInput::Objects { logs, .. } = &mut config.input else {
        panic!("no objects");
    };
    logs.locations.push(location("fixtures/log_data"));
    let expected = "cannot use --engine redshift: Redshift cannot read local files; upload \
                    fixtures/log_data to S3, or leave out --engine redshift";
    assert_eq!(list_error(&config), (2, expected.to_owned()));
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn a_replay_is_a_usage_error() {
    let from = location(OUT_URL);
    let edited = Vec::new();
    let config = RunConfig::replay(ReplayInput { from, edited }, location(OUT_URL));
    let (code, error) = list_error(&config);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "cannot use --engine redshift: Redshift reads songs and logs, not reject files"
    );
}

#[test]
fn a_location_without_input_is_an_error() {
    let server = server_with_objects(&["songs/a.json", "logs/a.txt"]);
    let (code, error) = list_error(&config(&server, &["songs"], &["logs"]));
    assert_eq!(code, 1);
    assert!(error.starts_with("no logs in s3://music/logs: "), "{error}");
}

/// Plans and uploads, and returns the keys of the written objects below the run.
fn upload(server: &S3Server, plan: &RawStagingPlan<'_>, run: &Location) -> BTreeSet<String> {
    let mut options = anonymous_options(server);
    options.encryption = Some(Encryption::Aes256);
    let stores = StoreOpener::new(options);
    plan.upload(stores.open_output(run).unwrap().as_ref())
        .unwrap();
    let keys = server.objects("music").into_keys();
    keys.filter_map(|key| Some(key.strip_prefix("dataset/RUN/")?.to_owned()))
        .collect()
}

/// Returns the object at a URL in the bucket `music`.
fn read(server: &S3Server, url: &str) -> Value {
    let key = url.strip_prefix("s3://music/").unwrap();
    serde_json::from_slice(&fs::read(server.bucket("music").join(key)).unwrap()).unwrap()
}

#[test]
fn everything_is_written_where_the_copies_read_it() {
    let server = server_with_objects(&["songs/a.json", "logs/a.json", "logs/b.json.gz"]);
    let keys = EVENT_RECORD.known_keys();
    let paths: Vec<_> = keys.iter().rev().map(|key| format!("$['{key}']")).collect();
    let given = json!({ "jsonpaths": paths }).to_string();
    write_file(&server.bucket("music"), "given/paths.json", given);
    let config = config(&server, &["songs"], &["logs"]);
    let raw = list(&config);
    let stores = StoreOpener::new(config.s3.clone());
    let given_url = "s3://music/given/paths.json";
    let given = GivenJsonPaths::read(&stores, &location(given_url), &EVENT_RECORD).unwrap();
    let run = location(OUT_URL).join("RUN");
    let plan = RawStagingPlan::new(&run, &raw.songs, &raw.logs, Some(&given));
    let written = upload(&server, &plan, &run);
    let expected = [
        "staging/logs.gzip.manifest",
        "staging/logs.jsonpaths",
        "staging/logs.manifest",
        "staging/songs.jsonpaths",
        "staging/songs.manifest",
        "staging/source_objects.jsonlines",
        "staging/source_objects.manifest",
    ];
    assert_eq!(written, expected.map(str::to_owned).into());
    let mut copied = BTreeSet::new();
    for copy in &plan.copies {
        let manifest = read(&server, &copy.manifest);
        let entries = manifest["entries"].as_array().unwrap().iter();
        copied.extend(entries.map(|entry| entry["url"].as_str().unwrap().to_owned()));
        let paths = read(&server, &copy.jsonpaths);
        assert_eq!(
            paths["jsonpaths"].as_array().unwrap().len(),
            copy.columns.len()
        );
        if copy.kind == RecordKind::Log {
            // The file that was checked is uploaded, because the given one may change.
            assert_eq!(paths, read(&server, given_url));
            assert_eq!(copy.columns.first().map(String::as_str), Some("userid"));
        }
    }
    let objects = [urls(&raw.songs), urls(&raw.logs)].concat().into_iter();
    assert_eq!(copied, objects.map(str::to_owned).collect());
    let writes = server.requests(&RequestMatcher::operation(S3Operation::Put));
    assert_eq!(writes.len(), expected.len());
    for write in writes {
        let sse = write.header("x-amz-server-side-encryption");
        assert_eq!(sse, Some("AES256"), "{write:?}");
    }
}

#[test]
fn long_lists_are_written_in_parts() {
    const OBJECTS: usize = 100_000;
    let server = server_with_objects(&["songs/a.json", "logs/a.json"]);
    let mut raw = list(&config(&server, &["songs"], &["logs"]));
    let object = |number: usize| RawObject {
        url: format!("s3://music/logs/{}/{number:06}.json", "x".repeat(40)),
        bytes: 1,
        etag: format!("\"{number:032x}\""),
    };
    raw.logs.objects = (0..OBJECTS).map(object).collect();
    let run = location(OUT_URL).join("RUN");
    let plan = RawStagingPlan::new(&run, &raw.songs, &raw.logs, None);
    upload(&server, &plan, &run);
    let parts = server.requests(&RequestMatcher::operation(S3Operation::UploadPart));
    let in_parts: BTreeSet<_> = parts.iter().map(|part| part.key.as_str()).collect();
    let expected = [
        "dataset/RUN/staging/logs.manifest",
        "dataset/RUN/staging/source_objects.jsonlines",
    ];
    assert_eq!(in_parts, BTreeSet::from(expected));
    let manifest = read(&server, &plan.copies[1].manifest);
    assert_eq!(manifest["entries"].as_array().map(Vec::len), Some(OBJECTS));
    let lines = fs::read_to_string(server.bucket("music").join(expected[1])).unwrap();
    assert_eq!(lines.lines().count(), OBJECTS + 1);
}

#[test]
fn a_jsonpaths_file_that_does_not_exist_is_an_error() {
    let server = server_with_objects(&["songs/a.json", "given/paths/a.json"]);
    let stores = StoreOpener::new(anonymous_options(&server));
    for (key, reason) in [
        ("given/paths", "there is no such object, or it is empty"),
        (
            "given/paths/b.json",
            "there is no such object, or it is empty",
        ),
        ("given/paths/", "there is no such object, or it is empty"),
    ] {
        let url = format!("s3://music/{key}");
        let error = GivenJsonPaths::read(&stores, &location(&url), &EVENT_RECORD).unwrap_err();
        let expected = format!(
            "cannot read {url}: {reason}; check --log-jsonpath, or LOG_JSONPATH in the --config file"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_is_staged_below_an_input_is_not_read_as_input() {
    let server = server_with_objects(&["music/songs/a.json", "music/logs/a.json"]);
    let mut config = config(&server, &["music/songs"], &["music/logs"]);
    let raw = list(&config);
    // A prefix that contains the outputs of earlier runs, and that this run does not write to.
    let run = location("s3://music/music/dataset/20261130T051153123Z-0123abcd");
    let plan = RawStagingPlan::new(&run, &raw.songs, &raw.logs, None);
    let stores = StoreOpener::new(config.s3.clone());
    plan.upload(stores.open_output(&run).unwrap().as_ref())
        .unwrap();
    config.input = sparkify::config::RunInput::Objects {
        songs: InputSpec::from(location("s3://music/music/songs")),
        logs: InputSpec::from(location("s3://music/music")),
    };
    let again = list(&config);
    let expected = [
        "s3://music/music/logs/a.json",
        "s3://music/music/songs/a.json",
    ];
    assert_eq!(urls(&again.logs), expected);
    assert_eq!(again.logs.report.ignored_objects, 6);
}
