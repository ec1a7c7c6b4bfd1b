//! Finds and removes abandoned runs, and complete runs that newer ones have superseded.
//!
//! In a location that keeps runs side by side, each run has a folder of its own. A killed run that was to replace a
//! folder leaves its staging folder next to it. `output::publish::side_by_side` describes how
//! `sparkify clean` and a run that is still alive avoid conflicts.

mod entry;
mod plan;
mod removal;
mod stored_runs;

pub use entry::{RunEntry, RunState};
pub use plan::CleanPlan;
pub(crate) use plan::find_runs;
