//! Adds up what became of the records for the report, and holds it against the limits.

use super::record_counts::RecordCounts;
use super::rejects::KindRejects;
use crate::config::RunConfig;
use crate::error::Result;
use crate::input::RecordKind;
use crate::observer::Observer;
use crate::output::run_report::{InputReport, LogReport};
use crate::pipeline::{
    LOAD_WITHOUT_EVENTS, allow_no_events, ensure_any_readable, ensure_within_limit,
    no_events_finding, warn_if_no_records,
};

/// What became of the records of one kind.
#[derive(Debug)]
pub(super) struct KindCounts<'a> {
    /// The report of the listed objects.
    pub listed: &'a InputReport,
    /// The number of copied records so far.
    pub copied_rows: u64,
    /// What became of the copied records. `None` if the copy did not end.
    pub copied: Option<RecordCounts>,
    /// The rejects.
    pub rejects: &'a KindRejects,
}

impl KindCounts<'_> {
    /// Returns the report of the input.
    pub(super) fn report(&self) -> InputReport {
        // The rejects of COPY were not copied, and those of the checks were.
        let checked = self.copied.map_or(0, |copied| copied.rejected);
        InputReport {
            records: self.copied_rows + self.rejects.count - checked,
            rejected: self.rejects.count,
            rejected_by_reason: self.rejects.by_reason.clone(),
            ..self.listed.clone()
        }
    }
}

/// Returns the report of the logs.
pub(super) fn log_report(logs: &KindCounts<'_>) -> LogReport {
    let copied = logs.copied.unwrap_or_default();
    LogReport {
        input: logs.report(),
        kept: copied.distinct,
        filtered: copied.filtered,
        duplicates: copied.valid - copied.distinct,
        oldest_event: None,
        newest_event: None,
    }
}

/// Checks that the records may be loaded, and warns about what is unusual.
///
/// # Errors
/// Returns an error if none of the records of a kind could be read, if too many were rejected, or if there are no events.
pub(super) fn check_counts(
    config: &RunConfig,
    songs: &KindCounts<'_>,
    logs: &KindCounts<'_>,
    observer: &dyn Observer,
) -> Result<()> {
    for (kind, counts) in [(RecordKind::Song, songs), (RecordKind::Log, logs)] {
        let report = counts.report();
        let input = config.input.describe(kind);
        warn_if_no_records(kind, &input, &report, observer);
        let has_readable = counts.copied.is_some_and(|copied| copied.staged > 0);
        let first = counts.rejects.first.as_deref();
        ensure_any_readable(kind, &input, &report, has_readable, first)?;
    }
    ensure_within_limit(
        config.max_rejects,
        [songs, logs]
            .map(|counts| (counts.report(), counts.rejects.first.as_deref()))
            .each_ref()
            .map(|(report, first)| (report, *first)),
    )?;
    let report = log_report(logs);
    if !report.has_no_events() {
        return Ok(());
    }
    let finding = no_events_finding(&config.input.describe(RecordKind::Log), &report);
    let forbidden = (!config.allow_empty).then_some(LOAD_WITHOUT_EVENTS);
    allow_no_events(forbidden, &finding, "check --logs", &report, observer)
}
