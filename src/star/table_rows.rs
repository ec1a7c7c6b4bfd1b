//! Builds record batches of tables from rows.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, TimestampMicrosecondType};
use arrow_array::{
    ArrayRef, Float64Array, Int16Array, Int32Array, Int64Array, PrimitiveArray, RecordBatch,
};

use super::text_array::text_array;
use super::value::Value;
use crate::error::{Error, Result};
use crate::model::{ColumnType, TableSchema};

/// Builds the rows of a table from the values of each column, by the position of the column.
///
/// # Errors
/// Returns an error if a column exceeds the limit of Arrow (2 GiB).
pub(super) fn build_rows<'a, V: Iterator<Item = Value<'a>>>(
    table: &TableSchema,
    values: impl Fn(usize) -> V,
) -> Result<RecordBatch> {
    let columns = table.columns.iter().enumerate();
    let columns = columns.map(|(position, column)| build_array(column.ty, values(position)));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(table.arrow_schema(), columns).map_err(Error::from_arrow)
}

/// Builds the array of a column.
///
/// # Errors
/// Returns an error if the array exceeds the limit of Arrow (2 GiB).
pub(super) fn build_array<'a>(
    ty: ColumnType,
    values: impl Iterator<Item = Value<'a>>,
) -> Result<ArrayRef> {
    Ok(match ty {
        ColumnType::BigInt => Arc::new(values.map(Value::integer).collect::<Int64Array>()),
        ColumnType::Integer => Arc::new(values.map(narrow_integer).collect::<Int32Array>()),
        ColumnType::SmallInt => Arc::new(values.map(narrow_integer).collect::<Int16Array>()),
        ColumnType::Timestamp => {
            let times = values.map(Value::integer);
            Arc::new(times.collect::<PrimitiveArray<TimestampMicrosecondType>>())
        }
        ColumnType::Double => Arc::new(values.map(Value::double).collect::<Float64Array>()),
        ColumnType::Varchar(_) => Arc::new(text_array(values.map(Value::text))?),
    })
}

/// Returns the array of a column that is never null.
pub(super) fn primitive_array<T: ArrowPrimitiveType>(values: Vec<T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), None))
}

#[expect(clippy::expect_used, reason = "the decoder checks the range")]
fn narrow_integer<T: TryFrom<i64>>(value: Value<'_>) -> Option<T> {
    let value = value.integer()?;
    Some(T::try_from(value).ok().expect("an integer fits its column"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a column of integers has integers")]
    fn text_in_a_column_of_integers_fails_loudly() {
        drop(build_array(
            ColumnType::Integer,
            [Value::Text("1")].into_iter(),
        ));
    }

    #[test]
    #[should_panic(expected = "an integer fits its column")]
    fn integer_out_of_range_fails_loudly() {
        drop(build_array(
            ColumnType::SmallInt,
            [Value::Integer(1 << 20)].into_iter(),
        ));
    }
}
