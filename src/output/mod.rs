//! Output: Parquet parts, reject files and the report, put in place as one step.
//!
//! The last stage of the data path. Everything is written to a [`Staging`], and seen by nobody until
//! [`Staging::publish`]; a [`Published`] star is what a load reads.

pub mod clean;
mod compression;
mod encode;
mod folder;
mod pack;
mod parquet;
mod part_reader;
mod published;
mod rejects;
pub mod report;
mod runs;
mod staging;

pub use self::parquet::{Part, PartWriter};
pub use compression::Compression;
pub use part_reader::{PartReader, RowGroup, RowGroups};
pub use published::Published;
pub use rejects::{REJECTS, Rejects};
pub use runs::LATEST;
pub use staging::{Parts, Staging, manifest_key};
