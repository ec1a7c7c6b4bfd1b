//! Reads back Parquet parts that this run wrote, one row group at a time.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};

use super::part_info::PartInfo;
use super::stored_row_group::{RowGroupBytes, StoredRowGroup, changed_error};
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::storage::{ObjectMeta, ObjectRange, ObjectVersion, RangeReader, Store};

/// Bytes of the first read from the end of a part: more than the footer of most parts.
const FOOTER_READ_BYTES: u64 = 64 * 1024;

/// Reads a Parquet part that this run wrote.
#[derive(Debug)]
pub(crate) struct ParquetPartReader<'a> {
    store: &'a dyn Store,
    object: ObjectMeta,
    name: String,
    metadata: ArrowReaderMetadata,
}

impl<'a> ParquetPartReader<'a> {
    /// Opens a part of `table` and reads its footer. `row_groups` has the number of rows of each row group.
    ///
    /// # Errors
    /// Returns an error if the part cannot be read or has changed since it was written.
    pub(in crate::output) fn open(
        store: &'a dyn Store,
        key: String,
        table: &TableSchema,
        part: PartInfo,
        row_groups: &[u64],
    ) -> Result<Self> {
        let name = store.display(&key);
        let object = ObjectMeta {
            key,
            size: part.bytes,
            version: ObjectVersion::Unknown,
        };
        let mut parser = ParquetMetaDataReader::new();
        let mut tail = FOOTER_READ_BYTES.min(part.bytes);
        let footer = loop {
            let start = part.bytes - tail;
            let mut reader = open_ranges(store, vec![object_range(&object, start, part.bytes)])?;
            let bytes = read_exact(reader.as_mut(), tail, &name)?;
            match parser.try_parse_sized(&bytes, part.bytes) {
                Err(ParquetError::NeedMoreData(needed)) if needed as u64 > tail => {
                    tail = (needed as u64).min(part.bytes);
                }
                parsed => break parsed.and_then(|()| parser.finish()),
            }
        };
        let options = ArrowReaderOptions::new().with_schema(dictionary_schema(table));
        let metadata =
            footer.and_then(|footer| ArrowReaderMetadata::try_new(Arc::new(footer), options));
        let metadata = metadata.map_err(|e| changed_error(&name, &e))?;
        let found_row_groups = metadata.metadata().row_groups().iter();
        if !found_row_groups
            .map(RowGroupMetaData::num_rows)
            .eq(row_groups.iter().map(|&rows| rows as i64))
        {
            return Err(changed_error(
                &name,
                &"row counts of its row groups do not match",
            ));
        }
        Ok(Self {
            store,
            object,
            name,
            metadata,
        })
    }

    /// Returns the schema of the rows that are read: the schema of the table with dictionary-encoded text.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Returns an error which says that the part has changed since it was written.
    pub(crate) fn changed_error(&self, reason: &dyn std::fmt::Display) -> Error {
        changed_error(&self.name, reason)
    }

    /// Starts to read some row groups, by their numbers in ascending order.
    ///
    /// # Errors
    /// Returns an error if the part cannot be read or has changed since it was written.
    pub(crate) fn read_row_groups(
        &self,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Result<RowGroupReader<'_>> {
        let row_groups = numbers
            .into_iter()
            .map(|number| self.row_group_range(number));
        let pending: Vec<RowGroupRange> = row_groups.collect::<Result<_>>()?;
        let mut ranges: Vec<ObjectRange> = Vec::new();
        for &RowGroupRange { start, end, .. } in &pending {
            match ranges.last_mut() {
                Some(last) if last.expected_end == start => last.expected_end = end,
                _ => ranges.push(object_range(&self.object, start, end)),
            }
        }
        Ok(RowGroupReader {
            part: self,
            position: ranges.first().map_or(0, |range| range.start),
            has_gaps: ranges.len() > 1,
            reader: open_ranges(self.store, ranges)?,
            remaining: pending.into_iter(),
        })
    }

