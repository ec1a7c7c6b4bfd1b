//! Reads a published dataset, the complete output of a run, for a load or a check.

use std::fs::File;
use std::io::{Read, Seek};

use super::copy_manifest::CopyManifest;
use super::latest::LatestPointer;
use super::layout::{FAILED_REPORT_FILE, LATEST_FILE, REPORT_FILE, RunObject, manifest_key};
use super::run_id::RunId;
use super::run_report::{EngineName, REPORT_VERSION, RunReport, TableReport};
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::storage::{ListMode, Location, ObjectMeta, ObjectRange, Store, StoreOpener};

/// The published output of one run.
#[derive(Debug)]
pub(crate) struct PublishedDataset {
    purpose: Purpose,
    location: Location,
    store: Box<dyn Store>,
    report: RunReport,
}

/// What a dataset is opened for, which errors name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To load it into a warehouse.
    Load,
    /// To check it.
    Check,
    /// To query it with DuckDB.
    Query,
}

impl Purpose {
    /// Returns the name of the command, which is a verb and a noun.
    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Check => "check",
            Self::Query => "query",
        }
    }

    /// Returns the error that the dataset in `location` cannot be used.
    fn error(self, location: &Location) -> Error {
        Error::failed(format!("cannot {} {location}", self.name()))
    }
}

impl PublishedDataset {
    /// Opens the dataset at `location`: an output folder, a run below a prefix, or the newest complete run of a
    /// prefix.
    ///
    /// # Errors
    /// Returns an error if there is no dataset, if it cannot be read, or if another report version wrote it.
    pub(crate) fn open_store(
        stores: &StoreOpener,
        location: &Location,
        purpose: Purpose,
    ) -> Result<Self> {
        let mut location = location.clone();
        let mut store = open(stores, &location)?;
        if find_object(store.as_ref(), REPORT_FILE)?.is_none()
            && let Some(latest) = read_latest(store.as_ref())?
        {
            location = location.join(&latest.run);
            store = open(stores, &location).map_err(|e| {
                e.or_hint(format!(
                    "{LATEST_FILE} names this run: name another one beside it"
                ))
            })?;
        }
        let Some(report) = find_object(store.as_ref(), REPORT_FILE)? else {
            if find_object(store.as_ref(), FAILED_REPORT_FILE)?.is_some() {
                return Err(Error::failed(format!("no dataset in {location}"))
                    .with_reason("the run failed and published nothing")
                    .with_hint(format!("see {FAILED_REPORT_FILE} there for the reason")));
            }
            return Err(Error::failed(format!("no dataset in {location}"))
                .with_reason(format!(
                    "it contains neither {REPORT_FILE} nor {LATEST_FILE}"
                ))
                .with_hint("use the --out of an earlier run"));
        };
        let report = read_report(store.as_ref(), report, &location, purpose)?;
        // The id is printed, and written into scripts.
        if report.run.parse::<RunId>().is_err() {
            return Err(purpose
                .error(&location)
                .with_reason("its report has no valid run id")
                .with_hint("run again"));
        }
        match report.engine {
            EngineName::InProcess => {}
            EngineName::Redshift => {
                return Err(Error::failed(format!("no dataset in {location}"))
                    .with_reason("Redshift transformed the records of its run, and has its rows")
                    .with_hint("to load the same input into another warehouse, run with --engine in-process"));
            }
        }
        let mut tables = SPARKIFY.dataset_tables();
        if let Some(table) = tables.find(|table| find_table_report(&report, table).is_none()) {
            return Err(purpose
                .error(&location)
                .with_reason(format!("its report does not list table {}", table.name))
                .with_hint("run again"));
        }
        Ok(Self {
            purpose,
            location,
            store,
            report,
        })
    }

    /// Returns the location of the dataset.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the store of its objects.
    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Returns the report of the run.
    pub(crate) fn report(&self) -> &RunReport {
        &self.report
    }

    /// Returns the output size of a table.
    pub(crate) fn table_report(&self, table: &TableSchema) -> TableReport {
        #[expect(clippy::expect_used, reason = "a default would load an empty table")]
        find_table_report(&self.report, table)
            .expect("`open_store` checks that the report lists every table")
    }

    /// Returns the URL of the COPY manifest of a table.
    pub(crate) fn manifest_url(&self, table: &TableSchema) -> String {
        self.store.display(&manifest_key(table))
    }

