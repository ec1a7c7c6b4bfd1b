//! Copies: what becomes of the deliveries of one event but the one that stays.
//!
//! Those in one batch are dropped before it is encoded. Of those in several batches nobody knows before
//! all input is read: then their rows are read back from the Parquet parts, and the parts that have one
//! too many are written anew. JSON is never read twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::duplicates::{Copies, IdSet};
use super::stages::Stage;
use super::{Run, start_workers};
use crate::error::{Error, Result};
use crate::output::{Part, PartReader, PartWriter, RowGroup};
use crate::star::deliveries::{Delivery, Winners, WrittenDeliveries, ids};
use crate::star::records::EventBatch;
use crate::star::schema::{LEDGER_SONGPLAYS, SONGPLAYS, Table};
use crate::star::songplays::matched;

/// Parts of the winners under a lock each, so that workers seldom wait for each other.
const SHARDS: usize = 16;

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
    fn open<'a>(&self, run: &'a Run<'_>, table: &'static Table) -> Result<PartReader<'a>> {
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

/// Returns the events of a batch that stay among its deliveries of the same event; None if all do.
pub fn stays_in_batch(ids: &[i64], events: &EventBatch) -> Option<BooleanArray> {
    let repeated = IdSet::repeated_in(ids);
    if repeated.is_empty() {
        return None;
    }
    let mut winners: HashMap<i64, usize, FixedState> = HashMap::default();
    for (row, &id) in ids.iter().enumerate() {
        if repeated.contains(id) {
            let winner = winners.entry(id).or_insert(row);
            // Of deliveries with the same content the first stays.
            if Delivery::from_event(events, row) < Delivery::from_event(events, *winner) {
                *winner = row;
            }
        }
    }
    let stays = ids.iter().enumerate();
    let stays = stays.map(|(row, &id)| !repeated.contains(id) || winners.get(&id) == Some(&row));
    Some(stays.collect::<Vec<_>>().into())
}

/// Removes all rows of deliveries that do not stay from the parts of all splits.
///
/// # Errors
/// A part cannot be read or written, or it is not what was written.
pub fn remove(run: &Run<'_>, copies: &Copies, splits: &mut [SplitParts]) -> Result<()> {
    if copies.ids.is_empty() {
        return Ok(());
    }
    let mut work = || {
        let winners = find_winners(run, copies, splits)?;
        rewrite(run, copies, &winners, splits)
    };
    match run.staging.requests() {
        None => work(),
        // While one waits for the network another has something to do.
        Some(_) => start_workers(2 * rayon::current_num_threads())?.install(work),
    }
}

/// The winners of all ids, by the shard of an id.
struct Shards<T>(Vec<T>);

impl<T> Shards<T> {
    fn shard(&self, id: i64) -> &T {
        &self.0[id.cast_unsigned() as usize % SHARDS]
    }
}

/// Reads all copies back and finds the winner of each event.
fn find_winners(run: &Run<'_>, copies: &Copies, splits: &[SplitParts]) -> Result<Shards<Winners>> {
    let began = Instant::now();
    let winners = Shards((0..SHARDS).map(|_| Mutex::default()).collect());
    let affected: Vec<usize> = (0..splits.len())
        .filter(|&split| copies.counts[split].iter().any(|&count| count > 0))
        .collect();
    affected
        .par_iter()
        .try_for_each(|&split| read_copies(run, copies, split, &splits[split], &winners))?;
    run.stages.phase("read copies", affected.len(), began);
    let inner = |shard: Mutex<Winners>| shard.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Shards(winners.0.into_iter().map(inner).collect()))
}

/// Reads the copies in one split back.
fn read_copies(
    run: &Run<'_>,
    copies: &Copies,
    split: usize,
    parts: &SplitParts,
    winners: &Shards<Mutex<Winners>>,
) -> Result<()> {
    let began = Instant::now();
    let counts = &copies.counts[split];
    let has_copies = |&(_, batch): &(usize, usize)| counts[batch] > 0;
    let numbers = |part: &SplitPart| -> Vec<usize> {
        let row_groups = part.row_groups().enumerate().filter(has_copies);
        row_groups.map(|(number, _)| number).collect()
    };
    let songplays = parts.songplays.open(run, &SONGPLAYS)?;
    let mut row_groups = songplays.row_groups(numbers(&parts.songplays))?;
    let ledger = match parts.ledger.part {
        Some(_) => Some(parts.ledger.open(run, &LEDGER_SONGPLAYS)?),
        None => None,
    };
    let mut ledger_groups = match &ledger {
        Some(ledger) => Some(ledger.row_groups(numbers(&parts.ledger))?),
        None => None,
    };
    for (batch, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let rows = read_ids(&row_groups.next_row_group()?, &copies.ids, Some(&COMPARED))?;
        if rows.num_rows() as u64 != count {
            return Err(songplays.changed(&"it has other songplay_ids"));
        }
        let ledger_rows = match &mut ledger_groups {
            Some(groups) if parts.ledger.rows[batch] > 0 => {
                read_ids(&groups.next_row_group()?, &copies.ids, None)?
            }
            _ => RecordBatch::new_empty(LEDGER_SONGPLAYS.arrow()),
        };
        let number = (split as u32, batch as u32);
        for (id, delivery) in WrittenDeliveries::new(&rows, &ledger_rows)?.iter() {
            let mut shard = winners
                .shard(id)
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            shard.add(id, delivery, number);
        }
    }
    run.stages.add(Stage::Deduplicate, began, 0, 0);
    Ok(())
}

