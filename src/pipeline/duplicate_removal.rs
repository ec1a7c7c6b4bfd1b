//! Removes duplicates: all deliveries of an event except the winner.
//!
//! Duplicates within a batch are dropped before the batch is encoded. Duplicates across batches are known only
//! after all input is read. Then the rows of their deliveries are read back from the Parquet parts, and the parts
//! that contain a losing delivery are rewritten. JSON is never read twice.

use std::time::Instant;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::duplicate_ids::{DuplicateIds, IdSet};
use super::run_context::RunContext;
use super::split_parts::{SplitParquetPart, SplitParquetParts};
use super::split_rewriter::SplitRewriter;
use super::thread_pool::build_thread_pool;
use super::timings::PipelineStage;
use super::winning_deliveries::WinningDeliveries;
use crate::error::Result;
use crate::output::StoredRowGroup;
use crate::star::deliveries::{BatchIndex, DeliveryKernel};
use crate::star::first_rows::keep_first;
use crate::star::record_columns::RecordColumns;

/// Returns the rows of a batch that lose against another delivery of the same event in that batch, in ascending
/// order.
pub(super) fn losing_rows(
    kernel: &DeliveryKernel,
    ids: &[i64],
    events: &RecordColumns,
) -> Vec<usize> {
    let mut losers = Vec::new();
    let Some(repeated) = IdSet::from_repeated(ids) else {
        return losers;
    };
    let mut winners = vec![None; repeated.len()];
    for (row, &id) in ids.iter().enumerate() {
        let Some(index) = repeated.index_of(id) else {
            continue;
        };
        // Of deliveries with the same content, the first wins.
        let is_before = |winner| kernel.is_before(events, row, winner);
        losers.extend(keep_first(&mut winners[index], row, is_before));
    }
    losers.sort_unstable();
    losers
}

/// Removes the rows of losing deliveries from the parts of all splits.
///
/// # Errors
/// Returns an error if a part cannot be read or written, or if it differs from what was written.
pub(super) fn remove_duplicates(
    run: &RunContext<'_>,
    duplicates: &DuplicateIds,
    splits: &mut [SplitParquetParts],
) -> Result<()> {
    let mut remove_all = || {
        let removal = DuplicateRemoval { run, duplicates };
        let winners = removal.find_winners(splits)?;
        removal.rewrite_losing_parts(&winners, splits)
    };
    match run.staging.max_concurrent_requests() {
        None => remove_all(),
        // Twice the threads, so that the CPU is busy while other threads wait for the network.
        Some(_) => build_thread_pool(2 * rayon::current_num_threads())?.install(remove_all),
    }
}

/// Removes duplicates from the parts of all splits.
struct DuplicateRemoval<'a> {
    run: &'a RunContext<'a>,
    duplicates: &'a DuplicateIds,
}

