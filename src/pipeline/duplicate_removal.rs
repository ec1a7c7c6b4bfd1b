//! Removes duplicates: all deliveries of an event except the winner.
//!
//! Duplicates within a batch are dropped before the batch is encoded. Duplicates across batches are known only
//! after all input is read. Then the rows of their deliveries are read back from the Parquet parts, and the parts
//! that contain a losing delivery are rewritten. JSON is never read twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;
use rayon::prelude::*;

use super::duplicate_ids::{DuplicateIds, IdSet};
use super::timings::PipelineStage;
use super::{RunContext, build_thread_pool};
use crate::error::{Error, Result};
use crate::output::{ParquetPartReader, PartInfo, PartWriter, StoredRowGroup};
use crate::star::delivery_order::{
    CompactDelivery, EventDelivery, StringPool, candidates_from_rows, songplay_id_values,
};
use crate::star::schema::{SONGPLAYS, STATE_SONGPLAYS, TableSchema};
use crate::star::songplays::count_matched;
use crate::star::typed_batches::EventBatch;

/// The number of locks that the candidates are divided among, so that workers seldom wait for each other.
const WINNER_SHARDS: usize = 64;

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

/// The Parquet parts written from a split.
#[derive(Debug, Default)]
pub(super) struct SplitParquetParts {
    /// The part of `songplays`.
    pub songplays: SplitParquetPart,
    /// The part of the merge state of songplays, which has only songplays that can have a song.
    pub merge_state: SplitParquetPart,
    /// Songplays that have a matching song.
    pub matched: u64,
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
    fn open<'a>(
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
        let missing_part = || Error::failed(format!("a split has no part of {}", table.name));
        let part = self.part.ok_or_else(missing_part)?;
        run.staging.read_part(table, part, &rows)
    }

    /// Returns the batches that are row groups, in order.
    fn row_groups(&self) -> impl Iterator<Item = usize> {
        (0..self.rows_by_batch.len()).filter(|&batch| self.rows_by_batch[batch] > 0)
    }
}

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

/// Packs booleans into one bit each.
fn boolean_array(rows: &[bool]) -> BooleanArray {
    BooleanBuffer::collect_bool(rows.len(), |row| rows[row]).into()
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
        let removal = DuplicateRemoval::new(run, duplicates);
        let winners = removal.find_winners(splits)?;
        removal.rewrite_losing_parts(&winners, splits)
    };
    match run.staging.max_concurrent_requests() {
        None => remove_all(),
        // Twice the threads, so that the CPU is busy while other threads wait for the network.
        Some(_) => build_thread_pool(2 * rayon::current_num_threads())?.install(remove_all),
    }
}

/// The smallest delivery of each id so far. Equal strings are stored once.
struct WinningDeliveries {
    /// The winner of the id at `index` is in shard `index % WINNER_SHARDS`.
    shards: Vec<Mutex<Vec<Option<CompactDelivery>>>>,
    strings: Mutex<StringPool>,
}

impl WinningDeliveries {
    /// Creates the collection for a number of ids, none of which has a winner.
    fn new(ids: usize) -> Self {
        let empty_shard = |_| Mutex::new(vec![None; ids.div_ceil(WINNER_SHARDS)]);
        Self {
            shards: (0..WINNER_SHARDS).map(empty_shard).collect(),
            strings: Mutex::default(),
        }
    }

    /// Adds a delivery of the id at `index`.
    fn add(&self, index: usize, candidate: CompactDelivery) {
        let mut shard = lock(&self.shards[index % WINNER_SHARDS]);
        let winner = &mut shard[index / WINNER_SHARDS];
        if winner.is_none_or(|winner| candidate.wins_over(&winner, || lock(&self.strings))) {
            *winner = Some(candidate);
        }
    }

