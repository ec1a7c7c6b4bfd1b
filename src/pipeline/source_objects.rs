//! Writes the source objects: one row for each song object and each log object of the run.

use std::time::{Duration, Instant};

use super::input_source::InputSource;
use super::run_context::RunContext;
use super::split_stats::ObjectCounts;
use super::timings::PipelineStage;
use crate::error::Result;
use crate::model::sparkify::SPARKIFY;
use crate::output::PartWriter;
use crate::star::source_objects::{SourceObject, build_source_objects};

/// Writes one row for each object of the songs and of the logs, with what became of its records. The rows are built one
/// row group at a time, so that memory does not hold a million names.
///
/// # Errors
/// Returns an error if the table cannot be written.
pub(super) fn write_source_objects(
    run: &RunContext<'_>,
    songs: &[ObjectCounts],
    logs: &[ObjectCounts],
) -> Result<()> {
    let table = SPARKIFY.source_objects();
    let mut writer = run.staging.create_part(table, 0, table.arrow_schema())?;
    write_objects(run, &mut writer, &run.songs, songs)?;
    write_objects(run, &mut writer, &run.logs, logs)?;
    let part = writer.close()?;
    run.timings
        .record_duration(PipelineStage::Encode, Duration::ZERO, part.bytes, 0);
    run.register_part(table, part);
    Ok(())
}

/// Writes one row for each object of an input.
fn write_objects(
    run: &RunContext<'_>,
    writer: &mut PartWriter,
    source: &InputSource,
    counts: &[ObjectCounts],
) -> Result<()> {
    let counts = source.counts_by_source_object(counts);
    let row_group_rows = run.config.sizes.row_group_rows.max(1);
    for (group, counts) in counts.chunks(row_group_rows).enumerate() {
        let began = Instant::now();
        let numbers = group * row_group_rows..;
        let rows = numbers.zip(counts).map(|(number, counts)| {
            let (object, etag) = source.source_object_identity(number);
            SourceObject {
                kind: source.kind.singular(),
                object,
                etag,
                kept: counts.kept,
                rejected: counts.rejected,
                rejected_bytes: counts.rejected_bytes,
            }
        });
        let rows = build_source_objects(SPARKIFY.source_objects(), &rows.collect::<Vec<_>>())?;
        let count = rows.num_rows() as u64;
        run.timings.record(PipelineStage::Star, began, 0, count);
        let began = Instant::now();
        writer.write(&rows)?;
        run.timings.record(PipelineStage::Encode, began, 0, count);
    }
    Ok(())
}
