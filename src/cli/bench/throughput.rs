//! Renders what the results of both benchmarks have in common.

use std::fmt::{Display, Write};

use crate::bench::ThroughputSample;
use crate::cli::render::numbers::{format_count, pluralize};
use crate::cli::render::share_bar::bar;
use crate::output::run_report::StageReport;

/// The shortest time that a benchmark measures well: in less, starting threads takes a large share.
const MIN_MEASURABLE_SECS: f64 = 0.1;

/// Describes how the result was measured.
pub(super) fn method_note(runs: usize) -> String {
    let aggregate = match runs {
        1 => "one run".to_owned(),
        runs => format!("median of {runs} runs"),
    };
    format!("{aggregate} at each number of threads, after one to warm up the file cache")
}

/// Formats a rate in GB/s.
pub(super) fn format_gb_per_sec(rate: f64) -> String {
    format!("{:.3}", rate / 1e9)
}

/// Formats the events per second of a stage.
pub(super) fn format_events_per_sec(stage: &StageReport) -> String {
    format_count(stage.events_per_second as u64)
}

pub(super) fn format_speedup(sample: &ThroughputSample) -> String {
    sample
        .speedup
        .map_or("-".to_owned(), |times| format!("{times:.2}x"))
}

/// Returns a note on how to get better numbers, or an empty text.
pub(super) fn advice<'a>(samples: impl Iterator<Item = &'a ThroughputSample>) -> &'static str {
    let mut samples = samples.peekable();
    if samples.peek().is_some_and(|first| first.speedup.is_none()) {
        return "\nthe speedup is unknown without 1 in --threads\n";
    }
    if samples.any(|sample| sample.total.seconds < MIN_MEASURABLE_SECS) {
        return "\nthe input is too small to measure: use one that takes a second or more\n";
    }
    ""
}

/// Writes the throughput by wall clock: a row for each number of threads, which ends with an extra column
/// and a bar. The bar of the fastest row has `bar_width` characters.
pub(super) fn write_throughput<'a>(
    to: &mut String,
    per_second: &str,
    extra_header: &str,
    rows: impl Iterator<Item = (&'a ThroughputSample, impl Display)> + Clone,
    bar_width: usize,
) -> std::fmt::Result {
    let rate = |sample: &ThroughputSample| sample.total.bytes_per_second;
    let fastest = rows
        .clone()
        .map(|(sample, _)| rate(sample))
        .fold(0.0, f64::max);
    writeln!(
        to,
        "\n{:<12} {:>9} {:>8} {per_second:>12} {:>9}{extra_header}",
        "wall clock", "seconds", "GB/s", "speedup"
    )?;
    for (sample, extra) in rows {
        writeln!(
            to,
            "{:<12} {:>9.3} {:>8} {:>12} {:>9}{extra}  {}",
            pluralize(sample.threads, "thread"),
            sample.total.seconds,
            format_gb_per_sec(rate(sample)),
            format_events_per_sec(&sample.total),
            format_speedup(sample),
            bar(rate(sample) / fastest, bar_width)
        )?;
    }
    Ok(())
}
