//! Prints the messages of a command on stderr: warnings, the error that ends it, progress and summaries.
//!
//! They are text, or events of the log if its lines are JSON, so that every line of stderr has the same format.

use std::sync::OnceLock;

use super::args::logging::LogFormat;
use super::render::load::load_summary;
use super::render::run::run_summary;
use super::stderr::eprint_line;
use crate::error::Error;
use crate::model::sparkify::SPARKIFY;
use crate::output::run_report::RunReport;
use crate::storage::Location;
use crate::warehouse::load::LoadReport;

/// The target of the events that are messages. No filter of the log holds them back.
pub(super) const CONSOLE_TARGET: &str = "sparkify::console";

/// The format of all lines, once the arguments are parsed. It is global because stderr is.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Sets the format of all further lines.
pub(super) fn set_format(format: LogFormat) {
    // A process has one command, and parses its arguments once.
    let _ = FORMAT.set(format);
}

/// Returns true if all lines are JSON.
pub(super) fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// Prints a warning.
pub(super) fn print_warning(message: &str) {
    match is_json() {
        true => tracing::warn!(target: CONSOLE_TARGET, "{message}"),
        false => {
            let message = message.replace(char::is_control, " ");
            eprint_line(&format!("sparkify: warning: {message}"));
        }
    }
}

/// Prints the error that ends the command.
pub(super) fn print_error(error: &Error) {
    match is_json() {
        true => tracing::error!(
            target: CONSOLE_TARGET,
            exit_code = error.exit_code(),
            "{error}"
        ),
        false => eprint_line(&format!("sparkify: {error}")),
    }
}

/// Prints progress or a summary. As JSON, each line is an event of its own.
pub(super) fn print_info(text: &str) {
    if !is_json() {
        return eprint_line(text);
    }
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        tracing::info!(target: CONSOLE_TARGET, "{line}");
    }
}

/// Prints what a run read and wrote.
pub(super) fn print_run_summary(report: &RunReport, location: &Location) {
    if !is_json() {
        return eprint_line(&run_summary(report, location));
    }
    let songplays = report.tables.get(SPARKIFY.fact().0.name);
    tracing::info!(
        target: CONSOLE_TARGET,
        run = report.run,
        %location,
        songs = report.songs.records,
        rejected_songs = report.songs.rejected,
        events = report.logs.input.records,
        kept = report.logs.kept,
        filtered = report.logs.filtered,
        duplicates = report.logs.duplicates,
        rejected_events = report.logs.input.rejected,
        songplays = songplays.map(|table| table.rows),
        seconds = report.total.seconds,
        "summary of the run"
    );
}

/// Prints what a load added, changed and removed.
pub(super) fn print_load_summary(report: &LoadReport) {
    if !is_json() {
        return eprint_line(&load_summary(report));
    }
    let songplays = report.tables[SPARKIFY.fact().0.name];
    tracing::info!(
        target: CONSOLE_TARGET,
        run = report.run,
        warehouse = report.warehouse,
        songplays = songplays.rows,
        added = songplays.added,
        changed = songplays.changed,
        removed = songplays.removed,
        attempts = report.attempts,
        seconds = report.seconds,
        "summary of the load"
    );
}
