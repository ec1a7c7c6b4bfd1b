//! Processes the logs: turns events into songplays and their merge state, split by split, and collects what the
//! dimensions need from the events.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use super::duplicate_ids::{DuplicateIds, PartitionedIds};
use super::duplicate_removal::remove_duplicates;
use super::run_context::RunContext;
use super::songplay_encoder::encode_split;
use super::source_counter::{SourceCounter, SourceCounts};
use super::split_parts::{SplitParquetPart, SplitParquetParts};
use super::split_processing::process_splits;
use super::split_slots::SplitSlots;
use super::timings::PipelineStage;
use crate::error::Result;
use crate::input::SplitNumber;
use crate::model::TableSchema;
use crate::output::PartInfo;
use crate::star::lookup::Lookup;
use crate::star::pick::PickKernel;
use crate::star::pick_state::{PickDelta, PickedRows};

/// The number of shards of a table that is picked from events. Each has its own lock, so that workers seldom wait for each
/// other.
const PICK_SHARDS: usize = 8;

/// The results of the log phase besides its files.
#[derive(Debug)]
pub(super) struct LogPhaseResult {
    /// The counts of records.
    pub counts: SourceCounts,
    /// Events dropped as duplicates of another event.
    pub duplicates: u64,
    /// Songplays that have a matching song.
    pub matched: u64,
    /// The shards of each table that is picked from events. A key is in exactly one shard.
    pub picked: Vec<Vec<PickedRows>>,
    /// The times of each split in milliseconds since 1970, sorted and distinct.
    pub times: Vec<Vec<i64>>,
}

impl LogPhaseResult {
    /// Returns the time of the earliest event, in milliseconds since 1970.
    pub(super) fn oldest_event(&self) -> Option<i64> {
        self.times
            .iter()
            .filter_map(|times| times.first())
            .min()
            .copied()
    }

    /// Returns the time of the latest event, in milliseconds since 1970.
    pub(super) fn newest_event(&self) -> Option<i64> {
        self.times
            .iter()
            .filter_map(|times| times.last())
            .max()
            .copied()
    }
}

/// The retained output of a confirmed split. The id and the time of every event, 16 bytes together, stay in
/// memory to the end of the phase.
#[derive(Debug)]
struct RetainedSplitOutput {
    parts: SplitParquetParts,
    ids: Vec<PartitionedIds>,
    times: Vec<i64>,
}

/// Reads all logs and writes `songplays` and its merge state.
///
/// # Errors
/// Returns an error if an object cannot be read or a part cannot be written.
#[expect(clippy::expect_used, reason = "a wrong count would hide lost rows")]
pub(super) fn process_logs(run: &RunContext<'_>, lookup: &Lookup) -> Result<LogPhaseResult> {
    let _span = tracing::info_span!("logs").entered();
    let EncodedLogs {
        splits,
        picked,
        counts,
    } = encode_splits(run, lookup)?;
    let (mut parts, mut ids, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for split in splits {
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
        remove_duplicates(run, &duplicates, &mut parts)?;
    }
    let fact = &run.kernels.fact;
    let rows = register_parts(run, fact.table, parts.iter().map(|split| &split.fact))?;
    register_parts(
        run,
        fact.lookup.keys_table(),
        parts.iter().map(|split| &split.lookup_keys),
    )?;
    let duplicates = counts
        .kept
        .checked_sub(rows)
        .expect("an event has one row at most");
    let report = &counts.report;
    tracing::info!(
        records = report.records,
        rejected = report.rejected,
        kept = rows,
        filtered = counts.filtered,
        duplicates,
        "processed the logs"
    );
    Ok(LogPhaseResult {
        duplicates,
        matched: parts.iter().map(|split| split.matched).sum(),
        counts,
        picked,
        times,
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

/// The results of the encoded splits.
struct EncodedLogs {
    splits: Vec<RetainedSplitOutput>,
    /// The shards of each table that is picked from events. A key is in exactly one shard.
    picked: Vec<Vec<PickedRows>>,
    counts: SourceCounts,
}

/// Encodes every split as Parquet parts. Duplicates across batches remain in the parts.
fn encode_splits(run: &RunContext<'_>, lookup: &Lookup) -> Result<EncodedLogs> {
    let source = &run.logs;
    let counter = SourceCounter::new(run, source);
    let kernels = &run.kernels.event_picks;
    let new_shards = |_| (0..PICK_SHARDS).map(|_| Mutex::default()).collect();
    let picked: Vec<Vec<Mutex<PickedRows>>> = kernels.iter().map(new_shards).collect();
    let outputs = SplitSlots::new(&source.plan);
    process_splits(
        run.read_context(),
        source,
        |reader, task| encode_split(run, lookup, reader, task),
        |confirmed| {
            let (confirmed, output) = confirmed.into_output();
            let number = confirmed.split.number;
            let began = Instant::now();
            for ((kernel, picked), delta) in kernels.iter().zip(&picked).zip(&output.picks) {
                merge_picks(kernel, picked, delta, number);
            }
            run.timings.record(PipelineStage::Star, began, 0, 0);
            counter.add_split(&confirmed, output.rejects)?;
            let retained = RetainedSplitOutput {
                parts: output.parts,
                ids: output.ids,
                times: output.times,
            };
            outputs.fill(number, retained);
            Ok(())
        },
    )?;
    let into_inner =
        |shard: Mutex<PickedRows>| shard.into_inner().unwrap_or_else(PoisonError::into_inner);
    let picked = picked
        .into_iter()
        .map(|shards| shards.into_iter().map(into_inner).collect())
        .collect();
    Ok(EncodedLogs {
        splits: outputs.into_results(),
        picked,
        counts: counter.finish(),
    })
}

/// Merges the partial state of a split into the state of all splits.
fn merge_picks(
    kernel: &PickKernel,
    merged: &[Mutex<PickedRows>],
    delta: &PickDelta,
    split: SplitNumber,
) {
    let shards = delta.to_shards(kernel, merged.len());
    for turn in 0..merged.len() {
        // Workers begin at different shards, so that they do not wait for each other in a row.
        let shard = (split.index() + turn) % merged.len();
        let mut picked = merged[shard].lock().unwrap_or_else(PoisonError::into_inner);
        picked.merge(kernel, delta, &shards[shard]);
    }
}
