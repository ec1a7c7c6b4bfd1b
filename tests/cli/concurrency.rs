//! Concurrent runs, and readers of the directory that runs replace.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use testkit::cli::generated_data::generate_data;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::dataset::directory::{SOURCE_OBJECTS_PART, deterministic_files, read_report};
use testkit::dir_contents::FilesByPath;
use testkit::sample_data::events;

#[test]
fn run_fails_while_another_holds_the_lock() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    // A running process holds this lock.
    sandbox.create_dir(".dataset.sparkify-staging");
    let staging_dir = File::open(sandbox.path(".dataset.sparkify-staging")).unwrap();
    staging_dir.lock().unwrap();
    sandbox.run_with(&[]).assert_failure(
        4,
        &["another run is writing to dataset; wait for it to finish, or choose another --out"],
    );
    snapshot.assert_unchanged();
    // Closing the file would not release the lock: a process that another test has just forked may have it
    // open too.
    staging_dir.unlock().unwrap();
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
        // Every third round starts without a dataset, so that there is nothing to exchange.
        if round % 3 == 0 && round > 0 {
            fs::remove_dir_all(sandbox.path("dataset")).unwrap();
        }
        let start = |_| {
            let mut command = sandbox.command(&run_args("songs", "logs", "dataset"));
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
                output.assert_failure(4, &["another run is writing to dataset"]);
            }
        }
        assert!(published > 0, "no run succeeded");
        assert!(
            deterministic_files(&sandbox.path("dataset")) == expected,
            "dataset is not the expected one"
        );
        sandbox.assert_no_staging_left();
    }
}

/// One of the two datasets that a reader may see.
struct ExpectedDataset {
    files: FilesByPath,
    records: Value,
}

impl ExpectedDataset {
    fn read(dir: &Path) -> Self {
        Self {
            files: deterministic_files(dir),
            records: read_report(dir)["logs"]["records"].clone(),
        }
    }
}

/// Returns everything that a reader finds in an open directory. The directory may be removed meanwhile, so
/// files may be missing; `None` stands for a missing report.
fn read_open_dataset(dir: &Path) -> (FilesByPath, Option<Value>) {
    let mut files = FilesByPath::new();
    let mut records = None;
    let list = |dir: &Path| -> Vec<_> {
        match fs::read_dir(dir) {
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
        for entry in list(&dir.join(&above)) {
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

/// Opens the directory once, and asserts that its files belong to one dataset, and that the dataset is
/// complete if the directory was still published at the end.
fn assert_consistent_read(out: &Path, known: &[ExpectedDataset]) {
    let dir = File::open(out).expect("a dataset exists at every moment");
    let open_dir = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let (files, records) = read_open_dataset(open_dir.as_ref());
    let (now, then) = (fs::metadata(out).unwrap(), dir.metadata().unwrap());
    let is_still_published = (now.dev(), now.ino()) == (then.dev(), then.ino());
    let is_consistent = |known: &&ExpectedDataset| {
        let is_equal = |(name, bytes): (&String, _)| known.files.get(name) == Some(bytes);
        files.iter().all(is_equal) && records.as_ref().is_none_or(|n| *n == known.records)
    };
    let names: Vec<_> = files.keys().collect();
    let matched = known.iter().find(is_consistent);
    let matched = matched.unwrap_or_else(|| panic!("files of two datasets: {names:?} {records:?}"));
    if is_still_published {
        assert!(records.is_some(), "report is missing");
        assert_eq!(names, matched.files.keys().collect::<Vec<_>>());
    }
}

#[test]
fn reader_never_sees_a_mixed_dataset() {
    let sandbox = Sandbox::new();
    let inputs = [(2000, 1), (3000, 2)].map(|(events, seed)| {
        let generated = generate_data(&sandbox, &format!("input-{seed}"), events, seed);
        sandbox
            .run(&generated.songs, &generated.logs, "dataset")
            .assert_success();
        (generated, ExpectedDataset::read(&sandbox.path("dataset")))
    });
    let (generated, known): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
    for (name, bytes) in &known[0].files {
        assert_ne!(
            Some(bytes),
            known[1].files.get(name),
            "{name} is equal in both datasets"
        );
    }
    let out = sandbox.path("dataset");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_consistent_read(&out, &known);
                }
            });
        }
        // The readers must stop even if an assertion fails.
        let runs = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for generated in generated.iter().cycle().take(40) {
                sandbox
                    .run(&generated.songs, &generated.logs, "dataset")
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
    // Enough events that the run takes a while.
    sandbox.write("logs/a.json", events(0..200_000));
    let mut command = sandbox.command(&run_args("songs", "logs", "dataset"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    while !sandbox.path(".dataset.sparkify-staging/songs").exists()
        && child.try_wait().unwrap().is_none()
    {
        std::thread::yield_now();
    }
    sandbox.write("dataset/notes.txt", "precious");
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    // If the run had finished by then, the file would be in the new dataset.
    if output.code != Some(0) {
        output.assert_failure(1, &["it contains notes.txt, which sparkify did not write"]);
    }
    assert_eq!(
        fs::read(sandbox.path("dataset/notes.txt")).unwrap(),
        b"precious"
    );
    sandbox.assert_no_staging_left();
}
