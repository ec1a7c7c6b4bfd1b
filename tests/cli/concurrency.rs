//! Runs at the same time, and readers of the folder that runs replace.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::dataset::{
    FileContents, SOURCE_OBJECTS_PART, deterministic_files, read_report,
};
use crate::support::records::{events, generate_data};
use crate::support::sandbox::{CommandOutput, Sandbox, run_args};

#[test]
fn run_fails_while_another_holds_the_lock() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    // What a run holds for as long as it lasts.
    sandbox.create_dir(".star.sparkify-staging");
    let held = File::open(sandbox.path(".star.sparkify-staging")).unwrap();
    held.lock().unwrap();
    sandbox.run_with(&[]).assert_failure(
        1,
        "another run is writing to star; wait for it to finish, or choose another --out",
    );
    snapshot.assert_unchanged();
    // Closing it would not do: a process that another test just forked may have it open, too.
    held.unlock().unwrap();
    sandbox.run_with(&[]).assert_success();
    snapshot.assert_replaced();
    sandbox.assert_no_staging_left();
}

#[test]
fn concurrent_runs_publish_or_fail_on_the_lock() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "expected").assert_success();
    let expected = deterministic_files(&sandbox.path("expected"));
    for round in 0..15 {
        // Every third round begins without a star: then there is nothing to exchange.
        if round % 3 == 0 && round > 0 {
            fs::remove_dir_all(sandbox.path("star")).unwrap();
        }
        let start = |_| {
            let mut command = sandbox.command(&run_args("songs", "logs", "star"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let children: Vec<_> = (0..4).map(start).collect();
        let mut published = 0;
        for child in children {
            let output = CommandOutput::from(child.wait_with_output().unwrap());
            if output.code == Some(0) {
                output.assert_success();
                published += 1;
            } else {
                output.assert_failure(1, "another run is writing to star");
            }
        }
        assert!(published > 0, "one of them came first");
        assert!(
            deterministic_files(&sandbox.path("star")) == expected,
            "the star is whole"
        );
        sandbox.assert_no_staging_left();
    }
}

/// One of the two stars that a reader may see.
struct KnownDataset {
    files: FileContents,
    records: Value,
}

impl KnownDataset {
    fn read(folder: &Path) -> Self {
        Self {
            files: deterministic_files(folder),
            records: read_report(folder)["logs"]["records"].clone(),
        }
    }
}

/// All that a reader finds in the folder it opened. It may be taken away meanwhile, so files can be
/// missing; `None` is for a report that is.
fn read_open_dataset(folder: &Path) -> (FileContents, Option<Value>) {
    let mut files = FileContents::new();
    let mut records = None;
    let list = |folder: &Path| -> Vec<_> {
        match fs::read_dir(folder) {
            Ok(entries) => entries.map(|entry| entry.unwrap()).collect(),
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => panic!("{e}"),
        }
    };
    let read = |path: &Path| match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => panic!("{e}"),
    };
    let mut below = vec![String::new()];
    while let Some(above) = below.pop() {
        for entry in list(&folder.join(&above)) {
            let name = format!("{above}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                below.push(format!("{name}/"));
                continue;
            }
            let bytes = read(&entry.path());
            if above.is_empty() {
                assert_eq!(name, "_report.json");
                let report = bytes.map(|json| serde_json::from_slice::<Value>(&json).unwrap());
                records = report.map(|report| report["logs"]["records"].clone());
            } else if let Some(bytes) = bytes
                && name != SOURCE_OBJECTS_PART
            {
                files.insert(name, bytes);
            }
        }
    }
    (files, records)
}

/// Opens the folder once and asserts that what is in it is of one star, and all of that star if the
/// folder was the published one until the end of the look.
fn assert_consistent_read(out: &Path, known: &[KnownDataset]) {
    let folder = File::open(out).expect("there is a star at every moment");
    let held = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let (files, records) = read_open_dataset(held.as_ref());
    let (now, then) = (fs::metadata(out).unwrap(), folder.metadata().unwrap());
    let is_still_published = (now.dev(), now.ino()) == (then.dev(), then.ino());
    let is_of = |known: &&KnownDataset| {
        let same = |(name, bytes): (&String, _)| known.files.get(name) == Some(bytes);
        files.iter().all(same) && records.as_ref().is_none_or(|n| *n == known.records)
    };
    let names: Vec<_> = files.keys().collect();
    let of = known.iter().find(is_of);
    let of = of.unwrap_or_else(|| panic!("a mix: {names:?} {records:?}"));
    if is_still_published {
        assert!(records.is_some(), "no report");
        assert_eq!(names, of.files.keys().collect::<Vec<_>>());
    }
}

#[test]
fn reader_never_sees_a_mixed_dataset() {
    let sandbox = Sandbox::new();
    let inputs = [(2000, 1), (3000, 2)].map(|(events, seed)| {
        let made = generate_data(&sandbox, &format!("input-{seed}"), events, seed);
        sandbox
            .run(&made.songs, &made.logs, "star")
            .assert_success();
        (made, KnownDataset::read(&sandbox.path("star")))
    });
    let (made, known): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
    for (name, bytes) in &known[0].files {
        assert_ne!(
            Some(bytes),
            known[1].files.get(name),
            "{name} tells nothing"
        );
    }
    let out = sandbox.path("star");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_consistent_read(&out, &known);
                }
            });
        }
        // Whatever goes wrong, the readers must not go on for ever.
        let runs = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for made in made.iter().cycle().take(40) {
                sandbox
                    .run(&made.songs, &made.logs, "star")
                    .assert_success();
            }
        }));
        done.store(true, Ordering::Relaxed);
        runs.unwrap();
    });
    sandbox.assert_no_staging_left();
}

#[test]
fn dataset_changed_during_the_run_is_not_replaced() {
    let (sandbox, _) = Sandbox::with_dataset();
    // Enough for a run to take a while.
    sandbox.write("logs/a.json", events(0..200_000));
    let mut command = sandbox.command(&run_args("songs", "logs", "star"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    while !sandbox.path(".star.sparkify-staging/songs").exists()
        && child.try_wait().unwrap().is_none()
    {
        std::thread::yield_now();
    }
    sandbox.write("star/notes.txt", "precious");
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    // Had the run been over by then, the note would stand in the new star.
    if output.code != Some(0) {
        output.assert_failure(1, "it contains notes.txt, which sparkify did not write");
    }
    assert_eq!(
        fs::read(sandbox.path("star/notes.txt")).unwrap(),
        b"precious"
    );
    sandbox.assert_no_staging_left();
}
