//! Encodes record batches in the binary format of PostgreSQL's COPY.
//!
//! A row consists of the number of its fields and, for each field, its length and its bytes, all big-endian
//! (PostgreSQL documentation, COPY, "Binary Format").

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use crate::error::{Error, Result};
use crate::model::{ColumnType, TableSchema};
use crate::output::check_chunk_positions;

/// Rows per record batch.
const BATCH_ROWS: usize = 8192;

/// Start of a binary COPY: signature, flags, length of the header extension.
pub(crate) const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// End of a binary COPY.
pub(crate) const COPY_TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// Microseconds from the Unix epoch (1970) to the epoch of PostgreSQL (2000).
const PG_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Opens a Parquet part and returns a reader of its record batches.
///
/// # Errors
/// Returns an error if the file is not Parquet or does not have the columns of the table.
pub(crate) fn read_batches(
    file: File,
    name: &str,
    table: &TableSchema,
) -> Result<ParquetRecordBatchReader> {
    let read_error = || Error::failed(format!("cannot read {name}"));
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file_bytes = file.metadata().map_err(|e| read_error().with_source(e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|e| read_error().with_source(e))?;
    check_chunk_positions(builder.metadata(), file_bytes.len())
        .map_err(|reason| read_error().with_reason(reason).with_hint("run again"))?;
    if !has_columns_of(builder.schema(), table) {
        return Err(
            read_error().with_reason(format!("its columns are not those of table {}", table.name))
        );
    }
    builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| read_error().with_source(e))
}

/// Returns true if a schema has the columns of a table, with their names and types in order.
fn has_columns_of(schema: &Schema, table: &TableSchema) -> bool {
    let table_schema = table.arrow_schema();
    let actual = schema.fields().iter();
    let expected = table_schema.fields().iter();
    actual
        .map(|field| (field.name(), field.data_type()))
        .eq(expected.map(|field| (field.name(), field.data_type())))
}

/// The values of a column by type.
enum ColumnValues<'a> {
    BigInt(&'a [i64]),
    Integer(&'a [i32]),
    SmallInt(&'a [i16]),
    Double(&'a [f64]),
    Timestamp(&'a [i64]),
    Text(&'a arrow_array::StringArray),
}

impl<'a> ColumnValues<'a> {
    fn new(ty: ColumnType, array: &'a ArrayRef) -> Option<Self> {
        Some(match ty {
            ColumnType::BigInt => Self::BigInt(array.as_primitive_opt::<Int64Type>()?.values()),
            ColumnType::Integer => Self::Integer(array.as_primitive_opt::<Int32Type>()?.values()),
            ColumnType::SmallInt => Self::SmallInt(array.as_primitive_opt::<Int16Type>()?.values()),
            ColumnType::Double => Self::Double(array.as_primitive_opt::<Float64Type>()?.values()),
            ColumnType::Timestamp => {
                let times = array.as_primitive_opt::<TimestampMicrosecondType>()?;
                Self::Timestamp(times.values())
            }
            ColumnType::Varchar(_) => Self::Text(array.as_string_opt::<i32>()?),
        })
    }

    /// Appends the field of a row, which must not be null.
    fn write_field(&self, row: usize, to: &mut Vec<u8>) {
        match self {
            Self::BigInt(values) => write_bytes(to, values[row].to_be_bytes()),
            Self::Integer(values) => write_bytes(to, values[row].to_be_bytes()),
            Self::SmallInt(values) => write_bytes(to, values[row].to_be_bytes()),
            Self::Double(values) => write_bytes(to, values[row].to_be_bytes()),
            Self::Timestamp(values) => {
                write_bytes(to, (values[row] - PG_EPOCH_MICROS).to_be_bytes())
            }
            Self::Text(values) => {
                let text = values.value(row);
                to.extend_from_slice(&(text.len() as i32).to_be_bytes());
                to.extend_from_slice(text.as_bytes());
            }
        }
    }
}

fn write_bytes<const N: usize>(to: &mut Vec<u8>, bytes: [u8; N]) {
    to.extend_from_slice(&(N as i32).to_be_bytes());
    to.extend_from_slice(&bytes);
}

/// Appends the rows of a record batch.
///
/// # Errors
/// Returns an error if the batch does not have the columns of the table.
pub(crate) fn encode_batch(
    batch: &RecordBatch,
    table: &TableSchema,
    to: &mut Vec<u8>,
) -> Result<()> {
    let columns: Option<Vec<_>> = table
        .columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| Some((ColumnValues::new(column.ty, array)?, array.nulls())))
        .collect();
    let columns = columns.ok_or_else(|| {
        Error::failed(format!(
            "the record batch does not match table {}",
            table.name
        ))
    })?;
    let count = (columns.len() as i16).to_be_bytes();
    for row in 0..batch.num_rows() {
        to.extend_from_slice(&count);
        for (values, nulls) in &columns {
            match nulls {
                Some(nulls) if nulls.is_null(row) => {
                    to.extend_from_slice(&(-1i32).to_be_bytes());
                }
                _ => values.write_field(row, to),
            }
        }
    }
    Ok(())
}
