//! Splits through workers, and the check that their guessed boundaries were right.
//!
//! A split that begins inside an object guesses where its first record begins. Whether it guessed
//! right is known when the split before it has ended: a split *settles* when its start is where its
//! predecessor's records ended, and is read again from there if it is not. Only splits of the same
//! object wait for each other; splits are handed out in order, so few wait and not for long.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::ReadContext;
use super::build_thread_pool;
use super::source::Source;
use super::split_reader::{SplitReader, SplitStats, StartAt};
use crate::error::Result;
use crate::input::Split;

/// A split that began where it should.
#[derive(Debug)]
pub(super) struct ConfirmedSplit<T> {
    /// What was found in it.
    pub stats: SplitStats,
    /// Newlines in its first object before its records began.
    pub lines_before: u64,
    /// What the worker made of it.
    pub output: T,
}

/// Sends all splits of `source` through `work` on every thread of the current pool, and gives each
/// one that settled to `settle`, in no order.
///
/// # Errors
/// The first error of `work` or `settle`; the other workers stop at their next split.
pub(super) fn process_splits<T: Send>(
    context: ReadContext<'_>,
    source: &Source,
    process: impl Fn(&mut SplitReader<'_>, &Split, StartAt) -> Result<(SplitStats, T)> + Sync,
    on_confirmed: impl Fn(&Split, ConfirmedSplit<T>) -> Result<()> + Sync,
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
            let mut task = Some((split, StartAt::NextLine));
            while let Some((split, start)) = task {
                let done = process(&mut reader, split, start)?;
                let mut chain = tracker.lock().unwrap_or_else(PoisonError::into_inner);
                let (confirmed, retry) = chain.complete(split.number, done);
                drop(chain);
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
    let run_worker = || {
        let done = worker();
        if done.is_err() {
            is_stopped.store(true, Ordering::Relaxed);
        }
        done
    };
    let done = match source.max_concurrent_requests() {
        None => rayon::broadcast(|_| run_worker()),
        // While one waits for the network another has something to do.
        Some(_) => build_thread_pool(2 * rayon::current_num_threads())?.broadcast(|_| run_worker()),
    };
    context
        .timings
        .record_phase(source.kind.plural(), splits.len(), began);
    done.into_iter().collect()
}

/// Where the records of a split's last object ended.
#[derive(Debug, Clone, Copy)]
struct RecordEnd {
    /// The byte in the object.
    offset: u64,
    /// Newlines in the object before it.
    newlines: u64,
}

#[derive(Debug)]
struct BoundaryTracker<'a, T> {
    source: &'a Source,
    pending: Vec<Option<(SplitStats, T)>>,
    record_ends: Vec<Option<RecordEnd>>,
}

type RetryTask = (usize, StartAt);

impl<'a, T> BoundaryTracker<'a, T> {
    fn new(source: &'a Source) -> Self {
        let splits = source.plan.splits.len();
        let pending = std::iter::repeat_with(|| None).take(splits).collect();
        Self {
            source,
            pending,
            record_ends: vec![None; splits],
        }
    }

    /// Takes in what was made of a split. Gives those that settle now, and what must be done again.
    fn complete(
        &mut self,
        number: usize,
        done: (SplitStats, T),
    ) -> (Vec<(usize, ConfirmedSplit<T>)>, Option<RetryTask>) {
        let mut confirmed = Vec::new();
        if let Some(slot) = self.pending.get_mut(number) {
            *slot = Some(done);
        }
        for number in number.. {
            let Some(start) = self.expected_start(number) else {
                break;
            };
            let Some((stats, output)) = self.pending.get_mut(number).and_then(Option::take) else {
                break;
            };
            let is_expected = match start {
                StartAt::NextLine => true,
                StartAt::Byte(at) => stats.began == Some(at),
                StartAt::Skip => stats.began.is_none(),
            };
            if !is_expected {
                return (confirmed, Some((number, start)));
            }
            let lines_before = self
                .previous_record_end(number)
                .map_or(0, |tail| tail.newlines);
            let is_single_segment = self.segment_count(number) == 1;
            let record_end = match stats.ended {
                Some(end) => {
                    let newlines_before = if is_single_segment { lines_before } else { 0 };
                    Some(RecordEnd {
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
                ConfirmedSplit {
                    stats,
                    lines_before,
                    output,
                },
            ));
        }
        (confirmed, None)
    }

    /// Where a split's records begin, as far as that is known by now.
    fn expected_start(&self, number: usize) -> Option<StartAt> {
        let first = self.source.plan.splits.get(number)?.segments.first()?;
        if first.start == 0 {
            return Some(StartAt::NextLine);
        }
        let previous = self.previous_record_end(number)?;
        let size = self.source.objects.get(first.object)?.meta.size;
        let is_inside = previous.offset < first.end.min(size);
        Some(if is_inside {
            StartAt::Byte(previous.offset)
        } else {
            StartAt::Skip
        })
    }

    /// The tail of the split before one that begins inside an object.
    fn previous_record_end(&self, number: usize) -> Option<RecordEnd> {
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
