//! Benchmarks JSON to Arrow: reads and decodes the input, and drops the record batches.

use std::collections::BTreeMap;

use serde::Serialize;

use super::passes::{BenchHeader, BenchOptions, ThroughputSample};
use crate::config::ParseBenchConfig;
use crate::error::Result;
use crate::input::RecordKind;
use crate::observer::Observer;
use crate::output::run_report::{InputReport, StageReport};
use crate::pipeline::{TimedParse, measure_parse};

/// The report of [`bench_parse`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ParseBenchReport {
    /// The fields that all benchmark reports share.
    #[serde(flatten)]
    pub header: BenchHeader,
    /// The locations of the input.
    pub path: String,
    /// The kind of the records.
    pub kind: RecordKind,
    /// The counts of one pass.
    pub input: ParseCounts,
    /// One result for each number of threads.
    pub results: Vec<ParseMeasurement>,
}

/// The counts of one pass. `records = kept + filtered + rejected`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ParseCounts {
    /// The counts that the report of a run has too.
    #[serde(flatten)]
    pub input: InputReport,
    /// Records that became a row, including duplicates.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// Splits, the tasks that threads can share.
    pub splits: usize,
}

/// The measurements with one number of threads.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ParseMeasurement {
    /// The throughput. Bytes are those of the decompressed JSON.
    #[serde(flatten)]
    pub sample: ThroughputSample,
    /// The stages `read` and `decode`.
    pub stages: BTreeMap<String, StageReport>,
}

/// Measures the throughput of reading and decoding.
///
/// # Errors
/// Returns an error if there is no input, or if the input cannot be read or changes.
pub(crate) fn bench_parse(
    config: &ParseBenchConfig,
    options: &BenchOptions,
    progress: &dyn Observer,
) -> Result<ParseBenchReport> {
    let pass = |threads, progress: &dyn Observer| {
        let config = ParseBenchConfig {
            threads,
            ..config.clone()
        };
        measure_parse(&config, progress)
    };
    let measured = options.measure(progress, pass, |parsed| parsed.total);
    progress.finish_phase();
    let measured = measured?;
    let TimedParse {
        kind,
        input,
        kept,
        filtered,
        splits,
        ..
    } = measured.warmup;
    let results = measured.medians.into_iter().map(|(sample, parsed)| {
        let mut stages = parsed.stages;
        stages.retain(|name, _| name == "read" || name == "decode");
        ParseMeasurement { sample, stages }
    });
    let path = config.locations.to_string();
    if kept == 0 {
        progress.warn(&format!(
            "none of the {} records in {path} becomes a row; check PATH and --kind",
            input.records
        ));
    }
    Ok(ParseBenchReport {
        header: options.header("parse"),
        path,
        kind,
        input: ParseCounts {
            input,
            kept,
            filtered,
            splits,
        },
        results: results.collect(),
    })
}
