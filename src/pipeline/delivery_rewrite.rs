//! Copies: what becomes of the deliveries of one event but the one that stays.
//!
//! Those in one batch are dropped before it is encoded. Those in several batches are known only when
//! all input has been read: then their rows are read back from the Parquet parts, and the parts that have one
//! too many are written anew. JSON is never read twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::filter_record_batch;
use rayon::prelude::*;

use super::dedup::{DuplicateIds, IdSet};
use super::timings::Stage;
use super::{RunContext, start_workers};
use crate::error::{Error, Result};
use crate::output::{Part, PartReader, PartWriter, RowGroup};
use crate::star::deliveries::{Candidate, Delivery, StringPool, candidates, ids};
use crate::star::records::EventBatch;
use crate::star::schema::{LEDGER_SONGPLAYS, SONGPLAYS, Table};
use crate::star::songplays::matched;

/// Candidates are under this many locks, so that workers seldom wait for each other.
const SHARDS: usize = 64;

/// The columns of a songplay that deliveries are compared by.
const COMPARED: [&str; 7] = [
    "songplay_id",
    "start_time",
    "user_id",
    "level",
    "session_id",
    "location",
    "user_agent",
];

/// The Parquet parts that a split has become.
#[derive(Debug, Default)]
pub struct SplitParts {
    /// The songplays.
    pub songplays: SplitPart,
    /// The ledger of the songplays that can have a song.
    pub ledger: SplitPart,
    /// Songplays whose song is known.
    pub matched: u64,
}

/// The part of one table that a split has become.
#[derive(Debug, Default)]
pub struct SplitPart {
    /// The part; None if it has no rows.
    pub part: Option<Part>,
    /// The rows of each batch. A batch with rows is a row group.
    pub rows: Vec<u64>,
}

impl SplitPart {
    /// Opens the part to read it.
    fn open<'a>(&self, run: &'a RunContext<'_>, table: &'static Table) -> Result<PartReader<'a>> {
        let rows: Vec<u64> = self.rows.iter().copied().filter(|&rows| rows > 0).collect();
        let absent = || Error::failed(format!("a split has no part of {}", table.name));
        let part = self.part.ok_or_else(absent)?;
        run.staging.read_part(table, part, &rows)
    }

    /// Returns the batches that are row groups, in order.
    fn row_groups(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).filter(|&batch| self.rows[batch] > 0)
    }
}

/// Returns the rows of a batch whose events are delivered in it more than once and do not stay, in rising order.
pub fn losers_in_batch(ids: &[i64], events: &EventBatch) -> Vec<usize> {
    let mut losers = Vec::new();
    let Some(repeated) = IdSet::repeated_in(ids) else {
        return losers;
    };
    let mut winners = vec![None; repeated.len()];
    for (row, &id) in ids.iter().enumerate() {
        let Some(number) = repeated.number(id) else {
            continue;
        };
        let Some(winner) = &mut winners[number] else {
            winners[number] = Some(row);
            continue;
        };
        // Of deliveries with the same content the first stays.
        let is_smaller = Delivery::from_event(events, row) < Delivery::from_event(events, *winner);
        losers.push(match is_smaller {
            true => std::mem::replace(winner, row),
            false => row,
        });
    }
    losers.sort_unstable();
    losers
}

/// Packs booleans, a bit each.
fn mask(rows: &[bool]) -> BooleanArray {
    BooleanBuffer::collect_bool(rows.len(), |row| rows[row]).into()
}

/// Removes all rows of deliveries that do not stay from the parts of all splits.
///
/// # Errors
/// A part cannot be read or written, or it is not what was written.
pub fn remove(
    run: &RunContext<'_>,
    copies: &DuplicateIds,
    splits: &mut [SplitParts],
) -> Result<()> {
    let mut work = || {
        let removal = DuplicateRemoval::new(run, copies);
        let winners = removal.find_winners(splits)?;
        removal.rewrite(&winners, splits)
    };
    match run.staging.requests() {
        None => work(),
        // While one waits for the network another has something to do.
        Some(_) => start_workers(2 * rayon::current_num_threads())?.install(work),
    }
}

/// The smallest delivery of each id so far. Texts are kept once.
struct Winners {
    /// By the numbers of ids, dealt out in turn.
    shards: Vec<Mutex<Vec<Option<Candidate>>>>,
    symbols: Mutex<StringPool>,
}

impl Winners {
    /// Returns no winner yet for each of a number of ids.
    fn new(ids: usize) -> Self {
        let none = |_| Mutex::new(vec![None; ids.div_ceil(SHARDS)]);
        Self {
            shards: (0..SHARDS).map(none).collect(),
            symbols: Mutex::default(),
        }
    }

    /// Takes in a delivery of the id of this number.
    fn add(&self, number: usize, candidate: Candidate) {
        let mut shard = lock(&self.shards[number % SHARDS]);
        let winner = &mut shard[number / SHARDS];
        if winner.is_none_or(|winner| candidate.wins(&winner, || lock(&self.symbols))) {
            *winner = Some(candidate);
        }
    }

