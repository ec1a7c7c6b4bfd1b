//! What the commands ask before they change, remove or overwrite something.

use std::path::Path;

use super::plan::UpPlan;
use crate::error::{Error, Result};

/// What is removed by `down`.
#[derive(Debug, Clone)]
pub struct DownPlan {
    /// The name of the stack.
    pub stack: String,
    /// The region.
    pub region: String,
    /// The status of the stack.
    pub status: String,
    /// The warehouse in words, or `None` if there is none.
    pub warehouse: Option<String>,
    /// The final snapshot that is taken. `None` if there is none.
    pub new_snapshot: Option<String>,
    /// The final snapshot that an earlier `down` took a short time ago, and that is not taken again.
    pub kept_snapshot: Option<String>,
    /// The final snapshots that are deleted.
    pub deleted_snapshots: Vec<String>,
    /// The resources that stay, because the user says so.
    pub retained: Vec<String>,
}

/// Something that is done only with consent.
#[derive(Debug)]
pub enum InfraQuestion<'a> {
    /// Create or change a stack.
    Up(&'a UpPlan),
    /// Remove what was created of a stack that failed for this reason.
    RollBack {
        /// The name of the stack.
        stack: &'a str,
        /// Why it failed.
        reason: &'a str,
    },
    /// Replace a file that has other content.
    ReplaceConfig(&'a Path),
    /// Remove a stack, or snapshots.
    Down(&'a DownPlan),
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Yes,
    /// Leave it.
    No,
}

/// Asks a question, and returns the answer or an error that says why there is none.
pub type Ask<'a> = &'a dyn Fn(&InfraQuestion<'_>) -> Result<Answer>;

/// Asks for consent.
///
/// # Errors
/// Returns an error if the answer is no, or there is none.
pub(super) fn require(ask: Ask<'_>, question: &InfraQuestion<'_>) -> Result<()> {
    match ask(question)? {
        Answer::Yes => Ok(()),
        Answer::No => Err(Error::failed("nothing was changed").with_reason("the answer was no")),
    }
}
