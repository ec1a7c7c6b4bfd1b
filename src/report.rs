//! The results of [jobs](crate::jobs): what was read, written, loaded and removed.
//!
//! All of them serialize to the JSON that the command line prints.

pub use crate::output::clean::{CleanPlan, RunEntry, RunState};
pub use crate::output::run_report::{
    InputReport, LogReport, REPORT_VERSION, RunOutcome, RunReport, StageReport, TableReport,
};
pub use crate::pipeline::{InputPlan, RunFailure, RunPlan, SplitPlan};
pub use crate::warehouse::load::{LoadReport, TableChangeCounts};
pub use crate::warehouse::query::ResultSet;
