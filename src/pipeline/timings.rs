//! Where the time goes: seconds, bytes and events of each stage, summed over all workers, and the
//! phases of a run by the clock.
//!
//! Stages run side by side on every worker. Phases follow one another, and each has so many pieces
//! of work that threads can share; what lies outside all phases is the work of one thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::output::report::StageReport;

/// A stage of the data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Listing objects.
    List,
    /// Reading and decompressing.
    Read,
    /// JSON to Arrow.
    Decode,
    /// Arrow to the star.
    Star,
    /// The star to Parquet, on disk.
    Encode,
    /// Finding events that were delivered twice.
    Deduplicate,
}

const STAGE_NAMES: [(Stage, &str); 6] = [
    (Stage::List, "list"),
    (Stage::Read, "read"),
    (Stage::Decode, "decode"),
    (Stage::Star, "star"),
    (Stage::Encode, "encode"),
    (Stage::Deduplicate, "deduplicate"),
];

#[derive(Debug, Default)]
struct StageTotals {
    nanoseconds: AtomicU64,
    bytes: AtomicU64,
    events: AtomicU64,
}

/// A phase of a run, by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Seconds that it took.
    pub seconds: f64,
    /// Pieces of work in it, and so the most threads that can share it; absent if any number can.
    pub tasks: Option<usize>,
}

/// The totals of a run. Workers add to them a chunk or batch at a time.
#[derive(Debug, Default)]
pub(super) struct Timings {
    totals: [StageTotals; STAGE_NAMES.len()],
    phases: Mutex<Vec<Phase>>,
}

impl Timings {
    /// Adds work that began at `began` and ends now.
    pub(super) fn record(&self, stage: Stage, began: Instant, bytes: u64, events: u64) {
        self.record_duration(stage, began.elapsed(), bytes, events);
    }

    /// Adds work that took so long.
    pub(super) fn record_duration(
        &self,
        stage: Stage,
        duration: Duration,
        bytes: u64,
        events: u64,
    ) {
        let totals = &self.totals[stage as usize];
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        for (total, amount) in [
            (&totals.nanoseconds, nanoseconds),
            (&totals.bytes, bytes),
            (&totals.events, events),
        ] {
            total.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Adds a phase of so many pieces that began at `began` and ends now. One with work for a single
    /// thread has one piece; one without any is none.
    pub(super) fn record_phase(
        &self,
        name: &'static str,
        tasks: impl Into<Option<usize>>,
        began: Instant,
    ) {
        let phase = Phase {
            name,
            seconds: began.elapsed().as_secs_f64(),
            tasks: tasks.into(),
        };
        if phase.tasks == Some(0) {
            return;
        }
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.push(phase);
    }

    /// The phases so far, in order.
    pub(super) fn phases(&self) -> Vec<Phase> {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.clone()
    }

    /// The report of all stages.
    pub(super) fn stage_reports(&self) -> BTreeMap<String, StageReport> {
        let report = |&(stage, name): &(Stage, &str)| {
            let totals = &self.totals[stage as usize];
            let load = |total: &AtomicU64| total.load(Ordering::Relaxed);
            let seconds = load(&totals.nanoseconds) as f64 / 1e9;
            (
                name.to_owned(),
                StageReport::new(seconds, load(&totals.bytes), load(&totals.events)),
            )
        };
        STAGE_NAMES.iter().map(report).collect()
    }
}
