//! Runs the pipeline, or only its first stages, once and with the measurements that a benchmark needs.
//!
//! A measured pass works exactly as a run does, with the same splits and the same workers.
//! [`bench`](mod@crate::bench) repeats the passes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use super::boundary_tracker::DecodedSplit;
use super::input_source::{InputSource, record_schema};
use super::listing::InputArgument;
use super::peak_rss;
use super::run::run_with_timings;
use super::run_context::ReadContext;
use super::source_counter::SourceCounts;
use super::split_processing::process_splits;
use super::split_reader::RecordSink;
use super::thread_pool::build_thread_pool;
use super::timings::{PhaseTiming, Timings};
use crate::config::{IoSizes, ParseBenchConfig, RunConfig};
use crate::decode::Decoder;
use crate::decode::reject::Reject;
use crate::error::Result;
use crate::input::{InputObject, RecordKind};
use crate::observer::Observer;
use crate::output::run_report::{InputReport, RunReport, StageReport};
use crate::storage::StoreOpener;

/// The measurements of one input that was read and decoded once.
#[derive(Debug, Clone)]
pub(crate) struct TimedParse {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The counts of records.
    pub input: InputReport,
    /// Records that became a row.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// Splits, the tasks that threads can share.
    pub splits: usize,
    /// The wall-clock time of reading and decoding. Bytes are those of the decompressed JSON.
    pub total: StageReport,
    /// The time of each stage, by name.
    pub stages: BTreeMap<String, StageReport>,
}

/// The measurements of one complete run.
#[derive(Debug, Clone)]
pub(crate) struct TimedRun {
    /// The report of the run. Its total includes publishing, and its peak memory is that of this run alone.
    pub report: RunReport,
    /// The phases in order. The last one, `other`, is the time outside all other phases, in which at most one
    /// thread works.
    pub phases: Vec<PhaseTiming>,
}

/// Reads and decodes one input and drops the rows. The measured time does not include listing.
///
/// # Errors
/// Returns an error if there is no input, or if the input cannot be read.
pub(crate) fn measure_parse(
    config: &ParseBenchConfig,
    progress: &dyn Observer,
) -> Result<TimedParse> {
    build_thread_pool(config.threads)?.install(|| {
        let timings = Timings::default();
        let kind = config.kind.unwrap_or(RecordKind::Log);
        let stores = StoreOpener::new(config.s3.clone());
        let argument = InputArgument {
            kind,
            name: "PATH",
            spec: &config.locations,
        };
        let split_bytes = config.sizes.split_bytes;
        let mut source = InputSource::open(&stores, argument, None, split_bytes, &timings)?;
        if config.kind.is_none() && starts_with_songs(&source)? {
            source.kind = RecordKind::Song;
        }
        progress.start_phase(source.kind.plural(), Some(source.plan.bytes));
        let began = Instant::now();
        let ParseTotals { counts, bytes } =
            parse_splits(&source, config.sizes, progress, &timings)?;
        let seconds = began.elapsed().as_secs_f64();
        progress.finish_phase();
        Ok(TimedParse {
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

/// The sums over all splits of a source.
#[derive(Debug)]
struct ParseTotals {
    counts: SourceCounts,
    /// The number of decoded bytes.
    bytes: u64,
}

/// Reads and decodes all splits of a source.
fn parse_splits(
    source: &InputSource,
    sizes: IoSizes,
    progress: &dyn Observer,
    timings: &Timings,
) -> Result<ParseTotals> {
    let context = ReadContext {
        sizes,
        progress,
        timings,
    };
    let totals = Mutex::new(ParseTotals {
        counts: SourceCounts::new(source),
        bytes: 0,
    });
    process_splits(
        context,
        source,
        |reader, task| {
            let stats = reader.read(task.split, task.start, &mut DiscardSink)?;
            Ok(DecodedSplit { stats, output: () })
        },
        |confirmed| {
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.counts.add_split(&confirmed);
            totals.bytes += confirmed.stats.decoded_bytes;
            Ok(())
        },
    )?;
    let mut totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    totals.counts.report_unknown_keys(source);
    Ok(totals)
}

/// A sink that drops rows and rejects.
struct DiscardSink;

impl RecordSink for DiscardSink {
    fn write_batch(&mut self, _: &RecordBatch) -> Result<()> {
        Ok(())
    }

    fn write_reject(&mut self, _: &InputObject, _: &Reject) -> Result<()> {
        Ok(())
    }
}

/// Returns true if there is a song among the first records.
fn starts_with_songs(source: &InputSource) -> Result<bool> {
    let kept = source.peek_first_object(|chunk| {
        let mut decoder = Decoder::new(record_schema(RecordKind::Song), 1);
        decoder.decode(chunk, u64::MAX);
        decoder.take_counts().kept
    })?;
    Ok(kept.is_some_and(|kept| kept > 0))
}

/// Builds and publishes a dataset. The measured time includes publishing.
///
/// # Errors
/// Returns an error if the [`run`](fn@super::run) fails.
pub(crate) fn measure_run(config: &RunConfig, progress: &dyn Observer) -> Result<TimedRun> {
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
    phases.push(PhaseTiming {
        name: "other",
        seconds: other_seconds.max(0.0),
        tasks: Some(1),
    });
    Ok(TimedRun { report, phases })
}
