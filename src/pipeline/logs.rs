//! Processes the logs: turns events into songplays and their merge state, split by split, and collects what the
//! dimensions need from the events.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use super::duplicate_ids::{DuplicateIds, PartitionedIds};
use super::duplicate_removal::{self, SplitParquetPart, SplitParquetParts};
use super::source_counter::{SourceCounter, SourceCounts};
use super::split_reader::{RecordSink, SplitReader, SplitStart, SplitStats};
use super::timings::PipelineStage;
use super::{RunContext, split_processing};
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::{InputObject, Split};
use crate::output::{PartInfo, PartWriter, RejectBuffer};
use crate::star::delivery_order::songplay_id_values;
use crate::star::schema::{SONGPLAYS, STATE_SONGPLAYS, TableSchema};
use crate::star::song_lookup::SongLookup;
use crate::star::songplays::{SongplayRows, build_songplays, compute_songplay_ids, count_matched};
use crate::star::typed_batches::EventBatch;
use crate::star::users::{LatestUsers, UserDelta};

/// The number of shards of the merged users. Each has its own lock, so that workers seldom wait for each other.
const USER_SHARDS: usize = 8;

/// The results of the log phase besides its files.
#[derive(Debug)]
pub(super) struct LogPhaseResult {
    /// The counts of records.
    pub counts: SourceCounts,
    /// Events dropped as duplicates of another event.
    pub duplicates: u64,
    /// Songplays that have a matching song.
    pub matched: u64,
    /// The users. Each is in exactly one shard.
    pub user_shards: Vec<LatestUsers>,
    /// The times of each split in milliseconds since 1970, sorted and distinct.
    pub times: Vec<Vec<i64>>,
    /// Events kept from each object, including duplicates.
    pub kept_by_object: Vec<u64>,
}

/// The output of a worker for one split.
#[derive(Debug, Default)]
struct SplitOutput {
    parts: SplitParquetParts,
    /// The songplay_ids of each batch.
    ids: Vec<PartitionedIds>,
    /// `ts` in milliseconds since 1970, sorted and distinct.
    times: Vec<i64>,
    users: UserDelta,
    rejects: RejectBuffer,
}

/// The retained output of a confirmed split. The id and the time of every event, 16 bytes together, stay in
/// memory to the end of the phase.
#[derive(Debug, Default)]
struct RetainedSplitOutput {
    parts: SplitParquetParts,
    ids: Vec<PartitionedIds>,
    times: Vec<i64>,
    /// Events kept from each segment.
    kept_by_segment: Vec<u64>,
}

/// Reads all logs and writes `songplays` and its merge state.
///
/// # Errors
/// Returns an error if an object cannot be read or a part cannot be written.
pub(super) fn process_logs(run: &RunContext<'_>, lookup: &SongLookup) -> Result<LogPhaseResult> {
    let _span = tracing::info_span!("logs").entered();
    let (committed, users, counts) = encode_splits(run, lookup)?;
    let kept = kept_by_object(run, &committed);
    let (mut parts, mut ids, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for split in committed {
        parts.push(split.parts);
        ids.push(split.ids);
        times.push(split.times);
    }
    let began = Instant::now();
    let duplicates = DuplicateIds::find(&ids);
    drop(ids);
    run.timings
        .record(PipelineStage::Deduplicate, began, 0, counts.kept);
    run.timings.record_phase("find duplicates", None, began);
    if let Some(duplicates) = duplicates {
        duplicate_removal::remove_duplicates(run, &duplicates, &mut parts)?;
    }
    let rows = register_parts(run, &SONGPLAYS, parts.iter().map(|split| &split.songplays))?;
    register_parts(
        run,
        &STATE_SONGPLAYS,
        parts.iter().map(|split| &split.merge_state),
    )?;
    let duplicates = counts.kept - rows;
    let report = &counts.report;
    tracing::info!(
        records = report.records,
        rejected = report.rejected,
        kept = rows,
        duplicates,
        "processed the logs"
    );
    Ok(LogPhaseResult {
        duplicates,
        matched: parts.iter().map(|split| split.matched).sum(),
        counts,
        user_shards: users,
        times,
        kept_by_object: kept,
    })
}

/// Registers the parts of a table and returns the number of its rows.
fn register_parts<'a>(
    run: &RunContext<'_>,
    table: &'static TableSchema,
    parts: impl Iterator<Item = &'a SplitParquetPart>,
) -> Result<u64> {
    let parts: Vec<PartInfo> = parts.filter_map(|split| split.part).collect();
    parts
        .iter()
        .for_each(|&part| run.register_part(table, part));
    if parts.is_empty() {
        // Readers of the dataset need the columns of an empty table too.
        run.write_table(table, &RecordBatch::new_empty(table.arrow_schema()))?;
    }
    Ok(parts.iter().map(|part| part.rows).sum())
}

