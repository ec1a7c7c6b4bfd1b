//! Renders the runs that a cleaning keeps and removes.

use std::fmt::Write;

use super::numbers::{format_bytes, format_count};
use crate::output::clean::{CleanPlan, RunEntry, RunState};
use crate::storage::Location;

/// Renders the runs as a table. `removed` says whether the cleaning has happened.
pub(crate) fn clean_summary(plan: &CleanPlan, out: &Location, removed: bool) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_clean_summary(&mut text, plan, out, removed);
    text
}

fn write_clean_summary(
    to: &mut String,
    plan: &CleanPlan,
    out: &Location,
    removed: bool,
) -> std::fmt::Result {
    let rows = plan.keep.iter().map(|run| ("keep", run));
    let rows: Vec<_> = rows
        .chain(plan.remove.iter().map(|run| ("remove", run)))
        .collect();
    if rows.is_empty() {
        return writeln!(to, "nothing to clean in {out}");
    }
    writeln!(
        to,
        "{:<8} {:<12} {:>10} {:>12} {:>12} {:>9}   run",
        "", "state", "objects", "reject files", "size", "uploads"
    )?;
    for (action, run) in rows {
        writeln!(
            to,
            "{action:<8} {:<12} {:>10} {:>12} {:>12} {:>9}   {}",
            state_label(run),
            format_count(run.objects),
            format_count(run.reject_files),
            format_bytes(run.bytes),
            format_count(run.uploads as u64),
            run.name
        )?;
    }
    match (plan.remove.len(), removed) {
        (0, _) => writeln!(to, "\nnothing to remove"),
        (n, true) => writeln!(to, "\nremoved: {n}"),
        (n, false) => writeln!(to, "\nwould remove: {n}; use --yes to remove"),
    }
}

fn state_label(run: &RunEntry) -> &'static str {
    match run.state {
        RunState::Complete => "complete",
        RunState::Latest => "latest",
        RunState::Unfinished => "unfinished",
        RunState::Recent => "recent",
        RunState::Failed => "failed",
    }
}