    /// Returns the batch that the winner of each id is in.
    fn into_batches(self, ids: usize) -> Result<Vec<u32>> {
        let into_inner =
            |shard: Mutex<_>| shard.into_inner().unwrap_or_else(PoisonError::into_inner);
        let shards: Vec<Vec<_>> = self.shards.into_iter().map(into_inner).collect();
        let winners = (0..ids).map(|number| shards[number % SHARDS][number / SHARDS]);
        let absent = || {
            Error::failed("cannot remove repeated events")
                .because("one of them was not read back")
                .hint("this is a fault of sparkify: please report it")
        };
        let batches = winners.map(|winner| Ok(winner.ok_or_else(absent)?.batch));
        batches.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The removal of copies from the parts of all splits.
struct DuplicateRemoval<'a> {
    run: &'a RunContext<'a>,
    copies: &'a DuplicateIds,
    /// The number of each split's first batch among all batches.
    first_batches: Vec<u32>,
}

impl<'a> DuplicateRemoval<'a> {
    fn new(run: &'a RunContext<'a>, copies: &'a DuplicateIds) -> Self {
        let mut first = 0;
        let first_batches = copies.counts.iter().map(|counts| {
            let ours = first;
            first += counts.len() as u32;
            ours
        });
        Self {
            run,
            copies,
            first_batches: first_batches.collect(),
        }
    }

    /// Reads all copies back. Returns the batch that the winner of each id is in, by the number of the id.
    fn find_winners(&self, splits: &[SplitParts]) -> Result<Vec<u32>> {
        let began = Instant::now();
        let counts = &self.copies.counts;
        let affected = counts.iter().filter(|counts| is_any(counts)).count();
        let ids = self.copies.ids.len();
        let winners = Winners::new(ids);
        splits
            .par_iter()
            .enumerate()
            .filter(|&(split, _)| is_any(&counts[split]))
            .try_for_each(|(split, parts)| self.read_copies(split, parts, &winners))?;
        self.run.stages.phase("read copies", affected, began);
        winners.into_batches(ids)
    }

    /// Reads the copies in one split back.
    fn read_copies(&self, split: usize, parts: &SplitParts, winners: &Winners) -> Result<()> {
        let began = Instant::now();
        let (run, set) = (self.run, &self.copies.ids);
        let counts = &self.copies.counts[split];
        let wanted = |part: &SplitPart| -> Vec<usize> {
            let row_groups = part.row_groups().enumerate();
            let wanted = row_groups.filter(|&(_, batch)| counts[batch] > 0);
            wanted.map(|(number, _)| number).collect()
        };
        let songplays = parts.songplays.open(run, &SONGPLAYS)?;
        let mut row_groups = songplays.row_groups(wanted(&parts.songplays))?;
        let ledger = match parts.ledger.part {
            Some(_) => Some(parts.ledger.open(run, &LEDGER_SONGPLAYS)?),
            None => None,
        };
        let mut ledger_groups = match &ledger {
            Some(ledger) => Some(ledger.row_groups(wanted(&parts.ledger))?),
            None => None,
        };
        for (batch, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (numbers, rows) = read_ids(&row_groups.next_row_group()?, set, Some(&COMPARED))?;
            if rows.num_rows() as u64 != count {
                return Err(songplays.changed(&"it has other songplay_ids"));
            }
            let ledger_rows = match &mut ledger_groups {
                Some(groups) if parts.ledger.rows[batch] > 0 => {
                    read_ids(&groups.next_row_group()?, set, None)?.1
                }
                _ => RecordBatch::new_empty(LEDGER_SONGPLAYS.arrow()),
            };
            let batch = self.first_batches[split] + batch as u32;
            let mut symbols = lock(&winners.symbols);
            let found = candidates(&rows, &ledger_rows, batch, &mut symbols)?;
            drop(symbols);
            for (number, candidate) in numbers.into_iter().zip(found) {
                winners.add(number, candidate);
            }
        }
        run.stages.add(Stage::Deduplicate, began, 0, 0);
        Ok(())
    }

