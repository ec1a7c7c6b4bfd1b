//! Output: Parquet parts, reject files and the report, put in place as one step.
//!
//! The last stage of the data path. Everything is written to a [`Staging`], and seen by nobody until
//! [`Staging::publish`]; a [`PublishedDataset`] star is what a load reads.

pub mod clean;
mod codec;
mod parquet;
mod part_reader;
mod publish;
mod published_star;
mod rejects;
pub mod report;
mod staging;

pub use self::parquet::{Part, PartWriter};
pub use codec::Compression;
pub use part_reader::{PartReader, RowGroup, RowGroupReader};
pub use publish::s3::LATEST_FILE;
pub use published_star::PublishedDataset;
pub use rejects::{REJECTS_DIR, RejectBuffer};
pub use staging::{Staging, TableParts, manifest_key};
