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
use crate::star::deliveries::songplay_id_values;
use crate::star::lookup::SongLookup;
use crate::star::records::EventBatch;
use crate::star::schema::{SONGPLAYS, STATE_SONGPLAYS, Table};
use crate::star::songplays::{SongplayRows, build_songplays, compute_songplay_ids, count_matched};
use crate::star::users::{LatestUsers, UserDelta};

/// States of users that are merged under a lock each, so that workers seldom wait for each other.
const USER_SHARDS: usize = 8;

/// What the log phase gives beside files.
#[derive(Debug)]
pub(super) struct LogsOutput {
    /// What became of the records.
    pub counts: SourceCounts,
    /// Events that were delivered before.
    pub duplicates: u64,
    /// Songplays whose song is known.
    pub matched: u64,
    /// The users, in states that share none.
    pub user_shards: Vec<LatestUsers>,
    /// The sorted and distinct times of each split, in milliseconds since 1970.
    pub times: Vec<Vec<i64>>,
    /// Events kept from each object, duplicates among them.
    pub kept_by_object: Vec<u64>,
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
    kept_by_segment: Vec<u64>,
}

/// Reads all logs and writes `songplays` and its ledger.
///
/// # Errors
/// Something cannot be read or written.
pub(super) fn process_logs(run: &RunContext<'_>, lookup: &SongLookup) -> Result<LogsOutput> {
    let (committed, users, counts) = read(run, lookup)?;
    let kept = kept_by_object(run, &committed);
    let (mut parts, mut ids, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for done in committed {
        parts.push(done.parts);
        ids.push(done.ids);
        times.push(done.times);
    }
    let began = Instant::now();
    let duplicates = DuplicateIds::find(&ids);
    drop(ids);
    run.timings
        .record(Stage::Deduplicate, began, 0, counts.kept);
    run.timings.record_phase("duplicates", None, began);
    if let Some(duplicates) = duplicates {
        delivery_rewrite::remove_duplicates(run, &duplicates, &mut parts)?;
    }
    let rows = register_parts(run, &SONGPLAYS, parts.iter().map(|split| &split.songplays))?;
    register_parts(
        run,
        &STATE_SONGPLAYS,
        parts.iter().map(|split| &split.merge_state),
    )?;
    Ok(LogsOutput {
        duplicates: counts.kept - rows,
        matched: parts.iter().map(|split| split.matched).sum(),
        counts,
        user_shards: users,
        times,
        kept_by_object: kept,
    })
}

/// Notes what was written of a table and gives its rows.
fn register_parts<'a>(
    run: &RunContext<'_>,
    table: &'static Table,
    parts: impl Iterator<Item = &'a SplitPart>,
) -> Result<u64> {
    let parts: Vec<Part> = parts.filter_map(|split| split.part).collect();
    parts
        .iter()
        .for_each(|&part| run.register_part(table, part));
    if parts.is_empty() {
        // A reader of the folder wants the columns all the same.
        run.write_table(table, &RecordBatch::new_empty(table.arrow_schema()))?;
    }
    Ok(parts.iter().map(|part| part.rows).sum())
}

