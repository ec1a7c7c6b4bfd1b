//! The ledger of log objects.

use std::time::Instant;

use super::RunContext;
use super::timings::Stage;
use crate::error::Result;
use crate::star::schema::LEDGER_OBJECTS;
use crate::star::source_objects::{SourceObject, objects};

/// Writes a row for each log object, from each of which so many events are `kept`. A million names are
/// not in memory at a time.
///
/// # Errors
/// They cannot be written.
pub fn write_objects(run: &RunContext<'_>, kept: &[u64]) -> Result<()> {
    let source = &run.logs;
    let group = run.config.sizes.row_group_rows.max(1);
    let mut writer = run
        .staging
        .part(&LEDGER_OBJECTS, 0, LEDGER_OBJECTS.arrow())?;
    for (group, kept) in source.objects.chunks(group).zip(kept.chunks(group)) {
        let began = Instant::now();
        let rows = group.iter().zip(kept).map(|(object, &rows)| SourceObject {
            object: source.identity(object),
            etag: object.entry.etag(),
            rows,
        });
        let rows = objects(&rows.collect::<Vec<_>>())?;
        run.stages
            .add(Stage::Star, began, 0, rows.num_rows() as u64);
        let began = Instant::now();
        writer.write(&rows)?;
        run.stages
            .add(Stage::Encode, began, 0, rows.num_rows() as u64);
    }
    let part = writer.close()?;
    run.stages
        .add_time(Stage::Encode, std::time::Duration::ZERO, part.bytes, 0);
    run.written(&LEDGER_OBJECTS, part);
    Ok(())
}
