//! Duplicate events whose deliveries are in several parts in S3: those parts are read back and rewritten.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sparkify::config::{IoSizes, MaxRejects, RunConfig};
use sparkify::config::{Location, RunInput};
use sparkify::error::Result;
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use sparkify::report::RunReport;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::store_conformance::anonymous_options;
use crate::support::sample_bucket::{EVENT, SONG, write_file};

/// The part with the delivery that is kept, and the part with the delivery that is dropped.
const PARTS_OF_DUPLICATE: [&str; 2] = [
    "songplays/part-00000.parquet",
    "songplays/part-00001.parquet",
];

/// Runs over three log objects, each of which becomes a part. The first two deliver the same event.
fn run_pipeline(faults: FaultPlan) -> Result<RunReport> {
    let server = S3Server::anonymous(faults);
    let bucket = server.bucket("music");
    write_file(&bucket, "songs/a.json", SONG);
    write_file(&bucket, "logs/a.json", EVENT);
    write_file(
        &bucket,
        "logs/b.json",
        format!("{EVENT}\n{}", event_with_item(2)),
    );
    write_file(&bucket, "logs/c.json", event_with_item(3));
    let location = |name: &str| Location::parse(format!("s3://music/{name}").as_ref()).unwrap();
    let config = RunConfig {
        input: RunInput::Objects {
            songs: location("songs").into(),
            logs: location("logs").into(),
        },
        out: location("dataset"),
        s3: anonymous_options(&server),
        threads: 2,
        max_rejects: MaxRejects::default(),
        allow_empty: false,
        engine: sparkify::config::Engine::InProcess,
        load_after_run: false,
        loaded_objects: Default::default(),
        compression: Default::default(),
        sizes: IoSizes {
            // The cost that the planner assigns to opening an object.
            split_bytes: Some(16 * 1024),
            ..IoSizes::default()
        },
    };
    let completed = RunJob { config, load: None }.execute(&WarningCollector::default());
    let report = completed.map(|completed| completed.report().clone());
    if report.is_err() {
        // Nothing of the run is left.
        assert!(testkit::dir_contents::list_remaining_files(&bucket.join("dataset")).is_empty());
    }
    report.map_err(|failed| failed.error)
}

fn event_with_item(item: u8) -> String {
    EVENT.replace(
        r#""itemInSession":1"#,
        &format!(r#""itemInSession":{item}"#),
    )
}

fn gets_of(part: &str) -> RequestMatcher {
    RequestMatcher::operation(S3Operation::Get).with_key_suffix(part)
}

/// Returns the file of a part of the only run below the directory of all buckets.
fn part_path(buckets: &Path, part: &str) -> PathBuf {
    let mut runs = fs::read_dir(buckets.join("music/dataset")).unwrap();
    runs.next().unwrap().unwrap().path().join(part)
}

#[test]
fn reading_parts_back_is_retried() {
    for fault in [
        Fault::Truncate,
        Fault::Disconnect,
        Fault::Error(S3ErrorResponse::slow_down()),
    ] {
        let faults = PARTS_OF_DUPLICATE
            .iter()
            .fold(FaultPlan::new(), |faults, part| {
                faults.first_n(1, gets_of(part), fault.clone())
            });
        let report = run_pipeline(faults).unwrap();
        assert_eq!((report.logs.kept, report.logs.duplicates), (3, 1));
        assert_eq!(report.tables["songplays"].files, 3);
    }
}

#[test]
fn unreadable_part_fails_the_run() {
    for part in PARTS_OF_DUPLICATE
        .into_iter()
        .chain(["merge_state/songplays/part-00001.parquet"])
    {
        let denied = S3ErrorResponse::new(403, "AccessDenied", "Access Denied");
        let faults = FaultPlan::new().always(gets_of(part), Fault::Error(denied));
        let error = run_pipeline(faults).unwrap_err().to_string();
        assert!(error.contains("cannot read s3://music/dataset/"), "{error}");
        assert!(error.contains(part), "{error}");
    }
}

/// Returns the corrupted bytes of a part, given its bytes and those of another part.
type PartCorruption = fn(Vec<u8>, Vec<u8>) -> Vec<u8>;

#[test]
fn corrupted_part_fails_the_run() {
    let changes: [(&str, PartCorruption); 5] = [
        ("cut", |mut part, _| {
            part.truncate(40);
            part
        }),
        ("empty", |_, _| Vec::new()),
        ("zeros", |part, _| vec![0; part.len()]),
        // Footer and row group are as expected, but they belong to another event.
        ("other rows", |part, other| {
            assert_eq!(part.len(), other.len());
            other
        }),
        ("pages", |mut part, _| {
            let middle = part.len() / 8;
            part[4..middle].fill(0xff);
            part
        }),
    ];
    for (name, change) in changes {
        // At the first request for the footer, and at the first request for the rows.
        for nth in [1, 2] {
            let changed = Arc::new(Mutex::new(false));
            let done = Arc::clone(&changed);
            let faults =
                FaultPlan::new().on_nth(nth, gets_of(PARTS_OF_DUPLICATE[0]), move |buckets| {
                    let path = part_path(buckets, PARTS_OF_DUPLICATE[0]);
                    let other =
                        fs::read(part_path(buckets, "songplays/part-00002.parquet")).unwrap();
                    fs::write(&path, change(fs::read(&path).unwrap(), other)).unwrap();
                    *done.lock().unwrap() = true;
                });
            let error = run_pipeline(faults).expect_err(name).to_string();
            assert!(
                *changed.lock().unwrap() && error.contains(PARTS_OF_DUPLICATE[0]),
                "{error}"
            );
        }
    }
}