/// Reads the rows of a row group whose ids are in `set`.
fn read_ids(row_group: &RowGroup, set: &IdSet, columns: Option<&[&str]>) -> Result<RecordBatch> {
    let rows = row_group.decode(Some(&["songplay_id"]), None)?;
    let is_in = ids(&rows)?.iter().map(|&id| set.contains(id));
    let is_in: BooleanArray = is_in.collect::<Vec<_>>().into();
    row_group.decode(columns, Some(&is_in))
}

/// Writes all parts anew that have rows of deliveries that do not stay.
fn rewrite(
    run: &Run<'_>,
    copies: &Copies,
    winners: &Shards<Winners>,
    splits: &mut [SplitParts],
) -> Result<()> {
    let began = Instant::now();
    let mut losers = copies.counts.clone();
    for (split, batch) in winners.0.iter().flat_map(Winners::batches) {
        losers[split as usize][batch as usize] -= 1;
    }
    let affected = |losers: &Vec<u64>| losers.iter().any(|&count| count > 0);
    let pieces = losers.iter().filter(|losers| affected(losers)).count();
    splits
        .par_iter_mut()
        .zip(&losers)
        .enumerate()
        .filter(|(_, (_, losers))| affected(losers))
        .try_for_each(|(split, (parts, losers))| {
            let rewriter = Rewriter {
                run,
                copies,
                winners,
                split,
                losers,
            };
            rewriter.rewrite_split(parts)
        })?;
    run.stages.phase("rewrite parts", pieces, began);
    Ok(())
}

/// Writes the parts of one split anew.
struct Rewriter<'a> {
    run: &'a Run<'a>,
    copies: &'a Copies,
    winners: &'a Shards<Winners>,
    split: usize,
    /// The rows of each batch that do not stay.
    losers: &'a [u64],
}

/// Rows that were left out.
#[derive(Default)]
struct Dropped {
    rows: u64,
    /// Those of them whose song is known.
    matched: u64,
}

impl Rewriter<'_> {
    fn rewrite_split(&self, parts: &mut SplitParts) -> Result<()> {
        let began = Instant::now();
        let dropped = self.rewrite_part(&SONGPLAYS, &mut parts.songplays)?;
        if dropped.rows != self.losers.iter().sum::<u64>() {
            return Err(Error::failed("cannot remove repeated events")
                .because("a part of songplays does not have the songplay_ids that were written"));
        }
        parts.matched -= dropped.matched;
        if parts.ledger.part.is_some() {
            self.rewrite_part(&LEDGER_SONGPLAYS, &mut parts.ledger)?;
        }
        let written = [&parts.songplays, &parts.ledger].map(|part| part.part);
        let bytes = written.iter().flatten().map(|part| part.bytes).sum();
        self.run.stages.add(Stage::Deduplicate, began, bytes, 0);
        Ok(())
    }

    /// Writes a part anew, with the same row groups but without the rows that do not stay.
    fn rewrite_part(&self, table: &'static Table, part: &mut SplitPart) -> Result<Dropped> {
        let old = part.open(self.run, table)?;
        let batches: Vec<usize> = part.row_groups().collect();
        let mut row_groups = old.row_groups(0..batches.len())?;
        let mut writer: Option<PartWriter> = None;
        let mut dropped = Dropped::default();
        for batch in batches {
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
                    none.insert(self.run.staging.rewrite_part(table, self.split, schema)?)
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
                self.run.staging.remove_part(table, self.split)?;
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
        dropped: &mut Dropped,
    ) -> Result<RecordBatch> {
        let here = (self.split as u32, batch as u32);
        let stays = |&id: &i64| {
            !self.copies.ids.contains(id) || self.winners.shard(id).batch(id) == Some(here)
        };
        let rows = row_group.decode(None, None)?;
        let stays: Vec<bool> = ids(&rows)?.iter().map(stays).collect();
        let kept = filter_record_batch(&rows, &stays.into()).map_err(Error::arrow)?;
        dropped.rows += (rows.num_rows() - kept.num_rows()) as u64;
        dropped.matched += matched(&rows) - matched(&kept);
        Ok(kept)
    }
}
