//! Renders the summary of a run: what was read and written, and how long each stage took.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::numbers::{format_bytes, format_count, pluralize};
use super::result_set::sanitize_for_terminal;
use crate::input::describe_ignored;
use crate::jobs::NothingNewRun;
use crate::model::sparkify::SPARKIFY;
use crate::output::run_report::{
    EngineName, InputReport, LogReport, RunReport, StageReport, UnknownKeyReport,
};
use crate::output::{REJECTS_DIR, REPORT_FILE};
use crate::storage::Location;

/// Renders the report of a run as tables.
pub(crate) fn run_summary(report: &RunReport, out: &Location) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_run_summary(&mut text, report, out);
    text
}

/// Renders the result of a run that found nothing new, on one line.
pub(crate) fn nothing_new_summary(run: &NothingNewRun) -> String {
    match &run.since {
        Some(since) => format!("nothing new since {since}"),
        None => "nothing new".to_owned(),
    }
}

fn write_run_summary(to: &mut String, report: &RunReport, out: &Location) -> std::fmt::Result {
    let logs = &report.logs;
    write_input_counts(to, &report.songs, logs)?;
    // The load matches plays with the songs of other runs.
    let of_this_run = match report.songs.already_loaded_objects {
        0 => "",
        _ => " of this run",
    };
    writeln!(
        to,
        "; {} songplays match a song{of_this_run}",
        format_count(report.matched_songplays)
    )?;
    if let (Some(oldest), Some(newest)) = (&logs.oldest_event, &logs.newest_event) {
        writeln!(
            to,
            "events from {} to {}",
            display_time(oldest),
            display_time(newest)
        )?;
    }
    if let Some(replayed_run) = &report.replayed_run {
        write_replay_counts(to, replayed_run, report)?;
    }
    for (name, input) in [("song", &report.songs), ("log", &logs.input)] {
        if input.already_loaded_objects > 0 {
            writeln!(
                to,
                "{name} objects left out, already loaded: {}",
                format_count(input.already_loaded_objects)
            )?;
        }
    }
    let ignored = [("song", &report.songs), ("log", &logs.input)];
    for (name, input) in ignored {
        write_ignored(to, name, input.ignored_objects, &input.ignored_extensions)?;
    }
    for (name, input) in [("song", &report.songs), ("log", &logs.input)] {
        if input.rejected > 0 {
            writeln!(
                to,
                "rejected {name} records in {}: {}",
                out.join(REJECTS_DIR),
                format_reject_reasons(input)
            )?;
        }
    }
    for (name, input) in [("songs", &report.songs), ("logs", &logs.input)] {
        write_unknown_keys(to, name, input)?;
    }

    match report.engine {
        EngineName::InProcess => write_tables(to, report)?,
        // The summary of the load has the rows, and there are no files.
        EngineName::Redshift => {}
    }
    writeln!(
        to,
        "\n{:<12} {:>12} {:>12} {:>12}",
        "stage", "seconds", "events/s", "bytes/s"
    )?;
    for (name, stage) in in_pipeline_order(&report.stages) {
        write_stage(to, name, stage)?;
    }
    write_stage(to, "all", &report.total)?;
    let seconds = report.total.seconds;
    match report.engine {
        EngineName::InProcess => {
            let memory = report
                .peak_memory_bytes
                .map_or("unknown".to_owned(), format_bytes);
            writeln!(
                to,
                "\n{out} in {seconds:.3} s on {} (stages are summed over threads), peak memory {memory}",
                pluralize(report.threads, "thread")
            )
        }
        EngineName::Redshift => {
            writeln!(to, "\n{out} in {seconds:.3} s, transformed inside Redshift")
        }
    }
}

/// Writes the sizes of the tables.
fn write_tables(to: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(
        to,
        "\n{:<12} {:>12} {:>12} {:>12}",
        "table", "rows", "files", "size"
    )?;
    for table in SPARKIFY.star {
        let written = report.tables[table.name];
        writeln!(
            to,
            "{:<12} {:>12} {:>12} {:>12}",
            table.name,
            format_count(written.rows),
            format_count(written.files),
            format_bytes(written.bytes)
        )?;
    }
    Ok(())
}

