//! The benchmark of JSON to Arrow: reading and decoding, with nothing made of the record batches.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{BenchHeader, BenchOptions, ThroughputSample};
use crate::config::{ParseConfig, RecordKind};
use crate::error::Result;
use crate::output::report::{InputReport, StageReport};
use crate::pipeline::{ParseStats, measure_parse};
use crate::progress::Progress;

/// What the benchmark found.
#[derive(Debug, Clone, Serialize)]
pub struct ParseBenchReport {
    /// What every benchmark reports.
    #[serde(flatten)]
    pub header: BenchHeader,
    /// Where the input is.
    pub path: String,
    /// What its records are.
    pub kind: RecordKind,
    /// What was read, once.
    pub input: ParseCounts,
    /// A result for each number of threads.
    pub results: Vec<ParseResult>,
}

/// What one pass reads. `records = kept + filtered + rejected`.
#[derive(Debug, Clone, Serialize)]
pub struct ParseCounts {
    /// What a run counts too.
    #[serde(flatten)]
    pub input: InputReport,
    /// Records that became a row. Nobody looks for duplicates here.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// Pieces of work that threads can share.
    pub splits: usize,
}

/// What was measured at one number of threads.
#[derive(Debug, Clone, Serialize)]
pub struct ParseResult {
    /// How fast it was; bytes are those of the JSON, decompressed.
    #[serde(flatten)]
    pub sample: ThroughputSample,
    /// `read` and `decode`.
    pub stages: BTreeMap<String, StageReport>,
}

/// Measures reading and decoding.
///
/// # Errors
/// There is no input, or it cannot be read.
pub fn bench_parse(
    config: &ParseConfig,
    options: &BenchOptions,
    progress: &Progress,
) -> Result<ParseBenchReport> {
    let pass = |threads| {
        let config = ParseConfig {
            threads,
            ..config.clone()
        };
        measure_parse(&config, progress)
    };
    let measured = options.measure(progress, pass, |parsed| parsed.total)?;
    let ParseStats {
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
        ParseResult { sample, stages }
    });
    Ok(ParseBenchReport {
        header: options.header("parse"),
        path: config.locations.to_string(),
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
