//! Measures where the time goes: the seconds, bytes and events of each stage, summed over all workers, and the
//! wall-clock time of each phase.
//!
//! Stages run concurrently on all workers. Phases follow one another, and each has a number of tasks that threads
//! can share. Work outside all phases uses one thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::output::run_report::StageReport;

/// A stage of the data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PipelineStage {
    /// Listing objects.
    List,
    /// Reading and decompressing.
    Read,
    /// JSON to Arrow.
    Decode,
    /// Arrow to the tables of the star schema.
    Star,
    /// Tables to Parquet, including writing it.
    Encode,
    /// Finding and removing events that were delivered more than once.
    Deduplicate,
}

const STAGE_NAMES: [(PipelineStage, &str); 6] = [
    (PipelineStage::List, "list"),
    (PipelineStage::Read, "read"),
    (PipelineStage::Decode, "decode"),
    (PipelineStage::Star, "star"),
    (PipelineStage::Encode, "encode"),
    (PipelineStage::Deduplicate, "deduplicate"),
];

#[derive(Debug, Default)]
struct StageTotals {
    nanoseconds: AtomicU64,
    bytes: AtomicU64,
    events: AtomicU64,
}

/// The wall-clock time of a phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct PhaseTiming {
    /// The name of the phase.
    pub name: &'static str,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// The number of tasks, which is the maximum number of threads that can share the phase. Absent if any number
    /// of threads can.
    pub tasks: Option<usize>,
}

/// The timings of a run. Workers add to them after each chunk or batch.
#[derive(Debug, Default)]
pub(super) struct Timings {
    totals: [StageTotals; STAGE_NAMES.len()],
    phases: Mutex<Vec<PhaseTiming>>,
}

impl Timings {
    /// Adds work that began at `began` and ends now.
    pub(super) fn record(&self, stage: PipelineStage, began: Instant, bytes: u64, events: u64) {
        self.record_duration(stage, began.elapsed(), bytes, events);
    }

    /// Adds work that took `duration`.
    pub(super) fn record_duration(
        &self,
        stage: PipelineStage,
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

    /// Adds a phase with `tasks` tasks that began at `began` and ends now. Work for a single thread is one task. A
    /// phase without tasks is not recorded.
    pub(super) fn record_phase(
        &self,
        name: &'static str,
        tasks: impl Into<Option<usize>>,
        began: Instant,
    ) {
        let phase = PhaseTiming {
            name,
            seconds: began.elapsed().as_secs_f64(),
            tasks: tasks.into(),
        };
        if phase.tasks == Some(0) {
            return;
        }
        tracing::debug!(
            seconds = phase.seconds,
            tasks = phase.tasks,
            "phase: {name}"
        );
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.push(phase);
    }

    /// Returns the phases so far, in order.
    pub(super) fn phases(&self) -> Vec<PhaseTiming> {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.clone()
    }

    /// Returns the reports of all stages by name.
    pub(super) fn stage_reports(&self) -> BTreeMap<String, StageReport> {
        let report = |&(stage, name): &(PipelineStage, &str)| {
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
