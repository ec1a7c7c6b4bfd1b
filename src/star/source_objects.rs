//! Builds the merge state's rows of log objects. The modules of the star schema's tables build the rest of
//! the merge state, from the same choices.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use super::text_array::text_array;
use crate::error::{Error, Result};
use crate::model::TableSchema;

/// A log object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceObject {
    /// The name of the object, which does not depend on the working directory.
    pub object: String,
    /// A version of the contents, such as an ETag; empty if there is none.
    pub etag: String,
    /// The number of events that were kept from the object, including duplicates.
    pub rows: u64,
}

/// Builds the rows of the table of source objects for `objects`, in the same order.
///
/// # Errors
/// Returns an error if the names exceed the limit of Arrow (2 GiB).
pub(crate) fn build_source_objects(
    table: &TableSchema,
    objects: &[SourceObject],
) -> Result<RecordBatch> {
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
    RecordBatch::try_new(table.arrow_schema(), columns).map_err(Error::from_arrow)
}
