//! A published star: what a run left behind, whole, for a load to take to a warehouse.

use std::fs::File;
use std::io::{Read, Seek};

use super::publish::s3::{LATEST, LatestPointer};
use super::report::{FAILED_REPORT, REPORT, REPORT_VERSION, Report, TableReport};
use super::staging::manifest_key;
use crate::error::{Error, Result};
use crate::star::schema::{LEDGER, TABLES, Table};
use crate::storage::{ListMode, Location, ObjectMeta, ObjectRange, Store, StoreRegistry};

/// The output of one run.
#[derive(Debug)]
pub struct PublishedDataset {
    place: Location,
    store: Box<dyn Store>,
    report: Report,
}

impl PublishedDataset {
    /// The star at `place`: an output folder, a run below a prefix, or the newest whole run there.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it is of a version without a ledger.
    pub fn open(stores: &StoreRegistry, place: &Location) -> Result<Self> {
        let mut place = place.clone();
        let mut store = open(stores, &place)?;
        if find(store.as_ref(), REPORT)?.is_none()
            && let Some(latest) = find(store.as_ref(), LATEST)?
        {
            let latest: LatestPointer = read_json(store.as_ref(), latest)?;
            place = place.join(&latest.run);
            store = open(stores, &place)?;
        }
        let Some(report) = find(store.as_ref(), REPORT)? else {
            if find(store.as_ref(), FAILED_REPORT)?.is_some() {
                return Err(Error::failed(format!("no star in {place}"))
                    .because("the run failed and published nothing")
                    .hint(format!("{FAILED_REPORT} there tells why")));
            }
            return Err(Error::failed(format!("no star in {place}"))
                .because(format!("it holds neither {REPORT} nor {LATEST}"))
                .hint("name what --out of a run was"));
        };
        let report: Report = read_json(store.as_ref(), report)?;
        if report.report_version > REPORT_VERSION {
            return Err(Error::failed(format!("cannot load {place}"))
                .because(format!(
                    "sparkify {} wrote it, and this is {}",
                    report.sparkify_version,
                    env!("CARGO_PKG_VERSION")
                ))
                .hint("load it by that version"));
        }
        let is_there = |table: &&Table| table_report(&report, table).is_some();
        let has_run = report.run.as_ref().is_some_and(|run| !run.is_empty());
        if !has_run || !TABLES.iter().chain(&LEDGER).all(is_there) {
            return Err(Error::failed(format!("cannot load {place}"))
                .because("an earlier sparkify wrote it, without what a load needs to know")
                .hint("run again"));
        }
        Ok(Self {
            place,
            store,
            report,
        })
    }

    /// Where it is.
    pub fn place(&self) -> &Location {
        &self.place
    }

    /// The report of its run.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What the run wrote of a table.
    pub fn table(&self, table: &Table) -> TableReport {
        table_report(&self.report, table).unwrap_or_default()
    }

    /// The COPY manifest of a table.
    pub fn manifest(&self, table: &Table) -> String {
        self.store.display(&manifest_key(table))
    }

    /// The Parquet parts of a table, in order.
    ///
    /// # Errors
    /// They cannot be listed, or are not those of the report.
    pub fn parts(&self, table: &Table) -> Result<Vec<ObjectMeta>> {
        let report = self.table(table);
        let mut parts = self
            .store
            .list(&format!("{}/", table.folder), ListMode::Delimited)?
            .objects;
        parts.retain(|part| part.key.ends_with(".parquet"));
        parts.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let bytes: u64 = parts.iter().map(|part| part.size).sum();
        if (parts.len() as u64, bytes) != (report.files, report.bytes) {
            let name = self.store.display(table.folder);
            return Err(Error::failed(format!("cannot load {name}"))
                .because(format!(
                    "it holds {} files of {bytes} bytes, the report says {} of {}",
                    parts.len(),
                    report.files,
                    report.bytes
                ))
                .hint("run again"));
        }
        Ok(parts)
    }

    /// How people name a part.
    pub fn display(&self, part: &ObjectMeta) -> String {
        self.store.display(&part.key)
    }

    /// A part as a file, for Parquet is read from its end. From S3 it is a copy that goes when it is closed.
    ///
    /// # Errors
    /// It cannot be read, or there is no room for it.
    pub fn fetch(&self, part: &ObjectMeta) -> Result<File> {
        let name = self.display(part);
        if let Location::Local(folder) = &self.place {
            let path = folder.join(&part.key);
            return File::open(&path).map_err(|e| Error::io("cannot read", &path, &e));
        }
        let spool = |e: &std::io::Error| {
            let folder = std::env::temp_dir();
            Error::io("cannot keep a part in", &folder, e)
        };
        let mut file = tempfile::tempfile().map_err(|e| spool(&e))?;
        let mut reader = self.store.read(vec![whole(part)]);
        reader.next_range()?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io("cannot read", name.as_ref(), &e)),
            };
            std::io::Write::write_all(&mut file, buffer.get(..read).unwrap_or_default())
                .map_err(|e| spool(&e))?;
        }
        file.rewind().map_err(|e| spool(&e))?;
        Ok(file)
    }

    /// An error if another run has taken the place of this one meanwhile: then what was read since may be
    /// of both.
    ///
    /// # Errors
    /// That, or it cannot be looked at.
    pub fn is_still_there(&self) -> Result<()> {
        let report = match find(self.store.as_ref(), REPORT)? {
            Some(report) => Some(read_json::<Report>(self.store.as_ref(), report)?),
            None => None,
        };
        if report.as_ref() == Some(&self.report) {
            return Ok(());
        }
        Err(Error::failed(format!("cannot load {}", self.place))
            .because("it was replaced or removed meanwhile")
            .hint("load again"))
    }
}

fn table_report(report: &Report, table: &Table) -> Option<TableReport> {
    let found = report.tables.get(table.name);
    found.or_else(|| report.ledger.get(table.name)).copied()
}

/// The store for what is below a place, whether there is anything or not.
fn open(stores: &StoreRegistry, place: &Location) -> Result<Box<dyn Store>> {
    match place {
        Location::Local(_) => stores.open(place),
        Location::S3 { bucket, prefix } => Ok(Box::new(stores.bucket(bucket, prefix)?)),
    }
}

fn find(store: &dyn Store, name: &str) -> Result<Option<ObjectMeta>> {
    let level = store.list("", ListMode::Delimited)?;
    Ok(level.objects.into_iter().find(|object| object.key == name))
}

fn whole(entry: &ObjectMeta) -> ObjectRange {
    ObjectRange {
        entry: entry.clone(),
        from: 0,
        until: entry.size,
    }
}

fn read_json<T: serde::de::DeserializeOwned>(store: &dyn Store, entry: ObjectMeta) -> Result<T> {
    let name = store.display(&entry.key);
    let mut json = Vec::new();
    let mut reader = store.read(vec![whole(&entry)]);
    reader.next_range()?;
    reader
        .read_to_end(&mut json)
        .map_err(|e| Error::io("cannot read", name.as_ref(), &e))?;
    serde_json::from_slice(&json).map_err(|e| {
        Error::failed(format!("cannot read {name}"))
            .because(e)
            .hint("run again")
    })
}
