//! `kill -9` in the middle of a run over an earlier star.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::data::{Generated, generated};
use crate::harness::{Place, run_arguments};
use crate::star::{Files, report, star};

/// A star as it must be: its files, and what its report says that no clock decides.
#[derive(PartialEq)]
struct Expected {
    files: Files,
    logs: Value,
}

impl Expected {
    fn of(folder: &Path) -> Self {
        Self {
            files: star(folder),
            logs: report(folder)["logs"].clone(),
        }
    }
}

struct Killing {
    place: Place,
    old: Generated,
    new: Generated,
    /// What the killed runs are to replace: the old star, and parts that it has not.
    replaced: Expected,
    surplus: usize,
    old_star: Expected,
    new_star: Expected,
    /// How long a run of the new input takes.
    whole: Duration,
}

impl Killing {
    fn prepare(events: u64, surplus: usize) -> Self {
        let place = Place::new();
        let old = generated(&place, "old", 1000, 1);
        let new = generated(&place, "new", events, 2);
        let began = Instant::now();
        place.run(&new.songs, &new.logs, "star").succeeds();
        let whole = began.elapsed();
        let new_star = Expected::of(&place.path("star"));
        place.run(&old.songs, &old.logs, "star").succeeds();
        let old_star = Expected::of(&place.path("star"));
        plant(&place, surplus);
        let replaced = Expected::of(&place.path("star"));
        Self {
            place,
            old,
            new,
            replaced,
            surplus,
            old_star,
            new_star,
            whole,
        }
    }

    /// Starts a run over the old star, kills it when `moment` returns, and holds what is left
    /// against both stars. Leaves a star to replace. Tells whether the new one was published.
    fn kill(&self, moment: impl FnOnce(&mut Child)) -> bool {
        let arguments = run_arguments(&self.new.songs, &self.new.logs, "star");
        let mut command = self.place.sparkify(&arguments);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        moment(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();

        let left = Expected::of(&self.place.path("star"));
        let published = left == self.new_star;
        assert!(published || left == self.replaced, "neither star");
        let next = self.place.run(&self.old.songs, &self.old.logs, "star");
        next.succeeds();
        assert!(Expected::of(&self.place.path("star")) == self.old_star);
        self.place.has_no_leavings();
        plant(&self.place, self.surplus);
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
fn plant(place: &Place, surplus: usize) {
    for number in 0..surplus {
        place.write(&format!("star/_rejects/logs-1{number:05}.jsonl"), "{}\n");
    }
}

/// Numbers in no order from 0 to below 1, the same ones every time.
fn fractions(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / 2_f64.powi(32)
    })
}

#[test]
fn a_killed_run_leaves_the_earlier_star_or_the_new_one() {
    let killing = Killing::prepare(300_000, 0);
    for fraction in fractions(42).take(10) {
        let published = killing.kill(|_| sleep(killing.whole.mul_f64(fraction)));
        println!("killed at {fraction:.3} of a run: published {published}");
    }
}

#[test]
fn a_run_killed_around_publishing_leaves_one_star() {
    // Looking through so many files before the exchange, and removing them after it, takes a while:
    // the moments on both sides are hit for certain enough.
    let killing = Killing::prepare(5000, 2000);
    let staged = killing.place.path(".star.sparkify-staging/_report.json");
    let out = killing.place.path("star");
    let inode = || fs::metadata(&out).unwrap().ino();
    for microseconds in [0, 0, 500, 1000, 2000, 5000, 20_000] {
        let later = Duration::from_micros(microseconds);
        // The report is the last file of a star that is written: next comes the exchange.
        let published = killing.kill(|child| {
            Killing::wait_until(child, || staged.exists());
            sleep_exactly(later);
        });
        println!("killed {later:?} after the report was staged: published {published}");
        // And then the old star is removed.
        let before = inode();
        let published = killing.kill(|child| {
            Killing::wait_until(child, || inode() != before);
            sleep_exactly(later);
        });
        assert!(published);
    }
}

/// Sleeps without the slack that a sleep of microseconds has.
fn sleep_exactly(duration: Duration) {
    let began = Instant::now();
    while began.elapsed() < duration {
        std::hint::spin_loop();
    }
}
