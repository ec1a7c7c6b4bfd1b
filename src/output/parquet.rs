//! Parquet parts: a record batch in, a row group out.

use std::fs::File;
use std::path::{Path, PathBuf};

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use ::parquet::schema::types::ColumnPath;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};

use super::report::TableReport;
use crate::error::{Error, Result};

/// The writer of one Parquet file.
pub struct PartWriter {
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: u64,
}

impl PartWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io("cannot write", path, &e))?;
        let options = ArrowWriterOptions::new()
            .with_properties(properties(&schema))
            // Readers should see plain text, not that it was dictionary-encoded in memory.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, schema, options)
            .map_err(|e| cannot_write(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            rows: 0,
        })
    }

    /// Writes a batch as one row group.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.writer.write(batch).and_then(|()| self.writer.flush());
        self.rows += batch.num_rows() as u64;
        written.map_err(|e| cannot_write(&self.path, e))
    }

    /// Writes the footer, and gives what the file adds to its table.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(mut self) -> Result<TableReport> {
        self.writer
            .finish()
            .map_err(|e| cannot_write(&self.path, e))?;
        Ok(TableReport {
            rows: self.rows,
            files: 1,
            bytes: self.writer.bytes_written() as u64,
        })
    }
}

fn cannot_write(path: &Path, why: ParquetError) -> Error {
    if let ParquetError::External(e) = &why
        && let Some(e) = e.downcast_ref::<std::io::Error>()
    {
        return Error::io("cannot write", path, e);
    }
    Error::failed(format!("cannot write {}", path.display())).because(why)
}

fn properties(schema: &SchemaRef) -> WriterProperties {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        // What Redshift's COPY reads for certain: version 1 pages, plain or dictionary.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("sparkify ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for (number, field) in schema.fields().iter().enumerate() {
        let path = ColumnPath::from(field.name().as_str());
        // A key has a value a row: a dictionary of it only costs.
        let key = number == 0;
        let distinct = matches!(
            field.data_type(),
            DataType::Timestamp(..) | DataType::Float64 | DataType::Int64
        );
        if key || distinct {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::PLAIN);
        }
        if key && field.data_type() == &DataType::Int64 {
            // Hashes do not compress.
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
    }
    properties.build()
}