/// Returns the events kept from each object. An object can have segments in many splits, and a split can have
/// segments of many objects.
fn kept_by_object(run: &RunContext<'_>, committed: &[RetainedSplitOutput]) -> Vec<u64> {
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

/// Encodes every split as Parquet parts. Duplicates across batches remain in the parts.
fn encode_splits(
    run: &RunContext<'_>,
    lookup: &SongLookup,
) -> Result<(Vec<RetainedSplitOutput>, Vec<LatestUsers>, SourceCounts)> {
    let source = &run.logs;
    let counter = SourceCounter::new(run, source);
    let users: Vec<Mutex<LatestUsers>> = (0..USER_SHARDS).map(|_| Mutex::default()).collect();
    let committed: Vec<Mutex<Option<RetainedSplitOutput>>> = source
        .plan
        .splits
        .iter()
        .map(|_| Mutex::default())
        .collect();
    split_processing::process_splits(
        run.read_context(),
        source,
        |reader, split, start| encode_split(run, lookup, (reader, split, start)),
        |split, mut confirmed| {
            let SplitOutput {
                parts,
                ids,
                times,
                users: mut split_users,
                rejects,
            } = std::mem::take(&mut confirmed.output);
            let began = Instant::now();
            let shards = split_users.drain_shards(USER_SHARDS);
            for turn in 0..USER_SHARDS {
                // Workers begin at different shards, so that they do not wait for each other in a row.
                let shard = (split.number + turn) % USER_SHARDS;
                let mut merged = users[shard].lock().unwrap_or_else(PoisonError::into_inner);
                merged.merge(&split_users, &shards[shard]);
            }
            run.timings.record(PipelineStage::Star, began, 0, 0);
            let kept = std::mem::take(&mut confirmed.stats.kept_by_segment);
            let slot = committed[split.number].lock();
            *slot.unwrap_or_else(PoisonError::into_inner) = Some(RetainedSplitOutput {
                parts,
                ids,
                times,
                kept_by_segment: kept,
            });
            counter.add_split(split, &confirmed, rejects)
        },
    )?;
    let committed = committed.into_iter().enumerate().map(|(number, split)| {
        let split = split.into_inner().unwrap_or_else(PoisonError::into_inner);
        split.ok_or_else(|| {
            Error::failed(format!("split {number} of the logs was not read"))
                .with_hint("this is a bug in sparkify: please report it")
        })
    });
    let users = users
        .into_iter()
        .map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    Ok((committed.collect::<Result<_>>()?, users, counter.finish()))
}

/// Reads, decodes and encodes one split as Parquet parts.
fn encode_split(
    run: &RunContext<'_>,
    lookup: &SongLookup,
    (reader, split, start): (&mut SplitReader<'_>, &Split, SplitStart),
) -> Result<(SplitStats, SplitOutput)> {
    let part_encoder = |table| LazyPartWriter {
        table,
        split: split.number,
        is_retry: start != SplitStart::NextLine,
        writer: None,
        rows_by_batch: Vec::new(),
    };
    let mut encoder = SongplayEncoder {
        run,
        lookup,
        songplays: part_encoder(&SONGPLAYS),
        merge_state: part_encoder(&STATE_SONGPLAYS),
        output: SplitOutput::default(),
    };
    let stats = reader.read(split, start, &mut encoder)?;
    Ok((stats, encoder.finish()?))
}

/// Writes the part of a table for one split. The part is created with the first row.
struct LazyPartWriter {
    table: &'static TableSchema,
    split: usize,
    /// Whether an earlier attempt at the split may have left a part, which is invalid.
    is_retry: bool,
    writer: Option<PartWriter>,
    /// The number of rows of each batch.
    rows_by_batch: Vec<u64>,
}

impl LazyPartWriter {
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

    fn close(self, run: &RunContext<'_>) -> Result<SplitParquetPart> {
        let part = match self.writer {
            Some(writer) => Some(writer.close()?),
            None if self.is_retry => {
                run.staging.remove_part(self.table, self.split)?;
                None
            }
            None => None,
        };
        Ok(SplitParquetPart {
            part,
            rows_by_batch: self.rows_by_batch,
        })
    }
}

/// Builds and writes the songplays of one split.
struct SongplayEncoder<'a> {
    run: &'a RunContext<'a>,
    lookup: &'a SongLookup,
    songplays: LazyPartWriter,
    merge_state: LazyPartWriter,
    output: SplitOutput,
}

impl RecordSink for SongplayEncoder<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let events = EventBatch::new(batch)?;
        let event_ids = compute_songplay_ids(&events);
        self.run.timings.record(PipelineStage::Star, began, 0, 0);
        let began = Instant::now();
        let losers = duplicate_removal::losing_rows(&event_ids, &events);
        self.run
            .timings
            .record(PipelineStage::Deduplicate, began, 0, 0);
        let began = Instant::now();
        // Users and times come from all deliveries.
        self.output.users.add(&events);
        let times = &mut self.output.times;
        // A compressed object is one split of any size: reserve capacity would cost memory for every event.
        times.reserve_exact(events.num_rows());
        let first = times.len();
        // Losers come last: the other events are mostly in order, and the sort detects sorted runs.
        let mut next = 0;
        for &row in &losers {
            times.extend_from_slice(&events.ts()[next..row]);
            next = row + 1;
        }
        times.extend_from_slice(&events.ts()[next..]);
        times.extend(losers.iter().map(|&row| events.ts()[row]));
        times[first..].sort();
        let SongplayRows {
            songplays,
            merge_state,
        } = build_songplays(&events, event_ids, &losers, self.lookup)?;
        self.output.parts.matched += count_matched(&songplays);
        let rows = songplays.num_rows() as u64;
        self.run.timings.record(PipelineStage::Star, began, 0, rows);
        let began = Instant::now();
        self.output
            .ids
            .push(PartitionedIds::new(songplay_id_values(&songplays)?));
        self.run
            .timings
            .record(PipelineStage::Deduplicate, began, 0, rows);
        let began = Instant::now();
        self.songplays.write(self.run, &songplays)?;
        self.merge_state.write(self.run, &merge_state)?;
        self.run
            .timings
            .record(PipelineStage::Encode, began, 0, rows);
        Ok(())
    }

    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.run.logs.display(object);
        let staging = self.run.staging;
        self.output
            .rejects
            .write(staging.reject_context(), &object, reject.line + 1, reject)
    }
}

impl SongplayEncoder<'_> {
    fn finish(self) -> Result<SplitOutput> {
        let Self {
            run, mut output, ..
        } = self;
        let began = Instant::now();
        output.parts.songplays = self.songplays.close(run)?;
        output.parts.merge_state = self.merge_state.close(run)?;
        let parts = [&output.parts.songplays, &output.parts.merge_state].map(|part| part.part);
        let bytes = parts.iter().flatten().map(|part| part.bytes).sum();
        run.timings.record(PipelineStage::Encode, began, bytes, 0);
        let began = Instant::now();
        // The times of each batch are sorted. This sort works in place, because a compressed object can have very
        // many.
        output.times.sort_unstable();
        output.times.dedup();
        run.timings.record(PipelineStage::Star, began, 0, 0);
        Ok(output)
    }
}
