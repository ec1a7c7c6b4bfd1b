//! Reject files: one JSON object a line for each record that did not become a row.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use super::Staging;
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::storage::Upload;

/// The folder of reject files in an output.
pub const REJECTS_DIR: &str = "_rejects";

/// Rejects of one split that are kept in memory, in bytes; more of them go to a file without a name.
const MAX_IN_MEMORY_BYTES: usize = 64 * 1024;

/// A line of a reject file.
#[derive(Debug, Serialize, Deserialize)]
struct RejectLine<'a> {
    run: Cow<'a, str>,
    reason: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    detail: Cow<'a, str>,
    object: Cow<'a, str>,
    line: u64,
    offset: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_base64: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// The rejects of one split, kept until it is known how many lines of the object are before them.
#[derive(Debug, Default)]
pub struct RejectBuffer {
    lines: Option<BufWriter<SpooledTempFile>>,
}

impl RejectBuffer {
    /// Takes a reject of `object` (a path or URL), on line `line` (from 1) of it. What is too much for memory
    /// is kept in the [scratch](Staging::scratch) folder of `staging`.
    ///
    /// # Errors
    /// There is no room in that folder.
    pub fn write(
        &mut self,
        staging: &Staging,
        object: &str,
        line: u64,
        reject: &Reject,
    ) -> Result<()> {
        let scratch = staging.scratch_dir();
        // A cut may fall inside a character; that alone does not make the text binary.
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
            run: staging.run_id().into(),
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
        let spool_error = |e: &std::io::Error| Error::io("cannot keep rejects in", &scratch, e);
        let mut bytes = serde_json::to_vec(&line).map_err(|e| spool_error(&e.into()))?;
        bytes.push(b'\n');
        let lines = self.lines.get_or_insert_with(|| {
            BufWriter::new(SpooledTempFile::new_in(MAX_IN_MEMORY_BYTES, &scratch))
        });
        lines.write_all(&bytes).map_err(|e| spool_error(&e))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_none()
    }

    /// Writes them all to a file of `name` and returns its length in bytes. The line numbers of the first `count` are `by` higher there:
    /// those of a split that began in the middle of an object.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write_to(
        self,
        mut upload: Box<dyn Upload>,
        name: &str,
        (shifted_lines, line_offset): (u64, u64),
    ) -> Result<u64> {
        let write_error = |e: &std::io::Error| Error::io("cannot write", name.as_ref(), e);
        if let Some(lines) = self.lines {
            let mut lines = lines.into_inner().map_err(|e| write_error(e.error()))?;
            lines.rewind().map_err(|e| write_error(&e))?;
            let mut lines = BufReader::new(lines);
            let mut out = BufWriter::new(&mut upload);
            if line_offset > 0 {
                for _ in 0..shifted_lines {
                    let mut json = String::new();
                    lines.read_line(&mut json).map_err(|e| write_error(&e))?;
                    let mut line: RejectLine<'_> =
                        serde_json::from_str(&json).map_err(|e| write_error(&e.into()))?;
                    line.line += line_offset;
                    serde_json::to_writer(&mut out, &line).map_err(|e| write_error(&e.into()))?;
                    out.write_all(b"\n").map_err(|e| write_error(&e))?;
                }
            }
            std::io::copy(&mut lines, &mut out).map_err(|e| write_error(&e))?;
            out.flush().map_err(|e| write_error(&e))?;
        }
        upload.finish()
    }
}