    /// Returns the batch of the winner of each id.
    ///
    /// # Errors
    /// Returns an error if an id has no winner.
    fn into_winning_batches(self, ids: usize) -> Result<Vec<u32>> {
        let into_inner =
            |shard: Mutex<_>| shard.into_inner().unwrap_or_else(PoisonError::into_inner);
        let shards: Vec<Vec<_>> = self.shards.into_iter().map(into_inner).collect();
        let winners = (0..ids).map(|index| shards[index % WINNER_SHARDS][index / WINNER_SHARDS]);
        let missing_winner = || {
            Error::failed("cannot remove duplicate events")
                .with_reason("one of them was not read back")
                .with_hint("this is a bug in sparkify: please report it")
        };
        let batches = winners.map(|winner| Ok(winner.ok_or_else(missing_winner)?.batch));
        batches.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes duplicates from the parts of all splits.
struct DuplicateRemoval<'a> {
    run: &'a RunContext<'a>,
    duplicates: &'a DuplicateIds,
    /// The index of each split's first batch among the batches of all splits.
    first_batches: Vec<u32>,
}

impl<'a> DuplicateRemoval<'a> {
    fn new(run: &'a RunContext<'a>, duplicates: &'a DuplicateIds) -> Self {
        let mut first = 0;
        let first_batches = duplicates.counts_by_batch.iter().map(|counts| {
            let split_first = first;
            first += counts.len() as u32;
            split_first
        });
        Self {
            run,
            duplicates,
            first_batches: first_batches.collect(),
        }
    }

    /// Reads all deliveries of the duplicate ids back. Returns the batch of the winner of each id, by the index of
    /// the id.
    fn find_winners(&self, splits: &[SplitParquetParts]) -> Result<Vec<u32>> {
        let began = Instant::now();
        let counts = &self.duplicates.counts_by_batch;
        let affected = counts.iter().filter(|counts| has_nonzero(counts)).count();
        let ids = self.duplicates.ids.len();
        let winners = WinningDeliveries::new(ids);
        splits
            .par_iter()
            .enumerate()
            .filter(|&(split, _)| has_nonzero(&counts[split]))
            .try_for_each(|(split, parts)| self.read_duplicates(split, parts, &winners))?;
        self.run
            .timings
            .record_phase("read duplicates", affected, began);
        winners.into_winning_batches(ids)
    }

    /// Reads the deliveries of the duplicate ids in one split back.
    fn read_duplicates(
        &self,
        split: usize,
        parts: &SplitParquetParts,
        winners: &WinningDeliveries,
    ) -> Result<()> {
        let began = Instant::now();
        let (run, duplicate_ids) = (self.run, &self.duplicates.ids);
        let counts = &self.duplicates.counts_by_batch[split];
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
            let (indexes, rows) = read_matching_rows(
                &row_groups.next_row_group()?,
                duplicate_ids,
                Some(&COMPARED_COLUMNS),
            )?;
            if rows.num_rows() as u64 != count {
                return Err(songplays.changed_error(&"it has different songplay_ids"));
            }
            let merge_state_rows = match &mut merge_state_groups {
                Some(groups) if parts.merge_state.rows_by_batch[batch] > 0 => {
                    read_matching_rows(&groups.next_row_group()?, duplicate_ids, None)?.1
                }
                _ => RecordBatch::new_empty(STATE_SONGPLAYS.arrow_schema()),
            };
            let batch = self.first_batches[split] + batch as u32;
            let mut strings = lock(&winners.strings);
            let candidates = candidates_from_rows(&rows, &merge_state_rows, batch, &mut strings)?;
            drop(strings);
            for (index, candidate) in indexes.into_iter().zip(candidates) {
                winners.add(index, candidate);
            }
        }
        run.timings.record(PipelineStage::Deduplicate, began, 0, 0);
        Ok(())
    }

