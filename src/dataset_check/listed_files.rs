//! Checks the list of files: readers of a folder read everything in it, and COPY reads what its manifest names.

use std::collections::BTreeMap;

use super::finding::finding;
use crate::error::Result;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::output::{PublishedDataset, RunObject, manifest_key};
use crate::storage::{Location, ObjectMeta};

/// The Parquet parts of a dataset, as they are listed.
#[derive(Debug)]
pub(super) struct ListedFiles {
    /// The parts of each table, by its name, in order.
    parts: BTreeMap<&'static str, Vec<ObjectMeta>>,
    /// The number of manifests that name the parts of their table.
    pub manifests: u64,
}

impl ListedFiles {
    /// Lists the files of a dataset, and compares them with the report and the manifests.
    ///
    /// # Errors
    /// Returns an error if the dataset cannot be listed, or that names the first difference.
    pub(super) fn list(dataset: &PublishedDataset) -> Result<Self> {
        let listing = dataset.store().list_all("")?;
        if let Some((_, error)) = listing.unreadable.into_iter().next() {
            return Err(error);
        }
        let mut objects = listing.objects;
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut files = Self {
            parts: BTreeMap::new(),
            manifests: 0,
        };
        for object in objects {
            let name = dataset.store().display(&object.key);
            match object.key.parse() {
                Ok(RunObject::Part { table, .. }) => {
                    files.parts.entry(table.name).or_default().push(object);
                }
                Ok(RunObject::RemovalMarker) => {
                    return Err(finding(&name, "sparkify clean is removing the run"));
                }
                Ok(
                    RunObject::Manifest(_)
                    | RunObject::Rejects { .. }
                    | RunObject::RawStaging(_)
                    | RunObject::Report
                    | RunObject::FailedReport,
                ) => {}
                Err(_) => {
                    if let Some(table) = read_with_table(&object.key) {
                        let table = table.name;
                        let reason =
                            format!("a reader of {table} would read it, and no run wrote it");
                        return Err(finding(&name, reason).with_hint("move it elsewhere"));
                    }
                }
            }
        }
        for table in SPARKIFY.dataset_tables() {
            // COPY reads the files of the manifest, which names the one that differs.
            if matches!(dataset.location(), Location::S3 { .. }) {
                check_manifest(dataset, table, files.parts(table))?;
                files.manifests += 1;
            }
            check_totals(dataset, table, files.parts(table))?;
        }
        Ok(files)
    }

    /// Returns the parts of a table.
    pub(super) fn parts(&self, table: &TableSchema) -> &[ObjectMeta] {
        self.parts.get(table.name).map_or(&[], Vec::as_slice)
    }
}

/// Returns the table in whose folder an object is, unless readers skip the object because of its name.
fn read_with_table(key: &str) -> Option<&'static TableSchema> {
    let is_hidden = key.split('/').any(|name| name.starts_with(['.', '_']));
    let mut tables = SPARKIFY.dataset_tables().filter(|_| !is_hidden);
    tables.find(|table| {
        let below = key.strip_prefix(table.dir);
        below.is_some_and(|below| below.starts_with('/'))
    })
}

/// Compares the parts of a table with the report.
fn check_totals(
    dataset: &PublishedDataset,
    table: &TableSchema,
    parts: &[ObjectMeta],
) -> Result<()> {
    let report = dataset.table_report(table);
    let (files, bytes) = (parts.len() as u64, parts.iter().map(|part| part.size).sum());
    let wrong = |found: u64, expected: u64, noun: &str| {
        let reason = format!("it contains {found} {noun}, the report counts {expected}");
        Err(finding(&dataset.store().display(table.dir), reason))
    };
    if files != report.files {
        return wrong(files, report.files, "files");
    }
    if bytes != report.bytes {
        return wrong(bytes, report.bytes, "bytes");
    }
    Ok(())
}

/// Compares the parts of a table with its manifest.
fn check_manifest(
    dataset: &PublishedDataset,
    table: &TableSchema,
    parts: &[ObjectMeta],
) -> Result<()> {
    let name = dataset.store().display(&manifest_key(table));
    let Some(manifest) = dataset.read_manifest(table)? else {
        return Err(finding(&name, "it does not exist"));
    };
    let named: BTreeMap<&str, u64> = manifest.files().collect();
    let mut listed = BTreeMap::new();
    for part in parts {
        listed.insert(dataset.display(part), part.size);
    }
    for (&url, &length) in &named {
        let reason = match listed.get(url) {
            None => format!("it names {url}, which does not exist in this dataset"),
            Some(&size) if size != length => {
                format!("it says that {url} has {length} bytes, but it has {size}")
            }
            Some(_) => continue,
        };
        return Err(finding(&name, reason));
    }
    match listed.keys().find(|&url| !named.contains_key(url.as_str())) {
        Some(url) => Err(finding(&name, format!("it does not name {url}"))),
        None => Ok(()),
    }
}