/// Writes how many records of a replay passed.
fn write_replay_counts(
    to: &mut String,
    replayed_run: &str,
    report: &RunReport,
) -> std::fmt::Result {
    let (songs, logs) = (&report.songs, &report.logs.input);
    let rejected = songs.rejected + logs.rejected;
    let passed = songs.records + logs.records - rejected;
    writeln!(
        to,
        "replayed the rejects of run {replayed_run}: {} passed, {} rejected again",
        format_count(passed),
        format_count(rejected)
    )
}

/// The maximum number of extensions of ignored objects on one line.
const MAX_IGNORED_EXTENSIONS: usize = 10;

/// Writes how many objects were ignored, and their extensions, unless none were.
pub(crate) fn write_ignored(
    to: &mut String,
    name: &str,
    objects: u64,
    extensions: &BTreeMap<String, u64>,
) -> std::fmt::Result {
    if objects == 0 {
        return Ok(());
    }
    let extensions = describe_ignored(extensions, MAX_IGNORED_EXTENSIONS);
    writeln!(
        to,
        "ignored {name} objects: {} ({extensions})",
        format_count(objects)
    )
}

/// Shows a time of a report: `2018-11-15 10:00:12 UTC`.
fn display_time(time: &str) -> String {
    let seconds = time.split_once('.').map_or(time, |(seconds, _)| seconds);
    format!("{} UTC", seconds.replace('T', " "))
}

/// The maximum number of unknown keys on one line.
const MAX_SHOWN_KEYS: usize = 2;

/// The maximum length of an unknown key on the line, in characters.
const MAX_SHOWN_KEY_CHARS: usize = 40;

/// Writes which keys the model does not know, and where, unless there are none.
fn write_unknown_keys(to: &mut String, name: &str, input: &InputReport) -> std::fmt::Result {
    if input.unknown_keys.is_empty() {
        return Ok(());
    }
    let shown = input.unknown_keys.iter().take(MAX_SHOWN_KEYS);
    let shown: Vec<_> = shown.map(describe_unknown_key).collect();
    write!(to, "unknown keys in {name}: {}", shown.join(", "))?;
    let rest = input.unknown_keys.len() - shown.len();
    match (rest, input.more_unknown_keys) {
        (0, _) => writeln!(to),
        (rest, false) => writeln!(to, ", and {rest} more: see {REPORT_FILE}"),
        (rest, true) => writeln!(to, ", and more than {rest} more: see {REPORT_FILE}"),
    }
}

/// Returns an unknown key in quotes, and its first occurrence.
fn describe_unknown_key(unknown: &UnknownKeyReport) -> String {
    let UnknownKeyReport { key, object, line } = unknown;
    let shown = match key.char_indices().nth(MAX_SHOWN_KEY_CHARS) {
        Some((end, _)) => format!("{}...", &key[..end]),
        None => key.clone(),
    };
    // JSON shows where the key ends, whatever characters it has.
    let shown = serde_json::Value::from(shown);
    sanitize_for_terminal(&format!("{shown} ({object} line {line})"))
}

/// Writes what was read. The last line has no line end, so that the caller can add to it.
pub(crate) fn write_input_counts(
    to: &mut String,
    songs: &InputReport,
    logs: &LogReport,
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
            format_count(input.objects),
            format_bytes(input.bytes),
            format_count(input.records),
            format_count(input.rejected)
        )?;
    }
    write!(
        to,
        "log records: {} kept, {} filtered (page is not NextSong), {} duplicates",
        format_count(logs.kept),
        format_count(logs.filtered),
        format_count(logs.duplicates)
    )
}

/// Returns the stages in the order of the data path.
pub(crate) fn in_pipeline_order(
    stages: &BTreeMap<String, StageReport>,
) -> impl Iterator<Item = (&'static str, &StageReport)> {
    let order = [
        "list",
        "read",
        "decode",
        "star",
        "encode",
        "deduplicate",
        "copy",
        "check",
        "transform",
    ];
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
        rate(stage.events_per_second, format_count),
        rate(stage.bytes_per_second, format_bytes)
    )
}

/// Renders the number of rejects for each reason.
pub(crate) fn format_reject_reasons(input: &InputReport) -> String {
    let reasons = input
        .rejected_by_reason
        .iter()
        .map(|(why, &n)| format!("{} {why}", format_count(n)));
    reasons.collect::<Vec<_>>().join(", ")
}
