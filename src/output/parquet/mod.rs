//! Writes Parquet parts, and reads back parts of the same run.
//!
//! A part has one row group for each record batch. `pages` encodes the columns that our own encoder is faster for.

mod chunk_positions;
mod codec;
mod pages;
mod part_info;
mod part_reader;
mod part_writer;
mod rle;
mod stored_row_group;

pub(crate) use chunk_positions::check_chunk_positions;
pub use codec::ParquetCompression;
pub use part_info::PartInfo;
pub(crate) use part_reader::ParquetPartReader;
pub use part_writer::PartWriter;
pub(crate) use stored_row_group::StoredRowGroup;
