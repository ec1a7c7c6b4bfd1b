//! Writes and publishes the output of a run: Parquet parts, reject files and the report.
//!
//! This is the last stage of the data path. A run writes to a [`Staging`], and readers see nothing of it before
//! [`Staging::publish`]. A load reads a [`PublishedDataset`]. `layout` has the names of everything that is written,
//! and `run_log` lists what runs reported.

pub(crate) mod clean;
mod copy_manifest;
mod latest;
mod layout;
mod output_target;
mod parquet;
mod publish;
mod published_dataset;
pub(crate) mod raw_staging;
mod reject_file;
pub(crate) mod reject_groups;
mod reject_line;
mod rejected_run;
mod rejects;
mod run_id;
pub(crate) mod run_log;
pub(crate) mod run_report;
mod staging;
mod staging_target;

pub(crate) use self::parquet::check_chunk_positions;
pub use self::parquet::{ParquetCompression, PartInfo, PartWriter};
pub(crate) use self::parquet::{ParquetPartReader, StoredRowGroup};
pub(crate) use copy_manifest::CopyManifest;
pub use layout::OutputArrangement;
pub(crate) use layout::{LATEST_FILE, REJECTS_DIR, REPORT_FILE, RunObject, manifest_key};
pub(crate) use output_target::describe_target;
pub(crate) use published_dataset::{PublishedDataset, Purpose};
pub(crate) use reject_file::RejectFile;
pub(crate) use reject_line::RejectLine;
pub(crate) use rejected_run::RejectedRun;
pub(crate) use rejects::{LineShift, RejectBuffer};
pub(crate) use run_id::RunId;
pub(crate) use staging::{Staging, TableParts};
