//! Defines the failure of a run, and keeps what it rejected.

use std::fmt;

use crate::error::Error;
use crate::output::Staging;
use crate::output::run_report::{RunOutcome, RunReport, TableReport};

/// A failed run, which published nothing.
#[derive(Debug)]
pub struct RunFailure {
    /// The error that ended the run.
    pub error: Error,
    /// The report of the input, if the run failed because of its content: too many rejects, or no events.
    pub report: Option<Box<RunReport>>,
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The error itself is already displayed.
        self.error.source()
    }
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> Self {
        Self {
            error,
            report: None,
        }
    }
}

impl From<RunFailure> for Error {
    fn from(failed: RunFailure) -> Self {
        failed.error
    }
}

/// Creates the failure of a run because of the content of its input. Its report has no tables, because none
/// is published.
pub(crate) fn input_failure(error: Error, mut report: RunReport) -> RunFailure {
    report.status = RunOutcome::Failed;
    for table in report
        .tables
        .values_mut()
        .chain(report.merge_state.values_mut())
    {
        *table = TableReport::default();
    }
    RunFailure {
        error,
        report: Some(Box::new(report)),
    }
}

/// Keeps the rejects and the report of a run that failed because of the content of its input.
pub(crate) fn keep_failed_output(
    staging: Staging,
    error: Error,
    mut report: Box<RunReport>,
) -> RunFailure {
    let kept_in = format!("rejects and report are in {}", staging.failed_location());
    let mut error_with_location = error.clone().add_hint(kept_in);
    report.error = Some(error_with_location.to_string());
    if let Err(keep_error) = staging.keep_failed(&report) {
        error_with_location = error.add_hint(format!(
            "rejects and report could not be kept: {keep_error}"
        ));
        report.error = Some(error_with_location.to_string());
    }
    RunFailure {
        error: error_with_location,
        report: Some(report),
    }
}
