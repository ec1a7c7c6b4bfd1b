//! The log phase: events to songplays and their ledger, split by split, and what the dimensions need of
//! them.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use super::counters::{SourceCounter, SourceCounts};
use super::dedup::{DuplicateIds, PartitionedIds};
use super::delivery_rewrite::{self, SplitPart, SplitParts};
use super::split_reader::{RecordSink, SplitReader, SplitStats, StartAt};
use super::timings::Stage;
use super::{RunContext, split_boundaries};
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::{InputObject, Split};
use crate::output::{Part, PartWriter, RejectBuffer};
use crate::star::deliveries::ids;
use crate::star::lookup::SongLookup;
use crate::star::records::EventBatch;
use crate::star::schema::{LEDGER_SONGPLAYS, SONGPLAYS, Table};
use crate::star::songplays::{SongplayRows, matched, songplay_ids, songplays};
use crate::star::users::{LatestUsers, UserDelta};

/// States of users that are merged under a lock each, so that workers seldom wait for each other.
const USER_SHARDS: usize = 8;

/// What the log phase gives beside files.
#[derive(Debug)]
pub struct LogsOutput {
    /// What became of the records.
    pub state: SourceCounts,
    /// Events that were delivered before.
    pub duplicates: u64,
    /// Songplays whose song is known.
    pub matched: u64,
    /// The users, in states that share none.
    pub users: Vec<LatestUsers>,
    /// The sorted and distinct times of each split, in milliseconds since 1970.
    pub times: Vec<Vec<i64>>,
    /// Events kept from each object, duplicates among them.
    pub kept: Vec<u64>,
}

/// What a worker makes of one split.
#[derive(Debug, Default)]
struct SplitOutput {
    parts: SplitParts,
    /// songplay_id, by batch.
    ids: Vec<PartitionedIds>,
    /// `ts` in milliseconds since 1970, sorted and distinct.
    times: Vec<i64>,
    users: UserDelta,
    rejects: RejectBuffer,
}

/// A split that settled. Ids and times of every event are kept to the end: 16 bytes.
#[derive(Debug, Default)]
struct CommittedSplit {
    parts: SplitParts,
    ids: Vec<PartitionedIds>,
    times: Vec<i64>,
    /// Events kept from each segment.
    kept: Vec<u64>,
}

/// Reads all logs and writes `songplays` and its ledger.
///
/// # Errors
/// Something cannot be read or written.
pub fn run(run: &RunContext<'_>, lookup: &SongLookup) -> Result<LogsOutput> {
    let (done, users, state) = read(run, lookup)?;
    let kept = kept_by_object(run, &done);
    let (mut parts, mut ids, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for done in done {
        parts.push(done.parts);
        ids.push(done.ids);
        times.push(done.times);
    }
    let began = Instant::now();
    let copies = DuplicateIds::find(&ids);
    drop(ids);
    run.stages.add(Stage::Deduplicate, began, 0, state.kept);
    run.stages.phase("duplicates", None, began);
    if let Some(copies) = copies {
        delivery_rewrite::remove(run, &copies, &mut parts)?;
    }
    let rows = note_parts(run, &SONGPLAYS, parts.iter().map(|split| &split.songplays))?;
    note_parts(
        run,
        &LEDGER_SONGPLAYS,
        parts.iter().map(|split| &split.ledger),
    )?;
    Ok(LogsOutput {
        duplicates: state.kept - rows,
        matched: parts.iter().map(|split| split.matched).sum(),
        state,
        users,
        times,
        kept,
    })
}

/// Notes what was written of a table and gives its rows.
fn note_parts<'a>(
    run: &RunContext<'_>,
    table: &'static Table,
    parts: impl Iterator<Item = &'a SplitPart>,
) -> Result<u64> {
    let parts: Vec<Part> = parts.filter_map(|split| split.part).collect();
    parts.iter().for_each(|&part| run.written(table, part));
    if parts.is_empty() {
        // A reader of the folder wants the columns all the same.
        run.write_table(table, &RecordBatch::new_empty(table.arrow()))?;
    }
    Ok(parts.iter().map(|part| part.rows).sum())
}

/// The events kept from each object: it can have segments in many splits, and a split those of many.
fn kept_by_object(run: &RunContext<'_>, done: &[CommittedSplit]) -> Vec<u64> {
    let mut kept = vec![0; run.logs.objects.len()];
    for (split, done) in run.logs.plan.splits.iter().zip(done) {
        for (segment, rows) in split.segments.iter().zip(&done.kept) {
            if let Some(kept) = kept.get_mut(segment.object) {
                *kept += rows;
            }
        }
    }
    kept
}

