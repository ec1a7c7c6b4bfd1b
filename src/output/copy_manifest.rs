//! Defines the manifests that name the Parquet parts of a table for Redshift.

use serde::Serialize;

/// A manifest for Redshift's COPY of Parquet, which requires the exact length of each file (Amazon
/// Redshift Database Developer Guide, "Using a manifest to specify data files").
#[derive(Debug, Serialize)]
pub(super) struct CopyManifest {
    entries: Vec<ManifestEntry>,
}

impl CopyManifest {
    /// Lists files by URL and length in bytes.
    pub(super) fn new(files: impl Iterator<Item = (String, u64)>) -> Self {
        let entry = |(url, content_length)| ManifestEntry {
            url,
            mandatory: true,
            meta: ManifestMeta { content_length },
        };
        Self {
            entries: files.map(entry).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct ManifestEntry {
    url: String,
    mandatory: bool,
    meta: ManifestMeta,
}

#[derive(Debug, Serialize)]
struct ManifestMeta {
    content_length: u64,
}
