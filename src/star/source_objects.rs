//! The ledger's rows of log objects. Those of other tables are made where the star's own are, from the
//! same choices.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use super::schema::SOURCE_OBJECTS;
use super::text_array;
use crate::error::{Error, Result};

/// A log object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceObject {
    /// What names it, wherever it is looked at from.
    pub object: String,
    /// What tells its contents from others; empty if nothing does.
    pub etag: String,
    /// Events that were kept from it, duplicates among them.
    pub rows: u64,
}

/// The rows of [`LEDGER_OBJECTS`] of some objects, in their order.
///
/// # Errors
/// Their names are more than Arrow can hold (2 GiB).
pub fn build_source_objects(objects: &[SourceObject]) -> Result<RecordBatch> {
    let text_column = |field: fn(&SourceObject) -> &str| -> Result<ArrayRef> {
        Ok(Arc::new(text_array(
            objects.iter().map(|o| Some(field(o))),
        )?))
    };
    let rows = objects.iter().map(|object| object.rows as i64);
    let columns = vec![
        text_column(|object| &object.object)?,
        text_column(|object| &object.etag)?,
        Arc::new(rows.collect::<Int64Array>()),
    ];
    RecordBatch::try_new(SOURCE_OBJECTS.arrow_schema(), columns).map_err(Error::from_arrow)
}
