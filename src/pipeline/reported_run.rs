//! Builds the report of a run.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};

use super::executed_by::executed_by;
use super::peak_rss;
use crate::config::RunConfig;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::WarningRecorder;
use crate::output::TableParts;
use crate::output::run_report::{
    EngineName, InputReport, LogReport, REPORT_VERSION, RunOutcome, RunReport, StageReport,
    TableReport,
};

/// What a report says about a run besides its input.
pub(crate) struct ReportedRun<'a> {
    /// The id of the run.
    pub id: &'a str,
    /// The engine that transforms the records.
    pub engine: EngineName,
    /// The id of the run whose rejects were tried again, if this is a replay.
    pub replayed_run: Option<&'a str>,
    /// The configuration.
    pub config: &'a RunConfig,
    /// The warnings so far.
    pub progress: &'a WarningRecorder<'a>,
    /// The times of stages, by name.
    pub stages: BTreeMap<String, StageReport>,
    /// The sizes of tables, by name. Tables that are not listed are empty.
    pub tables: BTreeMap<&'static str, TableReport>,
    /// When the run began.
    pub began: Instant,
    /// The same, on the clock.
    pub started_at: DateTime<Utc>,
}

impl ReportedRun<'_> {
    /// Returns the report. `matched` is the number of songplays that match a song.
    pub(crate) fn report(self, songs: InputReport, logs: LogReport, matched: u64) -> RunReport {
        let seconds = self.began.elapsed().as_secs_f64();
        let bytes = songs.bytes + logs.input.bytes;
        let total = StageReport::new(seconds, bytes, logs.input.records);
        RunReport {
            report_version: REPORT_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION").to_owned(),
            status: RunOutcome::Ok,
            error: None,
            run: self.id.to_owned(),
            engine: self.engine,
            replayed_run: self.replayed_run.map(str::to_owned),
            started_at: iso_8601(self.started_at),
            finished_at: iso_8601(Utc::now()),
            executed_by: executed_by(),
            warnings: self.progress.warnings(),
            compression: self.config.compression,
            songs,
            logs,
            tables: self.table_reports(SPARKIFY.star),
            merge_state: self.table_reports(SPARKIFY.merge_state),
            matched_songplays: matched,
            stages: self.stages,
            total,
            peak_memory_bytes: peak_rss::peak_rss_bytes(),
            threads: self.config.threads,
        }
    }

    fn table_reports(&self, tables: &[&'static TableSchema]) -> BTreeMap<String, TableReport> {
        let report = |table: &&'static TableSchema| {
            let report = self.tables.get(table.name).copied().unwrap_or_default();
            (table.name.to_owned(), report)
        };
        tables.iter().map(report).collect()
    }
}

/// Returns the sizes of the tables that the parts add up to.
pub(super) fn table_sizes(parts: &TableParts) -> BTreeMap<&'static str, TableReport> {
    let sizes = parts.iter();
    sizes
        .map(|(name, parts)| (*name, TableReport::from_parts(parts)))
        .collect()
}

/// Formats a time in UTC, to the millisecond, as in ISO 8601.
pub(crate) fn iso_8601(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
