//! Describes the input objects of one kind, which Redshift reads by itself.

use crate::input::{InputCompression, RecordKind};
use crate::model::RecordSchema;
use crate::output::run_report::InputReport;

/// The song objects or the log objects of a run, which all are in S3.
#[derive(Debug, Clone)]
pub struct RawSource {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The schema of the records.
    pub record: &'static RecordSchema,
    /// The objects, in input order.
    pub objects: Vec<RawObject>,
    /// The report of the listed objects, before anything is read.
    pub report: InputReport,
}

/// An object in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// The URL, `s3://bucket/key`.
    pub url: String,
    /// The size in bytes, as stored.
    pub bytes: u64,
    /// The version of the contents that was listed, as one word.
    pub etag: String,
}

impl RawObject {
    /// Returns the compression that the name of the object tells. Nothing is read, so that the bytes cannot correct it.
    pub(super) fn compression(&self) -> Option<InputCompression> {
        InputCompression::from_file_name(&self.url)
    }
}
