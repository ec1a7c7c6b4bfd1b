//! Finds and removes abandoned runs, and complete runs that newer ones have superseded.
//!
//! Below a prefix, and in a local copy of such a prefix, each run has a folder of its own. A killed run with a
//! local output leaves its staging folder next to the output folder. `output::publish::s3` describes how
//! `sparkify clean` and a run that is still alive avoid conflicts.

mod entry;
mod plan;
mod removal;
mod stored_runs;

pub use entry::{RunEntry, RunState};
pub use plan::CleanPlan;
pub(crate) use plan::find_runs;
