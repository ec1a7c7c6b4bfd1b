//! Processes splits on worker threads.
//!
//! Only splits of the same object wait for each other, until the [`BoundaryTracker`] confirms them. Splits are
//! handed out in order, so few of them wait, and not for long.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::boundary_tracker::{BoundaryTracker, ConfirmedSplit, DecodedSplit, SplitTask};
use super::input_source::InputSource;
use super::run_context::ReadContext;
use super::split_reader::SplitReader;
use super::split_stats::SplitStart;
use super::thread_pool::build_thread_pool;
use crate::error::Result;
use crate::input::RecordKind;

/// Runs `process` for all splits of `source` on every thread of the current pool, and `on_confirmed` for each
/// confirmed split, in no particular order.
///
/// # Errors
/// Returns the first error of `process` or `on_confirmed`. The other workers stop before their next split.
pub(super) fn process_splits<'a, T: Send>(
    context: ReadContext<'a>,
    source: &'a InputSource,
    process: impl Fn(&mut SplitReader<'_>, SplitTask<'_>) -> Result<DecodedSplit<T>> + Sync,
    on_confirmed: impl Fn(ConfirmedSplit<'a, T>) -> Result<()> + Sync,
) -> Result<()> {
    let splits = &source.plan.splits;
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let is_stopped = AtomicBool::new(false);
    let tracker = Mutex::new(BoundaryTracker::new(&source.objects, splits));
    let process_until_confirmed =
        |reader: &mut SplitReader<'_>, first: SplitTask<'a>| -> Result<()> {
            let mut task = Some(first);
            while let Some(current) = task {
                let decoded = process(reader, current)?;
                let mut locked = tracker.lock().unwrap_or_else(PoisonError::into_inner);
                let verdict = locked.complete(current.split, decoded);
                drop(locked);
                verdict.confirmed.into_iter().try_for_each(&on_confirmed)?;
                task = verdict.retry;
            }
            Ok(())
        };
    let worker = || -> Result<()> {
        let mut reader = SplitReader::new(context, source);
        while !is_stopped.load(Ordering::Relaxed)
            && let Some(split) = splits.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let start = SplitStart::NextLine;
            process_until_confirmed(&mut reader, SplitTask { split, start })?;
        }
        Ok(())
    };
    let span = tracing::Span::current();
    let run_worker = || {
        let _entered = span.enter();
        worker().inspect_err(|_| is_stopped.store(true, Ordering::Relaxed))
    };
    let results = match source.max_concurrent_requests() {
        None => rayon::broadcast(|_| run_worker()),
        // Twice the threads, so that the CPU is busy while other threads wait for the network.
        Some(_) => build_thread_pool(2 * rayon::current_num_threads())?.broadcast(|_| run_worker()),
    };
    let phase = match source.kind {
        RecordKind::Song => "read songs",
        RecordKind::Log => "process logs",
    };
    context.timings.record_phase(phase, splits.len(), began);
    results.into_iter().collect::<Result<()>>()?;
    let tracker = tracker.into_inner();
    tracker.unwrap_or_else(PoisonError::into_inner).finish();
    Ok(())
}
