//! What a run may lose before it fails: rejects, songs and logs apart, and all of its events.

use super::RunContext;
use super::counters::SourceCounts;
use super::source::Source;
use crate::config::MaxRejects;
use crate::error::{Error, Result};
use crate::output::REJECTS_DIR;
use crate::output::report::LogReport;

/// Checks that the songs are songs, before the logs are read in vain.
///
/// # Errors
/// No record of them could be read, or none is a song and that is more than the run may lose.
pub(super) fn check_songs(run: &RunContext<'_>, songs: &SourceCounts) -> Result<()> {
    let input = &run.config.songs;
    check_any_readable(&run.songs, input, songs)?;
    let (rejected, records) = (songs.report.rejected, songs.report.records);
    let Some((_, first)) = &songs.first_reject else {
        return Ok(());
    };
    if songs.kept > 0 {
        return Ok(());
    }
    let error = Error::too_many_rejects(format!("no record in {input} is a song"))
        .with_reason(first)
        .with_hint(match run.songs.wrapper_hint() {
            Some(wrapper) => wrapper,
            None => "check that --songs is song metadata and not logs".to_owned(),
        });
    if run
        .config
        .max_rejects
        .is_exceeded_by_records(rejected, records)
    {
        return Err(error.add_hint("the logs were not read"));
    }
    run.progress.warn(&error.to_string());
    Ok(())
}

/// Checks what was rejected of songs and of logs.
///
/// # Errors
/// No record of the logs could be read, or more is rejected than the run may lose.
pub(super) fn check_reject_limit(
    run: &RunContext<'_>,
    songs: &SourceCounts,
    logs: &SourceCounts,
) -> Result<()> {
    check_any_readable(&run.logs, &run.config.logs, logs)?;
    let limit = run.config.max_rejects;
    let excesses = [("song", songs), ("log", logs)]
        .map(|(kind, counts)| (exceeded_limits(limit, kind, counts), counts));
    let first = excesses.iter().find(|(excess, _)| !excess.is_empty());
    let Some((_, counts)) = first else {
        if let MaxRejects::Count(_) = limit {
            warn_if_many_rejected(run, &[("song", songs), ("log", logs)]);
        }
        return Ok(());
    };
    let excess: Vec<_> = excesses
        .iter()
        .flat_map(|(excess, _)| excess)
        .cloned()
        .collect();
    let message = format!(
        "rejected more than --max-rejects {limit} tolerates: {}",
        excess.join(", ")
    );
    let mut error = Error::too_many_rejects(message);
    if let Some((_, first)) = &counts.first_reject {
        error = error.with_reason(format!("the first is {first}"));
    }
    Err(error.with_hint("correct the input, or raise --max-rejects to publish without them"))
}

/// The share of the bytes that is worth a word.
const WARN_REJECTED_SHARE: MaxRejects = MaxRejects::Percent(10.0);

/// Warns where few rejects cover much of the input, which a limit by count does not see.
fn warn_if_many_rejected(run: &RunContext<'_>, counts_by_kind: &[(&str, &SourceCounts)]) {
    for (kind, counts) in counts_by_kind {
        let (part, whole) = (
            counts.report.rejected_bytes,
            counts.report.decompressed_bytes,
        );
        if WARN_REJECTED_SHARE.is_exceeded_by_share(part, whole) {
            let percent = part as f64 * 100.0 / whole as f64;
            run.progress.warn(&format!(
                "rejects cover {part} of {whole} bytes of {kind} records ({percent:.2}%): see {REJECTS_DIR}"
            ));
        }
    }
}

/// Returns what exceeds the limit, in words.
fn exceeded_limits(limit: MaxRejects, kind: &str, counts: &SourceCounts) -> Vec<String> {
    let report = &counts.report;
    let measures = [
        ("records", report.rejected, report.records),
        ("bytes", report.rejected_bytes, report.decompressed_bytes),
        ("objects", report.unreadable_objects, report.objects),
    ];
    let is_exceeded = |&(unit, part, whole): &(&str, u64, u64)| match unit {
        "records" => limit.is_exceeded_by_records(part, whole),
        _ => limit.is_exceeded_by_share(part, whole),
    };
    let format_excess = |(unit, part, whole): (&str, u64, u64)| {
        let percent = part as f64 * 100.0 / whole as f64;
        format!("{part} of {whole} {kind} {unit} ({percent:.2}%)")
    };
    measures
        .into_iter()
        .filter(is_exceeded)
        .map(format_excess)
        .collect()
}

/// Checks that any record of a kind is well-formed JSON, if there are records.
fn check_any_readable(
    source: &Source,
    input: impl std::fmt::Display,
    state: &SourceCounts,
) -> Result<()> {
    if state.report.records == 0 || state.statuses.has_any_readable() {
        return Ok(());
    }
    let kind = source.kind.plural();
    let error =
        Error::too_many_rejects(format!("no record of the {kind} in {input} could be read"))
            .with_hint(format!(
                "check --{kind}; --max-rejects does not tolerate this"
            ));
    Err(match &state.first_reject {
        Some((_, first)) => error.with_reason(first),
        None => error,
    })
}

/// Warns if no event was kept, and checks that this does no harm.
///
/// # Errors
/// The star would replace one that has events, or would be loaded.
pub(super) fn check_has_events(run: &RunContext<'_>, logs: &LogReport) -> Result<()> {
    if !logs.has_no_events() {
        return Ok(());
    }
    let (config, records) = (run.config, logs.input.records);
    let finding = if records == 0 {
        format!("there is no record in {}", config.logs)
    } else if logs.filtered == records {
        format!(
            "none of the {records} records in {} is a NextSong event",
            config.logs
        )
    } else {
        format!(
            "none of the {records} records in {} is kept: {} filtered (page is not NextSong), {} rejected",
            config.logs, logs.filtered, logs.input.rejected
        )
    };
    let hint = match run.logs.wrapper_hint() {
        Some(wrapper) if records > 0 => wrapper,
        _ => "check --logs".to_owned(),
    };
    if let Some(forbidden) = forbidden_without_events(run)? {
        return Err(Error::failed(forbidden)
            .with_reason(finding)
            .with_hint(hint)
            .add_hint("--allow-empty does it all the same"));
    }
    if records > 0 {
        run.progress.warn(&format!("{finding}; {hint}"));
    }
    Ok(())
}

/// Returns what a run without events may not do, if it would do that.
fn forbidden_without_events(run: &RunContext<'_>) -> Result<Option<String>> {
    let config = run.config;
    if config.allow_empty {
        return Ok(None);
    }
    if config.load_after_run {
        return Ok(Some(
            "will not load a star without events into the warehouse".to_owned(),
        ));
    }
    let rows = run.staging.published_songplays()?.unwrap_or(0);
    Ok((rows > 0).then(|| {
        format!(
            "will not replace the star in {}, which has {rows} songplays, by one without events",
            config.out
        )
    }))
}
