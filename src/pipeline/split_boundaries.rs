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
use super::source::Source;
use super::split_reader::{SplitReader, SplitStats, StartAt};
use super::start_workers;
use crate::error::Result;
use crate::input::Split;

/// A split that began where it should.
#[derive(Debug)]
pub struct ConfirmedSplit<T> {
    /// What was found in it.
    pub found: SplitStats,
    /// Newlines in its first object before its records began.
    pub lines_before: u64,
    /// What the worker made of it.
    pub made: T,
}

/// Sends all splits of `source` through `work` on every thread of the current pool, and gives each
/// one that settled to `settle`, in no order.
///
/// # Errors
/// The first error of `work` or `settle`; the other workers stop at their next split.
pub fn run<T: Send>(
    reading: ReadContext<'_>,
    source: &Source,
    work: impl Fn(&mut SplitReader<'_>, &Split, StartAt) -> Result<(SplitStats, T)> + Sync,
    settle: impl Fn(&Split, ConfirmedSplit<T>) -> Result<()> + Sync,
) -> Result<()> {
    let splits = &source.plan.splits;
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let chain = Mutex::new(BoundaryTracker::new(source));
    let worker = || -> Result<()> {
        let mut reader = SplitReader::new(reading, source);
        while !stop.load(Ordering::Relaxed) {
            let Some(split) = splits.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let mut task = Some((split, StartAt::NextLine));
            while let Some((split, start)) = task {
                let done = work(&mut reader, split, start)?;
                let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
                let (settled, again) = chain.offer(split.number, done);
                drop(chain);
                for (number, settled) in settled {
                    if let Some(split) = splits.get(number) {
                        settle(split, settled)?;
                    }
                }
                task = again.and_then(|(number, start)| Some((splits.get(number)?, start)));
            }
        }
        Ok(())
    };
    let work = || {
        let done = worker();
        if done.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        done
    };
    let done = match source.requests() {
        None => rayon::broadcast(|_| work()),
        // While one waits for the network another has something to do.
        Some(_) => start_workers(2 * rayon::current_num_threads())?.broadcast(|_| work()),
    };
    reading
        .stages
        .phase(source.kind.plural(), splits.len(), began);
    done.into_iter().collect()
}

/// Where the records of a split's last object ended.
#[derive(Debug, Clone, Copy)]
struct RecordEnd {
    /// The byte in the object.
    end: u64,
    /// Newlines in the object before it.
    lines: u64,
}

#[derive(Debug)]
struct BoundaryTracker<'a, T> {
    source: &'a Source,
    waiting: Vec<Option<(SplitStats, T)>>,
    tails: Vec<Option<RecordEnd>>,
}

type RetryTask = (usize, StartAt);

impl<'a, T> BoundaryTracker<'a, T> {
    fn new(source: &'a Source) -> Self {
        let splits = source.plan.splits.len();
        let waiting = std::iter::repeat_with(|| None).take(splits).collect();
        Self {
            source,
            waiting,
            tails: vec![None; splits],
        }
    }

    /// Takes in what was made of a split. Gives those that settle now, and what must be done again.
    fn offer(
        &mut self,
        number: usize,
        done: (SplitStats, T),
    ) -> (Vec<(usize, ConfirmedSplit<T>)>, Option<RetryTask>) {
        let mut settled = Vec::new();
        if let Some(slot) = self.waiting.get_mut(number) {
            *slot = Some(done);
        }
        for number in number.. {
            let Some(start) = self.right_start(number) else {
                break;
            };
            let Some((found, made)) = self.waiting.get_mut(number).and_then(Option::take) else {
                break;
            };
            let right = match start {
                StartAt::NextLine => true,
                StartAt::Byte(at) => found.began == Some(at),
                StartAt::Skip => found.began.is_none(),
            };
            if !right {
                return (settled, Some((number, start)));
            }
            let lines_before = self.tail_before(number).map_or(0, |tail| tail.lines);
            let alone = self.segments(number) == 1;
            let tail = match found.ended {
                Some(end) => {
                    let before = if alone { lines_before } else { 0 };
                    Some(RecordEnd {
                        end,
                        lines: before + found.lines.1,
                    })
                }
                None => self.tail_before(number),
            };
            if let Some(slot) = self.tails.get_mut(number) {
                *slot = tail;
            }
            settled.push((
                number,
                ConfirmedSplit {
                    found,
                    lines_before,
                    made,
                },
            ));
        }
        (settled, None)
    }

    /// Where a split's records begin, as far as that is known by now.
    fn right_start(&self, number: usize) -> Option<StartAt> {
        let first = self.source.plan.splits.get(number)?.segments.first()?;
        if first.start == 0 {
            return Some(StartAt::NextLine);
        }
        let tail = self.tail_before(number)?;
        let size = self.source.objects.get(first.object)?.entry.size;
        let inside = tail.end < first.end.min(size);
        Some(if inside {
            StartAt::Byte(tail.end)
        } else {
            StartAt::Skip
        })
    }

    /// The tail of the split before one that begins inside an object.
    fn tail_before(&self, number: usize) -> Option<RecordEnd> {
        let first = self.source.plan.splits.get(number)?.segments.first()?;
        if first.start == 0 {
            return None;
        }
        *self.tails.get(number.checked_sub(1)?)?
    }

    fn segments(&self, number: usize) -> usize {
        self.source
            .plan
            .splits
            .get(number)
            .map_or(0, |split| split.segments.len())
    }
}
