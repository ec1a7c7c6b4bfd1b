//! Executes a COPY statement in the session of the backend.

use crate::redshift_simulator::copy::context::CopyContext;
use crate::redshift_simulator::copy::json::JsonCopy;
use crate::redshift_simulator::copy::parquet::ParquetCopy;
use crate::redshift_simulator::copy::statement::{CopyFormat, CopyStatement};
use crate::redshift_simulator::copy::target::CopyTarget;
use crate::redshift_simulator::protocol::{PgMessage, SessionResult};

/// Loads the files, and returns the notices about it.
pub fn run_copy(
    copy: &CopyStatement,
    context: &mut CopyContext<'_>,
) -> SessionResult<Vec<PgMessage>> {
    let target = CopyTarget::look_up(copy, context.backend)?;
    context.table_id = target.table_id;
    match &copy.format {
        CopyFormat::Parquet(options) => ParquetCopy {
            copy,
            options,
            target: &target,
        }
        .load(context)?,
        CopyFormat::Json(options) => JsonCopy {
            copy,
            options,
            target: &target,
        }
        .load(context)?,
    }
    if copy.updates_statistics && context.loaded_rows > 0 {
        context
            .backend
            .run_sql(&format!("ANALYZE {}", copy.table))?;
    }
    let (table, rows) = (&copy.table, context.loaded_rows);
    let mut notices = vec![format!(
        "Load into table '{table}' completed, {rows} record(s) loaded successfully."
    )];
    if !context.errors.is_empty() {
        let errors = context.errors.len();
        notices.push(format!(
            "Load into table '{table}' completed, {errors} record(s) could not be loaded.  \
             Check 'stl_load_errors' system table for details."
        ));
    }
    let notice = |text: String| PgMessage::notice("INFO", "00000", &text);
    Ok(notices.into_iter().map(notice).collect())
}
