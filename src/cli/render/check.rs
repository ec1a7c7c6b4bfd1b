//! Renders what a check found to be right.

use std::fmt::Write;

use super::numbers::{format_bytes, format_count};
use crate::report::{CheckReport, TableReport};

/// Renders the sizes of the tables, and what was checked.
pub(crate) fn check_summary(report: &CheckReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_check_summary(&mut text, report);
    text
}

fn write_check_summary(to: &mut String, report: &CheckReport) -> std::fmt::Result {
    let CheckReport { location, run, .. } = report;
    writeln!(to, "{location} is as run {run} reported it\n")?;
    writeln!(
        to,
        "{:<16} {:>14} {:>8} {:>12}",
        "table", "rows", "files", "size"
    )?;
    let tables = report.tables.iter().chain(&report.merge_state);
    for (name, table) in tables {
        write_row(to, name, table)?;
    }
    write_row(to, "total", &report.total())?;
    writeln!(
        to,
        "\nchecked: files, pages, columns, rows and times; {} unique keys; {} references; {} rejects",
        format_count(report.unique_keys),
        format_count(report.resolved_references),
        format_count(report.rejects)
    )?;
    match report.manifests {
        0 => Ok(()),
        manifests => writeln!(to, "checked: {} manifests", format_count(manifests)),
    }
}

fn write_row(to: &mut String, name: &str, table: &TableReport) -> std::fmt::Result {
    writeln!(
        to,
        "{name:<16} {:>14} {:>8} {:>12}",
        format_count(table.rows),
        format_count(table.files),
        format_bytes(table.bytes)
    )
}
