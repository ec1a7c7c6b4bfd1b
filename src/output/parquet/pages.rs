//! Encodes column chunks of integers and dictionary-encoded text directly from Arrow arrays to Parquet pages.
//!
//! The general writer hashes every value of a column to build its dictionary. Here the dictionary keys that the
//! decoder has assigned to texts are renumbered by first use and bit-packed, integers get a dictionary only if
//! they repeat, and other values are copied. The layout is that of the Parquet format, version 1 pages
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>).

use std::hash::BuildHasher;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, DictionaryArray};
use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parquet::basic::{Compression as Codec, Encoding, EncodingMask};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::codec::Compressor;
use super::rle::{encode_hybrid, put_rle_run};

/// The pages of one column of a row group, and their metadata for the footer.
pub(super) struct EncodedColumnChunk {
    pub(super) pages: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// A column chunk before its pages are compressed.
struct UncompressedColumnChunk {
    /// Definition levels of a nullable column.
    definition_levels: Option<Vec<u8>>,
    values: ChunkValues,
    rows: usize,
    statistics: Statistics,
}

/// Number of values of a plain page: 128 KiB for values of 8 bytes. For inputs up to this size zstd searches for
/// shorter matches, which compresses times by 37 % more than one page of all values.
const PLAIN_PAGE_VALUES: usize = 16 * 1024;

enum ChunkValues {
    /// Values one after the other, each `width` bytes wide.
    Plain { values: Vec<u8>, width: usize },
    /// Distinct values in order of first use, plain, and the bit-packed index of each value.
    Dictionary {
        dictionary: Vec<u8>,
        dictionary_len: u32,
        indices: Vec<u8>,
    },
}

/// Encodes a column of dictionary-encoded text, or of integers without nulls. Returns `None` for any other column.
/// Pages are compressed if there is a compressor.
///
/// # Errors
/// Returns an error if the column is larger than a page can be (2 GiB).
pub(super) fn encode_column(
    column: &dyn Array,
    descriptor: ColumnDescPtr,
    compressor: Option<&mut Compressor>,
) -> Result<Option<EncodedColumnChunk>> {
    let chunk = if let Some(texts) = column.as_dictionary_opt::<Int32Type>() {
        text_chunk(texts, descriptor.max_def_level() > 0)?
    } else if descriptor.max_def_level() > 0 {
        return Ok(None);
    } else if let Some(values) = column.as_primitive_opt::<Int32Type>() {
        int32_chunk(values.values())
    } else if let Some(values) = column.as_primitive_opt::<Int16Type>() {
        int32_chunk(
            &values
                .values()
                .iter()
                .map(|&v| v.into())
                .collect::<Vec<_>>(),
        )
    } else if let Some(values) = column.as_primitive_opt::<Int64Type>() {
        int64_chunk(values.values())
    } else if let Some(values) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        int64_chunk(values.values())
    } else {
        return Ok(None);
    };
    chunk.write_pages(descriptor, compressor).map(Some)
}

/// Encodes text with a dictionary.
fn text_chunk(
    column: &DictionaryArray<Int32Type>,
    nullable: bool,
) -> Result<UncompressedColumnChunk> {
    let texts = column
        .values()
        .as_string_opt::<i32>()
        .ok_or_else(|| ParquetError::General("expected a dictionary of text".to_owned()))?;
    let mut index_by_key = vec![u32::MAX; texts.len()];
    let mut used_texts: Vec<&str> = Vec::new();
    let mut indices = Vec::with_capacity(column.len());
    let mut push_index = |key: i32| {
        let Some(index) = index_by_key.get_mut(key as usize) else {
            return;
        };
        if *index == u32::MAX {
            *index = used_texts.len() as u32;
            used_texts.push(texts.value(key as usize));
        }
        indices.push(*index);
    };
    let keys = column.keys();
    if column.null_count() == 0 {
        keys.values().iter().for_each(|&key| push_index(key));
    } else {
        keys.iter().flatten().for_each(push_index);
    }
    let mut dictionary = Vec::with_capacity(used_texts.iter().map(|text| text.len() + 4).sum());
    for text in &used_texts {
        dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
        dictionary.extend_from_slice(text.as_bytes());
    }
    let bound = |text: Option<&&str>| text.map(|text| ByteArray::from(text.as_bytes().to_vec()));
    let nulls = Some(column.null_count() as u64);
    Ok(UncompressedColumnChunk {
        definition_levels: nullable.then(|| encode_definition_levels(column)),
        values: ChunkValues::dictionary(dictionary, used_texts.len(), &indices),
        rows: column.len(),
        statistics: Statistics::byte_array(
            bound(used_texts.iter().min()),
            bound(used_texts.iter().max()),
            None,
            nulls,
            false,
        ),
    })
}

