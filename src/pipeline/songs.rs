//! Reads all song records and builds the song lookup from them.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::input_source::InputSource;
use super::source_counter::{SourceCounter, SourceCounts};
use super::split_reader::RecordSink;
use super::timings::PipelineStage;
use super::{RunContext, split_processing};
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
    let batches = Mutex::new(vec![Vec::new(); source.plan.splits.len()]);
    split_processing::process_splits(
        run.read_context(),
        source,
        |reader, split, start| {
            let mut collector = SongCollector {
                source,
                staging: run.staging,
                rejects: RejectBuffer::default(),
                batches: Vec::new(),
            };
            let stats = reader.read(split, start, &mut collector)?;
            Ok((stats, (collector.batches, collector.rejects)))
        },
        |split, mut confirmed| {
            let (split_batches, rejects) = std::mem::take(&mut confirmed.output);
            let mut batches = batches.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = batches.get_mut(split.number) {
                *slot = split_batches;
            }
            drop(batches);
            counter.add_split(split, &confirmed, rejects)
        },
    )?;
    let counts = counter.finish();
    let report = &counts.report;
    tracing::info!(
        records = report.records,
        rejected = report.rejected,
        "read the songs"
    );
    let batches = batches
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .concat();
    Ok((batches, counts))
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

/// Collects the songs of a split.
struct SongCollector<'a> {
    source: &'a InputSource,
    staging: &'a Staging,
    rejects: RejectBuffer,
    batches: Vec<SongBatch>,
}

impl RecordSink for SongCollector<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.batches.push(SongBatch::new(batch)?);
        Ok(())
    }

    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()> {
        let object = self.source.display(object);
        self.rejects.write(
            self.staging.reject_context(),
            &object,
            reject.line + 1,
            reject,
        )
    }
}