    /// Starts to read all row groups. A file is opened only once, so that it may be removed from then on.
    ///
    /// # Errors
    /// Returns an error if the part cannot be read or has changed since it was written.
    pub(crate) fn read_all_row_groups(&self) -> Result<RowGroupReader<'_>> {
        let row_groups = self.read_row_groups(0..self.metadata.metadata().num_row_groups())?;
        match row_groups.has_gaps {
            true => Err(self.changed_error(&"gaps between its row groups")),
            false => Ok(row_groups),
        }
    }

    /// Returns where a row group is.
    fn row_group_range(&self, number: usize) -> Result<RowGroupRange> {
        let range = || {
            let group = self.metadata.metadata().row_groups().get(number)?;
            let chunks = group.columns().iter().map(|column| {
                let data = column.data_page_offset();
                let start = u64::try_from(column.dictionary_page_offset().unwrap_or(data)).ok()?;
                let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
                (end <= self.object.size).then_some((start, end))
            });
            let chunks: Vec<_> = chunks.collect::<Option<_>>()?;
            let start = chunks.iter().map(|&(start, _)| start).min()?;
            let end = chunks.iter().map(|&(_, end)| end).max()?;
            Some(RowGroupRange { number, start, end })
        };
        range().ok_or_else(|| self.changed_error(&format!("row group {number} is missing")))
    }
}

/// Where a row group is in its part.
#[derive(Debug, Clone, Copy)]
struct RowGroupRange {
    number: usize,
    /// The offset of the first byte.
    start: u64,
    /// The offset one past the last byte.
    end: u64,
}

/// Returns the schema that a table is read with: text is dictionary-encoded.
fn dictionary_schema(table: &TableSchema) -> SchemaRef {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema = table.arrow_schema();
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Field::new(field.name(), text(), field.is_nullable()),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn object_range(object: &ObjectMeta, start: u64, end: u64) -> ObjectRange {
    ObjectRange {
        object: object.clone(),
        start,
        expected_end: end,
    }
}

/// Returns a reader that is positioned at the first range.
fn open_ranges(store: &dyn Store, ranges: Vec<ObjectRange>) -> Result<Box<dyn RangeReader>> {
    let mut reader = store.read_ranges(ranges);
    reader.next_range()?;
    Ok(reader)
}

fn read_exact(reader: &mut dyn RangeReader, length: u64, name: &str) -> Result<Bytes> {
    let mut buffer = vec![0; length as usize];
    match reader.read_exact(&mut buffer) {
        Ok(()) => Ok(buffer.into()),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(changed_error(name, &"truncated")),
        Err(e) => Err(Error::io("cannot read", Path::new(name), e)),
    }
}

/// Reads row groups of a part one after the other.
pub(crate) struct RowGroupReader<'a> {
    part: &'a ParquetPartReader<'a>,
    reader: Box<dyn RangeReader>,
    /// The offset of `reader` in the part.
    position: u64,
    /// Whether parts of the file between the row groups are skipped.
    has_gaps: bool,
    /// The row groups that are not read yet.
    remaining: std::vec::IntoIter<RowGroupRange>,
}

impl RowGroupReader<'_> {
    /// Reads the next row group.
    ///
    /// # Errors
    /// Returns an error if the row group cannot be read, has changed since it was written, or is missing.
    pub(crate) fn next_row_group(&mut self) -> Result<StoredRowGroup> {
        let next = self.remaining.next();
        let RowGroupRange { number, start, end } =
            next.ok_or_else(|| self.part.changed_error(&"a row group is missing"))?;
        if self.position != start {
            self.reader.next_range()?;
        }
        let bytes = read_exact(self.reader.as_mut(), end - start, &self.part.name)?;
        self.position = end;
        Ok(StoredRowGroup {
            number,
            name: self.part.name.clone(),
            metadata: self.part.metadata.clone(),
            chunks: RowGroupBytes {
                part_len: self.part.object.size,
                offset: start,
                bytes,
            },
        })
    }
}
