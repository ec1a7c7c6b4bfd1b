//! Renders the summary of a load: the rows that it added, changed and removed.

use std::fmt::Write;

use super::numbers::format_count;
use crate::model::sparkify::SPARKIFY;
use crate::warehouse::load::LoadReport;

/// Renders the result of a load as a table.
pub(crate) fn load_summary(report: &LoadReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_load_summary(&mut text, report);
    text
}

fn write_load_summary(to: &mut String, report: &LoadReport) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "table", "rows", "added", "changed", "removed"
    )?;
    for table in SPARKIFY.star {
        let counts = report.tables[table.name];
        writeln!(
            to,
            "{:<12} {:>12} {:>12} {:>12} {:>12}",
            table.name,
            format_count(counts.rows),
            format_count(counts.added),
            format_count(counts.changed),
            format_count(counts.removed)
        )?;
    }
    let plays = report.tables[SPARKIFY.fact().0.name];
    let rate = plays.rows as f64 / report.seconds.max(1e-9);
    write!(
        to,
        "\nrun {} into {} in {:.3} s ({} songplays/s)",
        report.run,
        report.warehouse,
        report.seconds,
        format_count(rate as u64)
    )?;
    match report.attempts {
        1 => writeln!(to),
        attempts => writeln!(to, ", after {attempts} attempts"),
    }
}
