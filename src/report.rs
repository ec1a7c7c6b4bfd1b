//! What [jobs](crate::jobs) report: what was read, written, loaded, removed and found.

pub use crate::dataset_check::CheckReport;
pub use crate::doctor::{CheckId, CheckResult, CheckStatus};
pub use crate::output::clean::{CleanPlan, RunEntry, RunState};
pub use crate::output::reject_groups::{
    RejectCounts, RejectExample, RejectGroup, RejectGroupKey, RejectsReport,
};
pub use crate::output::run_log::{RunLogEntry, RunLogState};
pub use crate::output::run_report::{
    EngineName, InputReport, LogReport, REPORT_VERSION, RunOutcome, RunReport, StageReport,
    TableReport, UnknownKeyReport,
};
pub use crate::pipeline::{InputPlan, RunFailure, RunPlan, SplitPlan};
pub use crate::warehouse::load::{LoadReport, NewestLoad, TableChangeCounts};
pub use crate::warehouse::load_log::LoadEntry;
pub use crate::warehouse::query::{Coverage, QueryAnswer, ResultColumn, ResultSet};
