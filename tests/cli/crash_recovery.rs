//! `kill -9` during a run that replaces a dataset.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::cli::generated_data::{GeneratedPaths, generate_data};
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::dataset::directory::{deterministic_files, read_report};
use testkit::dir_contents::FilesByPath;

/// The parts of a dataset that can be compared: its files, and the parts of its report without times.
#[derive(PartialEq)]
struct ComparableDataset {
    files: FilesByPath,
    logs: Value,
}

impl ComparableDataset {
    fn read(folder: &Path) -> Self {
        Self {
            files: deterministic_files(folder),
            logs: read_report(folder)["logs"].clone(),
        }
    }
}

struct KillTest {
    sandbox: Sandbox,
    old_input: GeneratedPaths,
    new_input: GeneratedPaths,
    /// The dataset that the killed runs are to replace, with parts that the new one does not have.
    initial_dataset: ComparableDataset,
    extra_files: usize,
    old_dataset: ComparableDataset,
    new_dataset: ComparableDataset,
    /// The duration of a run over the new input.
    run_duration: Duration,
}

impl KillTest {
    fn prepare(events: u64, extra_files: usize) -> Self {
        let sandbox = Sandbox::new();
        let old = generate_data(&sandbox, "old", 1000, 1);
        let new = generate_data(&sandbox, "new", events, 2);
        let start = Instant::now();
        sandbox
            .run(&new.songs, &new.logs, "dataset")
            .assert_success();
        let run_duration = start.elapsed();
        let new_star = ComparableDataset::read(&sandbox.path("dataset"));
        sandbox
            .run(&old.songs, &old.logs, "dataset")
            .assert_success();
        let old_star = ComparableDataset::read(&sandbox.path("dataset"));
        add_extra_files(&sandbox, extra_files);
        let replaced = ComparableDataset::read(&sandbox.path("dataset"));
        Self {
            sandbox,
            old_input: old,
            new_input: new,
            initial_dataset: replaced,
            extra_files,
            old_dataset: old_star,
            new_dataset: new_star,
            run_duration,
        }
    }

    /// Starts a run over the old dataset, kills it when `wait_for_moment` returns, and compares the output
    /// with both datasets. Leaves a dataset to replace, and returns whether the new one was published.
    fn kill_and_verify(&self, wait_for_moment: impl FnOnce(&mut Child)) -> bool {
        let arguments = run_args(&self.new_input.songs, &self.new_input.logs, "dataset");
        let mut command = self.sandbox.command(&arguments);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_for_moment(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();

        let left = ComparableDataset::read(&self.sandbox.path("dataset"));
        let published = left == self.new_dataset;
        assert!(
            published || left == self.initial_dataset,
            "neither the old nor the new dataset"
        );
        let next = self
            .sandbox
            .run(&self.old_input.songs, &self.old_input.logs, "dataset");
        next.assert_success();
        assert!(ComparableDataset::read(&self.sandbox.path("dataset")) == self.old_dataset);
        self.sandbox.assert_no_staging_left();
        add_extra_files(&self.sandbox, self.extra_files);
        published
    }

    /// Waits until `happened` returns true or the run ends.
    fn wait_until(child: &mut Child, happened: impl Fn() -> bool) {
        while !happened() && child.try_wait().unwrap().is_none() {
            yield_now();
        }
    }
}

/// Writes many small files into the dataset, like a run with many splits.
fn add_extra_files(sandbox: &Sandbox, count: usize) {
    for number in 0..count {
        sandbox.write(&format!("dataset/_rejects/logs-1{number:05}.jsonl"), "{}\n");
    }
}

/// Returns reproducible pseudo-random numbers in 0.0..1.0.
fn pseudo_random_fractions(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / 2_f64.powi(32)
    })
}

#[test]
fn killed_run_leaves_the_old_or_the_new_dataset() {
    let killing = KillTest::prepare(300_000, 0);
    for fraction in pseudo_random_fractions(42).take(10) {
        let published = killing.kill_and_verify(|_| sleep(killing.run_duration.mul_f64(fraction)));
        println!("killed at {fraction:.3} of a run: published {published}");
    }
}

#[test]
fn run_killed_while_publishing_leaves_one_dataset() {
    // Checking so many files before the exchange and removing them after it takes a while, so the kills hit
    // both moments reliably.
    let killing = KillTest::prepare(5000, 2000);
    let staged = killing
        .sandbox
        .path(".dataset.sparkify-staging/_report.json");
    let out = killing.sandbox.path("dataset");
    let inode = || fs::metadata(&out).unwrap().ino();
    for microseconds in [0, 0, 500, 1000, 2000, 5000, 20_000] {
        let later = Duration::from_micros(microseconds);
        // The report is the last file of a dataset that is written; the exchange follows.
        let published = killing.kill_and_verify(|child| {
            KillTest::wait_until(child, || staged.exists());
            spin_for(later);
        });
        println!("killed {later:?} after the report was staged: published {published}");
        // The old dataset is removed after the exchange.
        let before = inode();
        let published = killing.kill_and_verify(|child| {
            KillTest::wait_until(child, || inode() != before);
            spin_for(later);
        });
        assert!(published);
    }
}

/// Waits by spinning, because a sleep of microseconds is not precise enough.
fn spin_for(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}
