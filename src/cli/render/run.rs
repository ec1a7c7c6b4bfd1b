//! The summary of a run: what was read and written, and how long each stage took.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{bytes, count};
use crate::input::describe_ignored;
use crate::output::REJECTS;
use crate::output::report::{InputReport, LogReport, Report, StageReport};
use crate::star::schema::TABLES;
use crate::storage::Location;

/// The report as a table of several lines.
pub fn table(report: &Report, out: &Location) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_table(&mut text, report, out);
    text
}

fn write_table(to: &mut String, report: &Report, out: &Location) -> std::fmt::Result {
    let logs = &report.logs;
    write_input(to, &report.songs, logs, bytes)?;
    writeln!(
        to,
        "; {} songplays have a song",
        count(report.matched_songplays)
    )?;
    if logs.loaded_objects > 0 {
        writeln!(
            to,
            "log objects left out, which the warehouse has already: {}",
            count(logs.loaded_objects)
        )?;
    }
    let ignored = [("song", &report.songs), ("log", &logs.input)];
    for (name, input) in ignored {
        write_ignored(to, name, input.ignored_objects, &input.ignored_endings)?;
    }
    for (name, input) in [("song", &report.songs), ("log", &logs.input)] {
        if input.rejected > 0 {
            writeln!(
                to,
                "rejected {name} records, in {}: {}",
                out.join(REJECTS),
                reasons(input)
            )?;
        }
    }

    writeln!(
        to,
        "\n{:<12} {:>12} {:>12} {:>12}",
        "table", "rows", "files", "size"
    )?;
    for table in TABLES {
        let written = report.tables.get(table.name).copied().unwrap_or_default();
        writeln!(
            to,
            "{:<12} {:>12} {:>12} {:>12}",
            table.name,
            count(written.rows),
            count(written.files),
            bytes(written.bytes)
        )?;
    }

    writeln!(
        to,
        "\n{:<12} {:>12} {:>12} {:>12}",
        "stage", "seconds", "events/s", "bytes/s"
    )?;
    for (name, stage) in in_order(&report.stages) {
        write_stage(to, name, stage)?;
    }
    write_stage(to, "all", &report.total)?;
    let memory = report.peak_memory_bytes.map_or("unknown".to_owned(), bytes);
    writeln!(
        to,
        "\n{} in {:.3} s on {} threads (stages add up over them), peak memory {memory}",
        out, report.total.seconds, report.threads
    )
}

/// Endings of ignored objects on one line.
const ENDINGS: usize = 10;

/// Writes how many objects were ignored and which endings they have, if any were.
pub fn write_ignored(
    to: &mut String,
    name: &str,
    objects: u64,
    endings: &BTreeMap<String, u64>,
) -> std::fmt::Result {
    if objects == 0 {
        return Ok(());
    }
    let endings = describe_ignored(endings, ENDINGS);
    writeln!(to, "ignored {name} objects: {} ({endings})", count(objects))
}

/// What was read, with sizes in the units of `bytes`, up to the duplicates in the last line, which
/// does not end.
pub fn write_input(
    to: &mut String,
    songs: &InputReport,
    logs: &LogReport,
    bytes: fn(u64) -> String,
) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "input", "objects", "size", "records", "rejected"
    )?;
    for (name, input) in [("songs", songs), ("logs", &logs.input)] {
        writeln!(
            to,
            "{name:<12} {:>12} {:>12} {:>12} {:>12}",
            count(input.objects),
            bytes(input.bytes),
            count(input.records),
            count(input.rejected)
        )?;
    }
    write!(
        to,
        "of the log records {} are kept, {} no NextSong, {} duplicates",
        count(logs.kept),
        count(logs.filtered),
        count(logs.duplicates)
    )
}

/// The stages in the order of the data path.
pub fn in_order(
    stages: &BTreeMap<String, StageReport>,
) -> impl Iterator<Item = (&'static str, &StageReport)> {
    let order = ["list", "read", "decode", "star", "encode", "deduplicate"];
    order
        .into_iter()
        .filter_map(|name| Some((name, stages.get(name)?)))
}

fn write_stage(to: &mut String, name: &str, stage: &StageReport) -> std::fmt::Result {
    let rate = |n: f64, unit: fn(u64) -> String| match n {
        n if n > 0.0 => unit(n as u64),
        _ => "-".to_owned(),
    };
    writeln!(
        to,
        "{name:<12} {:>12.3} {:>12} {:>12}",
        stage.seconds,
        rate(stage.events_per_second, count),
        rate(stage.bytes_per_second, bytes)
    )
}

/// How many were rejected for what.
pub fn reasons(input: &InputReport) -> String {
    let reasons = input
        .rejected_by_reason
        .iter()
        .map(|(why, &n)| format!("{} {why}", count(n)));
    reasons.collect::<Vec<_>>().join(", ")
}
