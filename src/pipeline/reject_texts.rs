//! Holds the rejects of an earlier run that a replay tries again. Their texts are in a temporary file, from which
//! workers read them like objects.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::split_stats::ObjectCounts;
use crate::error::{Error, Result};
use crate::output::RejectLine;
use crate::output::run_report::InputReport;
use crate::storage::{ObjectRange, RangeReader};

/// The maximum of bytes that carried over rejects count for, so that sums with it do not overflow.
const MAX_CARRIED_BYTES: u64 = u64::MAX >> 2;

/// The rejects of one kind.
#[derive(Debug)]
pub(super) struct RejectTexts {
    /// The texts. The key of an object is the offset of its text.
    pub texts: Arc<File>,
    /// The reject files that the texts are from.
    pub files: Vec<ReplayedFile>,
    /// The rejects that cannot be replayed.
    pub carried_over: CarriedOver,
}

/// A reject file, or an edited copy of one, that is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplayedFile {
    /// The absolute name.
    pub name: String,
    /// The version of the contents; empty if it is not known.
    pub etag: String,
    /// The counts of its rejects that cannot be replayed.
    pub carried_over: ObjectCounts,
}

impl ReplayedFile {
    /// Counts a reject that cannot be replayed.
    pub(super) fn count_carried_over(&mut self, line: &RejectLine<'_>) {
        self.carried_over.rejected += 1;
        self.carried_over.rejected_bytes = add_bytes(self.carried_over.rejected_bytes, line);
    }
}

impl RejectTexts {
    /// Returns a reader of ranges of texts, in the given order.
    pub(super) fn reader(&self, ranges: Vec<ObjectRange>) -> TextReader {
        TextReader {
            texts: Arc::clone(&self.texts),
            ranges: ranges.into_iter(),
            position: 0,
            end: 0,
        }
    }
}

/// Returns the error that the temporary file of a replay cannot be used.
pub(super) fn spool_error(source: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::io("cannot use a temporary file in", &folder, source)
}

/// Reads texts one after the other.
#[derive(Debug)]
pub(super) struct TextReader {
    texts: Arc<File>,
    ranges: std::vec::IntoIter<ObjectRange>,
    /// The offset of the next byte of the current text in the file.
    position: u64,
    /// The offset of the end of the current text.
    end: u64,
}

impl RangeReader for TextReader {
    #[expect(clippy::expect_used, reason = "a default would read another text")]
    fn next_range(&mut self) -> Result<()> {
        (self.position, self.end) = (0, 0);
        if let Some(ObjectRange { object, start, .. }) = self.ranges.next() {
            let first: u64 = object.key.parse().expect("the key of a text is its offset");
            self.position = first + start.min(object.size);
            self.end = first + object.size;
        }
        Ok(())
    }
}

impl Read for TextReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let length = to.len().min(left);
        let read = self.texts.read_at(&mut to[..length], self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Returns the sum of `bytes` and those of a reject. A person may have changed their number to anything.
fn add_bytes(bytes: u64, line: &RejectLine<'_>) -> u64 {
    bytes.saturating_add(line.bytes).min(MAX_CARRIED_BYTES)
}

/// The rejects that cannot be replayed, because their text is cut or absent. They become rejects of the replay as they
/// are.
#[derive(Debug, Default)]
pub(super) struct CarriedOver {
    /// The lines of the reject files.
    lines: Option<BufWriter<File>>,
    /// The number of rejects.
    rejects: u64,
    /// The number of rejects by reason.
    by_reason: BTreeMap<String, u64>,
    /// Bytes of the rejected records.
    bytes: u64,
}

impl CarriedOver {
    /// Adds a reject.
    ///
    /// # Errors
    /// Returns an error if it cannot be written to a temporary file.
    pub(super) fn add(&mut self, line: &RejectLine<'_>) -> Result<()> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            none => none.insert(BufWriter::new(tempfile::tempfile().map_err(spool_error)?)),
        };
        serde_json::to_writer(&mut *lines, line).map_err(|e| spool_error(e.into()))?;
        lines.write_all(b"\n").map_err(spool_error)?;
        self.rejects += 1;
        *self.by_reason.entry(line.reason.to_string()).or_default() += 1;
        self.bytes = add_bytes(self.bytes, line);
        Ok(())
    }

    /// Writes all buffered rejects to the temporary file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn flush(&mut self) -> Result<()> {
        match &mut self.lines {
            Some(lines) => lines.flush().map_err(spool_error),
            None => Ok(()),
        }
    }

    /// Returns the number of rejects.
    pub(super) fn rejects(&self) -> u64 {
        self.rejects
    }

    /// Counts the rejects as records of an input.
    pub(super) fn add_to(&self, report: &mut InputReport) {
        report.records += self.rejects;
        report.rejected += self.rejects;
        for (reason, count) in &self.by_reason {
            *report.rejected_by_reason.entry(reason.clone()).or_default() += count;
        }
        report.rejected_bytes += self.bytes;
        report.decompressed_bytes += self.bytes;
    }

    /// Passes each reject to `visit`, in order.
    ///
    /// # Errors
    /// Returns an error if the temporary file cannot be read, or if `visit` returns one.
    pub(super) fn for_each(
        &self,
        mut visit: impl FnMut(RejectLine<'static>) -> Result<()>,
    ) -> Result<()> {
        let Some(lines) = &self.lines else {
            return Ok(());
        };
        let mut file = lines.get_ref();
        file.rewind().map_err(spool_error)?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(spool_error)?;
            let line = RejectLine::parse(&line);
            visit(line.map_err(|reason| spool_error(io::Error::other(reason)))?)?;
        }
        Ok(())
    }
}
