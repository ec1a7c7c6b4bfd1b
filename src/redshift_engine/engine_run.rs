//! Holds what a run inside Redshift needs in all of its steps, and builds its report.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::config::{RedshiftEngineOptions, RunConfig};
use crate::observer::WarningRecorder;
use crate::output::run_report::{
    EngineName, InputReport, LogReport, RunReport, StageReport, TableReport,
};
use crate::pipeline::ReportedRun;

/// A run inside Redshift.
#[derive(Debug)]
pub(super) struct EngineRun<'a> {
    /// The configuration.
    pub config: &'a RunConfig,
    /// The options of the engine.
    pub options: &'a RedshiftEngineOptions,
    /// Receives progress and warnings.
    pub progress: &'a WarningRecorder<'a>,
    /// When the run began.
    pub began: Instant,
    /// The same, on the clock.
    pub started_at: DateTime<Utc>,
}

/// What the report says about the rows that a run has staged.
#[derive(Debug, Clone, Default)]
pub(super) struct StagedStar {
    /// The rows of each table.
    pub tables: BTreeMap<&'static str, TableReport>,
    /// The number of staged songplays that match a song of the run.
    pub matched: u64,
    /// The work of each stage, by the name of the stage.
    pub stages: BTreeMap<String, StageReport>,
}

impl<'a> EngineRun<'a> {
    /// Returns the report of the run with an id.
    pub(super) fn report(
        &self,
        id: &str,
        songs: InputReport,
        logs: LogReport,
        star: &StagedStar,
    ) -> RunReport {
        self.reported(id, star).report(songs, logs, star.matched)
    }

    /// Returns what the report says besides the input.
    pub(super) fn reported<'b>(&'b self, id: &'b str, star: &StagedStar) -> ReportedRun<'b> {
        ReportedRun {
            id,
            engine: EngineName::Redshift,
            replayed_run: None,
            config: self.config,
            progress: self.progress,
            stages: star.stages.clone(),
            tables: star.tables.clone(),
            began: self.began,
            started_at: self.started_at,
        }
    }
}
