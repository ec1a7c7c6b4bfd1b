//! The end of a run: a table for people, and for machines what `--json` says of a failure.

use std::fmt::Write;
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};

use crate::error::Error;
use crate::output::REJECTS;
use crate::output::report::{InputReport, REPORT_VERSION, Report, StageReport};
use crate::star::schema::TABLES;

/// What `--json` prints for a run that failed.
pub fn failure(error: &Error) -> serde_json::Value {
    serde_json::json!({
        "report_version": REPORT_VERSION,
        "sparkify_version": env!("CARGO_PKG_VERSION"),
        "status": "failed",
        "error": error.to_string(),
    })
}

/// The report as a table of several lines.
pub fn table(report: &Report, out: &Path) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_table(&mut text, report, out);
    text
}

fn write_table(to: &mut String, report: &Report, out: &Path) -> std::fmt::Result {
    let logs = &report.logs;
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "input", "objects", "size", "records", "rejected"
    )?;
    for (name, input) in [("songs", &report.songs), ("logs", &logs.input)] {
        writeln!(
            to,
            "{name:<12} {:>12} {:>12} {:>12} {:>12}",
            count(input.objects),
            bytes(input.bytes),
            count(input.records),
            count(input.rejected)
        )?;
    }
    writeln!(
        to,
        "of the log records {} are kept, {} no NextSong, {} duplicates; {} songplays have a song",
        count(logs.kept),
        count(logs.filtered),
        count(logs.duplicates),
        count(report.matched_songplays)
    )?;
    for (name, input) in [("song", &report.songs), ("log", &logs.input)] {
        if input.rejected > 0 {
            writeln!(
                to,
                "rejected {name} records, in {}: {}",
                out.join(REJECTS).display(),
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
    let order = ["list", "read", "decode", "star", "encode", "deduplicate"];
    for (name, stage) in order
        .iter()
        .filter_map(|&name| Some((name, report.stages.get(name)?)))
    {
        write_stage(to, name, stage)?;
    }
    write_stage(to, "all", &report.total)?;
    let memory = report.peak_memory_bytes.map_or("unknown".to_owned(), bytes);
    writeln!(
        to,
        "\n{} in {:.3} s on {} threads (stages add up over them), peak memory {memory}",
        out.display(),
        report.total.seconds,
        report.threads
    )
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

fn reasons(input: &InputReport) -> String {
    let reasons = input
        .rejected_by_reason
        .iter()
        .map(|(why, &n)| format!("{} {why}", count(n)));
    reasons.collect::<Vec<_>>().join(", ")
}

fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

fn bytes(n: u64) -> String {
    HumanBytes(n).to_string()
}