    /// Rewrites all parts that contain losing deliveries.
    fn rewrite_losing_parts(
        &self,
        winners: &[u32],
        splits: &mut [SplitParquetParts],
    ) -> Result<()> {
        let began = Instant::now();
        let mut winner_counts = vec![0; self.duplicates.counts_by_batch.iter().map(Vec::len).sum()];
        for &batch in winners {
            winner_counts[batch as usize] += 1;
        }
        let duplicate_counts = self
            .duplicates
            .counts_by_batch
            .iter()
            .zip(&self.first_batches);
        let loser_counts = duplicate_counts.map(|(counts, &first)| -> Vec<u64> {
            let winners = &winner_counts[first as usize..];
            counts
                .iter()
                .zip(winners)
                .map(|(count, winners)| count - winners)
                .collect()
        });
        let loser_counts: Vec<Vec<u64>> = loser_counts.collect();
        let affected = loser_counts
            .iter()
            .filter(|losers| has_nonzero(losers))
            .count();
        splits
            .par_iter_mut()
            .zip(&loser_counts)
            .enumerate()
            .filter(|(_, (_, losers))| has_nonzero(losers))
            .try_for_each(|(split, (parts, losers))| {
                let rewriter = SplitRewriter {
                    removal: self,
                    winners,
                    split,
                    loser_counts: losers,
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

/// Reads the rows of a row group whose ids are in `ids_to_find`. Returns the indexes of these ids and the rows.
fn read_matching_rows(
    row_group: &StoredRowGroup,
    ids_to_find: &IdSet,
    columns: Option<&[&str]>,
) -> Result<(Vec<usize>, RecordBatch)> {
    let rows = row_group.decode(Some(&["songplay_id"]), None)?;
    let ids = songplay_id_values(&rows)?;
    let mut is_member = vec![false; ids.len()];
    let mut indexes = Vec::new();
    for (is_member, &id) in is_member.iter_mut().zip(ids) {
        if let Some(index) = ids_to_find.index_of(id) {
            *is_member = true;
            indexes.push(index);
        }
    }
    Ok((
        indexes,
        row_group.decode(columns, Some(&boolean_array(&is_member)))?,
    ))
}

/// Rewrites the parts of one split.
struct SplitRewriter<'a> {
    removal: &'a DuplicateRemoval<'a>,
    /// The batch of the winner of each id.
    winners: &'a [u32],
    split: usize,
    /// The number of losing songplays in each batch.
    loser_counts: &'a [u64],
}

/// The counts of dropped rows.
#[derive(Default)]
struct DroppedRowCounts {
    rows: u64,
    /// The dropped rows that have a matching song.
    matched: u64,
}

impl SplitRewriter<'_> {
    fn rewrite_split(&self, parts: &mut SplitParquetParts) -> Result<()> {
        let began = Instant::now();
        let run = self.removal.run;
        let loser_count: u64 = self.loser_counts.iter().sum();
        if loser_count == parts.songplays.rows_by_batch.iter().sum::<u64>() {
            // All rows lose. This is not rare, because complete objects can be delivered twice.
            run.staging.remove_part(&SONGPLAYS, self.split)?;
            run.staging.remove_part(&STATE_SONGPLAYS, self.split)?;
            *parts = SplitParquetParts::default();
            return Ok(());
        }
        let dropped = self.rewrite_part(&SONGPLAYS, &mut parts.songplays)?;
        if dropped.rows != loser_count {
            return Err(Error::failed("cannot remove duplicate events").with_reason(
                "a part of songplays does not have the songplay_ids that were written",
            ));
        }
        parts.matched -= dropped.matched;
        if parts.merge_state.part.is_some() {
            self.rewrite_part(&STATE_SONGPLAYS, &mut parts.merge_state)?;
        }
        let written = [&parts.songplays, &parts.merge_state].map(|part| part.part);
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
        let staging = self.removal.run.staging;
        let old = part.open(self.removal.run, table)?;
        let mut row_groups = old.read_all_row_groups()?;
        let mut writer: Option<PartWriter> = None;
        let mut dropped = DroppedRowCounts::default();
        for batch in part.row_groups() {
            let row_group = row_groups.next_row_group()?;
            let kept = match self.loser_counts[batch] {
                0 => None,
                _ => Some(self.filter_batch(&row_group, batch, &mut dropped)?),
            };
            if kept.as_ref().is_some_and(|kept| kept.num_rows() == 0) {
                continue;
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let schema = Arc::clone(old.schema());
                    none.insert(staging.recreate_part(table, self.split, schema)?)
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
                staging.remove_part(table, self.split)?;
                None
            }
        };
        Ok(dropped)
    }

    /// Returns the rows of a batch without the losing rows, and counts those in `dropped`.
    fn filter_batch(
        &self,
        row_group: &StoredRowGroup,
        batch: usize,
        dropped: &mut DroppedRowCounts,
    ) -> Result<RecordBatch> {
        let this_batch = self.removal.first_batches[self.split] + batch as u32;
        let duplicate_ids = &self.removal.duplicates.ids;
        let is_kept = |&id: &i64| {
            duplicate_ids
                .index_of(id)
                .is_none_or(|index| self.winners[index] == this_batch)
        };
        let rows = row_group.decode(None, None)?;
        let kept_rows: Vec<bool> = songplay_id_values(&rows)?.iter().map(is_kept).collect();
        let kept =
            filter_record_batch(&rows, &boolean_array(&kept_rows)).map_err(Error::from_arrow)?;
        dropped.rows += (rows.num_rows() - kept.num_rows()) as u64;
        dropped.matched += count_matched(&rows) - count_matched(&kept);
        Ok(kept)
    }
}
