//! Parses the manifest of a COPY. An entry needs a URL, and for Parquet also the size of the object.

use serde_json::Value;

/// An object in a manifest.
pub struct ManifestEntry {
    pub url: String,
    /// Whether the load fails if the object does not exist.
    pub mandatory: bool,
    /// The size of the object in bytes, if the entry has it.
    pub content_length: Option<u64>,
}

/// Parses a manifest.
pub fn parse_manifest(bytes: &[u8]) -> Result<Vec<ManifestEntry>, String> {
    let manifest: Value =
        serde_json::from_slice(bytes).map_err(|e| format!("invalid manifest: {e}"))?;
    let entries = manifest["entries"].as_array();
    let entries = entries.ok_or("invalid manifest: it has no array \"entries\"")?;
    entries.iter().map(parse_entry).collect()
}

fn parse_entry(entry: &Value) -> Result<ManifestEntry, String> {
    let url = entry["url"]
        .as_str()
        .ok_or("invalid manifest: an entry has no \"url\"")?;
    let mandatory = match &entry["mandatory"] {
        Value::Null => false,
        Value::Bool(mandatory) => *mandatory,
        _ => return Err("invalid manifest: \"mandatory\" is not a boolean".to_owned()),
    };
    Ok(ManifestEntry {
        url: url.to_owned(),
        mandatory,
        content_length: entry["meta"]["content_length"].as_u64(),
    })
}