    /// Reads the COPY manifest of a table; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if it cannot be read or is not a manifest.
    pub(crate) fn read_manifest(&self, table: &TableSchema) -> Result<Option<CopyManifest>> {
        let key = manifest_key(table);
        let name = self.store.display(&key);
        let manifest = self
            .store
            .get(&key)?
            .map(|found| serde_json::from_slice(&found.bytes).map_err(|e| invalid_json(&name, e)));
        manifest.transpose()
    }

    /// Lists the Parquet parts of a table, in order.
    ///
    /// # Errors
    /// Returns an error if the parts cannot be listed or do not match the report.
    pub(crate) fn list_parts(&self, table: &TableSchema) -> Result<Vec<ObjectMeta>> {
        let report = self.table_report(table);
        let mut parts = self
            .store
            .list(&format!("{}/", table.dir), ListMode::Delimited)?
            .objects;
        let part_number = |part: &ObjectMeta| match part.key.parse() {
            Ok(RunObject::Part { number, .. }) => Some(number),
            _ => None,
        };
        parts.retain(|part| part_number(part).is_some());
        parts.sort_unstable_by_key(part_number);
        let bytes: u64 = parts.iter().map(|part| part.size).sum();
        if (parts.len() as u64, bytes) != (report.files, report.bytes) {
            let name = self.store.display(table.dir);
            return Err(
                Error::failed(format!("cannot {} {name}", self.purpose.name()))
                    .with_reason(format!(
                        "it contains {} files with {bytes} bytes, expected {} files with {} bytes",
                        parts.len(),
                        report.files,
                        report.bytes
                    ))
                    .with_hint("run again"),
            );
        }
        Ok(parts)
    }

    /// Returns the path or URL of a part.
    pub(crate) fn display(&self, part: &ObjectMeta) -> String {
        self.store.display(&part.key)
    }

    /// Opens a part as a file, because Parquet is read from its end. A part in S3 is copied to a temporary file.
    ///
    /// # Errors
    /// Returns an error if the part cannot be read, or if there is no space for the copy.
    pub(crate) fn open_part(&self, part: &ObjectMeta) -> Result<File> {
        let name = self.display(part);
        if let Location::Local(folder) = &self.location {
            let path = folder.join(&part.key);
            return File::open(&path).map_err(|e| Error::io("cannot read", &path, e));
        }
        let spool_error = |e: std::io::Error| {
            let folder = std::env::temp_dir();
            Error::io("cannot write a temporary file to", &folder, e)
        };
        let mut file = tempfile::tempfile().map_err(spool_error)?;
        let mut reader = self.store.read_ranges(vec![full_range(part)]);
        reader.next_range()?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io("cannot read", name.as_ref(), e)),
            };
            std::io::Write::write_all(&mut file, &buffer[..count]).map_err(spool_error)?;
        }
        file.rewind().map_err(spool_error)?;
        Ok(file)
    }

    /// Checks that no other run has replaced the dataset since it was opened. Otherwise data of both may have
    /// been read.
    ///
    /// # Errors
    /// Returns an error if the dataset was replaced or removed, or if its report cannot be read.
    pub(crate) fn ensure_unchanged(&self) -> Result<()> {
        let report = match find_object(self.store.as_ref(), REPORT_FILE)? {
            Some(report) => Some(read_json::<RunReport>(self.store.as_ref(), report)?),
            None => None,
        };
        if report.as_ref() == Some(&self.report) {
            return Ok(());
        }
        let name = self.purpose.name();
        Err(self
            .purpose
            .error(&self.location)
            .with_reason(format!("it was replaced or removed during the {name}"))
            .with_hint(format!("{name} again"))
            .temporary())
    }
}

fn find_table_report(report: &RunReport, table: &TableSchema) -> Option<TableReport> {
    let table_report = report.tables.get(table.name);
    table_report
        .or_else(|| report.merge_state.get(table.name))
        .copied()
}

/// Reads a report, which must have the version that this program writes.
fn read_report(
    store: &dyn Store,
    object: ObjectMeta,
    location: &Location,
    purpose: Purpose,
) -> Result<RunReport> {
    let name = store.display(&object.key);
    let report: serde_json::Value = read_json(store, object)?;
    let other_version = |hint: String| {
        purpose
            .error(location)
            .with_reason(format!(
                "its report has version {}, expected {REPORT_VERSION}",
                report["report_version"]
            ))
            .with_hint(hint)
    };
    match report["report_version"].as_u64() {
        Some(version) if version < u64::from(REPORT_VERSION) => {
            Err(other_version("run again".to_owned()))
        }
        Some(version) if version > u64::from(REPORT_VERSION) => Err(other_version(format!(
            "{} it with the version of sparkify that wrote it",
            purpose.name()
        ))),
        _ => serde_json::from_value(report).map_err(|e| invalid_json(&name, e)),
    }
}

