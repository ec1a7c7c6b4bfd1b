//! Writes Parquet parts, with one row group for each record batch.

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression as Codec, Encoding};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::codec::{Compressor, ParquetCompression};
use super::pages::{EncodedColumnChunk, encode_column};
use super::part_info::PartInfo;
use super::stored_row_group::StoredRowGroup;
use crate::error::{Error, Result};
use crate::storage::Upload;

/// Writes one Parquet file.
pub struct PartWriter {
    /// The path or URL of the file.
    name: String,
    number: usize,
    schema: SchemaRef,
    writer: SerializedFileWriter<Box<dyn Upload>>,
    column_writers: ArrowRowGroupWriterFactory,
    /// The compressor of the pages; `None` without compression.
    compressor: Option<Compressor>,
    rows: u64,
}

impl PartWriter {
    /// Starts to write part `number` to `file`, whose name in messages is `name`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn new(
        file: Box<dyn Upload>,
        name: String,
        number: usize,
        schema: SchemaRef,
        compression: ParquetCompression,
    ) -> Result<Self> {
        let path: &Path = name.as_ref();
        let create = || {
            let parquet = ArrowSchemaConverter::new().convert(&schema)?;
            let properties = Arc::new(writer_properties(&schema, compression));
            let writer = SerializedFileWriter::new(file, parquet.root_schema_ptr(), properties)?;
            let columns = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
            Ok((writer, columns))
        };
        let (writer, columns) = create().map_err(|e| write_error(path, e))?;
        let compressor =
            Compressor::new(compression).map_err(|e| Error::io("cannot compress", path, e))?;
        Ok(Self {
            name,
            number,
            schema,
            writer,
            column_writers: columns,
            compressor,
            rows: 0,
        })
    }

    /// Writes a batch as one row group.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        self.write_row_group(batch)
            .map_err(|e| write_error(self.name.as_ref(), e))
    }

    fn write_row_group(&mut self, batch: &RecordBatch) -> std::result::Result<(), ParquetError> {
        let row_group_index = self.writer.flushed_row_groups().len();
        let descriptors = self.writer.schema_descr().columns().to_vec();
        let properties = Arc::clone(self.writer.properties());
        // Created only if a column needs one: the writers of all columns are created together, which is not free.
        let mut generic_writers = Vec::new();
        let mut group = self.writer.next_row_group()?;
        assert_eq!(
            batch.num_columns(),
            self.schema.fields().len(),
            "a batch has all columns of its part"
        );
        let columns = self.schema.fields().iter().zip(batch.columns());
        for (column_index, ((field, column), descriptor)) in columns.zip(descriptors).enumerate() {
            let compressor = match properties.compression(descriptor.path()) {
                Codec::UNCOMPRESSED => None,
                _ => self.compressor.as_mut(),
            };
            if let Some(encoded) = encode_column(column, descriptor, compressor)? {
                let EncodedColumnChunk { pages, close } = encoded;
                group.append_column(&pages, close)?;
                continue;
            }
            if generic_writers.is_empty() {
                let writers = self.column_writers.create_column_writers(row_group_index)?;
                generic_writers = writers.into_iter().map(Some).collect();
            }
            #[expect(
                clippy::expect_used,
                reason = "without the writer a column would be missing"
            )]
            let mut writer = generic_writers[column_index]
                .take()
                .expect("each column is written once");
            for leaf in compute_leaves(field, column)? {
                writer.write(&leaf)?;
            }
            writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Copies a row group of another part of the same table in its stored form.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn copy_row_group(&mut self, row_group: &StoredRowGroup) -> Result<()> {
        self.rows += row_group.metadata().num_rows() as u64;
        self.append_row_group(row_group)
            .map_err(|e| write_error(self.name.as_ref(), e))
    }

    fn append_row_group(
        &mut self,
        row_group: &StoredRowGroup,
    ) -> std::result::Result<(), ParquetError> {
        let metadata = row_group.metadata();
        let mut group = self.writer.next_row_group()?;
        for column in metadata.columns() {
            let close = ColumnCloseResult {
                bytes_written: column.compressed_size() as u64,
                rows_written: metadata.num_rows() as u64,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            group.append_column(row_group.chunks(), close)?;
        }
        group.close()?;
        Ok(())
    }

    /// Writes the footer and finishes the file. Returns its number of rows and its length.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn close(self) -> Result<PartInfo> {
        let Self { name, writer, .. } = self;
        let file = writer.into_inner();
        let file = file.map_err(|e| write_error(name.as_ref(), e))?;
        Ok(PartInfo {
            number: self.number,
            rows: self.rows,
            bytes: file.finish()?,
        })
    }
}

fn write_error(path: &Path, error: ParquetError) -> Error {
    let error = match error {
        ParquetError::External(external) => match external.downcast::<std::io::Error>() {
            Ok(io_error) => return Error::io("cannot write", path, *io_error),
            Err(external) => ParquetError::External(external),
        },
        error => error,
    };
    Error::failed(format!("cannot write {}", path.display())).with_source(error)
}

fn writer_properties(schema: &SchemaRef, compression: ParquetCompression) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        // Redshift's COPY certainly reads version 1 pages, plain or dictionary-encoded.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("sparkify ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression.codec())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for (column_index, field) in schema.fields().iter().enumerate() {
        let path = ColumnPath::from(field.name().as_str());
        // Keys and doubles hardly repeat, so that a dictionary would only add cost.
        let is_key = column_index == 0;
        if is_key || field.data_type() == &DataType::Float64 {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::PLAIN);
        }
        let is_uncompressed = match field.data_type() {
            // Hashes do not compress, or hardly so if they repeat.
            DataType::Int64 => true,
            // Snappy has no entropy coder: it makes times 23 % and durations 10 % smaller (zstd 56 % and 34 %).
            // That is 8 % of an output, and costs 4 % of the CPU time of a run: as much as all other columns.
            DataType::Timestamp(..) | DataType::Float64 => {
                compression == ParquetCompression::Snappy
            }
            _ => false,
        };
        if is_uncompressed {
            properties = properties.set_column_compression(path, Codec::UNCOMPRESSED);
        }
    }
    properties.build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};

    use super::*;
    use crate::model::sparkify::TIME;
    use crate::storage::{MemoryStore, Store};

    #[test]
    #[should_panic(expected = "a batch has all columns of its part")]
    fn a_batch_without_all_columns_is_refused() {
        let file = MemoryStore::new().create("part").unwrap();
        let schema = TIME.arrow_schema();
        let name = "part".to_owned();
        let mut part = PartWriter::new(file, name, 0, schema, ParquetCompression::Snappy).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("start_time", column)]).unwrap();
        let _ = part.write(&batch);
    }
}
