//! Processes splits on worker threads and verifies their speculative start offsets.
//!
//! A split that begins inside an object predicts where its first record begins. The prediction is verified when
//! the previous split is done: a split is *confirmed* if it began where the records of the previous split ended.
//! Otherwise it is read again from there. Only splits of the same object wait for each other. Splits are handed
//! out in order, so few of them wait, and not for long.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::ReadContext;
use super::build_thread_pool;
use super::input_source::InputSource;
use super::split_reader::{SplitReader, SplitStart, SplitStats};
use crate::error::Result;
use crate::input::RecordKind;
use crate::input::Split;

/// A split whose start offset is verified.
#[derive(Debug)]
pub(super) struct ConfirmedSplitResult<T> {
    /// The statistics of the split.
    pub stats: SplitStats,
    /// Newlines in its first object before the start of its records.
    pub lines_before: u64,
    /// The output of the worker.
    pub output: T,
}

/// Runs `process` for all splits of `source` on every thread of the current pool, and `on_confirmed` for each
/// confirmed split, in no particular order.
///
/// # Errors
/// Returns the first error of `process` or `on_confirmed`. The other workers stop before their next split.
pub(super) fn process_splits<T: Send>(
    context: ReadContext<'_>,
    source: &InputSource,
    process: impl Fn(&mut SplitReader<'_>, &Split, SplitStart) -> Result<(SplitStats, T)> + Sync,
    on_confirmed: impl Fn(&Split, ConfirmedSplitResult<T>) -> Result<()> + Sync,
) -> Result<()> {
    let splits = &source.plan.splits;
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let is_stopped = AtomicBool::new(false);
    let tracker = Mutex::new(BoundaryTracker::new(source));
    let worker = || -> Result<()> {
        let mut reader = SplitReader::new(context, source);
        while !is_stopped.load(Ordering::Relaxed) {
            let Some(split) = splits.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let mut task = Some((split, SplitStart::NextLine));
            while let Some((split, start)) = task {
                let result = process(&mut reader, split, start)?;
                let mut locked = tracker.lock().unwrap_or_else(PoisonError::into_inner);
                let (confirmed, retry) = locked.complete(split.number, result);
                drop(locked);
                for (number, confirmed_split) in confirmed {
                    if let Some(split) = splits.get(number) {
                        on_confirmed(split, confirmed_split)?;
                    }
                }
                task = retry.and_then(|(number, start)| Some((splits.get(number)?, start)));
            }
        }
        Ok(())
    };
    let span = tracing::Span::current();
    let run_worker = || {
        let _entered = span.enter();
        let result = worker();
        if result.is_err() {
            is_stopped.store(true, Ordering::Relaxed);
        }
        result
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
    results.into_iter().collect()
}

/// The end of the records of a split in its last object.
#[derive(Debug, Clone, Copy)]
struct SplitRecordsEnd {
    /// The byte offset in the object.
    offset: u64,
    /// Newlines in the object before the offset.
    newlines: u64,
}

/// Tracks which splits are done and which of them are confirmed.
#[derive(Debug)]
struct BoundaryTracker<'a, T> {
    source: &'a InputSource,
    pending: Vec<Option<(SplitStats, T)>>,
    record_ends: Vec<Option<SplitRecordsEnd>>,
}

type RetryTask = (usize, SplitStart);

impl<'a, T> BoundaryTracker<'a, T> {
    fn new(source: &'a InputSource) -> Self {
        let splits = source.plan.splits.len();
        let pending = std::iter::repeat_with(|| None).take(splits).collect();
        Self {
            source,
            pending,
            record_ends: vec![None; splits],
        }
    }

    /// Adds the result of a split. Returns the splits that are confirmed now, and the split to process again, if
    /// any.
    fn complete(
        &mut self,
        number: usize,
        result: (SplitStats, T),
    ) -> (Vec<(usize, ConfirmedSplitResult<T>)>, Option<RetryTask>) {
        let mut confirmed = Vec::new();
        if let Some(slot) = self.pending.get_mut(number) {
            *slot = Some(result);
        }
        for number in number.. {
            let Some(start) = self.expected_start(number) else {
                break;
            };
            let Some((stats, output)) = self.pending.get_mut(number).and_then(Option::take) else {
                break;
            };
            let is_expected = match start {
                SplitStart::NextLine => true,
                SplitStart::Byte(at) => stats.records_start == Some(at),
                SplitStart::Skip => stats.records_start.is_none(),
            };
            if !is_expected {
                return (confirmed, Some((number, start)));
            }
            let lines_before = self
                .previous_record_end(number)
                .map_or(0, |previous| previous.newlines);
            let is_single_segment = self.segment_count(number) == 1;
            let record_end = match stats.records_end {
                Some(end) => {
                    let newlines_before = if is_single_segment { lines_before } else { 0 };
                    Some(SplitRecordsEnd {
                        offset: end,
                        newlines: newlines_before + stats.newlines.1,
                    })
                }
                None => self.previous_record_end(number),
            };
            if let Some(slot) = self.record_ends.get_mut(number) {
                *slot = record_end;
            }
            confirmed.push((
                number,
                ConfirmedSplitResult {
                    stats,
                    lines_before,
                    output,
                },
            ));
        }
        (confirmed, None)
    }

    /// Returns where the records of a split begin. Returns `None` if that is not known yet.
    fn expected_start(&self, number: usize) -> Option<SplitStart> {
        let first = self.source.plan.splits.get(number)?.segments.first()?;
        if first.start == 0 {
            return Some(SplitStart::NextLine);
        }
        let previous = self.previous_record_end(number)?;
        let size = self.source.objects.get(first.object)?.meta.size;
        let is_inside = previous.offset < first.end.min(size);
        Some(if is_inside {
            SplitStart::Byte(previous.offset)
        } else {
            SplitStart::Skip
        })
    }

    /// Returns the end of the records of the previous split, if the split begins inside an object.
    fn previous_record_end(&self, number: usize) -> Option<SplitRecordsEnd> {
        let first = self.source.plan.splits.get(number)?.segments.first()?;
        if first.start == 0 {
            return None;
        }
        *self.record_ends.get(number.checked_sub(1)?)?
    }

    fn segment_count(&self, number: usize) -> usize {
        self.source
            .plan
            .splits
            .get(number)
            .map_or(0, |split| split.segments.len())
    }
}
