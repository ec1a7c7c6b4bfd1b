//! Writes the source objects: one row for each log object of the run.

use std::time::Instant;

use super::run_context::RunContext;
use super::timings::PipelineStage;
use crate::error::Result;
use crate::model::sparkify::SPARKIFY;
use crate::star::source_objects::{SourceObject, build_source_objects};

/// Writes one row for each log object, with the number of events kept from it. The rows are built one row group at
/// a time, so that memory does not hold a million names.
///
/// # Errors
/// Returns an error if the table cannot be written.
pub(super) fn write_source_objects(run: &RunContext<'_>, kept_by_object: &[u64]) -> Result<()> {
    let source = &run.logs;
    let kept = source.sum_by_source_object(kept_by_object);
    let table = SPARKIFY.source_objects();
    let row_group_rows = run.config.sizes.row_group_rows.max(1);
    let mut writer = run.staging.create_part(table, 0, table.arrow_schema())?;
    for (group, kept) in kept.chunks(row_group_rows).enumerate() {
        let began = Instant::now();
        let numbers = group * row_group_rows..;
        let rows = numbers.zip(kept).map(|(number, &rows)| {
            let (object, etag) = source.source_object_identity(number);
            SourceObject { object, etag, rows }
        });
        let rows = build_source_objects(table, &rows.collect::<Vec<_>>())?;
        run.timings
            .record(PipelineStage::Star, began, 0, rows.num_rows() as u64);
        let began = Instant::now();
        writer.write(&rows)?;
        run.timings
            .record(PipelineStage::Encode, began, 0, rows.num_rows() as u64);
    }
    let part = writer.close()?;
    run.timings.record_duration(
        PipelineStage::Encode,
        std::time::Duration::ZERO,
        part.bytes,
        0,
    );
    run.register_part(table, part);
    Ok(())
}
