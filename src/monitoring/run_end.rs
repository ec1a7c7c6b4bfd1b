//! Describes how a run or a load ended.

use chrono::{DateTime, Utc};

use super::monitored_job::MonitoredCommand;
use crate::error::{Error, ErrorKind};
use crate::output::run_report::{RunOutcome, RunReport};
use crate::storage::Location;
use crate::warehouse::load::LoadReport;

/// How a run or a load ended, and what is known of it.
#[derive(Debug)]
pub(super) struct RunEnd<'a> {
    /// The command that ended.
    pub command: MonitoredCommand,
    /// The output of the run, or the dataset that was loaded.
    pub out: &'a Location,
    /// When the command began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// The id of the run, or of the run whose dataset was loaded, if the command came that far.
    pub run: Option<&'a str>,
    /// Why it failed.
    pub error: Option<&'a Error>,
    /// The report of the run. A run that failed has one if it read its input to the end, and a load has none of its own.
    pub report: Option<&'a RunReport>,
    /// The report of the run whose dataset was loaded, if the command is a load.
    pub loaded_run: Option<&'a RunReport>,
    /// The report of the load.
    pub load: Option<&'a LoadReport>,
}

/// How a command ended, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunStatus {
    /// It did its work.
    Ok,
    /// There was nothing new to read, so that it wrote nothing.
    NothingNew,
    /// It failed.
    Failed,
    /// It rejected more than is tolerated.
    TooManyRejects,
    /// A signal stopped it.
    Stopped,
}

impl RunEnd<'_> {
    /// Returns how the command ended.
    pub(super) fn status(&self) -> RunStatus {
        match (self.error.map(Error::kind), self.report) {
            (None, Some(report)) if report.status == RunOutcome::NothingNew => {
                RunStatus::NothingNew
            }
            (None, _) => RunStatus::Ok,
            (Some(ErrorKind::TooManyRejects), _) => RunStatus::TooManyRejects,
            (Some(ErrorKind::Stopped(_)), _) => RunStatus::Stopped,
            (Some(ErrorKind::Failed | ErrorKind::Usage | ErrorKind::Temporary), _) => {
                RunStatus::Failed
            }
        }
    }

    /// Returns the exit code of the process.
    pub(super) fn exit_code(&self) -> u8 {
        self.error.map_or(0, Error::exit_code)
    }

    /// Returns true if the command did what it was asked for, also if that was nothing.
    pub(super) fn is_success(&self) -> bool {
        self.error.is_none()
    }

    /// Returns the time of the newest event that was written or loaded, if there is one and the command succeeded.
    pub(super) fn newest_event(&self) -> Option<DateTime<Utc>> {
        let report = self.report.or(self.loaded_run)?;
        let newest = report.logs.newest_event.as_deref()?;
        let newest = DateTime::parse_from_rfc3339(newest).ok()?;
        self.is_success().then(|| newest.to_utc())
    }
}

impl RunStatus {
    /// Returns the name of the status in documents.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NothingNew => "nothing_new",
            Self::Failed => "failed",
            Self::TooManyRejects => "too_many_rejects",
            Self::Stopped => "stopped",
        }
    }
}
