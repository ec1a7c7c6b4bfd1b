//! What a run may lose before it fails: rejects, songs and logs apart, and all of its events.

use super::RunContext;
use super::counters::SourceCounts;
use super::source::Source;
use crate::config::MaxRejects;
use crate::error::{Error, Result};
use crate::output::REJECTS;
use crate::output::report::LogReport;

/// Checks that the songs are songs, before the logs are read in vain.
///
/// # Errors
/// No record of them could be read, or none is a song and that is more than the run may lose.
pub fn check_songs(run: &RunContext<'_>, songs: &SourceCounts) -> Result<()> {
    let place = &run.config.songs;
    check_readable(&run.songs, place, songs)?;
    let (rejected, records) = (songs.report.rejected, songs.report.records);
    let Some((_, first)) = &songs.first_reject else {
        return Ok(());
    };
    if songs.kept > 0 {
        return Ok(());
    }
    let error = Error::too_many_rejects(format!("no record in {place} is a song"))
        .because(first)
        .hint(match run.songs.wrapper_hint() {
            Some(wrapper) => wrapper,
            None => "check that --songs is song metadata and not logs".to_owned(),
        });
    if run
        .config
        .max_rejects
        .is_exceeded_by_records(rejected, records)
    {
        return Err(error.also("the logs were not read"));
    }
    run.progress.warn(&error.to_string());
    Ok(())
}

/// Checks what was rejected of songs and of logs.
///
/// # Errors
/// No record of the logs could be read, or more is rejected than the run may lose.
pub fn check_rejects(
    run: &RunContext<'_>,
    songs: &SourceCounts,
    logs: &SourceCounts,
) -> Result<()> {
    check_readable(&run.logs, &run.config.logs, logs)?;
    let most = run.config.max_rejects;
    let found =
        [("song", songs), ("log", logs)].map(|(kind, state)| (excess(most, kind, state), state));
    let first = found.iter().find(|(excess, _)| !excess.is_empty());
    let Some((_, state)) = first else {
        if let MaxRejects::Count(_) = most {
            warn_if_much_is_rejected(run, &[("song", songs), ("log", logs)]);
        }
        return Ok(());
    };
    let excess: Vec<_> = found
        .iter()
        .flat_map(|(excess, _)| excess)
        .cloned()
        .collect();
    let what = format!(
        "rejected more than --max-rejects {most} tolerates: {}",
        excess.join(", ")
    );
    let mut error = Error::too_many_rejects(what);
    if let Some((_, first)) = &state.first_reject {
        error = error.because(format!("the first is {first}"));
    }
    Err(error.hint("correct the input, or raise --max-rejects to publish without them"))
}

/// The share of the bytes that is worth a word.
const MUCH: MaxRejects = MaxRejects::Percent(10.0);

/// Warns where few rejects cover much of the input, which a limit by count does not see.
fn warn_if_much_is_rejected(run: &RunContext<'_>, states: &[(&str, &SourceCounts)]) {
    for (kind, state) in states {
        let (part, whole) = (state.report.rejected_bytes, state.report.decompressed_bytes);
        if MUCH.is_exceeded_by_share(part, whole) {
            let percent = part as f64 * 100.0 / whole as f64;
            run.progress.warn(&format!(
                "rejects cover {part} of {whole} bytes of {kind} records ({percent:.2}%): see {REJECTS}"
            ));
        }
    }
}

/// Returns what exceeds the limit, in words.
fn excess(most: MaxRejects, kind: &str, state: &SourceCounts) -> Vec<String> {
    let report = &state.report;
    let measures = [
        ("records", report.rejected, report.records),
        ("bytes", report.rejected_bytes, report.decompressed_bytes),
        ("objects", report.unreadable_objects, report.objects),
    ];
    let exceeds = |&(unit, part, whole): &(&str, u64, u64)| match unit {
        "records" => most.is_exceeded_by_records(part, whole),
        _ => most.is_exceeded_by_share(part, whole),
    };
    let words = |(unit, part, whole): (&str, u64, u64)| {
        let percent = part as f64 * 100.0 / whole as f64;
        format!("{part} of {whole} {kind} {unit} ({percent:.2}%)")
    };
    measures.into_iter().filter(exceeds).map(words).collect()
}

/// Checks that any record of a kind is well-formed JSON, if there are records.
fn check_readable(
    source: &Source,
    place: impl std::fmt::Display,
    state: &SourceCounts,
) -> Result<()> {
    if state.report.records == 0 || state.objects.any_is_readable() {
        return Ok(());
    }
    let kind = source.kind.plural();
    let error =
        Error::too_many_rejects(format!("no record of the {kind} in {place} could be read")).hint(
            format!("check --{kind}; --max-rejects does not tolerate this"),
        );
    Err(match &state.first_reject {
        Some((_, first)) => error.because(first),
        None => error,
    })
}

/// Warns if no event was kept, and checks that this does no harm.
///
/// # Errors
/// The star would replace one that has events, or would be loaded.
pub fn check_events(run: &RunContext<'_>, logs: &LogReport) -> Result<()> {
    if !logs.is_without_events() {
        return Ok(());
    }
    let (config, records) = (run.config, logs.input.records);
    let found = if records == 0 {
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
    if let Some(refused) = refused_without_events(run)? {
        return Err(Error::failed(refused)
            .because(found)
            .hint(hint)
            .also("--allow-empty does it all the same"));
    }
    if records > 0 {
        run.progress.warn(&format!("{found}; {hint}"));
    }
    Ok(())
}

/// Returns what a run without events may not do, if it would do that.
fn refused_without_events(run: &RunContext<'_>) -> Result<Option<String>> {
    let config = run.config;
    if config.allow_empty {
        return Ok(None);
    }
    if config.loads {
        return Ok(Some(
            "will not load a star without events into the warehouse".to_owned(),
        ));
    }
    let rows = run.staging.songplays_to_replace()?.unwrap_or(0);
    Ok((rows > 0).then(|| {
        format!(
            "will not replace the star in {}, which has {rows} songplays, by one without events",
            config.out
        )
    }))
}
