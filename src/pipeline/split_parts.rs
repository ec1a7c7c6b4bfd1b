//! Describes the Parquet parts that were written from one split.

use super::run_context::RunContext;
use crate::error::Result;
use crate::input::SplitNumber;
use crate::model::TableSchema;
use crate::output::{ParquetPartReader, PartInfo};

/// The Parquet parts written from a split.
#[derive(Debug)]
pub(super) struct SplitParquetParts {
    /// The number of the split, which is also that of its parts.
    pub split: SplitNumber,
    /// The part of the fact table.
    pub fact: SplitParquetPart,
    /// The part of the keys of its lookup, which has only events that can match a record.
    pub lookup_keys: SplitParquetPart,
    /// Events that match a record.
    pub matched: u64,
}

impl SplitParquetParts {
    /// Returns the parts of a split that has no rows.
    pub(super) fn new(split: SplitNumber) -> Self {
        Self {
            split,
            fact: SplitParquetPart::default(),
            lookup_keys: SplitParquetPart::default(),
            matched: 0,
        }
    }
}

/// The part of one table written from a split.
#[derive(Debug, Default)]
pub(super) struct SplitParquetPart {
    /// The part, or `None` if it has no rows.
    pub part: Option<PartInfo>,
    /// The number of rows of each batch. Each batch with rows is a row group.
    pub rows_by_batch: Vec<u64>,
}

impl SplitParquetPart {
    /// Opens the part for reading.
    ///
    /// # Errors
    /// Returns an error if the part cannot be read or differs from what was written.
    #[expect(clippy::expect_used, reason = "a split without rows has no duplicates")]
    pub(super) fn open<'a>(
        &self,
        run: &'a RunContext<'_>,
        table: &'static TableSchema,
    ) -> Result<ParquetPartReader<'a>> {
        let rows: Vec<u64> = self
            .rows_by_batch
            .iter()
            .copied()
            .filter(|&rows| rows > 0)
            .collect();
        let part = self.part.expect("a split with duplicates has a part");
        run.staging.read_part(table, part, &rows)
    }

    /// Returns the batches that are row groups, in order.
    pub(super) fn row_groups(&self) -> impl Iterator<Item = usize> {
        (0..self.rows_by_batch.len()).filter(|&batch| self.rows_by_batch[batch] > 0)
    }
}
