//! A dictionary-encoded column chunk, straight from an Arrow dictionary.
//!
//! The decoder has already given each distinct text a small key. The general writer would look up the
//! text of every row again; here the keys are renumbered by first use and packed as they are.
//! The layout is that of the Parquet format, version 1 pages
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>).

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// The pages of one column of a row group, and what the footer says of them.
pub(super) struct EncodedColumn {
    pub(super) pages: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// Encodes a column of text, each distinct one once.
///
/// # Errors
/// The column is larger than a page can be (2 GiB), or holds no text.
pub(super) fn encode(
    column: &DictionaryArray<Int32Type>,
    descriptor: ColumnDescPtr,
    level: ZstdLevel,
) -> Result<EncodedColumn> {
    let texts = column
        .values()
        .as_string_opt::<i32>()
        .ok_or_else(|| ParquetError::General("a dictionary of something but text".to_owned()))?;
    let mut numbers = vec![u32::MAX; texts.len()];
    let mut used: Vec<&str> = Vec::new();
    let mut indices = Vec::with_capacity(column.len());
    for key in column.keys_iter().flatten() {
        let Some(number) = numbers.get_mut(key) else {
            continue;
        };
        if *number == u32::MAX {
            *number = used.len() as u32;
            used.push(texts.value(key));
        }
        indices.push(*number);
    }

    let mut dictionary = Vec::with_capacity(used.iter().map(|text| text.len() + 4).sum());
    for text in &used {
        dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
        dictionary.extend_from_slice(text.as_bytes());
    }
    let mut data = Vec::with_capacity(column.len() * 2 + 16);
    if descriptor.max_def_level() > 0 {
        let levels: Vec<u32> = (0..column.len())
            .map(|row| column.is_valid(row).into())
            .collect();
        let mut packed = Vec::new();
        pack(&levels, 1, &mut packed);
        data.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        data.extend_from_slice(&packed);
    }
    let width = u32::BITS - (used.len() as u32).saturating_sub(1).leading_zeros();
    data.push(width as u8);
    pack(&indices, width, &mut data);

    let mut sink = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut sink);
    let dictionary = write(&mut writer, dictionary, level, |buf| Page::DictionaryPage {
        buf,
        num_values: used.len() as u32,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    })?;
    let rows = column.len();
    let data = write(&mut writer, data, level, |buf| Page::DataPage {
        buf,
        num_values: rows as u32,
        encoding: Encoding::RLE_DICTIONARY,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    })?;

    let bound = |text: Option<&&str>| text.map(|text| ByteArray::from(text.as_bytes().to_vec()));
    let nulls = column.null_count() as u64;
    let statistics = Statistics::byte_array(
        bound(used.iter().min()),
        bound(used.iter().max()),
        None,
        Some(nulls),
        false,
    );
    let sum = |part: fn(&PageWriteSpec) -> usize| (part(&dictionary) + part(&data)) as i64;
    let encodings = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
    let metadata = ColumnChunkMetaData::builder(descriptor)
        .set_compression(Compression::ZSTD(level))
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_total_compressed_size(sum(|page| page.compressed_size))
        .set_total_uncompressed_size(sum(|page| page.uncompressed_size))
        .set_num_values(rows as i64)
        .set_dictionary_page_offset(Some(dictionary.offset as i64))
        .set_data_page_offset(data.offset as i64)
        .set_statistics(statistics)
        .build()?;
    let pages = Bytes::from(sink.into_inner()?);
    let close = ColumnCloseResult {
        bytes_written: pages.len() as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Ok(EncodedColumn { pages, close })
}

fn write(
    writer: &mut SerializedPageWriter<'_, Vec<u8>>,
    bytes: Vec<u8>,
    level: ZstdLevel,
    page: impl FnOnce(Bytes) -> Page,
) -> Result<PageWriteSpec> {
    i32::try_from(bytes.len())
        .map_err(|_| ParquetError::General("a page of more than 2 GiB".to_owned()))?;
    let packed = zstd::bulk::compress(&bytes, level.compression_level())?;
    writer.write_page(CompressedPage::new(page(packed.into()), bytes.len()))
}

/// Values that repeat so often are a run; fewer are packed.
const RUN: usize = 8;

/// The hybrid of runs and bit packing: `values`, each of which fits `width` bits.
fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut rest = values;
    // How much of `rest` is looked through and will be packed.
    let mut packed = 0;
    while let Some((&value, tail)) = rest.get(packed..).and_then(<[u32]>::split_first) {
        let run = 1 + tail.iter().take_while(|&&other| other == value).count();
        // Only the last packed stretch may end off a group of eight.
        let fill = packed.next_multiple_of(8) - packed;
        if run >= RUN + fill {
            let (before, after) = rest.split_at(packed + fill);
            pack_bits(before, width, out);
            let run = run - fill;
            varint((run as u64) << 1, out);
            let bytes = width.div_ceil(8) as usize;
            out.extend(value.to_le_bytes().iter().take(bytes));
            rest = after.get(run..).unwrap_or_default();
            packed = 0;
        } else {
            packed += run;
        }
    }
    pack_bits(rest, width, out);
}

fn pack_bits(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut held) = (0u64, 0);
    for &value in values {
        bits |= u64::from(value) << held;
        held += width;
        if held >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            held -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes());
    // The last group is filled up with zeros, and what was one byte too many goes.
    out.resize(end, 0);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
