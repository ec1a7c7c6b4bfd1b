//! Describes a run for the user.

use serde::Serialize;

use super::stored_runs::StoredRun;

/// A complete run, or the remains of one.
#[derive(Debug, Serialize)]
pub struct RunEntry {
    /// The path or URL of the run.
    pub name: String,
    /// How far the run came.
    pub state: RunState,
    /// Number of objects.
    pub objects: u64,
    /// Number of reject files among them. They are removed with the run, and cannot be replayed then.
    pub reject_files: u64,
    /// Size of the objects in bytes.
    pub bytes: u64,
    /// Number of incomplete multipart uploads.
    pub uploads: usize,
    /// The run in the store, unless it is a folder next to the output.
    #[serde(skip)]
    pub(super) run: Option<StoredRun>,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// The run is complete.
    Complete,
    /// The run is complete, and `latest.json` names it.
    Latest,
    /// The run is not complete and was inactive for the grace period.
    Unfinished,
    /// The run is not complete, but may still be running.
    Recent,
    /// The run failed because of its input. Only its rejects and a report remain.
    Failed,
}
