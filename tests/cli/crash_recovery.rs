//! `kill -9` in the middle of a run over an earlier star.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::dataset::{FileContents, deterministic_files, read_report};
use crate::support::records::{GeneratedData, generate_data};
use crate::support::sandbox::{Sandbox, run_args};

/// A star as it must be: its files, and what its report says that no clock decides.
#[derive(PartialEq)]
struct ExpectedDataset {
    files: FileContents,
    logs: Value,
}

impl ExpectedDataset {
    fn read(folder: &Path) -> Self {
        Self {
            files: deterministic_files(folder),
            logs: read_report(folder)["logs"].clone(),
        }
    }
}

struct KillTest {
    sandbox: Sandbox,
    old_input: GeneratedData,
    new_input: GeneratedData,
    /// What the killed runs are to replace: the old star, and parts that it has not.
    initial_dataset: ExpectedDataset,
    extra_files: usize,
    old_dataset: ExpectedDataset,
    new_dataset: ExpectedDataset,
    /// How long a run of the new input takes.
    run_duration: Duration,
}

impl KillTest {
    fn prepare(events: u64, extra_files: usize) -> Self {
        let sandbox = Sandbox::new();
        let old = generate_data(&sandbox, "old", 1000, 1);
        let new = generate_data(&sandbox, "new", events, 2);
        let began = Instant::now();
        sandbox.run(&new.songs, &new.logs, "star").assert_success();
        let whole = began.elapsed();
        let new_star = ExpectedDataset::read(&sandbox.path("star"));
        sandbox.run(&old.songs, &old.logs, "star").assert_success();
        let old_star = ExpectedDataset::read(&sandbox.path("star"));
        add_extra_files(&sandbox, extra_files);
        let replaced = ExpectedDataset::read(&sandbox.path("star"));
        Self {
            sandbox,
            old_input: old,
            new_input: new,
            initial_dataset: replaced,
            extra_files,
            old_dataset: old_star,
            new_dataset: new_star,
            run_duration: whole,
        }
    }

    /// Starts a run over the old star, kills it when `moment` returns, and holds what is left
    /// against both stars. Leaves a star to replace. Tells whether the new one was published.
    fn kill_and_verify(&self, wait_for_moment: impl FnOnce(&mut Child)) -> bool {
        let arguments = run_args(&self.new_input.songs, &self.new_input.logs, "star");
        let mut command = self.sandbox.command(&arguments);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_for_moment(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();

        let left = ExpectedDataset::read(&self.sandbox.path("star"));
        let published = left == self.new_dataset;
        assert!(published || left == self.initial_dataset, "neither star");
        let next = self
            .sandbox
            .run(&self.old_input.songs, &self.old_input.logs, "star");
        next.assert_success();
        assert!(ExpectedDataset::read(&self.sandbox.path("star")) == self.old_dataset);
        self.sandbox.assert_no_staging_left();
        add_extra_files(&self.sandbox, self.extra_files);
        published
    }

    /// Waits until `happened`, or until the run is over and it never will.
    fn wait_until(child: &mut Child, happened: impl Fn() -> bool) {
        while !happened() && child.try_wait().unwrap().is_none() {
            yield_now();
        }
    }
}

/// Puts so many small files into the star, as a run of many splits would have.
fn add_extra_files(sandbox: &Sandbox, count: usize) {
    for number in 0..count {
        sandbox.write(&format!("star/_rejects/logs-1{number:05}.jsonl"), "{}\n");
    }
}

/// Numbers in no order from 0 to below 1, the same ones every time.
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
    // Looking through so many files before the exchange, and removing them after it, takes a while:
    // the moments on both sides are hit for certain enough.
    let killing = KillTest::prepare(5000, 2000);
    let staged = killing.sandbox.path(".star.sparkify-staging/_report.json");
    let out = killing.sandbox.path("star");
    let inode = || fs::metadata(&out).unwrap().ino();
    for microseconds in [0, 0, 500, 1000, 2000, 5000, 20_000] {
        let later = Duration::from_micros(microseconds);
        // The report is the last file of a star that is written: next comes the exchange.
        let published = killing.kill_and_verify(|child| {
            KillTest::wait_until(child, || staged.exists());
            spin_for(later);
        });
        println!("killed {later:?} after the report was staged: published {published}");
        // And then the old star is removed.
        let before = inode();
        let published = killing.kill_and_verify(|child| {
            KillTest::wait_until(child, || inode() != before);
            spin_for(later);
        });
        assert!(published);
    }
}

/// Sleeps without the slack that a sleep of microseconds has.
fn spin_for(duration: Duration) {
    let began = Instant::now();
    while began.elapsed() < duration {
        std::hint::spin_loop();
    }
}