/// The events kept from each object: it can have segments in many splits, and a split those of many.
fn kept_by_object(run: &RunContext<'_>, committed: &[CommittedSplit]) -> Vec<u64> {
    let mut kept = vec![0; run.logs.objects.len()];
    for (split, committed_split) in run.logs.plan.splits.iter().zip(committed) {
        for (segment, rows) in split.segments.iter().zip(&committed_split.kept_by_segment) {
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
    let counter = SourceCounter::new(run, source);
    let users: Vec<Mutex<LatestUsers>> = (0..USER_SHARDS).map(|_| Mutex::default()).collect();
    let committed: Vec<Mutex<Option<CommittedSplit>>> = source
        .plan
        .splits
        .iter()
        .map(|_| Mutex::default())
        .collect();
    split_boundaries::process_splits(
        run.read_context(),
        source,
        |reader, split, start| encode_split(run, lookup, (reader, split, start)),
        |split, mut confirmed| {
            let SplitOutput {
                parts,
                ids,
                times,
                users: mut theirs,
                rejects,
            } = std::mem::take(&mut confirmed.output);
            let began = Instant::now();
            let shards = theirs.drain_shards(USER_SHARDS);
            for turn in 0..USER_SHARDS {
                // Workers begin at different shards, so that they do not follow each other.
                let shard = (split.number + turn) % USER_SHARDS;
                let mut merged = users[shard].lock().unwrap_or_else(PoisonError::into_inner);
                merged.merge(&theirs, &shards[shard]);
            }
            run.timings.record(Stage::Star, began, 0, 0);
            let kept = std::mem::take(&mut confirmed.stats.kept_by_segment);
            let slot = committed[split.number].lock();
            *slot.unwrap_or_else(PoisonError::into_inner) = Some(CommittedSplit {
                parts,
                ids,
                times,
                kept_by_segment: kept,
            });
            counter.add_split(split, &confirmed, rejects)
        },
    )?;
    let done = committed.into_iter().enumerate().map(|(number, done)| {
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.ok_or_else(|| {
            Error::failed(format!("split {number} of the logs was not read"))
                .with_hint("this is a fault of sparkify: please report it")
        })
    });
    let users = users
        .into_iter()
        .map(|u| u.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    Ok((done.collect::<Result<_>>()?, users, counter.finish()))
}

/// One split from bytes to its Parquet parts.
fn encode_split(
    run: &RunContext<'_>,
    lookup: &SongLookup,
    (reader, split, start): (&mut SplitReader<'_>, &Split, StartAt),
) -> Result<(SplitStats, SplitOutput)> {
    let part_encoder = |table| PartEncoder {
        table,
        split: split.number,
        is_retry: start != StartAt::NextLine,
        writer: None,
        rows_by_batch: Vec::new(),
    };
    let mut encoder = SplitEncoder {
        run,
        lookup,
        songplays: part_encoder(&SONGPLAYS),
        merge_state: part_encoder(&STATE_SONGPLAYS),
        output: SplitOutput::default(),
    };
    let stats = reader.read(split, start, &mut encoder)?;
    Ok((stats, encoder.finish()?))
}

/// Writes a split's part of a table, which is there only if there are rows.
struct PartEncoder {
    table: &'static Table,
    split: usize,
    /// Whether an earlier pass over the split may have left rows that do not count.
    is_retry: bool,
    writer: Option<PartWriter>,
    /// The rows of each batch.
    rows_by_batch: Vec<u64>,
}

impl PartEncoder {
    fn write(&mut self, run: &RunContext<'_>, rows: &RecordBatch) -> Result<()> {
        self.rows_by_batch.push(rows.num_rows() as u64);
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (table, split) = (self.table, self.split);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(run.staging.create_part(table, split, rows.schema())?),
        };
        writer.write(rows)
    }

    fn close(self, run: &RunContext<'_>) -> Result<SplitPart> {
        let part = match self.writer {
            Some(writer) => Some(writer.close()?),
            None if self.is_retry => {
                run.staging.remove_part(self.table, self.split)?;
                None
            }
            None => None,
        };
        Ok(SplitPart {
            part,
            rows_by_batch: self.rows_by_batch,
        })
    }
}

/// Makes and writes the songplays of one split.
struct SplitEncoder<'a> {
    run: &'a RunContext<'a>,
    lookup: &'a SongLookup,
    songplays: PartEncoder,
    merge_state: PartEncoder,
    output: SplitOutput,
}

impl RecordSink for SplitEncoder<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let events = EventBatch::new(batch)?;
        let event_ids = compute_songplay_ids(&events);
        self.run.timings.record(Stage::Star, began, 0, 0);
        let began = Instant::now();
        let losers = delivery_rewrite::losing_rows(&event_ids, &events);
        self.run.timings.record(Stage::Deduplicate, began, 0, 0);
        let began = Instant::now();
        // Users and times are of all deliveries.
        self.output.users.add(&events);
        let times = &mut self.output.times;
        // A compressed object is one split of any size: room in reserve would be memory an event.
        times.reserve_exact(events.num_rows());
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
        let rows_of_tables = build_songplays(&events, event_ids, &losers, self.lookup)?;
        let SongplayRows {
            songplays,
            merge_state,
        } = rows_of_tables;
        self.output.parts.matched += count_matched(&songplays);
        let rows = songplays.num_rows() as u64;
        self.run.timings.record(Stage::Star, began, 0, rows);
        let began = Instant::now();
        self.output
            .ids
            .push(PartitionedIds::new(songplay_id_values(&songplays)?));
        self.run.timings.record(Stage::Deduplicate, began, 0, rows);
        let began = Instant::now();
        self.songplays.write(self.run, &songplays)?;
        self.merge_state.write(self.run, &merge_state)?;
        self.run.timings.record(Stage::Encode, began, 0, rows);
        Ok(())
    }

    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.run.logs.display(object);
        let staging = self.run.staging;
        self.output
            .rejects
            .write(staging, &object, reject.line + 1, reject)
    }
}

impl SplitEncoder<'_> {
    fn finish(self) -> Result<SplitOutput> {
        let Self {
            run,
            output: mut made,
            ..
        } = self;
        let began = Instant::now();
        made.parts.songplays = self.songplays.close(run)?;
        made.parts.merge_state = self.merge_state.close(run)?;
        let parts = [&made.parts.songplays, &made.parts.merge_state].map(|part| part.part);
        let bytes = parts.iter().flatten().map(|part| part.bytes).sum();
        run.timings.record(Stage::Encode, began, bytes, 0);
        let began = Instant::now();
        // Those of each batch are sorted. A compressed object can have very many: they are sorted in place.
        made.times.sort_unstable();
        made.times.dedup();
        run.timings.record(Stage::Star, began, 0, 0);
        Ok(made)
    }
}
