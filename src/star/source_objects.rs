//! Builds the merge state's rows of source objects. The modules of the star schema's tables build the rest of
//! the merge state, from the same choices.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use super::text_array::text_array;
use crate::error::{Error, Result};
use crate::model::{EngineValue, TableSchema, ValueSource};

/// A song object or a log object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceObject {
    /// `song` or `log`.
    pub kind: &'static str,
    /// The name of the object, which does not depend on the working directory.
    pub object: String,
    /// A version of the contents, such as an ETag; empty if there is none.
    pub etag: String,
    /// The number of records that were kept from the object, including duplicates.
    pub kept: u64,
    /// The number of rejected records.
    pub rejected: u64,
    /// The bytes that the rejected records cover, after decompression.
    pub rejected_bytes: u64,
}

/// Builds the rows of the table of source objects for `objects`, in the same order.
///
/// # Errors
/// Returns an error if the names exceed the limit of Arrow (2 GiB).
pub(crate) fn build_source_objects(
    table: &TableSchema,
    objects: &[SourceObject],
) -> Result<RecordBatch> {
    let columns = table.columns.iter().map(|column| match column.source {
        ValueSource::Engine(value) => build_column(value, objects),
        _ => unreachable!("source objects have no values of records"),
    });
    let columns = columns.collect::<Result<_>>()?;
    RecordBatch::try_new(table.arrow_schema(), columns).map_err(Error::from_arrow)
}

fn build_column(value: EngineValue, objects: &[SourceObject]) -> Result<ArrayRef> {
    let texts = |field: fn(&SourceObject) -> &str| -> Result<ArrayRef> {
        let texts = objects.iter().map(|object| Some(field(object)));
        Ok(Arc::new(text_array(texts)?))
    };
    let integers = |field: fn(&SourceObject) -> u64| -> Result<ArrayRef> {
        let integers = objects.iter().map(|object| field(object) as i64);
        Ok(Arc::new(integers.collect::<Int64Array>()))
    };
    match value {
        EngineValue::ObjectKind => texts(|object| object.kind),
        EngineValue::ObjectName => texts(|object| &object.object),
        EngineValue::ObjectVersion => texts(|object| &object.etag),
        EngineValue::KeptRecords => integers(|object| object.kept),
        EngineValue::RejectedRecords => integers(|object| object.rejected),
        EngineValue::RejectedBytes => integers(|object| object.rejected_bytes),
        EngineValue::Run
        | EngineValue::LoadedAt
        | EngineValue::LoadedBy
        | EngineValue::LoadSeconds => unreachable!("only a load knows {value:?}"),
    }
}
