//! Says how a check came out.

use serde::Serialize;

use super::check_id::CheckId;
use crate::error::Error;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Nothing is wrong.
    Ok,
    /// Nothing fails yet.
    Warning,
    /// A run or a load would fail, or could do harm.
    Failed,
    /// The check was not made, because another one failed or because there is nothing to check.
    Skipped,
    /// This cannot be checked from here.
    Unknown,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// The check.
    pub id: CheckId,
    /// How it came out.
    pub status: CheckStatus,
    /// What was found, on one line.
    pub message: String,
    /// What to do next, on one line, if that is known.
    pub remedy: Option<String>,
    /// The check that failed, if this one was skipped because of it.
    pub blocked_by: Option<CheckId>,
}

/// What a check found.
#[derive(Debug)]
pub(super) struct Outcome {
    pub status: CheckStatus,
    pub message: String,
    pub remedy: Option<String>,
}

impl Outcome {
    pub(super) fn ok(message: impl Into<String>) -> Self {
        Self::new(CheckStatus::Ok, message, None)
    }

    pub(super) fn warning(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(CheckStatus::Warning, message, Some(remedy.into()))
    }

    pub(super) fn failed(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(CheckStatus::Failed, message, Some(remedy.into()))
    }

    /// Returns the outcome of a check for which there is nothing to check.
    pub(super) fn skipped(message: impl Into<String>) -> Self {
        Self::new(CheckStatus::Skipped, message, None)
    }

    /// Returns the outcome of a check that cannot be made from here. The message says why.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::new(CheckStatus::Unknown, message, None)
    }

    /// Returns the outcome of a check that cannot be made because of an error.
    pub(super) fn unknown_because(what: &str, error: &Error) -> Self {
        let message = format!(
            "{what} cannot be checked from here: {}",
            error.description()
        );
        Self::new(CheckStatus::Unknown, message, error.hint())
    }

    fn new(status: CheckStatus, message: impl Into<String>, remedy: Option<String>) -> Self {
        // Names and messages of servers come from outside.
        let to_one_line = |text: String| text.replace(char::is_control, " ");
        Self {
            status,
            message: to_one_line(message.into()),
            remedy: remedy.map(to_one_line),
        }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::new(CheckStatus::Failed, error.description(), error.hint())
    }
}
