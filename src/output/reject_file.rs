//! Reads a reject file line by line.

use std::io::{BufRead, BufReader};
use std::sync::Arc;

use super::layout::{REJECTS_DIR, RunObject};
use super::published_dataset::full_range;
use super::reject_line::RejectLine;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::storage::{Location, ObjectMeta, Store, StoreOpener};

/// The bytes of a file that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// A reject file of a run, or a copy of one.
#[derive(Debug, Clone)]
pub(crate) struct RejectFile {
    /// The store of the file.
    pub(super) store: Arc<dyn Store>,
    /// The kind of the records, if the name of the file tells it.
    pub(super) kind: Option<RecordKind>,
    /// The file.
    pub(super) object: ObjectMeta,
}

impl RejectFile {
    /// Opens a copy of a reject file.
    ///
    /// # Errors
    /// Returns an error if there is no file at the location.
    pub(crate) fn open(stores: &StoreOpener, location: &Location) -> Result<Self> {
        let not_a_file = || Error::failed(format!("cannot read {location}"));
        if matches!(location, Location::Local(path) if path.is_dir()) {
            return Err(not_a_file().with_reason("it is a folder, expected a reject file"));
        }
        let store: Arc<dyn Store> = Arc::from(stores.open(location)?);
        let mut objects = store.list_all("")?.objects;
        let Some(object) = objects.pop().filter(|_| objects.is_empty()) else {
            return Err(not_a_file().with_reason("expected one reject file"));
        };
        let file_name = object.key.rsplit('/').next().unwrap_or_default();
        let kind = match format!("{REJECTS_DIR}/{file_name}").parse() {
            Ok(RunObject::Rejects { kind, .. }) => Some(kind),
            _ => None,
        };
        Ok(Self {
            store,
            kind,
            object,
        })
    }

    /// Returns the path or URL of the file as shown to users.
    pub(crate) fn display(&self) -> String {
        self.store.display(&self.object.key)
    }

    /// Returns the absolute name of the file, which does not depend on the current directory.
    pub(crate) fn absolute_name(&self) -> String {
        self.store.absolute_name(&self.object.key)
    }

    /// Returns the version of the contents.
    pub(crate) fn etag(&self) -> String {
        self.object.etag()
    }

    /// Passes each reject to `visit`, with the number of its line in the file, from 1. A reject without a kind
    /// gets the one that the name of the file tells, if any. Blank lines are skipped.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, if a line is not a reject, or if `visit` returns one.
    pub(crate) fn read_lines(
        &self,
        mut visit: impl FnMut(u64, RejectLine<'static>) -> Result<()>,
    ) -> Result<()> {
        let mut ranges = self.store.read_ranges(vec![full_range(&self.object)]);
        ranges.next_range()?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, ranges);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = reader.read_until(b'\n', &mut line);
            let read = read.map_err(|e| Error::io("cannot read", self.display().as_ref(), e))?;
            if read == 0 {
                break;
            }
            // Some editors write a byte order mark.
            let json = match number {
                1 => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line),
                _ => &line,
            };
            if json.trim_ascii().is_empty() {
                continue;
            }
            let mut reject = RejectLine::parse(json).map_err(|reason| {
                self.line_error(number, reason)
                    .with_hint("keep each reject on one line of JSON, as jq -c writes it")
            })?;
            reject.kind = reject.kind.or(self.kind);
            visit(number, reject)?;
        }
        reader.into_inner().check_unchanged()
    }

    /// Returns the error that a line of the file cannot be used.
    pub(crate) fn line_error(&self, line: u64, reason: impl std::fmt::Display) -> Error {
        Error::failed(format!("cannot use {} line {line}", self.display())).with_reason(reason)
    }
}
