//! The summary of a load: the rows that it added, changed and removed.

use std::fmt::Write;

use super::format_count;
use crate::star::schema::{SONGPLAYS, STAR_TABLES};
use crate::warehouse::load::LoadReport;

/// What a load did, as a table.
pub(crate) fn load_summary(loaded: &LoadReport) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_load_summary(&mut text, loaded);
    text
}

fn write_load_summary(to: &mut String, loaded: &LoadReport) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "table", "rows", "added", "changed", "removed"
    )?;
    for table in STAR_TABLES {
        let counts = loaded.tables.get(table.name).copied().unwrap_or_default();
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
    let plays = loaded
        .tables
        .get(SONGPLAYS.name)
        .copied()
        .unwrap_or_default();
    let rate = plays.rows as f64 / loaded.seconds.max(1e-9);
    write!(
        to,
        "\nrun {} into {} in {:.3} s ({} songplays/s)",
        loaded.run,
        loaded.warehouse,
        loaded.seconds,
        format_count(rate as u64)
    )?;
    match loaded.attempts {
        1 => writeln!(to),
        tries => writeln!(to, ", at try {tries}"),
    }
}
