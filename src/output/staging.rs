//! Stages the output of a run, invisible to readers, until it is complete.
//!
//! If a run replaces a local folder, its staging folder is exchanged with the old dataset as a whole ([`StagingDir`]).
//! If runs are kept side by side, each writes below a prefix of its own, and the report, written last, marks the run as
//! complete ([`publish::side_by_side`](super::publish::side_by_side)).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_schema::SchemaRef;
use serde::Serialize;

use super::copy_manifest::CopyManifest;
use super::layout::{OutputArrangement, REJECTS_DIR, RunObject};
use super::output_target::local_paths;
use super::parquet::{ParquetCompression, ParquetPartReader, PartInfo, PartWriter};
use super::publish::local::{LeftoverRunDir, RunsDir, StagingDir};
use super::publish::side_by_side::SideBySideRun;
use super::publish::unknown_publication::UNKNOWN_PUBLICATION;
use super::rejects::{LineShift, RejectBuffer, RejectContext};
use super::run_id::RunId;
use super::run_report::RunReport;
use super::staging_target::StagingTarget;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::interrupt;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::storage::{Location, PutMode, Store, StoreOpener};

/// The output of a run that is not published yet.
#[derive(Debug)]
pub(crate) struct Staging {
    store: Box<dyn Store>,
    target: StagingTarget,
    is_in_s3: bool,
    compression: ParquetCompression,
    reject_context: RejectContext,
    /// The reject files written so far.
    reject_files: Mutex<WrittenObjects>,
}

/// Written objects with their sizes in bytes.
type WrittenObjects = Vec<(RunObject, u64)>;

/// The parts of each table, by table name.
pub(crate) type TableParts = BTreeMap<&'static str, Vec<PartInfo>>;

impl Staging {
    /// Creates the staging area of a run that reads `inputs`. A folder that is to be replaced must be absent, empty or
    /// an earlier dataset, and must not contain any of `inputs`.
    ///
    /// # Errors
    /// Returns an error if `out` cannot be written to, contains files that sparkify did not write and that would be
    /// replaced, or is arranged in the other way.
    pub(crate) fn open(
        stores: &StoreOpener,
        out: &Location,
        arrangement: OutputArrangement,
        inputs: [&[Location]; 2],
        compression: ParquetCompression,
    ) -> Result<Self> {
        let (store, target, reject_context) = match (out, arrangement) {
            (Location::Local(path), OutputArrangement::Replace) => {
                let folder = StagingDir::open(path, &local_paths(inputs))?;
                let reject_context = RejectContext {
                    run_id: RunId::new().to_string(),
                    // On the disk of the output.
                    scratch_dir: folder.path().join(REJECTS_DIR),
                };
                let store = stores.open_output(&Location::Local(folder.path().to_owned()))?;
                (store, StagingTarget::Replace(folder), reject_context)
            }
            (Location::Local(path), OutputArrangement::SideBySide) => {
                let folder = RunsDir::open(path)?;
                let run = SideBySideRun::start(stores.open_output(out)?)?;
                let run_id = run.id().to_string();
                let scratch_dir = path.join(&run_id).join(REJECTS_DIR);
                std::fs::create_dir_all(&scratch_dir)
                    .map_err(|e| Error::io("cannot create", &scratch_dir, e))?;
                let reject_context = RejectContext {
                    run_id,
                    scratch_dir,
                };
                let store = run.store();
                let target = StagingTarget::SideBySide(run, Some(folder));
                (store, target, reject_context)
            }
            (Location::S3 { .. }, _) => {
                let run = SideBySideRun::start(stores.open_output(out)?)?;
                let reject_context = RejectContext {
                    run_id: run.id().to_string(),
                    scratch_dir: std::env::temp_dir(),
                };
                let store = run.store();
                (store, StagingTarget::SideBySide(run, None), reject_context)
            }
        };
        Ok(Self {
            store,
            target,
            is_in_s3: matches!(out, Location::S3 { .. }),
            compression,
            reject_context,
            reject_files: Mutex::default(),
        })
    }

