//! Reads ranges from several stores in one given order.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::store::{ObjectRange, RangeReader, Store};
use crate::error::Result;

/// Reads ranges of several stores one after the other.
pub(crate) struct ChainedReader<'a> {
    stores: &'a [Box<dyn Store>],
    /// Consecutive ranges in the same store, as store index and ranges, that are not opened yet.
    pending: VecDeque<(usize, Vec<ObjectRange>)>,
    /// Reads the current group of ranges.
    reader: Option<Box<dyn RangeReader>>,
    /// Ranges that `reader` has not started.
    ranges_left: usize,
}

impl<'a> ChainedReader<'a> {
    /// Creates a reader of ranges, each with the index of its store in `stores`.
    pub(crate) fn new(
        stores: &'a [Box<dyn Store>],
        ranges: impl Iterator<Item = (u32, ObjectRange)>,
    ) -> Self {
        let mut pending: VecDeque<(usize, Vec<ObjectRange>)> = VecDeque::new();
        for (store, range) in ranges {
            match pending.back_mut() {
                Some((last, ranges)) if *last == store as usize => ranges.push(range),
                _ => pending.push_back((store as usize, vec![range])),
            }
        }
        Self {
            stores,
            pending,
            reader: None,
            ranges_left: 0,
        }
    }
}

impl RangeReader for ChainedReader<'_> {
    fn next_range(&mut self) -> Result<()> {
        if self.ranges_left == 0 {
            // Prefetched data of this reader holds permits that the next one may have to wait for.
            self.reader = None;
            let Some((store, ranges)) = self.pending.pop_front() else {
                return Ok(());
            };
            self.ranges_left = ranges.len();
            self.reader = self
                .stores
                .get(store)
                .map(|store| store.read_ranges(ranges));
        }
        self.ranges_left -= 1;
        self.reader
            .as_mut()
            .map_or(Ok(()), |reader| reader.next_range())
    }

    fn check_unchanged(&mut self) -> Result<()> {
        self.reader
            .as_mut()
            .map_or(Ok(()), |reader| reader.check_unchanged())
    }
}

impl Read for ChainedReader<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.reader.as_mut().map_or(Ok(0), |reader| reader.read(to))
    }
}
