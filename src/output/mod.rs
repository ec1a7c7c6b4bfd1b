//! Writes and publishes the output of a run: Parquet parts, reject files and the report.
//!
//! This is the last stage of the data path. A run writes to a [`Staging`], and readers see nothing of it before
//! [`Staging::publish`]. A load reads a [`PublishedDataset`].

pub mod clean;
mod codec;
mod parquet;
mod parquet_part_reader;
mod publish;
mod published_dataset;
mod rejects;
pub mod run_report;
mod staging;

pub use self::parquet::{PartInfo, PartWriter};
pub use codec::ParquetCompression;
pub use parquet_part_reader::{ParquetPartReader, RowGroupReader, StoredRowGroup};
pub use publish::s3::LATEST_FILE;
pub use published_dataset::PublishedDataset;
pub use rejects::{REJECTS_DIR, RejectBuffer};
pub use staging::{Staging, TableParts, manifest_key};