    /// Starts to write a part of a table.
    ///
    /// # Errors
    /// Returns an error if the part cannot be written.
    pub(crate) fn create_part(
        &self,
        table: &'static TableSchema,
        number: usize,
        schema: SchemaRef,
    ) -> Result<PartWriter> {
        interrupt::ensure_running()?;
        let key = RunObject::Part { table, number }.to_string();
        PartWriter::new(
            self.store.create(&key)?,
            self.store.display(&key),
            number,
            schema,
            self.compression,
        )
    }

    /// Opens a part of a table that was written. `row_groups` has the number of rows of each row group.
    ///
    /// # Errors
    /// Returns an error if the part cannot be read or has changed since it was written.
    pub(crate) fn read_part(
        &self,
        table: &'static TableSchema,
        part: PartInfo,
        row_groups: &[u64],
    ) -> Result<ParquetPartReader<'_>> {
        let number = part.number;
        let key = RunObject::Part { table, number }.to_string();
        ParquetPartReader::open(self.store.as_ref(), key, table, part, row_groups)
    }

    /// Starts to write a part of a table again. Open readers of the old part can still read its row groups.
    ///
    /// # Errors
    /// Returns an error if the part cannot be written.
    pub(crate) fn recreate_part(
        &self,
        table: &'static TableSchema,
        number: usize,
        schema: SchemaRef,
    ) -> Result<PartWriter> {
        if !self.is_in_s3 {
            // A removed file remains readable where it is open. A bucket keeps the old object until the new one
            // is finished.
            self.remove_part(table, number)?;
        }
        self.create_part(table, number, schema)
    }

    /// Returns the maximum number of concurrent requests if the output is in S3, otherwise `None`.
    pub(crate) fn max_concurrent_requests(&self) -> Option<usize> {
        self.store.max_concurrent_requests()
    }

    /// Removes a part of a table, if it was written.
    ///
    /// # Errors
    /// Returns an error if the part cannot be removed.
    pub(crate) fn remove_part(&self, table: &'static TableSchema, number: usize) -> Result<()> {
        let part = RunObject::Part { table, number };
        self.store.delete(&[part.to_string()])
    }

    /// Writes the rejects of a split, if there are any.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be written.
    pub(crate) fn write_rejects(
        &self,
        kind: RecordKind,
        number: usize,
        rejects: RejectBuffer,
        line_shift: LineShift,
    ) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let object = RunObject::Rejects { kind, number };
        let key = object.to_string();
        let bytes = rejects.write_to(
            self.store.create(&key)?,
            &self.store.display(&key),
            line_shift,
        )?;
        self.reject_files().push((object, bytes));
        Ok(())
    }

    /// Removes the reject files that an earlier attempt of a load wrote.
    ///
    /// # Errors
    /// Returns an error if they cannot be removed.
    pub(crate) fn remove_rejects(&self) -> Result<()> {
        let written = std::mem::take(&mut *self.reject_files());
        let keys: Vec<String> = written
            .iter()
            .map(|(object, _)| object.to_string())
            .collect();
        self.store.delete(&keys)
    }

    /// Returns the store of the run.
    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Returns the path or URL of an object of the run.
    pub(crate) fn display(&self, object: RunObject) -> String {
        self.store.display(&object.to_string())
    }

    /// Returns what the rejects of the run have in common.
    pub(crate) fn reject_context(&self) -> &RejectContext {
        &self.reject_context
    }

    /// Returns the id of the run.
    pub(crate) fn run_id(&self) -> &str {
        &self.reject_context.run_id
    }

    /// Writes the report and publishes the dataset. Returns a warning if the dataset is published, but an earlier
    /// one could not be removed or a newer run remains the latest.
    ///
    /// # Errors
    /// Returns an error if an object cannot be written, or was removed after it was written. The dataset that was
    /// published before remains.
    pub(crate) fn publish(self, report: &RunReport, parts: &TableParts) -> Result<Option<Error>> {
        // A report that arrives after the run was discarded would make it known. So a stop comes before it or after the
        // publication.
        match self.is_in_s3 && !interrupt::is_stopping() {
            true => interrupt::protect(UNKNOWN_PUBLICATION, || self.publish_now(report, parts)),
            false => self.publish_now(report, parts),
        }
    }

    fn publish_now(self, report: &RunReport, parts: &TableParts) -> Result<Option<Error>> {
        let written = interrupt::ensure_running().and_then(|()| self.write_report(report, parts));
        if let Err(error) = written {
            return Err(match self.discard() {
                None => error,
                Some(leftovers) => error.add_hint(format!(
                    "to remove what is left in {leftovers}, run sparkify clean"
                )),
            });
        }
        match self.target {
            StagingTarget::Replace(folder) => {
                let target = folder.target().to_owned();
                let warning = folder.publish()?;
                // The rejects and report of an earlier failed run are now out of date.
                let failed = LeftoverRunDir::find_failed(&target);
                let removed =
                    failed.and_then(|failed| failed.map_or(Ok(()), LeftoverRunDir::remove));
                Ok(warning.or(removed.err()))
            }
            StagingTarget::SideBySide(run, _lock) => run.publish(),
        }
    }

    /// Writes the report of a run that has no dataset, which marks the run as complete. It replaces the report of an
    /// earlier attempt.
    ///
    /// # Errors
    /// Returns an error if it cannot be written, or if a reject file was removed after it was written.
    pub(crate) fn write_report_without_dataset(&self, report: &RunReport) -> Result<()> {
        let mut written = self.reject_files().clone();
        self.verify_written(&written)?;
        let bytes = self.write_json(RunObject::Report, report)?;
        written.push((RunObject::Report, bytes));
        // Verified again in case a `sparkify clean` did not see the report: see `publish::side_by_side`.
        self.verify_written(&written)
    }

    /// Makes a run known whose report is written. Returns a warning if a newer run remains the latest.
    ///
    /// # Errors
    /// Returns an error if `latest.json` cannot be written.
    pub(crate) fn publish_reported(self) -> Result<Option<Error>> {
        match self.target {
            StagingTarget::Replace(folder) => folder.publish(),
            StagingTarget::SideBySide(run, _lock) => run.publish(),
        }
    }

    /// Returns the number of songplays in the dataset that publishing would replace or supersede, if there is one.
    ///
    /// # Errors
    /// Returns an error if the report of that dataset cannot be read.
    pub(crate) fn published_songplays(&self) -> Result<Option<u64>> {
        self.target.published_songplays()
    }

    /// Returns true if publishing would replace a dataset that was built from songs and logs, and not from rejects.
    ///
    /// # Errors
    /// Returns an error if the report of that dataset cannot be read.
    pub(crate) fn replaces_dataset_of_input(&self) -> Result<bool> {
        self.target.replaces_dataset_of_input()
    }

    /// Returns the location where [`keep_failed`](Self::keep_failed) keeps the rejects.
    pub(crate) fn failed_location(&self) -> String {
        self.target.failed_location()
    }

    /// Ends a run that failed because of its input: keeps its rejects and report, and removes everything else that it
    /// wrote. Next to an output that is replaced, they replace those of an earlier failed run.
    ///
    /// # Errors
    /// Returns an error if the report cannot be written. Nothing is kept then.
    pub(crate) fn keep_failed(self, report: &RunReport) -> Result<()> {
        let removed = match &self.target {
            StagingTarget::Replace(folder) => folder.remove_all_but_rejects(),
            StagingTarget::SideBySide(run, _) => run.remove_all_but_rejects(),
        };
        let written =
            removed.and_then(|()| self.write_json(RunObject::FailedReport, report).map(drop));
        if let Err(error) = written {
            return Err(match self.discard() {
                None => error,
                Some(leftovers) => error.add_hint(format!(
                    "to remove what is left in {leftovers}, run sparkify clean"
                )),
            });
        }
        match self.target {
            StagingTarget::Replace(folder) => folder.keep_failed(),
            StagingTarget::SideBySide(..) => Ok(()),
        }
    }

    fn reject_files(&self) -> MutexGuard<'_, WrittenObjects> {
        self.reject_files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies that all objects exist, and writes the manifests (in S3) and then the report.
    fn write_report(&self, report: &RunReport, parts: &TableParts) -> Result<()> {
        let mut written = self.reject_files().clone();
        for table in SPARKIFY.dataset_tables() {
            written.extend(parts_of(parts, table).iter().map(|part| {
                let number = part.number;
                (RunObject::Part { table, number }, part.bytes)
            }));
        }
        match self.target {
            // The lock on the folder keeps `sparkify clean` away.
            StagingTarget::Replace(..) => {
                self.verify_written(&written)?;
                self.write_json(RunObject::Report, report)?;
            }
            StagingTarget::SideBySide(..) => {
                if self.is_in_s3 {
                    self.write_manifests(parts, &mut written)?;
                }
                self.verify_written(&written)?;
                let bytes = self.write_json(RunObject::Report, report)?;
                written.push((RunObject::Report, bytes));
                // Verified again in case a `sparkify clean` did not see the report: see `publish::side_by_side`.
                self.verify_written(&written)?;
            }
        }
        Ok(())
    }

    /// Checks that all written objects exist with their sizes.
    ///
    /// # Errors
    /// Returns an error if an object is missing or has another size, or if `sparkify clean` has begun to remove
    /// the run.
    fn verify_written(&self, expected: &WrittenObjects) -> Result<()> {
        let listed = self.store.list_all("")?.objects.into_iter();
        let found: HashMap<String, u64> = listed.map(|object| (object.key, object.size)).collect();
        let reason = match found.contains_key(&RunObject::RemovalMarker.to_string()) {
            true => Some(
                "sparkify clean considered this run abandoned and began to remove it".to_owned(),
            ),
            false => expected.iter().find_map(|(object, bytes)| {
                let key = object.to_string();
                match found.get(&key) {
                    Some(found) if found == bytes => None,
                    Some(found) => Some(format!("{key} has {found} bytes, expected {bytes}")),
                    None => Some(format!("{key} was deleted after it was written")),
                }
            }),
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(Error::failed(format!(
                "cannot publish {}",
                self.store.display("")
            ))
            .with_reason(reason)
            .with_hint(
                "make sure that nothing else writes or deletes there during a run, and run again",
            )),
        }
    }

    /// Writes a COPY manifest for each table.
    fn write_manifests(&self, parts: &TableParts, written: &mut WrittenObjects) -> Result<()> {
        for table in SPARKIFY.dataset_tables() {
            let manifest = CopyManifest::new(parts_of(parts, table).iter().map(|part| {
                let number = part.number;
                let key = RunObject::Part { table, number }.to_string();
                (self.store.display(&key), part.bytes)
            }));
            let object = RunObject::Manifest(table);
            written.push((object, self.write_json(object, &manifest)?));
        }
        Ok(())
    }

    /// Writes a value as indented JSON. Returns its length in bytes.
    fn write_json(&self, object: RunObject, value: &impl Serialize) -> Result<u64> {
        let key = object.to_string();
        let mut json = serde_json::to_vec_pretty(value)
            .map_err(|e| Error::io("cannot write", self.store.display(&key).as_ref(), e.into()))?;
        json.push(b'\n');
        let bytes = json.len() as u64;
        // An unconditional write has no other result.
        let _ = self.store.put(&key, json, PutMode::Overwrite)?;
        Ok(bytes)
    }

    /// Removes what a failed run has written. Returns the location of objects that could not be removed, if there
    /// are any, which are left to `sparkify clean`.
    pub(crate) fn discard(self) -> Option<String> {
        match self.target {
            StagingTarget::Replace(folder) => {
                folder.discard();
                None
            }
            StagingTarget::SideBySide(run, _lock) => run.discard(),
        }
    }
}

/// Returns the parts of a table.
#[expect(clippy::expect_used, reason = "a default would publish an empty table")]
fn parts_of<'a>(parts: &'a TableParts, table: &TableSchema) -> &'a [PartInfo] {
    parts
        .get(table.name)
        .expect("every table has a part, also one without rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{SONGPLAYS, USERS};

    #[test]
    #[should_panic(expected = "every table has a part")]
    fn a_table_without_parts_is_not_published() {
        let parts = TableParts::from([(SONGPLAYS.name, Vec::new())]);
        assert_eq!(parts_of(&parts, &SONGPLAYS), []);
        parts_of(&parts, &USERS);
    }
}
