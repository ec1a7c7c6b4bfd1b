//! Rewrites the Parquet parts of one split without the losing deliveries.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;

use super::duplicate_ids::DuplicateIds;
use super::run_context::RunContext;
use super::split_parts::{SplitParquetPart, SplitParquetParts};
use super::timings::PipelineStage;
use crate::error::{Error, Result};
use crate::input::SplitNumber;
use crate::model::TableSchema;
use crate::output::{PartWriter, StoredRowGroup};
use crate::star::deliveries::BatchIndex;

/// Rewrites the parts of one split.
pub(super) struct SplitRewriter<'a> {
    /// The run.
    pub run: &'a RunContext<'a>,
    /// The ids that occur in several batches.
    pub duplicates: &'a DuplicateIds,
    /// The batch of the winner of each id.
    pub winners: &'a [BatchIndex],
    /// The split.
    pub split: SplitNumber,
    /// The number of losing songplays in each batch.
    pub loser_counts: &'a [u64],
}

/// The counts of dropped rows.
#[derive(Default)]
struct DroppedRowCounts {
    rows: u64,
    /// The dropped rows that have a matching song.
    matched: u64,
}

impl SplitRewriter<'_> {
    /// Rewrites the parts that contain losing deliveries.
    ///
    /// # Errors
    /// Returns an error if a part cannot be read or written, or if it differs from what was written.
    pub(super) fn rewrite_split(&self, parts: &mut SplitParquetParts) -> Result<()> {
        let began = Instant::now();
        let (run, part_number) = (self.run, self.split.index());
        let fact = &run.kernels.fact;
        let (table, keys_table) = (fact.table, fact.lookup.keys_table());
        let loser_count: u64 = self.loser_counts.iter().sum();
        if loser_count == parts.fact.rows_by_batch.iter().sum::<u64>() {
            // All rows lose. This is not rare, because complete objects can be delivered twice.
            run.staging.remove_part(table, part_number)?;
            run.staging.remove_part(keys_table, part_number)?;
            *parts = SplitParquetParts::new(self.split);
            return Ok(());
        }
        let dropped = self.rewrite_part(table, &mut parts.fact)?;
        let is_expected = dropped.rows == loser_count && dropped.matched <= parts.matched;
        if !is_expected {
            return Err(
                Error::failed("cannot remove duplicate events").with_reason(format!(
                    "a part of {} does not have the {}s that were written",
                    table.name, table.columns[0].name
                )),
            );
        }
        parts.matched -= dropped.matched;
        if parts.lookup_keys.part.is_some() {
            self.rewrite_part(keys_table, &mut parts.lookup_keys)?;
        }
        let written = [&parts.fact, &parts.lookup_keys].map(|part| part.part);
        let bytes = written.iter().flatten().map(|part| part.bytes).sum();
        run.timings
            .record(PipelineStage::Deduplicate, began, bytes, 0);
        Ok(())
    }

    /// Rewrites a part with the same row groups but without the losing rows.
    fn rewrite_part(
        &self,
        table: &'static TableSchema,
        part: &mut SplitParquetPart,
    ) -> Result<DroppedRowCounts> {
        let staging = self.run.staging;
        let part_number = self.split.index();
        let old = part.open(self.run, table)?;
        let mut row_groups = old.read_all_row_groups()?;
        let mut writer: Option<PartWriter> = None;
        let mut dropped = DroppedRowCounts::default();
        for batch in part.row_groups() {
            let row_group = row_groups.next_row_group()?;
            let kept = match self.loser_counts[batch] {
                0 => None,
                _ => Some(self.filter_batch(table, &row_group, batch, &mut dropped)?),
            };
            if kept.as_ref().is_some_and(|kept| kept.num_rows() == 0) {
                continue;
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let schema = Arc::clone(old.schema());
                    none.insert(staging.recreate_part(table, part_number, schema)?)
                }
            };
            match kept {
                None => writer.copy_row_group(&row_group)?,
                Some(kept) => writer.write(&kept)?,
            }
        }
        part.part = match writer {
            Some(writer) => Some(writer.close()?),
            None => {
                staging.remove_part(table, part_number)?;
                None
            }
        };
        Ok(dropped)
    }

    /// Returns the rows of a batch without the losing rows, and counts those in `dropped`.
    fn filter_batch(
        &self,
        table: &'static TableSchema,
        row_group: &StoredRowGroup,
        batch: usize,
        dropped: &mut DroppedRowCounts,
    ) -> Result<RecordBatch> {
        let this_batch = self.duplicates.batch_index(self.split, batch);
        let duplicate_ids = &self.duplicates.ids;
        let is_kept = |&id: &i64| {
            duplicate_ids
                .index_of(id)
                .is_none_or(|index| self.winners[index] == this_batch)
        };
        let rows = row_group.decode(None, None)?;
        let kernels = &self.run.kernels;
        let kept_rows: Vec<bool> = kernels
            .deliveries
            .id_values(&rows)?
            .iter()
            .map(is_kept)
            .collect();
        let kept = filter_record_batch(&rows, &kept_rows.into()).map_err(Error::from_arrow)?;
        dropped.rows += (rows.num_rows() - kept.num_rows()) as u64;
        if table == kernels.fact.table {
            dropped.matched +=
                kernels.fact.count_matched(&rows) - kernels.fact.count_matched(&kept);
        }
        Ok(kept)
    }
}
