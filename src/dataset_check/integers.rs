//! Reads columns of integers and times, whatever their width.

use std::borrow::Cow;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};

/// Returns the values of a column of integers or times; `None` for any other column. A null has any value.
pub(super) fn integers(column: &dyn Array) -> Option<Cow<'_, [i64]>> {
    if let Some(values) = column.as_primitive_opt::<Int64Type>() {
        Some(Cow::Borrowed(values.values()))
    } else if let Some(values) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(Cow::Borrowed(values.values()))
    } else if let Some(values) = column.as_primitive_opt::<Int32Type>() {
        Some(values.values().iter().map(|&v| v.into()).collect())
    } else {
        let values = column.as_primitive_opt::<Int16Type>()?;
        Some(values.values().iter().map(|&v| v.into()).collect())
    }
}
