//! Encodes the events of one split as Parquet parts, and collects what the later phases need from them.

use std::time::Instant;

use arrow_array::RecordBatch;

use super::boundary_tracker::{DecodedSplit, SplitTask};
use super::duplicate_ids::PartitionedIds;
use super::duplicate_removal::losing_rows;
use super::run_context::RunContext;
use super::split_parts::{SplitParquetPart, SplitParquetParts};
use super::split_reader::{RecordSink, SplitReader};
use super::split_stats::SplitStart;
use super::timings::PipelineStage;
use crate::decode::reject::Reject;
use crate::error::Result;
use crate::input::{InputObject, RecordKind, SplitNumber};
use crate::model::TableSchema;
use crate::output::{PartWriter, RejectBuffer};
use crate::star::fact::FactRows;
use crate::star::lookup::Lookup;
use crate::star::pick_state::PickDelta;
use crate::star::record_columns::RecordColumns;

/// The output of a worker for one split.
#[derive(Debug)]
pub(super) struct SplitOutput {
    /// The Parquet parts.
    pub parts: SplitParquetParts,
    /// The songplay_ids of each batch.
    pub ids: Vec<PartitionedIds>,
    /// `ts` in milliseconds since 1970, sorted and distinct.
    pub times: Vec<i64>,
    /// The partial states of the tables that are picked from events.
    pub picks: Vec<PickDelta>,
    /// The rejects.
    pub rejects: RejectBuffer,
}

impl SplitOutput {
    fn new(split: SplitNumber, picks: usize) -> Self {
        Self {
            parts: SplitParquetParts::new(split),
            ids: Vec::new(),
            times: Vec::new(),
            picks: vec![PickDelta::default(); picks],
            rejects: RejectBuffer::default(),
        }
    }

    /// Adds the times of a batch, sorted. `losers` are the rows that lose against another delivery, in rising
    /// order.
    fn add_times(&mut self, batch_times: &[i64], losers: &[usize]) {
        let times = &mut self.times;
        // A compressed object is one split of any size: reserve capacity would cost memory for every event.
        times.reserve_exact(batch_times.len());
        let first = times.len();
        // Losers come last: the other events are mostly in order, and the sort detects sorted runs.
        let mut next = 0;
        for &row in losers {
            times.extend_from_slice(&batch_times[next..row]);
            next = row + 1;
        }
        times.extend_from_slice(&batch_times[next..]);
        times.extend(losers.iter().map(|&row| batch_times[row]));
        times[first..].sort();
    }
}

/// Reads, decodes and encodes one split as Parquet parts.
///
/// # Errors
/// Returns an error if an object cannot be read or a part cannot be written.
pub(super) fn encode_split(
    run: &RunContext<'_>,
    lookup: &Lookup,
    reader: &mut SplitReader<'_>,
    task: SplitTask<'_>,
) -> Result<DecodedSplit<SplitOutput>> {
    let split = task.split.number;
    let part_writer = |table| LazyPartWriter {
        table,
        split,
        is_retry: task.start != SplitStart::NextLine,
        writer: None,
        rows_by_batch: Vec::new(),
    };
    let mut encoder = SongplayEncoder {
        run,
        lookup,
        fact: part_writer(run.kernels.fact.table),
        lookup_keys: part_writer(run.kernels.fact.lookup.keys_table()),
        output: SplitOutput::new(split, run.kernels.event_picks.len()),
    };
    let stats = reader.read(task.split, task.start, &mut encoder)?;
    let output = encoder.finish()?;
    Ok(DecodedSplit { stats, output })
}

/// Writes the part of a table for one split. The part is created with the first row.
struct LazyPartWriter {
    table: &'static TableSchema,
    split: SplitNumber,
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
        let (table, part_number) = (self.table, self.split.index());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(run.staging.create_part(table, part_number, rows.schema())?),
        };
        writer.write(rows)
    }

    fn close(self, run: &RunContext<'_>) -> Result<SplitParquetPart> {
        let part = match self.writer {
            Some(writer) => Some(writer.close()?),
            None if self.is_retry => {
                run.staging.remove_part(self.table, self.split.index())?;
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
    lookup: &'a Lookup,
    fact: LazyPartWriter,
    lookup_keys: LazyPartWriter,
    output: SplitOutput,
}

impl RecordSink for SongplayEncoder<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let kernels = &self.run.kernels;
        let events = RecordColumns::new(batch)?;
        let event_ids = kernels.fact.compute_ids(&events);
        self.run.timings.record(PipelineStage::Star, began, 0, 0);
        let began = Instant::now();
        let losers = losing_rows(&kernels.deliveries, &event_ids, &events);
        self.run
            .timings
            .record(PipelineStage::Deduplicate, began, 0, 0);
        let began = Instant::now();
        // Dimensions are built from all deliveries.
        for (kernel, delta) in kernels.event_picks.iter().zip(&mut self.output.picks) {
            delta.add(kernel, &events);
        }
        self.output
            .add_times(kernels.calendar.times(&events), &losers);
        let FactRows { fact, lookup_keys } =
            kernels
                .fact
                .build(&events, event_ids, &losers, self.lookup)?;
        self.output.parts.matched += kernels.fact.count_matched(&fact);
        let rows = fact.num_rows() as u64;
        self.run.timings.record(PipelineStage::Star, began, 0, rows);
        let began = Instant::now();
        self.output
            .ids
            .push(PartitionedIds::new(kernels.deliveries.id_values(&fact)?));
        self.run
            .timings
            .record(PipelineStage::Deduplicate, began, 0, rows);
        let began = Instant::now();
        self.fact.write(self.run, &fact)?;
        self.lookup_keys.write(self.run, &lookup_keys)?;
        self.run
            .timings
            .record(PipelineStage::Encode, began, 0, rows);
        Ok(())
    }

    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.run.logs.display(object);
        let staging = self.run.staging;
        self.output.rejects.write(
            staging.reject_context(),
            RecordKind::Log,
            &object,
            reject.line + 1,
            reject,
        )
    }
}

impl SongplayEncoder<'_> {
    fn finish(self) -> Result<SplitOutput> {
        let Self {
            run, mut output, ..
        } = self;
        let began = Instant::now();
        output.parts.fact = self.fact.close(run)?;
        output.parts.lookup_keys = self.lookup_keys.close(run)?;
        let parts = [&output.parts.fact, &output.parts.lookup_keys].map(|part| part.part);
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