    /// Writes all parts anew that have rows of deliveries that do not stay.
    fn rewrite(&self, winners: &[u32], splits: &mut [SplitParts]) -> Result<()> {
        let began = Instant::now();
        let mut stays = vec![0; self.copies.counts.iter().map(Vec::len).sum()];
        for &batch in winners {
            stays[batch as usize] += 1;
        }
        let losers = self.copies.counts.iter().zip(&self.first_batches);
        let losers = losers.map(|(counts, &first)| -> Vec<u64> {
            let stays = &stays[first as usize..];
            counts
                .iter()
                .zip(stays)
                .map(|(count, stays)| count - stays)
                .collect()
        });
        let losers: Vec<Vec<u64>> = losers.collect();
        let affected = losers.iter().filter(|losers| is_any(losers)).count();
        splits
            .par_iter_mut()
            .zip(&losers)
            .enumerate()
            .filter(|(_, (_, losers))| is_any(losers))
            .try_for_each(|(split, (parts, losers))| {
                let rewriter = SplitRewriter {
                    removal: self,
                    winners,
                    split,
                    losers,
                };
                rewriter.rewrite_split(parts)
            })?;
        self.run.stages.phase("rewrite parts", affected, began);
        Ok(())
    }
}

fn is_any(counts: &[u64]) -> bool {
    counts.iter().any(|&count| count > 0)
}

/// Reads the rows of a row group whose ids are in `set`. Returns the numbers of the ids too.
fn read_ids(
    row_group: &RowGroup,
    set: &IdSet,
    columns: Option<&[&str]>,
) -> Result<(Vec<usize>, RecordBatch)> {
    let rows = row_group.decode(Some(&["songplay_id"]), None)?;
    let ids = ids(&rows)?;
    let mut is_in = vec![false; ids.len()];
    let mut numbers = Vec::new();
    for (is_in, &id) in is_in.iter_mut().zip(ids) {
        if let Some(number) = set.number(id) {
            *is_in = true;
            numbers.push(number);
        }
    }
    Ok((numbers, row_group.decode(columns, Some(&mask(&is_in)))?))
}

/// Writes the parts of one split anew.
struct SplitRewriter<'a> {
    removal: &'a DuplicateRemoval<'a>,
    /// The batch that the winner of each id is in.
    winners: &'a [u32],
    split: usize,
    /// The songplays of each batch that do not stay.
    losers: &'a [u64],
}

/// Rows that were left out.
#[derive(Default)]
struct DroppedRows {
    rows: u64,
    /// The rows whose song is known.
    matched: u64,
}

impl SplitRewriter<'_> {
    fn rewrite_split(&self, parts: &mut SplitParts) -> Result<()> {
        let began = Instant::now();
        let run = self.removal.run;
        let losers: u64 = self.losers.iter().sum();
        if losers == parts.songplays.rows.iter().sum::<u64>() {
            // Copies of whole objects are not rare.
            run.staging.remove_part(&SONGPLAYS, self.split)?;
            run.staging.remove_part(&LEDGER_SONGPLAYS, self.split)?;
            *parts = SplitParts::default();
            return Ok(());
        }
        let dropped = self.rewrite_part(&SONGPLAYS, &mut parts.songplays)?;
        if dropped.rows != losers {
            return Err(Error::failed("cannot remove repeated events")
                .because("a part of songplays does not have the songplay_ids that were written"));
        }
        parts.matched -= dropped.matched;
        if parts.ledger.part.is_some() {
            self.rewrite_part(&LEDGER_SONGPLAYS, &mut parts.ledger)?;
        }
        let written = [&parts.songplays, &parts.ledger].map(|part| part.part);
        let bytes = written.iter().flatten().map(|part| part.bytes).sum();
        run.stages.add(Stage::Deduplicate, began, bytes, 0);
        Ok(())
    }

    /// Writes a part anew, with the same row groups but without the rows that do not stay.
    fn rewrite_part(&self, table: &'static Table, part: &mut SplitPart) -> Result<DroppedRows> {
        let staging = self.removal.run.staging;
        let old = part.open(self.removal.run, table)?;
        let mut row_groups = old.all_row_groups()?;
        let mut writer: Option<PartWriter> = None;
        let mut dropped = DroppedRows::default();
        for batch in part.row_groups() {
            let row_group = row_groups.next_row_group()?;
            let kept = match self.losers[batch] {
                0 => None,
                _ => Some(self.filter(&row_group, batch, &mut dropped)?),
            };
            if kept.as_ref().is_some_and(|kept| kept.num_rows() == 0) {
                continue;
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let schema = Arc::clone(old.schema());
                    none.insert(staging.rewrite_part(table, self.split, schema)?)
                }
            };
            match kept {
                None => writer.copy(&row_group)?,
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

    /// Returns the rows of a batch that stay.
    fn filter(
        &self,
        row_group: &RowGroup,
        batch: usize,
        dropped: &mut DroppedRows,
    ) -> Result<RecordBatch> {
        let here = self.removal.first_batches[self.split] + batch as u32;
        let set = &self.removal.copies.ids;
        let stays = |&id: &i64| {
            set.number(id)
                .is_none_or(|number| self.winners[number] == here)
        };
        let rows = row_group.decode(None, None)?;
        let stays: Vec<bool> = ids(&rows)?.iter().map(stays).collect();
        let kept = filter_record_batch(&rows, &mask(&stays)).map_err(Error::arrow)?;
        dropped.rows += (rows.num_rows() - kept.num_rows()) as u64;
        dropped.matched += matched(&rows) - matched(&kept);
        Ok(kept)
    }
}
