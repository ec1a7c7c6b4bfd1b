//! Holds a row group of a part in memory, in its stored form.

use arrow_array::{BooleanArray, RecordBatch, RecordBatchReader};
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result};

/// A row group in memory, in its stored form.
#[derive(Debug)]
pub struct StoredRowGroup {
    /// The number of the row group in its part.
    pub(super) number: usize,
    /// The path or URL of the part.
    pub(super) name: String,
    /// The metadata of the part.
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) chunks: RowGroupBytes,
}

impl StoredRowGroup {
    /// Returns the metadata of the row group.
    pub(super) fn metadata(&self) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(self.number)
    }

    /// Returns the column chunks, at their offsets in the part.
    pub(super) fn chunks(&self) -> &impl ChunkReader {
        &self.chunks
    }

    /// Decodes the named columns (`None`: all) of the selected rows (`None`: all).
    ///
    /// # Errors
    /// Returns an error if the row group has changed since it was written.
    pub fn decode(
        &self,
        columns: Option<&[&str]>,
        selection: Option<&BooleanArray>,
    ) -> Result<RecordBatch> {
        let changed_error = |reason: &dyn std::fmt::Display| changed_error(&self.name, reason);
        let rows = self.metadata().num_rows() as usize;
        let metadata = self.metadata.clone();
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.chunks.clone(), metadata)
                .with_row_groups(vec![self.number])
                .with_batch_size(rows);
        if let Some(names) = columns {
            let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
            builder = builder.with_projection(mask);
        }
        let mut expected = rows;
        if let Some(selection) = selection {
            expected = selection.true_count();
            builder = builder
                .with_row_selection(RowSelection::from_filters(std::slice::from_ref(selection)))
                // Few rows are selected, and those between are skipped.
                .with_row_selection_policy(RowSelectionPolicy::Selectors);
        }
        let mut batches = builder.build().map_err(|e| changed_error(&e))?;
        let schema = batches.schema();
        let batch = batches.next().transpose().map_err(|e| changed_error(&e))?;
        let batch = batch.unwrap_or_else(|| RecordBatch::new_empty(schema));
        match batch.num_rows() == expected {
            true => Ok(batch),
            false => Err(changed_error(&"the number of rows does not match")),
        }
    }
}

/// The bytes of a row group, addressed by their offsets in the part.
#[derive(Debug, Clone)]
pub(super) struct RowGroupBytes {
    /// The length of the part.
    pub part_len: u64,
    /// The offset of the first byte.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Length for RowGroupBytes {
    fn len(&self) -> u64 {
        self.part_len
    }
}

impl ChunkReader for RowGroupBytes {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        let end = self.offset + self.bytes.len() as u64;
        let length = end.saturating_sub(start) as usize;
        self.get_bytes(start, length).map(Buf::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        let outside = || ParquetError::EOF(format!("byte {start} is outside the row group"));
        let start = start.checked_sub(self.offset).ok_or_else(outside)? as usize;
        let end = start.checked_add(length).ok_or_else(outside)?;
        match end <= self.bytes.len() {
            true => Ok(self.bytes.slice(start..end)),
            false => Err(outside()),
        }
    }
}

/// Returns the error of a part that changed while the run read it.
pub(super) fn changed_error(name: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::failed(format!("cannot read {name}"))
        .with_reason(format!("it changed after this run wrote it ({reason})"))
        .with_hint("make sure that nothing else writes to --out, and run again")
}
