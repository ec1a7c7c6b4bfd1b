//! Checks how much input a run may lose before it fails: rejects, of songs and of logs separately, and events.

use super::input_source::InputSource;
use super::run_context::RunContext;
use super::source_counter::SourceCounts;
use crate::config::{MaxRejects, OutputArrangement};
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::observer::Observer;
use crate::output::REJECTS_DIR;
use crate::output::run_report::{InputReport, LogReport};

/// Checks that the song records are songs, before the time to read the logs is spent.
///
/// # Errors
/// Returns an error if no record could be read, or if none is a song and the rejects exceed the limit.
pub(super) fn check_songs(run: &RunContext<'_>, songs: &SourceCounts) -> Result<()> {
    if run.replayed_run.is_some() {
        // All songs may be rejected again, if a log record passes.
        return Ok(());
    }
    let input = run.config.input.describe(RecordKind::Song);
    check_any_readable(run, &run.songs, songs)?;
    let (rejected, records) = (songs.report.rejected, songs.report.records);
    let Some(first) = &songs.first_reject else {
        return Ok(());
    };
    // Where songs are loaded already, --songs is not the wrong place.
    if songs.kept > 0 || songs.report.already_loaded_objects > 0 {
        return Ok(());
    }
    let error = Error::too_many_rejects(format!("no record in {input} is a song"))
        .with_reason(&first.description)
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

/// Checks the rejects of songs and of logs against the limit.
///
/// # Errors
/// Returns an error if no record of the logs could be read, or if the rejects exceed the limit.
pub(super) fn check_reject_limit(
    run: &RunContext<'_>,
    songs: &SourceCounts,
    logs: &SourceCounts,
) -> Result<()> {
    match run.replayed_run {
        Some(_) => check_any_passed(songs, logs)?,
        None => check_any_readable(run, &run.logs, logs)?,
    }
    let limit = run.config.max_rejects;
    ensure_within_limit(
        limit,
        [songs, logs].map(|counts| (&counts.report, counts.first_reject_description())),
    )?;
    if let MaxRejects::Count(_) = limit {
        warn_if_many_rejected(run, &[("song", songs), ("log", logs)]);
    }
    Ok(())
}

/// Checks the rejects of songs and of logs against a limit. The first reject of each is described, if there is one.
///
/// # Errors
/// Returns an error if the rejects of either exceed the limit.
pub(crate) fn ensure_within_limit(
    limit: MaxRejects,
    [songs, logs]: [(&InputReport, Option<&str>); 2],
) -> Result<()> {
    let excesses = [("song", songs), ("log", logs)]
        .map(|(kind, (report, first))| (exceeded_limits(limit, kind, report), first));
    let Some((_, first)) = excesses.iter().find(|(excess, _)| !excess.is_empty()) else {
        return Ok(());
    };
    let excess: Vec<_> = excesses
        .iter()
        .flat_map(|(excess, _)| excess)
        .cloned()
        .collect();
    let message = format!(
        "rejects exceed --max-rejects {limit}: {}",
        excess.join(", ")
    );
    let mut error = Error::too_many_rejects(message);
    if let Some(first) = first {
        error = error.with_reason(format!("the first is {first}"));
    }
    Err(error.with_hint("fix the input, or raise --max-rejects to go on without the rejects"))
}

/// The share of rejected bytes above which a run warns.
const WARN_REJECTED_SHARE: MaxRejects = MaxRejects::Percent(10.0);

/// Warns if the rejects cover a large share of the bytes, which a limit by count does not detect.
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

/// Describes what exceeds the limit.
fn exceeded_limits(limit: MaxRejects, kind: &str, report: &InputReport) -> Vec<String> {
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

/// Checks that at least one record of a source is well-formed JSON, if it has records.
fn check_any_readable(
    run: &RunContext<'_>,
    source: &InputSource,
    counts: &SourceCounts,
) -> Result<()> {
    ensure_any_readable(
        source.kind,
        &run.config.input.describe(source.kind),
        &counts.report,
        counts.statuses.has_any_readable(),
        counts.first_reject_description(),
    )
}

/// Checks that an input with records has one that could be read. Where objects of the input are loaded already, the input
/// itself is right, and one bad new object must not stop every further run: only the limit applies to it. `input` describes
/// the locations.
///
/// # Errors
/// Returns an error if no record could be read.
pub(crate) fn ensure_any_readable(
    kind: RecordKind,
    input: &str,
    report: &InputReport,
    has_readable: bool,
    first_reject: Option<&str>,
) -> Result<()> {
    if report.records == 0 || has_readable || report.already_loaded_objects > 0 {
        return Ok(());
    }
    let name = kind.singular();
    let error = Error::too_many_rejects(format!("no {name} record in {input} could be read"))
        .with_hint(format!(
            "check --{}; --max-rejects does not apply to this",
            kind.plural()
        ));
    Err(match first_reject {
        Some(first) => error.with_reason(first),
        None => error,
    })
}

/// Warns if no event was kept, and checks that no events would be lost because of that.
///
/// # Errors
/// Returns an error if the dataset would replace one that has events, or if it would be loaded.
pub(super) fn check_has_events(run: &RunContext<'_>, logs: &LogReport) -> Result<()> {
    if !logs.has_no_events() {
        return Ok(());
    }
    let input = run.config.input.describe(RecordKind::Log);
    let finding = no_events_finding(&input, logs);
    if run.replayed_run.is_some() {
        return check_replay_has_events(run, finding);
    }
    let hint = match run.logs.wrapper_hint() {
        Some(wrapper) if logs.input.records > 0 => wrapper,
        _ => "check --logs".to_owned(),
    };
    let forbidden = forbidden_without_events(run)?;
    allow_no_events(forbidden.as_deref(), &finding, &hint, logs, run.progress)
}

/// Warns that no event was kept, unless there were no records. `finding` says why, and `forbidden` what the run must not do
/// because of that.
///
/// # Errors
/// Returns an error if something is forbidden.
pub(crate) fn allow_no_events(
    forbidden: Option<&str>,
    finding: &str,
    hint: &str,
    logs: &LogReport,
    observer: &dyn Observer,
) -> Result<()> {
    if let Some(forbidden) = forbidden {
        return Err(Error::failed(forbidden)
            .with_reason(finding)
            .with_hint(hint)
            .add_hint("use --allow-empty to do it anyway"));
    }
    if logs.input.records > 0 {
        observer.warn(&format!("{finding}; {hint}"));
    }
    Ok(())
}

/// Describes why no event was kept. `input` describes the locations of the logs.
pub(crate) fn no_events_finding(input: &str, logs: &LogReport) -> String {
    let records = logs.input.records;
    if records == 0 {
        format!("there are no records in {input}")
    } else if logs.filtered == records {
        format!("none of the {records} records in {input} is a NextSong event")
    } else {
        format!(
            "none of the {records} records in {input} is kept: {} filtered (page is not NextSong), {} rejected",
            logs.filtered, logs.input.rejected
        )
    }
}

/// What a run without events must not do, unless it is allowed to.
pub(crate) const LOAD_WITHOUT_EVENTS: &str =
    "will not load a dataset without events into the warehouse";

/// Checks that a replay without events, which has songs or filtered events, does not replace a dataset with events. It
/// may be loaded, and be kept beside the run.
fn check_replay_has_events(run: &RunContext<'_>, finding: String) -> Result<()> {
    if run.config.output_arrangement() == OutputArrangement::SideBySide {
        return Ok(());
    }
    match forbidden_replacement(run)? {
        None => Ok(()),
        Some(forbidden) => Err(Error::failed(forbidden)
            .with_reason(finding)
            .with_hint("choose another --out")),
    }
}

/// Checks that a replay has records, and that at least one of them is not rejected again.
fn check_any_passed(songs: &SourceCounts, logs: &SourceCounts) -> Result<()> {
    let sum = |count: fn(&SourceCounts) -> u64| count(songs) + count(logs);
    let (records, rejected) = (sum(|c| c.report.records), sum(|c| c.report.rejected));
    if rejected < records {
        return Ok(());
    }
    let first = [songs, logs]
        .into_iter()
        .find_map(|counts| counts.first_reject.as_ref());
    if records == 0 {
        return Err(Error::too_many_rejects("nothing was replayed")
            .with_reason("the edited texts contain no record")
            .with_hint("remove the lines that are to stay rejected from the edited copy"));
    }
    let error = match records {
        1 => Error::too_many_rejects("the only reject was rejected again"),
        _ => Error::too_many_rejects(format!("all {records} rejects were rejected again")),
    };
    Err(match first {
        Some(first) => error
            .with_reason(format!("the first is {}", first.description))
            .with_hint(
                "correct the texts in a copy of a reject file, and name the copy with --edited",
            ),
        None => {
            error.with_reason("none of them can be replayed, because their texts are cut or absent")
        }
    })
}

/// Describes what a run without events is not allowed to do. Returns `None` if it would not do that.
fn forbidden_without_events(run: &RunContext<'_>) -> Result<Option<String>> {
    let config = run.config;
    if config.allow_empty {
        return Ok(None);
    }
    if config.load_after_run {
        return Ok(Some(LOAD_WITHOUT_EVENTS.to_owned()));
    }
    forbidden_replacement(run)
}

/// Describes the replacement of a dataset that has events by one without. Returns `None` if the output has no such
/// dataset.
fn forbidden_replacement(run: &RunContext<'_>) -> Result<Option<String>> {
    let rows = run.staging.published_songplays()?.unwrap_or(0);
    Ok((rows > 0).then(|| {
        format!(
            "will not replace the dataset in {}, which has {rows} songplays, with one without events",
            run.config.out
        )
    }))
}
