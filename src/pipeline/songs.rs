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
use crate::star::song_lookup::{
    ArtistIds, LOOKUP_SHARDS, SongIds, SongLookup, SongLookupShard, hash_keys,
};
use crate::star::typed_batches::SongBatch;

/// Reads all songs. Returns their batches in input order, and the counts.
///
/// # Errors
/// Returns an error if an object cannot be read or a reject cannot be written.
pub(super) fn read_songs(run: &RunContext<'_>) -> Result<(Vec<SongBatch>, SourceCounts)> {
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
    Ok((batches.into_results().concat(), counts))
}

/// Builds the lookup that joins events with songs.
///
/// # Errors
/// Returns an error if a column of the songs exceeds Arrow's limit of 2 GiB.
pub(super) fn build_lookup(run: &RunContext<'_>, batches: &[SongBatch]) -> Result<SongLookup> {
    let _span = tracing::info_span!("lookup").entered();
    let began = Instant::now();
    let hashes: Vec<_> = batches.par_iter().map(hash_keys).collect();
    let shards: Vec<SongLookupShard> = (0..LOOKUP_SHARDS)
        .into_par_iter()
        .map(|number| SongLookupShard::new(batches, &hashes, number))
        .collect::<Result<_>>()?;
    run.timings
        .record_phase("build lookup shards", LOOKUP_SHARDS, began);
    let join_start = Instant::now();
    let (songs, artists) = rayon::join(
        || SongIds::new(batches, &shards),
        || ArtistIds::new(batches, &shards),
    );
    let lookup = SongLookup::new(songs?, artists?, shards);
    run.timings.record_phase("build lookup", 2, join_start);
    run.timings.record(PipelineStage::Star, began, 0, 0);
    Ok(lookup)
}

/// The output of a worker for one split.
#[derive(Debug, Default)]
struct SongSplitOutput {
    batches: Vec<SongBatch>,
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
        self.output.batches.push(SongBatch::new(batch)?);
        Ok(())
    }

    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.source.display(object);
        self.output.rejects.write(
            self.staging.reject_context(),
            &object,
            reject.line + 1,
            reject,
        )
    }
}
