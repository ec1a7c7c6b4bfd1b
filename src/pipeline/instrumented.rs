//! Measured passes: the pipeline, or its first stages alone, once, with all that a benchmark asks.
//!
//! Nothing here does the work in another way than a run: a pass takes the same splits through the
//! same workers. [`bench`](mod@crate::bench) repeats them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use super::counters::SourceCounts;
use super::source::Source;
use super::split_reader::RecordSink;
use super::timings::{Phase, Timings};
use super::{ReadContext, build_thread_pool, peak_rss, run_with_timings, split_boundaries};
use crate::config::{LoadedObjects, ParseConfig, RecordKind, RunConfig, Sizes};
use crate::decode::Decoder;
use crate::decode::reject::Reject;
use crate::error::Result;
use crate::input::InputObject;
use crate::output::report::{InputReport, Report, StageReport};
use crate::progress::Progress;
use crate::star::schema::SONG_RECORD;
use crate::storage::StoreRegistry;

/// One input, read and decoded once.
#[derive(Debug, Clone)]
pub struct ParseStats {
    /// What the records are.
    pub kind: RecordKind,
    /// The counts of records.
    pub input: InputReport,
    /// Records that became a row.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// Pieces of work that threads could share.
    pub splits: usize,
    /// Reading and decoding by the clock; bytes are those of the JSON, decompressed.
    pub total: StageReport,
    /// Where the time went, by stage.
    pub stages: BTreeMap<String, StageReport>,
}

/// A star, built and published once.
#[derive(Debug, Clone)]
pub struct TimedRun {
    /// The report of the run, but with a total that takes in publishing and a peak of its own.
    pub report: Report,
    /// What followed what, and last the rest of the time, in which one thread works at most.
    pub phases: Vec<Phase>,
}

/// Reads and decodes one input and drops what comes out. Listing is not in the time.
///
/// # Errors
/// There is no input, or it cannot be read.
pub fn measure_parse(config: &ParseConfig, progress: &Progress) -> Result<ParseStats> {
    let ParseConfig {
        locations: places,
        sizes,
        ..
    } = config;
    build_thread_pool(config.threads)?.install(|| {
        let timings = Timings::default();
        let kind = config.kind.unwrap_or(RecordKind::Log);
        let stores = StoreRegistry::new(config.s3.clone());
        let (none_loaded, split_bytes) = (LoadedObjects::default(), sizes.split_bytes);
        let mut source = Source::open(
            kind,
            "PATH",
            &stores,
            places,
            &none_loaded,
            split_bytes,
            &timings,
        )?;
        if config.kind.is_none() && starts_with_songs(&source)? {
            source.kind = RecordKind::Song;
        }
        progress.start_phase(source.kind.plural(), source.plan.bytes);
        let began = Instant::now();
        let (counts, bytes) = parse_splits(&source, *sizes, progress, &timings)?;
        let seconds = began.elapsed().as_secs_f64();
        progress.finish_phase();
        Ok(ParseStats {
            kind: source.kind,
            total: StageReport::new(seconds, bytes, counts.report.records),
            input: counts.report,
            kept: counts.kept,
            filtered: counts.filtered,
            splits: source.plan.splits.len(),
            stages: timings.stage_reports(),
        })
    })
}

/// All splits of a source through its workers; gives the counts and the bytes decoded.
fn parse_splits(
    source: &Source,
    sizes: Sizes,
    progress: &Progress,
    timings: &Timings,
) -> Result<(SourceCounts, u64)> {
    let context = ReadContext {
        sizes,
        progress,
        timings,
    };
    let totals = Mutex::new((SourceCounts::new(source), 0));
    split_boundaries::process_splits(
        context,
        source,
        |reader, split, start| Ok((reader.read(split, start, &mut DiscardSink)?, ())),
        |_, confirmed| {
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.0.add_split(&confirmed.stats);
            totals.1 += confirmed.stats.decoded_bytes;
            Ok(())
        },
    )?;
    Ok(totals.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Drops rows and rejects.
struct DiscardSink;

impl RecordSink for DiscardSink {
    fn write_batch(&mut self, _: &RecordBatch) -> Result<()> {
        Ok(())
    }

    fn write_reject(&mut self, _: &InputObject, _: &Reject) -> Result<()> {
        Ok(())
    }
}

/// Whether a song is among the first records.
fn starts_with_songs(source: &Source) -> Result<bool> {
    let kept = source.peek_first_object(|chunk| {
        let mut decoder = Decoder::new(&SONG_RECORD, 1);
        decoder.decode(chunk, u64::MAX);
        decoder.take_counts().kept
    })?;
    Ok(kept.is_some_and(|kept| kept > 0))
}

/// Builds and publishes a star. Everything is in the time, publishing too.
///
/// # Errors
/// Those of a [`run`](super::run).
pub fn measure_run(config: &RunConfig, progress: &Progress) -> Result<TimedRun> {
    let is_peak_reset = peak_rss::reset_peak_rss();
    let timings = Timings::default();
    let began = Instant::now();
    let mut report = run_with_timings(config, progress, &timings)?;
    let seconds = began.elapsed().as_secs_f64();
    let StageReport { bytes, events, .. } = report.total;
    report.total = StageReport::new(seconds, bytes, events);
    report.peak_memory_bytes = peak_rss::peak_rss_bytes().filter(|_| is_peak_reset);
    let mut phases = timings.phases();
    let other_seconds = seconds - phases.iter().map(|phase| phase.seconds).sum::<f64>();
    phases.push(Phase {
        name: "other",
        seconds: other_seconds.max(0.0),
        tasks: Some(1),
    });
    Ok(TimedRun { report, phases })
}