/// Opens the store for everything below a location. A prefix of a bucket may be empty.
pub(super) fn open(stores: &StoreOpener, location: &Location) -> Result<Box<dyn Store>> {
    match location {
        Location::Local(_) => stores.open(location),
        Location::S3 { .. } => stores.open_output(location),
    }
}

/// Returns the object with this name directly below the location of the store.
pub(super) fn find_object(store: &dyn Store, name: &str) -> Result<Option<ObjectMeta>> {
    let listing = store.list("", ListMode::Delimited)?;
    Ok(listing
        .objects
        .into_iter()
        .find(|object| object.key == name))
}

/// Returns the range of a complete object.
pub(super) fn full_range(object: &ObjectMeta) -> ObjectRange {
    ObjectRange {
        object: object.clone(),
        start: 0,
        expected_end: object.size,
    }
}

/// Reads an object of a run that is JSON.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    object: ObjectMeta,
) -> Result<T> {
    let name = store.display(&object.key);
    let json = read_object(store, &object)?;
    serde_json::from_slice(&json).map_err(|e| invalid_json(&name, e))
}

/// Reads `latest.json`, if there is one.
///
/// # Errors
/// Returns an error if it cannot be read, or if it does not name a run: a person may have edited it.
pub(super) fn read_latest(store: &dyn Store) -> Result<Option<LatestPointer>> {
    let Some(object) = find_object(store, LATEST_FILE)? else {
        return Ok(None);
    };
    let json = read_object(store, &object)?;
    LatestPointer::parse(&json).map(Some).map_err(|reason| {
        Error::failed(format!("cannot read {}", store.display(LATEST_FILE)))
            .with_reason(reason)
            .with_hint("correct it, or name one of the runs beside it")
    })
}

fn read_object(store: &dyn Store, object: &ObjectMeta) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = store.read_ranges(vec![full_range(object)]);
    reader.next_range()?;
    reader
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("cannot read", store.display(&object.key).as_ref(), e))?;
    Ok(bytes)
}

fn invalid_json(name: &str, error: serde_json::Error) -> Error {
    Error::failed(format!("cannot read {name}"))
        .with_source(error)
        .with_hint("run again")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::sparkify::{SONGS, USERS};
    use crate::storage::{MemoryStore, PutMode, PutResult};

    #[test]
    fn latest_json_that_names_no_run_is_an_error() {
        let store = MemoryStore::new();
        assert!(read_latest(&store).unwrap().is_none());
        let text = r#"{"run":"../other","report":""}"#;
        let written = store.put(LATEST_FILE, text.into(), PutMode::Overwrite);
        assert_eq!(written.unwrap(), PutResult::Written);
        let error = read_latest(&store).unwrap_err().to_string();
        let expected = "cannot read memory:/latest.json: '../other' is not the id of a run";
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    #[should_panic(expected = "the report lists every table")]
    fn a_table_without_a_report_is_a_bug() {
        let input = json!({
            "locations": ["songs"], "objects": 1, "new_objects": 1, "changed_objects": 0,
            "already_loaded_objects": 0, "ignored_objects": 0, "bytes": 2, "records": 1, "rejected": 0,
            "rejected_by_reason": {},
        });
        let mut logs = input.clone();
        for key in ["kept", "filtered", "duplicates"] {
            logs[key] = json!(0);
        }
        let stage = json!({
            "seconds": 1.0, "bytes": 2, "events": 1, "events_per_second": 1.0,
            "bytes_per_second": 2.0,
        });
        let report = serde_json::from_value(json!({
            "report_version": REPORT_VERSION, "sparkify_version": "0", "status": "ok", "run": "1",
            "started_at": "2026-11-30T03:00:00.000Z", "finished_at": "2026-11-30T03:00:01.000Z",
            "executed_by": "etl@host", "warnings": [],
            "songs": input, "logs": logs, "compression": "snappy", "merge_state": {},
            "tables": {SONGS.name: {"rows": 7, "files": 1, "bytes": 100}},
            "matched_songplays": 0, "stages": {}, "total": stage, "peak_memory_bytes": null,
            "threads": 1,
        }));
        let dataset = PublishedDataset {
            purpose: Purpose::Load,
            location: Location::Local("dataset".into()),
            store: Box::new(MemoryStore::new()),
            report: report.unwrap(),
        };
        assert_eq!(dataset.table_report(&SONGS).rows, 7);
        dataset.table_report(&USERS);
    }
}
