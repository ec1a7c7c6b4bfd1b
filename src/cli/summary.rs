//! The end of a run: a table for people, and for machines what `--json` says of a failure.

use std::collections::BTreeMap;
use std::fmt::Write;

use indicatif::{HumanBytes, HumanCount};

use crate::error::Error;
use crate::input::describe_ignored;
use crate::output::REJECTS;
use crate::output::report::{InputReport, LogReport, Report, StageReport};
use crate::pipeline::{Planned, PlannedSplit};
use crate::star::schema::{SONGPLAYS, TABLES};
use crate::storage::Place;
use crate::warehouse::load::Loaded;

/// What `--json` prints for a command that failed. `version` names the layout of what it prints
/// otherwise.
pub fn failure(error: &Error, version: (&str, u32)) -> serde_json::Value {
    serde_json::json!({
        version.0: version.1,
        "sparkify_version": env!("CARGO_PKG_VERSION"),
        "status": "failed",
        "error": error.to_string(),
    })
}

/// The report as a table of several lines.
pub fn table(report: &Report, out: &Place) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_table(&mut text, report, out);
    text
}

fn write_table(to: &mut String, report: &Report, out: &Place) -> std::fmt::Result {
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
fn write_ignored(
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

/// What a load did, as a table.
pub fn loaded(loaded: &Loaded) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_loaded(&mut text, loaded);
    text
}

fn write_loaded(to: &mut String, loaded: &Loaded) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "table", "rows", "added", "changed", "removed"
    )?;
    for table in TABLES {
        let done = loaded.tables.get(table.name).copied().unwrap_or_default();
        writeln!(
            to,
            "{:<12} {:>12} {:>12} {:>12} {:>12}",
            table.name,
            count(done.rows),
            count(done.added),
            count(done.changed),
            count(done.removed)
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
        count(rate as u64)
    )?;
    match loaded.tries {
        1 => writeln!(to),
        tries => writeln!(to, ", at try {tries}"),
    }
}

/// Splits that are shown of each input.
const SPLITS: usize = 20;

/// What a run would do, as tables.
pub fn plan(planned: &Planned) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_plan(&mut text, planned);
    text
}

fn write_plan(to: &mut String, planned: &Planned) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "input", "objects", "size", "ignored", "splits"
    )?;
    let inputs = [("songs", &planned.songs), ("logs", &planned.logs)];
    for (name, input) in inputs {
        writeln!(
            to,
            "{name:<12} {:>12} {:>12} {:>12} {:>12}",
            count(input.objects),
            bytes(input.bytes),
            count(input.ignored_objects),
            count(input.splits.len() as u64)
        )?;
    }
    for (name, input) in [("song", &planned.songs), ("log", &planned.logs)] {
        write_ignored(to, name, input.ignored_objects, &input.ignored_endings)?;
    }
    for (name, input) in inputs {
        writeln!(
            to,
            "\n{:<12} {:>12} {:>12}   from .. to",
            name, "objects", "size"
        )?;
        for (number, split) in input.splits.iter().enumerate().take(SPLITS) {
            let objects = count(split.objects as u64);
            let name = format!("split {number}");
            writeln!(
                to,
                "{name:<12} {objects:>12} {:>12}   {}",
                bytes(split.bytes),
                stretch(split)
            )?;
        }
        let more = input.splits.len().saturating_sub(SPLITS);
        if more > 0 {
            writeln!(to, "{more} more: --json shows all")?;
        }
    }
    writeln!(to, "\nwould write to {}", planned.out)
}

/// From where to where a split goes.
fn stretch(split: &PlannedSplit) -> String {
    let at = |byte: u64| {
        if byte > 0 {
            format!(" byte {}", count(byte))
        } else {
            String::new()
        }
    };
    let PlannedSplit {
        first,
        from,
        last,
        until,
        ..
    } = split;
    let (from, until) = (at(*from), until.map(at).unwrap_or_default());
    if first == last {
        let until = if until.is_empty() {
            " end".to_owned()
        } else {
            until
        };
        return format!("{first}{from} ..{until}");
    }
    format!("{first}{from} .. {last}{until}")
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

/// A count with commas.
pub fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

/// A size in binary units.
pub fn bytes(n: u64) -> String {
    HumanBytes(n).to_string()
}