impl DuplicateRemoval<'_> {
    /// Reads all deliveries of the duplicate ids back. Returns the batch of the winner of each id, by the index of
    /// the id.
    fn find_winners(&self, splits: &[SplitParquetParts]) -> Result<Vec<BatchIndex>> {
        let began = Instant::now();
        let has_duplicates =
            |parts: &&SplitParquetParts| has_nonzero(self.duplicates.counts(parts.split));
        let affected = splits.iter().filter(has_duplicates).count();
        let winners =
            WinningDeliveries::new(&self.run.kernels.deliveries, self.duplicates.ids.len());
        splits
            .par_iter()
            .filter(has_duplicates)
            .try_for_each(|parts| self.read_duplicates(parts, &winners))?;
        self.run
            .timings
            .record_phase("read duplicates", affected, began);
        winners.into_winning_batches()
    }

    /// Reads the deliveries of the duplicate ids in one split back.
    fn read_duplicates(
        &self,
        parts: &SplitParquetParts,
        winners: &WinningDeliveries<'_>,
    ) -> Result<()> {
        let began = Instant::now();
        let (run, duplicate_ids) = (self.run, &self.duplicates.ids);
        let counts = self.duplicates.counts(parts.split);
        let row_groups_to_read = |part: &SplitParquetPart| -> Vec<usize> {
            let row_groups = part.row_groups().enumerate();
            let with_duplicates = row_groups.filter(|&(_, batch)| counts[batch] > 0);
            with_duplicates.map(|(row_group, _)| row_group).collect()
        };
        let kernel = &run.kernels.deliveries;
        let keys_table = run.kernels.fact.lookup.keys_table();
        let fact = parts.fact.open(run, run.kernels.fact.table)?;
        let mut row_groups = fact.read_row_groups(row_groups_to_read(&parts.fact))?;
        let lookup_keys = match parts.lookup_keys.part {
            Some(_) => Some(parts.lookup_keys.open(run, keys_table)?),
            None => None,
        };
        let mut key_row_groups = match &lookup_keys {
            Some(keys) => Some(keys.read_row_groups(row_groups_to_read(&parts.lookup_keys))?),
            None => None,
        };
        let stored_columns = kernel.stored_columns();
        for (batch, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let row_group = row_groups.next_row_group()?;
            let matching = |row_group: &StoredRowGroup, columns: Option<&[&str]>| {
                read_matching_rows(kernel, row_group, duplicate_ids, columns)
            };
            let fact_rows = matching(&row_group, Some(&stored_columns))?;
            if fact_rows.rows.num_rows() as u64 != count {
                let reason = format!("it has different {}s", kernel.id_column());
                return Err(fact.changed_error(&reason));
            }
            let key_rows = match &mut key_row_groups {
                Some(groups) if parts.lookup_keys.rows_by_batch[batch] > 0 => {
                    matching(&groups.next_row_group()?, None)?.rows
                }
                _ => RecordBatch::new_empty(keys_table.arrow_schema()),
            };
            let deliveries =
                kernel.read_deliveries(&fact_rows.rows, &key_rows, &mut winners.strings())?;
            let this_batch = self.duplicates.batch_index(parts.split, batch);
            winners.add(&fact_rows.id_indexes, &deliveries, this_batch);
        }
        run.timings.record(PipelineStage::Deduplicate, began, 0, 0);
        Ok(())
    }

    /// Rewrites all parts that contain losing deliveries.
    fn rewrite_losing_parts(
        &self,
        winners: &[BatchIndex],
        splits: &mut [SplitParquetParts],
    ) -> Result<()> {
        let began = Instant::now();
        let loser_counts = self.duplicates.loser_counts(winners);
        let has_losers =
            |parts: &&mut SplitParquetParts| has_nonzero(&loser_counts[parts.split.index()]);
        let affected = splits.iter_mut().filter(has_losers).count();
        splits
            .par_iter_mut()
            .filter(has_losers)
            .try_for_each(|parts| {
                let rewriter = SplitRewriter {
                    run: self.run,
                    duplicates: self.duplicates,
                    winners,
                    split: parts.split,
                    loser_counts: &loser_counts[parts.split.index()],
                };
                rewriter.rewrite_split(parts)
            })?;
        self.run
            .timings
            .record_phase("rewrite parts", affected, began);
        Ok(())
    }
}

fn has_nonzero(counts: &[u64]) -> bool {
    counts.iter().any(|&count| count > 0)
}

/// The rows of a row group that are deliveries of duplicate ids.
struct MatchingRows {
    /// The index of the id of each row.
    id_indexes: Vec<usize>,
    rows: RecordBatch,
}

/// Reads the rows of a row group whose ids are in `ids_to_find`.
fn read_matching_rows(
    kernel: &DeliveryKernel,
    row_group: &StoredRowGroup,
    ids_to_find: &IdSet,
    columns: Option<&[&str]>,
) -> Result<MatchingRows> {
    let all_ids = row_group.decode(Some(&[kernel.id_column()]), None)?;
    let indexes = kernel
        .id_values(&all_ids)?
        .iter()
        .map(|&id| ids_to_find.index_of(id));
    let indexes: Vec<Option<usize>> = indexes.collect();
    let is_member: Vec<bool> = indexes.iter().map(Option::is_some).collect();
    Ok(MatchingRows {
        id_indexes: indexes.into_iter().flatten().collect(),
        rows: row_group.decode(columns, Some(&is_member.into()))?,
    })
}
