//! Builds a record batch: appends scanned records to the columns of the schema.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use super::builders::ColumnBuilder;
use super::decode_call::MAX_RECORD_BYTES;
use super::record_block::RecordBlock;
use super::value::ValueError;
use super::value_span::ValueSpan;
use crate::model::RecordSchema;

/// A batch is full when its records exceed this number of bytes: text offsets are 32 bits wide, and one
/// more record has at most [`MAX_RECORD_BYTES`].
const MAX_BATCH_BYTES: usize = 256 << 20;

const _: () = assert!(MAX_BATCH_BYTES + MAX_RECORD_BYTES < i32::MAX as usize);

/// The batch that is being built.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    max_rows: usize,
    /// The total length of the appended records.
    record_bytes: usize,
}

/// The value for which a record is rejected.
#[derive(Debug)]
pub(super) struct InvalidField {
    /// The key of the value.
    pub key: &'static str,
    /// What is wrong with the value.
    pub error: ValueError,
}

impl BatchBuilder {
    /// Returns a builder of empty batches of at most `max_rows` rows.
    pub(super) fn new(schema: &'static RecordSchema, max_rows: usize) -> Self {
        Self {
            schema: schema.arrow_schema(),
            columns: schema.fields.iter().map(ColumnBuilder::new).collect(),
            rows: 0,
            max_rows,
            record_bytes: 0,
        }
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns true if there is no room for another record after `pending` more records.
    #[inline(always)]
    pub(super) fn is_full_after(&self, pending: usize) -> bool {
        self.rows + pending >= self.max_rows || self.record_bytes > MAX_BATCH_BYTES
    }

    /// Discards all rows.
    pub(super) fn clear(&mut self) {
        for column in &mut self.columns {
            column.clear();
        }
        (self.rows, self.record_bytes) = (0, 0);
    }

    /// Appends the records of a block, column by column. Returns false if a value is invalid; no record is
    /// appended then.
    #[inline]
    pub(super) fn append_block(&mut self, bytes: &[u8], block: &RecordBlock) -> bool {
        let mut columns = self.columns.iter_mut().enumerate();
        let all_valid =
            columns.all(|(key, column)| column.extend(bytes, block.column_spans(key)).is_ok());
        if all_valid {
            self.rows += block.len();
            self.record_bytes += block.record_bytes();
        } else {
            self.truncate_columns();
        }
        all_valid
    }

    /// Appends one record of `record_bytes` bytes, whose values are at `spans` of `bytes`.
    ///
    /// # Errors
    /// Returns the invalid value whose reason comes first in the order of reasons. The record is not
    /// appended then.
    pub(super) fn append_record(
        &mut self,
        bytes: &[u8],
        spans: &[ValueSpan],
        record_bytes: usize,
    ) -> Result<(), InvalidField> {
        // Rejected records count too: their interned texts stay in the batch.
        self.record_bytes += record_bytes;
        let mut first: Option<InvalidField> = None;
        for (column, &span) in self.columns.iter_mut().zip(spans) {
            if let Err(error) = column.extend(bytes, std::iter::once(span))
                && first
                    .as_ref()
                    .is_none_or(|first| error.reason < first.error.reason)
            {
                let key = column.field().key;
                first = Some(InvalidField { key, error });
            }
        }
        match first {
            None => {
                self.rows += 1;
                Ok(())
            }
            Some(invalid) => {
                self.truncate_columns();
                Err(invalid)
            }
        }
    }

    /// Removes the values of records that were not appended completely.
    #[cold]
    fn truncate_columns(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.rows);
        }
    }

    /// Returns the batch and begins the next one.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self
            .columns
            .iter_mut()
            .map(ColumnBuilder::finish)
            .collect::<Result<_, _>>()?;
        (self.rows, self.record_bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}
