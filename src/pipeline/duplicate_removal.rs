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
use crate::model::sparkify::{SONGPLAYS, STATE_SONGPLAYS};
use crate::output::StoredRowGroup;
use crate::star::delivery_order::{
    BatchIndex, EventDelivery, candidates_from_rows, songplay_id_values,
};
use crate::star::typed_batches::EventBatch;

/// The columns of `songplays` by which deliveries are compared.
const COMPARED_COLUMNS: [&str; 7] = [
    "songplay_id",
    "start_time",
    "user_id",
    "level",
    "session_id",
    "location",
    "user_agent",
];

/// Returns the rows of a batch that lose against another delivery of the same event in that batch, in ascending
/// order.
pub(super) fn losing_rows(ids: &[i64], events: &EventBatch) -> Vec<usize> {
    let mut losers = Vec::new();
    let Some(repeated) = IdSet::from_repeated(ids) else {
        return losers;
    };
    let mut winners = vec![None; repeated.len()];
    for (row, &id) in ids.iter().enumerate() {
        let Some(index) = repeated.index_of(id) else {
            continue;
        };
        let Some(winner) = &mut winners[index] else {
            winners[index] = Some(row);
            continue;
        };
        // Of deliveries with the same content, the first wins.
        let is_smaller =
            EventDelivery::from_event(events, row) < EventDelivery::from_event(events, *winner);
        losers.push(match is_smaller {
            true => std::mem::replace(winner, row),
            false => row,
        });
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
        let winners = WinningDeliveries::new(self.duplicates.ids.len());
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
        winners: &WinningDeliveries,
    ) -> Result<()> {
        let began = Instant::now();
        let (run, duplicate_ids) = (self.run, &self.duplicates.ids);
        let counts = self.duplicates.counts(parts.split);
        let row_groups_to_read = |part: &SplitParquetPart| -> Vec<usize> {
            let row_groups = part.row_groups().enumerate();
            let with_duplicates = row_groups.filter(|&(_, batch)| counts[batch] > 0);
            with_duplicates.map(|(row_group, _)| row_group).collect()
        };
        let songplays = parts.songplays.open(run, &SONGPLAYS)?;
        let mut row_groups = songplays.read_row_groups(row_groups_to_read(&parts.songplays))?;
        let merge_state = match parts.merge_state.part {
            Some(_) => Some(parts.merge_state.open(run, &STATE_SONGPLAYS)?),
            None => None,
        };
        let mut merge_state_groups = match &merge_state {
            Some(merge_state) => {
                Some(merge_state.read_row_groups(row_groups_to_read(&parts.merge_state))?)
            }
            None => None,
        };
        for (batch, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let row_group = row_groups.next_row_group()?;
            let songplay_rows =
                read_matching_rows(&row_group, duplicate_ids, Some(&COMPARED_COLUMNS))?;
            if songplay_rows.rows.num_rows() as u64 != count {
                return Err(songplays.changed_error(&"it has different songplay_ids"));
            }
            let merge_state_rows = match &mut merge_state_groups {
                Some(groups) if parts.merge_state.rows_by_batch[batch] > 0 => {
                    read_matching_rows(&groups.next_row_group()?, duplicate_ids, None)?.rows
                }
                _ => RecordBatch::new_empty(STATE_SONGPLAYS.arrow_schema()),
            };
            let candidates = candidates_from_rows(
                &songplay_rows.rows,
                &merge_state_rows,
                self.duplicates.batch_index(parts.split, batch),
                &mut winners.strings(),
            )?;
            for (index, candidate) in songplay_rows.id_indexes.into_iter().zip(candidates) {
                winners.add(index, candidate);
            }
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
    row_group: &StoredRowGroup,
    ids_to_find: &IdSet,
    columns: Option<&[&str]>,
) -> Result<MatchingRows> {
    let all_ids = row_group.decode(Some(&["songplay_id"]), None)?;
    let indexes = songplay_id_values(&all_ids)?
        .iter()
        .map(|&id| ids_to_find.index_of(id));
    let indexes: Vec<Option<usize>> = indexes.collect();
    let is_member: Vec<bool> = indexes.iter().map(Option::is_some).collect();
    Ok(MatchingRows {
        id_indexes: indexes.into_iter().flatten().collect(),
        rows: row_group.decode(columns, Some(&is_member.into()))?,
    })
}
