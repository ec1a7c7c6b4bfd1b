//! Defines the manifests that name files for Redshift's COPY: the Parquet parts of a table, and JSON objects.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// A manifest for Redshift's COPY of Parquet, which requires the exact length of each file (Amazon
/// Redshift Database Developer Guide, "Using a manifest to specify data files").
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CopyManifest {
    entries: Vec<ManifestEntry>,
}

impl CopyManifest {
    /// Lists files by URL and length in bytes.
    pub(crate) fn new(files: impl Iterator<Item = (String, u64)>) -> Self {
        let entry = |(url, content_length)| ManifestEntry {
            url,
            mandatory: true,
            meta: ManifestMeta { content_length },
        };
        Self {
            entries: files.map(entry).collect(),
        }
    }

    /// Returns the files by URL and length in bytes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.entries
            .iter()
            .map(|entry| (entry.url.as_str(), entry.meta.content_length))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestEntry {
    url: String,
    mandatory: bool,
    meta: ManifestMeta,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestMeta {
    content_length: u64,
}

#[derive(Debug, Serialize)]
struct JsonManifestEntry<'a> {
    url: &'a str,
    mandatory: bool,
}

/// Writes a manifest for COPY of JSON, which needs no lengths, one entry a line. It is not held in memory, because it
/// can list a million objects.
///
/// # Errors
/// Returns an error if `out` cannot be written to.
pub(super) fn write_json_manifest<'a>(
    out: &mut dyn Write,
    urls: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    out.write_all(b"{\"entries\": [")?;
    for (number, url) in urls.enumerate() {
        let separator: &[u8] = if number == 0 { b"\n" } else { b",\n" };
        out.write_all(separator)?;
        let entry = JsonManifestEntry {
            url,
            mandatory: true,
        };
        serde_json::to_writer(&mut *out, &entry)?;
    }
    out.write_all(b"\n]}\n")
}