/// Every split to its Parquet parts, as if no event was in two batches.
fn read(
    run: &RunContext<'_>,
    lookup: &SongLookup,
) -> Result<(Vec<CommittedSplit>, Vec<LatestUsers>, SourceCounts)> {
    let source = &run.logs;
    let tally = SourceCounter::new(run, source);
    let users: Vec<Mutex<LatestUsers>> = (0..USER_SHARDS).map(|_| Mutex::default()).collect();
    let done: Vec<Mutex<Option<CommittedSplit>>> = source
        .plan
        .splits
        .iter()
        .map(|_| Mutex::default())
        .collect();
    split_boundaries::run(
        run.reading(),
        source,
        |reader, split, start| encode(run, lookup, (reader, split, start)),
        |split, mut settled| {
            let SplitOutput {
                parts,
                ids,
                times,
                users: mut theirs,
                rejects,
            } = std::mem::take(&mut settled.made);
            let began = Instant::now();
            let shards = theirs.take_shards(USER_SHARDS);
            for turn in 0..USER_SHARDS {
                // Workers begin at different shards, so that they do not follow each other.
                let turn = (split.number + turn) % USER_SHARDS;
                let mut ours = users[turn].lock().unwrap_or_else(PoisonError::into_inner);
                ours.merge(&theirs, &shards[turn]);
            }
            run.stages.add(Stage::Star, began, 0, 0);
            let kept = std::mem::take(&mut settled.found.kept);
            let slot = done[split.number].lock();
            *slot.unwrap_or_else(PoisonError::into_inner) = Some(CommittedSplit {
                parts,
                ids,
                times,
                kept,
            });
            tally.add(split, &settled, rejects)
        },
    )?;
    let done = done.into_iter().enumerate().map(|(number, done)| {
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.ok_or_else(|| {
            Error::failed(format!("split {number} of the logs was not read"))
                .hint("this is a fault of sparkify: please report it")
        })
    });
    let users = users
        .into_iter()
        .map(|u| u.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    Ok((done.collect::<Result<_>>()?, users, tally.state()))
}

/// One split from bytes to its Parquet parts.
fn encode(
    run: &RunContext<'_>,
    lookup: &SongLookup,
    (reader, split, start): (&mut SplitReader<'_>, &Split, StartAt),
) -> Result<(SplitStats, SplitOutput)> {
    let part = |table| PartEncoder {
        table,
        split: split.number,
        is_again: start != StartAt::NextLine,
        writer: None,
        rows: Vec::new(),
    };
    let mut encoder = SplitEncoder {
        run,
        lookup,
        plays: part(&SONGPLAYS),
        ledger: part(&LEDGER_SONGPLAYS),
        made: SplitOutput::default(),
    };
    let found = reader.read(split, start, &mut encoder)?;
    Ok((found, encoder.close()?))
}

/// Writes a split's part of a table, which is there only if there are rows.
struct PartEncoder {
    table: &'static Table,
    split: usize,
    /// Whether an earlier pass over the split may have left rows that do not count.
    is_again: bool,
    writer: Option<PartWriter>,
    /// The rows of each batch.
    rows: Vec<u64>,
}

impl PartEncoder {
    fn write(&mut self, run: &RunContext<'_>, rows: &RecordBatch) -> Result<()> {
        self.rows.push(rows.num_rows() as u64);
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (table, split) = (self.table, self.split);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(run.staging.part(table, split, rows.schema())?),
        };
        writer.write(rows)
    }

    fn close(self, run: &RunContext<'_>) -> Result<SplitPart> {
        let part = match self.writer {
            Some(writer) => Some(writer.close()?),
            None if self.is_again => {
                run.staging.remove_part(self.table, self.split)?;
                None
            }
            None => None,
        };
        Ok(SplitPart {
            part,
            rows: self.rows,
        })
    }
}

/// Makes and writes the songplays of one split.
struct SplitEncoder<'a> {
    run: &'a RunContext<'a>,
    lookup: &'a SongLookup,
    plays: PartEncoder,
    ledger: PartEncoder,
    made: SplitOutput,
}

impl RecordSink for SplitEncoder<'_> {
    fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let events = EventBatch::new(batch)?;
        let event_ids = songplay_ids(&events);
        self.run.stages.add(Stage::Star, began, 0, 0);
        let began = Instant::now();
        let losers = delivery_rewrite::losers_in_batch(&event_ids, &events);
        self.run.stages.add(Stage::Deduplicate, began, 0, 0);
        let began = Instant::now();
        // Users and times are of all deliveries.
        self.made.users.add(&events);
        let times = &mut self.made.times;
        // A compressed object is one split of any size: room in reserve would be memory an event.
        times.reserve_exact(events.rows());
        let first = times.len();
        // Copies come last: without them most events are in order, and this sort takes runs as they are.
        let mut next = 0;
        for &row in &losers {
            times.extend_from_slice(&events.ts()[next..row]);
            next = row + 1;
        }
        times.extend_from_slice(&events.ts()[next..]);
        times.extend(losers.iter().map(|&row| events.ts()[row]));
        times[first..].sort();
        let plays = songplays(&events, event_ids, &losers, self.lookup)?;
        let SongplayRows { songplays, ledger } = plays;
        self.made.parts.matched += matched(&songplays);
        let rows = songplays.num_rows() as u64;
        self.run.stages.add(Stage::Star, began, 0, rows);
        let began = Instant::now();
        self.made.ids.push(PartitionedIds::new(ids(&songplays)?));
        self.run.stages.add(Stage::Deduplicate, began, 0, rows);
        let began = Instant::now();
        self.plays.write(self.run, &songplays)?;
        self.ledger.write(self.run, &ledger)?;
        self.run.stages.add(Stage::Encode, began, 0, rows);
        Ok(())
    }

    fn reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.run.logs.display(object);
        let staging = self.run.staging;
        self.made
            .rejects
            .write(staging, &object, reject.line + 1, reject)
    }
}

impl SplitEncoder<'_> {
    fn close(self) -> Result<SplitOutput> {
        let Self { run, mut made, .. } = self;
        let began = Instant::now();
        made.parts.songplays = self.plays.close(run)?;
        made.parts.ledger = self.ledger.close(run)?;
        let parts = [&made.parts.songplays, &made.parts.ledger].map(|part| part.part);
        let bytes = parts.iter().flatten().map(|part| part.bytes).sum();
        run.stages.add(Stage::Encode, began, bytes, 0);
        let began = Instant::now();
        // Those of each batch are sorted. A compressed object can have very many: they are sorted in place.
        made.times.sort_unstable();
        made.times.dedup();
        run.stages.add(Stage::Star, began, 0, 0);
        Ok(made)
    }
}
