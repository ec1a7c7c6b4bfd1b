//! Reads all song records and builds the song lookup from them.

use std::time::Instant;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::boundary_tracker::DecodedSplit;
use super::input_source::InputSource;
use super::run_context::RunContext;
use super::source_counter::{SourceCounter, SourceCounts};
use super::split_processing::process_splits;
use super::split_reader::RecordSink;
use super::split_slots::SplitSlots;
use super::timings::PipelineStage;
use crate::decode::reject::Reject;
use crate::error::Result;
use crate::input::InputObject;
use crate::output::{RejectBuffer, Staging};
use crate::star::lookup::{LOOKUP_SHARDS, Lookup, LookupOutput, LookupShard};
use crate::star::record_columns::RecordColumns;

/// The results of the song phase.
#[derive(Debug)]
pub(super) struct SongPhaseResult {
    /// The songs, in input order.
    pub batches: Vec<RecordColumns>,
    /// The counts of records.
    pub counts: SourceCounts,
}

/// Reads all songs.
///
/// # Errors
/// Returns an error if an object cannot be read or a reject cannot be written.
pub(super) fn read_songs(run: &RunContext<'_>) -> Result<SongPhaseResult> {
    let _span = tracing::info_span!("songs").entered();
    let source = &run.songs;
    let counter = SourceCounter::new(run, source);
    let batches = SplitSlots::new(&source.plan);
    process_splits(
        run.read_context(),
        source,
        |reader, task| {
            let mut collector = SongCollector {
                source,
                staging: run.staging,
                output: SongSplitOutput::default(),
            };
            let stats = reader.read(task.split, task.start, &mut collector)?;
            let output = collector.output;
            Ok(DecodedSplit { stats, output })
        },
        |confirmed| {
            let (confirmed, output) = confirmed.into_output();
            batches.fill(confirmed.split.number, output.batches);
            counter.add_split(&confirmed, output.rejects)
        },
    )?;
    let counts = counter.finish();
    let report = &counts.report;
    tracing::info!(
        records = report.records,
        rejected = report.rejected,
        "read the songs"
    );
    Ok(SongPhaseResult {
        batches: batches.into_results().concat(),
        counts,
    })
}

/// Builds the lookup that joins events with songs.
///
/// # Errors
/// Returns an error if a column of the songs exceeds Arrow's limit of 2 GiB.
pub(super) fn build_lookup(run: &RunContext<'_>, batches: &[RecordColumns]) -> Result<Lookup> {
    let _span = tracing::info_span!("lookup").entered();
    let began = Instant::now();
    let kernel = &run.kernels.fact.lookup;
    let hashes: Vec<_> = batches
        .par_iter()
        .map(|batch| kernel.hash_keys(batch))
        .collect();
    let shards: Vec<LookupShard> = (0..LOOKUP_SHARDS)
        .into_par_iter()
        .map(|number| LookupShard::new(kernel, batches, &hashes, number))
        .collect::<Result<_>>()?;
    run.timings
        .record_phase("build lookup shards", LOOKUP_SHARDS, began);
    let join_start = Instant::now();
    let outputs: Vec<LookupOutput> = (0..kernel.num_outputs())
        .into_par_iter()
        .map(|number| LookupOutput::new(kernel, batches, &shards, number))
        .collect::<Result<_>>()?;
    let lookup = Lookup::new(outputs, shards);
    run.timings
        .record_phase("build lookup", kernel.num_outputs(), join_start);
    run.timings.record(PipelineStage::Star, began, 0, 0);
    Ok(lookup)
}

/// The output of a worker for one split.
#[derive(Debug, Default)]
struct SongSplitOutput {
    batches: Vec<RecordColumns>,
    rejects: RejectBuffer,
}

/// Collects the songs of a split.
struct SongCollector<'a> {
    source: &'a InputSource,
    staging: &'a Staging,
    output: SongSplitOutput,
}

impl RecordSink for SongCollector<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.output.batches.push(RecordColumns::new(batch)?);
        Ok(())
    }

    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.source.display(object);
        self.output.rejects.write(
            self.staging.reject_context(),
            self.source.kind,
            &object,
            reject.line + 1,
            reject,
        )
    }
}
