//! Translates Parquet files into rows of a binary COPY of PostgreSQL.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;

use super::load_error::LoadErrorRecord;
use super::protocol::SessionError;
use super::settings::ReadableCodecs;
use super::target_column::TargetColumn;

/// The header of a binary COPY.
pub const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The trailer of a binary COPY.
pub const COPY_TRAILER: &[u8] = b"\xff\xff";

/// The microseconds from 1970 to 2000, the epoch of PostgreSQL.
pub const PG_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The reason for which a file was not loaded.
pub enum ParquetFileError {
    ConnectionClosed,
    Load(Box<LoadErrorRecord>),
}

impl From<SessionError> for ParquetFileError {
    fn from(_: SessionError) -> Self {
        Self::ConnectionClosed
    }
}

/// A file to load.
pub struct ParquetFile<'a> {
    pub url: &'a str,
    pub bytes: &'a Bytes,
    /// Whether columns that are missing at the end of the file are null.
    pub fill_record: bool,
    /// The codecs that can be read.
    pub codecs: ReadableCodecs,
}

fn load_error(code: u32, message: String) -> ParquetFileError {
    ParquetFileError::Load(Box::new(LoadErrorRecord {
        code,
        message,
        ..LoadErrorRecord::default()
    }))
}

impl ParquetFile<'_> {
    /// Sends the rows, and returns their number.
    pub fn send_rows(
        &self,
        columns: &[TargetColumn],
        send: &mut dyn FnMut(Vec<u8>) -> Result<(), ParquetFileError>,
    ) -> Result<u64, ParquetFileError> {
        let url = self.url;
        let invalid_parquet = |e: &dyn std::fmt::Display| {
            load_error(
                15001,
                format!("File '{url}' is not a valid Parquet file: {e}"),
            )
        };
        // Only the types of Parquet count, not the Arrow schema in the metadata.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let reader =
            ParquetRecordBatchReaderBuilder::try_new_with_options(self.bytes.clone(), options)
                .map_err(|e| invalid_parquet(&e))?;
        for column in reader
            .metadata()
            .row_groups()
            .iter()
            .flat_map(|group| group.columns())
        {
            let codec = column.compression();
            let is_documented = matches!(
                codec,
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_)
            );
            if self.codecs == ReadableCodecs::Documented && !is_documented {
                // The wording of Redshift is not known.
                let message = format!(
                    "File '{url}' has an unsupported compression codec. Column: {}, Codec: {codec}",
                    column.column_path().string()
                );
                return Err(load_error(15001, message));
            }
        }
        let schema = reader.parquet_schema().clone();
        let count = schema.num_columns();
        if count > columns.len() || (count < columns.len() && !self.fill_record) {
            let message = format!(
                "Unmatched number of columns between table and file. Table columns: {}, \
                 Data columns: {count}, File name: {url}",
                columns.len()
            );
            return Err(load_error(15001, message));
        }
        for (column, file) in columns.iter().zip(schema.columns()) {
            if !column.accepts(file) {
                let message = format!(
                    "File '{url}' has an incompatible Parquet schema for column '{}'. Column type: {}, \
                     Parquet schema: {} {:?} {:?}",
                    column.name,
                    column.ty.to_uppercase(),
                    file.name(),
                    file.physical_type(),
                    file.logical_type_ref(),
                );
                return Err(column_error(column, 0, 15007, message, None));
            }
        }
        let mut sent = 0;
        for batch in reader.build().map_err(|e| invalid_parquet(&e))? {
            let batch = batch.map_err(|e| invalid_parquet(&e))?;
            let mut bytes = Vec::new();
            for row in 0..batch.num_rows() {
                bytes.extend(u16::try_from(columns.len()).unwrap().to_be_bytes());
                for (number, column) in columns.iter().enumerate() {
                    let values = (number < count).then(|| batch.column(number));
                    append_value(&mut bytes, column, values, row, sent + row + 1)?;
                }
            }
            sent += batch.num_rows();
            send(bytes)?;
        }
        Ok(sent as u64)
    }
}

fn column_error(
    column: &TargetColumn,
    line: usize,
    code: u32,
    message: String,
    value: Option<String>,
) -> ParquetFileError {
    ParquetFileError::Load(Box::new(LoadErrorRecord {
        line,
        column: Some(column.clone()),
        code,
        message,
        value,
        ..LoadErrorRecord::default()
    }))
}

/// Appends a value to a row.
fn append_value(
    bytes: &mut Vec<u8>,
    column: &TargetColumn,
    values: Option<&ArrayRef>,
    row: usize,
    line: usize,
) -> Result<(), ParquetFileError> {
    let Some(values) = values.filter(|values| values.is_valid(row)) else {
        if column.is_not_null {
            let message = format!("NULL in column {}, which is NOT NULL", column.name);
            return Err(column_error(column, line, 15001, message, None));
        }
        bytes.extend((-1_i32).to_be_bytes());
        return Ok(());
    };
    let mut value = |value: &[u8]| {
        bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
    };
    match column.ty.as_str() {
        "integer" => value(&values.as_primitive::<Int32Type>().value(row).to_be_bytes()),
        "smallint" => value(&values.as_primitive::<Int16Type>().value(row).to_be_bytes()),
        "bigint" => value(&values.as_primitive::<Int64Type>().value(row).to_be_bytes()),
        "double precision" => value(
            &values
                .as_primitive::<Float64Type>()
                .value(row)
                .to_be_bytes(),
        ),
        "timestamp without time zone" => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
            value(&(micros - PG_EPOCH_MICROS).to_be_bytes());
        }
        _ => {
            let text = values.as_string::<i32>().value(row);
            if column.max_bytes.is_some_and(|length| text.len() > length) {
                let message = format!(
                    "The length of the data column {} is longer than the length defined in the table. \
                     Table: {}, Data: {}",
                    column.name,
                    column.max_bytes_text(),
                    text.len()
                );
                return Err(column_error(
                    column,
                    line,
                    15001,
                    message,
                    Some(text.to_owned()),
                ));
            }
            value(text.as_bytes());
        }
    }
    Ok(())
}
