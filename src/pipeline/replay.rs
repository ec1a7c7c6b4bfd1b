//! Replays the rejects of an earlier run: each text becomes a small object, which is read like any other. A text that is
//! rejected again keeps the position where it was rejected first.

use std::sync::Arc;
use std::time::Instant;

use super::edited_rejects::EditedRejects;
use super::input_source::{InputContents, InputSources};
use super::reject_collector::{CollectedRejects, RejectCollector};
use super::reject_texts::spool_error;
use super::run_context::RunContext;
use super::timings::{PipelineStage, Timings};
use crate::config::ReplayInput;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::observer::Observer;
use crate::output::{LineShift, RejectBuffer, RejectedRun};
use crate::storage::{Location, StoreOpener};

/// Reads the rejects to replay, and plans their splits. Warns if a later run failed, whose rejects are others. The texts
/// are kept in a temporary file. Memory holds about 250 bytes for each reject, and as much again for each line of an
/// edited file.
///
/// # Errors
/// Returns an error if the rejects cannot be read, if there are none, or if a line of an edited file cannot be used.
pub(super) fn open_rejects(
    input: &ReplayInput,
    stores: &StoreOpener,
    split_bytes: Option<u64>,
    timings: &Timings,
    observer: &dyn Observer,
) -> Result<InputSources> {
    let _span = tracing::info_span!("rejects").entered();
    let began = Instant::now();
    let run = RejectedRun::open(stores, &input.from)?;
    if let Some(failed) = run.later_failure() {
        observer.warn(&format!(
            "a later run failed, and its rejects are not among those of run {}: see sparkify rejects {failed}",
            run.id()
        ));
    }
    let mut collector = RejectCollector::new()?;
    if input.edited.is_empty() {
        for file in run.files() {
            collector.begin_file();
            file.read_lines(|number, line| {
                collector.add(file, number, &line)?;
                Ok(())
            })?;
        }
    } else {
        let edited = EditedRejects::read(&mut collector, stores, &input.edited)?;
        edited.match_with(&mut collector, &run)?;
    }
    let RejectCollector {
        texts, songs, logs, ..
    } = collector;
    let (objects, carried_over) = (
        songs.objects.len() + logs.objects.len(),
        songs.carried_over.rejects() + logs.carried_over.rejects(),
    );
    if objects == 0 && carried_over == 0 {
        let reason = match input.edited.is_empty() {
            true => format!("run {} has no rejects", run.id()),
            false => "the edited files have no rejects".to_owned(),
        };
        return Err(
            Error::failed(format!("nothing to replay in {}", input.from)).with_reason(reason),
        );
    }
    let texts = texts
        .into_inner()
        .map_err(|e| spool_error(e.into_error()))?;
    let texts = Arc::new(texts);
    let source = |kind, rejects: CollectedRejects, resolved: Vec<Location>| {
        rejects.into_source(kind, &texts, resolved, split_bytes)
    };
    let songs = source(RecordKind::Song, songs, vec![run.location().clone()])?;
    let logs = source(RecordKind::Log, logs, input.edited.clone())?;
    let bytes = songs.plan.bytes + logs.plan.bytes;
    timings.record(PipelineStage::List, began, bytes, objects as u64);
    tracing::info!(run = run.id(), objects, carried_over, "read the rejects");
    Ok(InputSources {
        songs,
        logs,
        replayed_run: Some(run.id().to_owned()),
    })
}

/// Writes the rejects that cannot be replayed to the rejects of this run, and warns about them.
///
/// # Errors
/// Returns an error if the rejects cannot be written.
pub(super) fn carry_over_rejects(run: &RunContext<'_>) -> Result<()> {
    let mut rejects = 0;
    for source in [&run.songs, &run.logs] {
        let InputContents::Rejects(texts) = source.contents() else {
            continue;
        };
        let mut buffer = RejectBuffer::default();
        texts
            .carried_over
            .for_each(|line| buffer.carry_over(run.staging.reject_context(), line))?;
        // The numbers before are those of the splits.
        let number = source.plan.splits.len();
        let no_shift = LineShift {
            rejects: 0,
            lines: 0,
        };
        run.staging
            .write_rejects(source.kind, number, buffer, no_shift)?;
        rejects += texts.carried_over.rejects();
    }
    if rejects > 0 {
        run.progress.warn(&format!(
            "{rejects} of the rejects cannot be replayed, because the text is cut or absent: fix the object, which \
             the next run reads again when it has changed, or put the complete text into an edited copy without \
             \"truncated\""
        ));
    }
    Ok(())
}
