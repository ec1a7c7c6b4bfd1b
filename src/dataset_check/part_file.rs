//! Reads a Parquet part as any reader would, and checks that its format is the documented one.

use std::fs::File;
use std::mem::discriminant;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Field;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression as Codec, Encoding};
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::finding::finding;
use super::statistics::RowGroupExtent;
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::output::{ParquetCompression, check_chunk_positions};

/// The rows that are decoded at once.
const BATCH_ROWS: usize = 64 * 1024;

/// A part whose footer was read.
#[derive(Debug)]
pub(super) struct PartFile {
    name: String,
    file: Arc<File>,
    metadata: ArrowReaderMetadata,
}

impl PartFile {
    /// Reads the footer of a part. `name` is its path or URL.
    ///
    /// # Errors
    /// Returns an error if the file is not a Parquet file.
    pub(super) fn open(name: String, file: File) -> Result<Self> {
        // Other readers do not know the Arrow schema that a file may contain.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options);
        let metadata = metadata.map_err(|e| decode_error(&name, &e))?;
        let file_bytes = file.metadata();
        let file_bytes = file_bytes.map_err(|e| Error::io("cannot read", name.as_ref(), e))?;
        let part = Self {
            name,
            file: Arc::new(file),
            metadata,
        };
        check_chunk_positions(part.metadata.metadata(), file_bytes.len())
            .map_err(|reason| part.finding(reason))?;
        Ok(part)
    }

    /// Checks that the columns are those of the table: their names, types and nullability, in this order.
    ///
    /// # Errors
    /// Returns an error that names the first difference.
    pub(super) fn check_columns(&self, table: &TableSchema) -> Result<()> {
        let expected = table.arrow_schema();
        let (found, expected) = (self.metadata.schema().fields(), expected.fields());
        for position in 0..found.len().max(expected.len()) {
            let (found, expected) = (found.get(position), expected.get(position));
            let (found, expected) = (describe_field(found), describe_field(expected));
            if found != expected {
                let column = position + 1;
                return Err(
                    self.finding(format!("column {column} is {found}, expected {expected}"))
                );
            }
        }
        Ok(())
    }

    /// Checks that codecs, page versions and encodings are the documented ones, and that every page can be read.
    ///
    /// # Errors
    /// Returns an error that names the first column that differs.
    pub(super) fn check_pages(&self, compression: ParquetCompression) -> Result<()> {
        for row_group in self.metadata.metadata().row_groups() {
            for column in row_group.columns() {
                let in_column = |reason| {
                    let column = column.column_path();
                    self.finding(format!("{reason} in column {column}"))
                };
                check_codec(column, compression).map_err(in_column)?;
                self.check_column_pages(row_group, column)
                    .map_err(in_column)?;
            }
        }
        Ok(())
    }

    fn check_column_pages(
        &self,
        row_group: &RowGroupMetaData,
        column: &ColumnChunkMetaData,
    ) -> std::result::Result<(), String> {
        let rows = row_group.num_rows();
        let total = usize::try_from(rows).map_err(|e| e.to_string())?;
        let mut pages = SerializedPageReader::new(Arc::clone(&self.file), column, total, None)
            .map_err(|e| describe(&e))?;
        let mut values = 0;
        while let Some(page) = pages.get_next_page().map_err(|e| describe(&e))? {
            let encoding = page.encoding();
            match page {
                Page::DataPage { num_values, .. } => values += i64::from(num_values),
                Page::DataPageV2 { .. } => return Err("a data page of version 2".to_owned()),
                Page::DictionaryPage { .. } => {}
            }
            let dictionary = Encoding::PLAIN_DICTIONARY;
            if ![Encoding::PLAIN, Encoding::RLE_DICTIONARY, dictionary].contains(&encoding) {
                return Err(format!("encoding {encoding}"));
            }
        }
        match values == rows {
            true => Ok(()),
            false => Err(format!("{values} values for {rows} rows")),
        }
    }

    /// Decodes all rows and passes them to `visit`, with the number of rows before them. Returns the number of rows.
    ///
    /// # Errors
    /// Returns an error if a row cannot be decoded, if the statistics do not fit the values, or if `visit` returns one.
    pub(super) fn read_rows(
        &self,
        mut visit: impl FnMut(u64, &RecordBatch) -> Result<()>,
    ) -> Result<u64> {
        let mut rows = 0;
        for (number, row_group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let file = self.file.try_clone();
            let file = file.map_err(|e| Error::io("cannot read", self.name.as_ref(), e))?;
            let batches =
                ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                    .with_row_groups(vec![number])
                    .with_batch_size(BATCH_ROWS)
                    .build()
                    .map_err(|e| decode_error(&self.name, &e))?;
            let mut extent = RowGroupExtent::new(row_group.num_columns());
            let before = rows;
            for batch in batches {
                let batch = batch.map_err(|e| decode_error(&self.name, &e))?;
                extent.add(&batch);
                visit(rows, &batch)?;
                rows += batch.num_rows() as u64;
            }
            let (found, expected) = (rows - before, row_group.num_rows());
            if i64::try_from(found) != Ok(expected) {
                let reason =
                    format!("row group {number} has {found} rows, its footer says {expected}");
                return Err(self.finding(reason));
            }
            if let Some(position) = extent.first_difference(row_group) {
                let column = row_group.column(position).column_path();
                let reason =
                    format!("values of column {column} are not those that the footer describes");
                return Err(self.finding(reason));
            }
        }
        Ok(rows)
    }

    fn finding(&self, reason: impl std::fmt::Display) -> Error {
        finding(&self.name, reason)
    }
}

/// Checks that a column has the codec of the report. Columns that do not get smaller are not compressed.
fn check_codec(
    column: &ColumnChunkMetaData,
    compression: ParquetCompression,
) -> std::result::Result<(), String> {
    let codec = column.compression();
    let is_expected = discriminant(&codec) == discriminant(&compression.codec());
    match is_expected || codec == Codec::UNCOMPRESSED {
        true => Ok(()),
        false => Err(format!("codec {codec}, expected {compression}")),
    }
}

/// Returns the error that a part cannot be decoded.
fn decode_error(name: &str, error: &dyn std::fmt::Display) -> Error {
    finding(name, format!("it cannot be decoded ({error})"))
}

fn describe(error: &ParquetError) -> String {
    format!("a page that cannot be read ({error})")
}

fn describe_field(field: Option<&Arc<Field>>) -> String {
    match field {
        None => "absent".to_owned(),
        Some(field) => {
            let not_null = if field.is_nullable() { "" } else { " not null" };
            format!("{} {}{not_null}", field.name(), field.data_type())
        }
    }
}
