//! Reads ranges of files, and notices files that have changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::metadata::mtime_version;
use crate::error::{Error, Result};
use crate::storage::store::{ObjectRange, ObjectVersion, RangeReader};

/// Files of at least this size, in bytes, are also checked when they are opened: reading a large file that
/// has changed wastes much time, and each of its splits opens it again by name.
const RECHECK_ON_OPEN_BYTES: u64 = 1 << 20;

/// Opens and reads files one after the other.
pub(super) struct LocalRangeReader {
    root: PathBuf,
    ranges: std::vec::IntoIter<ObjectRange>,
    /// The range that is read, with the file as it was listed, and the open file.
    current: Option<(ObjectRange, File)>,
}

impl LocalRangeReader {
    pub(super) fn new(root: PathBuf, ranges: Vec<ObjectRange>) -> Self {
        Self {
            root,
            ranges: ranges.into_iter(),
            current: None,
        }
    }

    fn path(&self, range: &ObjectRange) -> PathBuf {
        self.root.join(&range.object.key)
    }

    /// Checks that an open file is the one that was listed, with one system call.
    ///
    /// # Errors
    /// Returns an error if the file has changed or its metadata cannot be read.
    fn check_file(&self, range: &ObjectRange, file: &File) -> Result<()> {
        let object = &range.object;
        let ObjectVersion::Mtime { nanoseconds, inode } = object.version else {
            return Ok(());
        };
        let read_error = |e: io::Error| Error::io("cannot read", &self.path(range), e);
        let metadata = file.metadata().map_err(read_error)?;
        // A file that is opened once has one content. A file that each split opens again by name must
        // also keep its inode.
        let is_partial_read = range.start > 0 || range.expected_end < object.size;
        let is_same = match mtime_version(&metadata) {
            ObjectVersion::Mtime {
                nanoseconds: found_nanoseconds,
                inode: found_inode,
            } => found_nanoseconds == nanoseconds && (found_inode == inode || !is_partial_read),
            _ => false,
        };
        if is_same && metadata.len() == object.size {
            return Ok(());
        }
        Err(changed_error(&self.path(range)))
    }
}

/// Returns the error for a file that has changed since it was listed.
fn changed_error(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .with_reason("the file changed while the run read it")
        .temporary()
        .with_hint("run again when nothing writes to it")
}

impl RangeReader for LocalRangeReader {
    fn next_range(&mut self) -> Result<()> {
        self.current = None;
        let Some(range) = self.ranges.next() else {
            return Ok(());
        };
        let path = self.path(&range);
        let read_error = |e| Error::io("cannot read", &path, e);
        let mut file = File::open(&path).map_err(read_error)?;
        if range.object.size >= RECHECK_ON_OPEN_BYTES {
            self.check_file(&range, &file)?;
        }
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start))
                .map_err(read_error)?;
        }
        self.current = Some((range, file));
        Ok(())
    }

    fn check_unchanged(&mut self) -> Result<()> {
        match &self.current {
            Some((range, file)) => self.check_file(range, file),
            None => Ok(()),
        }
    }
}

impl Read for LocalRangeReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match &mut self.current {
            Some((_, file)) => file.read(to),
            None => Ok(0),
        }
    }
}