/// Encodes which rows have a value. It is one run for most columns, which have a value in every row or in none.
fn encode_definition_levels(column: &dyn Array) -> Vec<u8> {
    let mut encoded = vec![0; 4];
    match column.null_count() {
        0 => put_rle_run(column.len(), 1, 1, &mut encoded),
        all if all == column.len() => put_rle_run(column.len(), 0, 1, &mut encoded),
        _ => {
            let levels: Vec<u32> = (0..column.len())
                .map(|row| column.is_valid(row).into())
                .collect();
            encode_hybrid(&levels, 1, &mut encoded);
        }
    }
    let len = encoded.len() as u32 - 4;
    if let Some(to) = encoded.first_chunk_mut() {
        *to = len.to_le_bytes();
    }
    encoded
}

/// Encodes integers, with a dictionary if at most a quarter of them are distinct.
fn int32_chunk(values: &[i32]) -> UncompressedColumnChunk {
    let (min, max) = min_max(values);
    let encoded = dictionary_encode(values, values.len() / 4);
    let plain = |values: &[i32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    UncompressedColumnChunk {
        definition_levels: None,
        values: match encoded {
            Some((distinct, indices)) => {
                ChunkValues::dictionary(plain(&distinct), distinct.len(), &indices)
            }
            None => ChunkValues::Plain {
                values: plain(values),
                width: 4,
            },
        },
        rows: values.len(),
        statistics: Statistics::int32(min, max, None, Some(0), false),
    }
}

fn min_max<T: Ord + Copy>(values: &[T]) -> (Option<T>, Option<T>) {
    (values.iter().min().copied(), values.iter().max().copied())
}

/// Returns the distinct values in order of first use, and the index of each value in them. Returns `None` if there
/// are more than `max_distinct`.
fn dictionary_encode(values: &[i32], max_distinct: usize) -> Option<(Vec<i32>, Vec<u32>)> {
    let state = FixedState::default();
    let mut index_by_value: HashTable<u32> = HashTable::new();
    let mut distinct: Vec<i32> = Vec::new();
    let mut indices: Vec<u32> = Vec::with_capacity(values.len());
    let mut last = None;
    for &value in values {
        // In sorted columns a value mostly equals the previous one.
        if let Some((same, number)) = last
            && same == value
        {
            indices.push(number);
            continue;
        }
        let same = |&number: &u32| distinct[number as usize] == value;
        let hash = |&number: &u32| state.hash_one(distinct[number as usize]);
        let number = match index_by_value.entry(state.hash_one(value), same, hash) {
            Entry::Occupied(number) => *number.get(),
            Entry::Vacant(_) if distinct.len() >= max_distinct => return None,
            Entry::Vacant(slot) => {
                let number = distinct.len() as u32;
                slot.insert(number);
                distinct.push(value);
                number
            }
        };
        indices.push(number);
        last = Some((value, number));
    }
    Some((distinct, indices))
}

/// Encodes 64-bit ids and times as plain values, because nearly all are distinct.
fn int64_chunk(values: &[i64]) -> UncompressedColumnChunk {
    let (min, max) = min_max(values);
    UncompressedColumnChunk {
        definition_levels: None,
        values: ChunkValues::Plain {
            values: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            width: 8,
        },
        rows: values.len(),
        statistics: Statistics::int64(min, max, None, Some(0), false),
    }
}

impl ChunkValues {
    fn dictionary(dictionary: Vec<u8>, count: usize, indices: &[u32]) -> Self {
        let count = count as u32;
        let width = u32::BITS - count.saturating_sub(1).leading_zeros();
        let mut encoded = Vec::with_capacity(indices.len() * width as usize / 8 + 16);
        encoded.push(width as u8);
        encode_hybrid(indices, width, &mut encoded);
        Self::Dictionary {
            dictionary,
            dictionary_len: count,
            indices: encoded,
        }
    }
}

impl UncompressedColumnChunk {
    /// Writes the pages, compressed if there is a compressor.
    fn write_pages(
        self,
        descriptor: ColumnDescPtr,
        mut compressor: Option<&mut Compressor>,
    ) -> Result<EncodedColumnChunk> {
        let codec = compressor
            .as_ref()
            .map_or(Codec::UNCOMPRESSED, |c| c.codec());
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let mut pages: Vec<PageWriteSpec> = Vec::new();
        let mut write = |bytes: &[u8], page: &dyn Fn(Bytes) -> Page| -> Result<()> {
            let compressed = compress_page(bytes, compressor.as_deref_mut())?;
            pages.push(writer.write_page(CompressedPage::new(page(compressed), bytes.len()))?);
            Ok(())
        };
        let data_page = |buf, rows: usize, encoding| Page::DataPage {
            buf,
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let encoding = match &self.values {
            ChunkValues::Plain { values, width } => {
                for page in values.chunks(PLAIN_PAGE_VALUES * width) {
                    let rows = page.len() / width;
                    write(page, &|buf| data_page(buf, rows, Encoding::PLAIN))?;
                }
                Encoding::PLAIN
            }
            ChunkValues::Dictionary {
                dictionary,
                dictionary_len,
                indices,
            } => {
                write(dictionary, &|buf| Page::DictionaryPage {
                    buf,
                    num_values: *dictionary_len,
                    encoding: Encoding::PLAIN,
                    is_sorted: false,
                })?;
                let data = [
                    self.definition_levels.as_deref().unwrap_or_default(),
                    indices,
                ]
                .concat();
                write(&data, &|buf| {
                    data_page(buf, self.rows, Encoding::RLE_DICTIONARY)
                })?;
                Encoding::RLE_DICTIONARY
            }
        };
        let stored = Bytes::from(sink.into_inner()?);
        self.close(descriptor, codec, encoding, &pages, stored)
    }

    /// Describes the chunk whose pages are written as `stored`.
    fn close(
        self,
        descriptor: ColumnDescPtr,
        codec: Codec,
        encoding: Encoding,
        pages: &[PageWriteSpec],
        stored: Bytes,
    ) -> Result<EncodedColumnChunk> {
        let start_of = |page: &PageWriteSpec| page.offset as i64;
        let (dictionary_offset, data_offset) = match (&self.values, pages) {
            (ChunkValues::Dictionary { .. }, [dictionary, data, ..]) => {
                (Some(start_of(dictionary)), start_of(data))
            }
            (ChunkValues::Plain { .. }, [data, ..]) => (None, start_of(data)),
            // An empty table.
            (ChunkValues::Plain { .. }, []) => (None, 0),
            #[expect(
                clippy::panic,
                reason = "without its dictionary the data cannot be read"
            )]
            (ChunkValues::Dictionary { .. }, _) => {
                panic!("a dictionary-encoded chunk has {} pages", pages.len())
            }
        };
        let sum = |part: fn(&PageWriteSpec) -> usize| pages.iter().map(part).sum::<usize>() as i64;
        let encodings = [Encoding::PLAIN, Encoding::RLE, encoding];
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_compression(codec)
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_total_compressed_size(sum(|page| page.compressed_size))
            .set_total_uncompressed_size(sum(|page| page.uncompressed_size))
            .set_num_values(self.rows as i64)
            .set_dictionary_page_offset(dictionary_offset)
            .set_data_page_offset(data_offset)
            .set_statistics(self.statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: stored.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(EncodedColumnChunk {
            pages: stored,
            close,
        })
    }
}

/// Returns the stored bytes of a page.
fn compress_page(bytes: &[u8], compressor: Option<&mut Compressor>) -> Result<Bytes> {
    i32::try_from(bytes.len())
        .map_err(|_| ParquetError::General("page exceeds 2 GiB".to_owned()))?;
    match compressor {
        Some(compressor) => compressor.compress(bytes),
        None => Ok(Bytes::copy_from_slice(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowSchemaConverter;

    use super::*;
    use crate::model::sparkify::USERS;

    #[test]
    #[should_panic(expected = "a dictionary-encoded chunk has 0 pages")]
    fn a_dictionary_without_pages_is_a_bug() {
        let schema = ArrowSchemaConverter::new().convert(&USERS.arrow_schema());
        let descriptor = schema.unwrap().column(0);
        let chunk = UncompressedColumnChunk {
            definition_levels: None,
            values: ChunkValues::Dictionary {
                dictionary: Vec::new(),
                dictionary_len: 0,
                indices: Vec::new(),
            },
            rows: 1,
            statistics: Statistics::int32(None, None, None, None, false),
        };
        let codec = Codec::UNCOMPRESSED;
        let _ = chunk.close(descriptor, codec, Encoding::PLAIN, &[], Bytes::new());
    }

    #[test]
    fn a_dictionary_has_values_in_order_of_first_use() {
        let (distinct, indices) = dictionary_encode(&[7, 7, 5, 7, 9, 5], 3).unwrap();
        assert_eq!((distinct, indices), (vec![7, 5, 9], vec![0, 0, 1, 0, 2, 1]));
        assert_eq!(dictionary_encode(&[1, 2, 3, 4], 3), None);
    }
}
