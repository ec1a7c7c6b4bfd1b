//! Repeated events whose deliveries are in several parts in S3: those parts are read back and written again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sparkify::config::{MaxRejects, RunConfig, Sizes};
use sparkify::error::Result;
use sparkify::output::report::Report;
use sparkify::pipeline;
use sparkify::progress::Progress;
use sparkify::storage::Location;

use crate::asked::{Kind, Which};
use crate::every::options;
use crate::faults::{Fault, Faults};
use crate::music::{EVENT, SONG, write};
use crate::reply::Reply;
use crate::server::Server;

/// The part with the delivery that stays, and the part with the one that does not.
const PARTS: [&str; 2] = [
    "songplays/part-00000.parquet",
    "songplays/part-00001.parquet",
];

/// Runs over three log objects, each of which is a part. The first two deliver the same event.
fn run(faults: Faults) -> Result<Report> {
    let server = Server::public(faults);
    let bucket = server.bucket("music");
    write(&bucket, "songs/a.json", SONG);
    write(&bucket, "logs/a.json", EVENT);
    write(
        &bucket,
        "logs/b.json",
        format!("{EVENT}\n{}", other_event(2)),
    );
    write(&bucket, "logs/c.json", other_event(3));
    let place = |name: &str| Location::parse(format!("s3://music/{name}").as_ref()).unwrap();
    let config = RunConfig {
        songs: place("songs").into(),
        logs: place("logs").into(),
        out: place("star"),
        s3: options(&server),
        threads: 2,
        max_rejects: MaxRejects::default(),
        allow_empty: false,
        load_after_run: false,
        loaded_objects: Default::default(),
        compression: Default::default(),
        sizes: Sizes {
            // What opening an object counts for.
            split_bytes: Some(16 * 1024),
            ..Sizes::default()
        },
    };
    let report = pipeline::run(&config, &Progress::silent());
    if report.is_err() {
        // Nothing of it is left.
        assert!(crate::disk::keys(&bucket.join("star")).is_empty());
    }
    report.map_err(|failed| failed.error)
}

fn other_event(item: u8) -> String {
    EVENT.replace(
        r#""itemInSession":1"#,
        &format!(r#""itemInSession":{item}"#),
    )
}

fn reads_of(part: &str) -> Which {
    Which::kind(Kind::Get).of_key(part)
}

/// The file of a part of the only run below the folder of all buckets.
fn file(buckets: &Path, part: &str) -> PathBuf {
    let mut runs = fs::read_dir(buckets.join("music/star")).unwrap();
    runs.next().unwrap().unwrap().path().join(part)
}

#[test]
fn parts_are_read_back_when_a_request_fails() {
    for fault in [Fault::Cut, Fault::Drop, Fault::Reply(Reply::slow_down())] {
        let faults = PARTS.iter().fold(Faults::new(), |faults, part| {
            faults.first(1, reads_of(part), fault.clone())
        });
        let report = run(faults).unwrap();
        assert_eq!((report.logs.kept, report.logs.duplicates), (3, 1));
        assert_eq!(report.tables["songplays"].files, 3);
    }
}

#[test]
fn part_that_cannot_be_read_back_fails_the_run() {
    for part in PARTS
        .into_iter()
        .chain(["ledger/songplays/part-00001.parquet"])
    {
        let denied = Reply::new(403, "AccessDenied", "Access Denied");
        let faults = Faults::new().always(reads_of(part), Fault::Reply(denied));
        let error = run(faults).unwrap_err().to_string();
        assert!(error.contains("cannot read s3://music/star/"), "{error}");
        assert!(error.contains(part), "{error}");
    }
}

/// A change of a part, given its bytes and those of another part.
type Change = fn(Vec<u8>, Vec<u8>) -> Vec<u8>;

#[test]
fn part_that_is_not_what_was_written_fails_the_run() {
    let changes: [(&str, Change); 5] = [
        ("cut", |mut part, _| {
            part.truncate(40);
            part
        }),
        ("empty", |_, _| Vec::new()),
        ("zeros", |part, _| vec![0; part.len()]),
        // Footer and row group are as expected, but of another event.
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
        // At the first request for its footer and at that for its rows.
        for nth in [1, 2] {
            let changed = Arc::new(Mutex::new(false));
            let done = Arc::clone(&changed);
            let faults = Faults::new().at(nth, reads_of(PARTS[0]), move |buckets| {
                let path = file(buckets, PARTS[0]);
                let other = fs::read(file(buckets, "songplays/part-00002.parquet")).unwrap();
                fs::write(&path, change(fs::read(&path).unwrap(), other)).unwrap();
                *done.lock().unwrap() = true;
            });
            let error = run(faults).expect_err(name).to_string();
            assert!(
                *changed.lock().unwrap() && error.contains(PARTS[0]),
                "{error}"
            );
        }
    }
}
