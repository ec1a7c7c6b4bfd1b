//! Collects scanned records until they are appended to the batch together.
//!
//! The records of a block are appended column by column: a loop over one column repeats the same work,
//! whereas a loop over one record does different work at every step.

use std::ops::Range;

use super::value_span::{ABSENT, ValueSpan};

/// The maximum number of records in a block.
const BLOCK_ROWS: usize = 32;

/// A record that passed the filter.
#[derive(Debug, Clone)]
pub(super) struct ScannedRecord {
    /// The position of its bytes in the chunk.
    pub bytes: Range<usize>,
    /// The number of newlines from the start of the segment to the record.
    pub line: u64,
}

/// The scanned records that are not in the batch yet.
#[derive(Debug)]
pub(super) struct RecordBlock {
    /// The number of keys, which is the number of spans of each record.
    num_keys: usize,
    /// The spans of the records, and of the record that is being scanned.
    spans: Vec<ValueSpan>,
    records: Vec<ScannedRecord>,
}

impl RecordBlock {
    /// Returns an empty block of records that have one span for each of `num_keys` keys.
    pub(super) fn new(num_keys: usize) -> Self {
        Self {
            num_keys,
            spans: vec![ABSENT; (BLOCK_ROWS + 1) * num_keys],
            records: Vec::with_capacity(BLOCK_ROWS),
        }
    }

    /// Returns the number of records.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns true if the block has no room for another record.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.records.len() == BLOCK_ROWS
    }

    /// Returns the spans of the record that is being scanned.
    #[inline(always)]
    pub(super) fn next_spans(&mut self) -> &mut [ValueSpan] {
        let first = self.records.len() * self.num_keys;
        &mut self.spans[first..first + self.num_keys]
    }

    /// Adds the record that was scanned into [`next_spans`](Self::next_spans). The block must not be full.
    #[inline(always)]
    pub(super) fn push(&mut self, record: ScannedRecord) {
        debug_assert!(!self.is_full(), "a block has room for the scanned record");
        self.records.push(record);
    }

    /// Removes all records.
    pub(super) fn clear(&mut self) {
        self.records.clear();
    }

    /// Returns the total length of the records, in bytes.
    pub(super) fn record_bytes(&self) -> usize {
        self.records.iter().map(|record| record.bytes.len()).sum()
    }

    /// Returns the span of key `key` in each record.
    #[inline(always)]
    pub(super) fn column_spans(&self, key: usize) -> impl Iterator<Item = ValueSpan> {
        let spans = self.spans.iter().skip(key).step_by(self.num_keys);
        spans.take(self.records.len()).copied()
    }

    /// Returns each record with its spans, in the order of the keys.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&ScannedRecord, &[ValueSpan])> {
        self.records
            .iter()
            .zip(self.spans.chunks_exact(self.num_keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next record would be scanned over the spans of the last one.
    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a block has room for the scanned record")]
    fn record_too_many_fails_loudly() {
        let mut block = RecordBlock::new(1);
        for _ in 0..=BLOCK_ROWS {
            block.push(ScannedRecord {
                bytes: 0..0,
                line: 0,
            });
        }
    }
}
