//! Writes reject files: JSON lines with one object for each rejected record.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tempfile::SpooledTempFile;

use super::reject_line::RejectLine;
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::storage::Upload;

/// Bytes of the rejects of one split that are kept in memory. More of them spill to an unnamed temporary file.
const MAX_IN_MEMORY_BYTES: usize = 64 * 1024;

/// What the rejects of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct RejectContext {
    /// The id of the run.
    pub(super) run_id: String,
    /// The folder for temporary files.
    pub(super) scratch_dir: PathBuf,
}

/// How the line numbers of the first rejects of a split are corrected, whose object began in an earlier split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineShift {
    /// The number of these rejects.
    pub rejects: u64,
    /// The number of lines in the earlier splits.
    pub lines: u64,
}

/// Buffers the rejects of one split until the number of preceding lines in the object is known.
#[derive(Debug, Default)]
pub(crate) struct RejectBuffer {
    lines: Option<BufWriter<SpooledTempFile>>,
}

impl RejectBuffer {
    /// Adds a reject of a `kind` of record in `object` (a path or URL) that begins on `line` (counted from 1).
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be written to the scratch folder of the run.
    pub(crate) fn write(
        &mut self,
        run: &RejectContext,
        kind: RecordKind,
        object: &str,
        line: u64,
        reject: &Reject,
    ) -> Result<()> {
        // Truncation may split a character, which alone does not make the text binary.
        let text = match std::str::from_utf8(&reject.text) {
            Ok(text) => Some(text),
            Err(e) if reject.is_truncated() && e.error_len().is_none() => reject
                .text
                .get(..e.valid_up_to())
                .and_then(|t| std::str::from_utf8(t).ok()),
            Err(_) => None,
        };
        let text_base64 = text.is_none().then(|| BASE64.encode(&reject.text).into());
        let line = RejectLine {
            run: run.run_id.as_str().into(),
            kind: Some(kind),
            reason: reject.reason.name().into(),
            key: reject.key.map(Cow::Borrowed),
            detail: reject.detail.as_ref().into(),
            object: object.into(),
            line,
            offset: reject.offset,
            bytes: reject.bytes,
            text: text.map(Cow::Borrowed),
            text_base64,
            truncated: reject.is_truncated(),
        };
        self.push(run, &line)
    }

    /// Adds a reject of an earlier run as it is, except for the id of the run.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be written to the scratch folder of the run.
    pub(crate) fn carry_over<'a>(
        &mut self,
        run: &'a RejectContext,
        mut line: RejectLine<'a>,
    ) -> Result<()> {
        line.run = run.run_id.as_str().into();
        self.push(run, &line)
    }

    /// Adds a line. Lines that exceed the memory limit spill to the scratch folder of the run.
    ///
    /// # Errors
    /// Returns an error if they cannot be written there.
    pub(crate) fn push(&mut self, run: &RejectContext, line: &RejectLine<'_>) -> Result<()> {
        let scratch = &run.scratch_dir;
        let spool_error = |e: std::io::Error| Error::io("cannot write rejects to", scratch, e);
        let mut bytes = serde_json::to_vec(line).map_err(|e| spool_error(e.into()))?;
        bytes.push(b'\n');
        let lines = self.lines.get_or_insert_with(|| {
            BufWriter::new(SpooledTempFile::new_in(MAX_IN_MEMORY_BYTES, scratch))
        });
        lines.write_all(&bytes).map_err(spool_error)
    }

    /// Returns true if there are no rejects.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_none()
    }

    /// Writes all rejects to the file `name` and returns its length in bytes.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be written.
    pub(crate) fn write_to(
        self,
        mut upload: Box<dyn Upload>,
        name: &str,
        shift: LineShift,
    ) -> Result<u64> {
        let write_error = |e: std::io::Error| Error::io("cannot write", name.as_ref(), e);
        if let Some(lines) = self.lines {
            let mut lines = lines
                .into_inner()
                .map_err(|e| write_error(e.into_error()))?;
            lines.rewind().map_err(write_error)?;
            let mut lines = BufReader::new(lines);
            let mut out = BufWriter::new(&mut upload);
            if shift.lines > 0 {
                for _ in 0..shift.rejects {
                    let mut json = String::new();
                    lines.read_line(&mut json).map_err(write_error)?;
                    let mut line: RejectLine<'_> =
                        serde_json::from_str(&json).map_err(|e| write_error(e.into()))?;
                    line.line += shift.lines;
                    serde_json::to_writer(&mut out, &line).map_err(|e| write_error(e.into()))?;
                    out.write_all(b"\n").map_err(write_error)?;
                }
            }
            std::io::copy(&mut lines, &mut out).map_err(write_error)?;
            out.flush().map_err(write_error)?;
        }
        upload.finish()
    }
}
