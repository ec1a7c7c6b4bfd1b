//! Reject files: one JSON object a line for each record that did not become a row.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use crate::decode::reject::Reject;
use crate::error::{Error, Result};

/// A line of a reject file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    detail: &'a str,
    object: &'a str,
    line: u64,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_base64: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

/// Writes one reject file, which it creates with the first reject.
#[derive(Debug)]
pub struct RejectWriter {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl RejectWriter {
    /// A writer to `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Writes a reject of `object` (a path or URL), on line `line` (from 1) of it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, object: &str, line: u64, reject: &Reject) -> Result<()> {
        // A cut may fall inside a character; that alone does not make the text binary.
        let text = match std::str::from_utf8(&reject.text) {
            Ok(text) => Some(text),
            Err(e) if reject.cut && e.error_len().is_none() => reject
                .text
                .get(..e.valid_up_to())
                .and_then(|t| std::str::from_utf8(t).ok()),
            Err(_) => None,
        };
        let line = Line {
            reason: reject.reason.name(),
            key: reject.key,
            detail: &reject.detail,
            object,
            line,
            offset: reject.offset,
            text,
            text_base64: text.is_none().then(|| BASE64.encode(&reject.text)),
            cut: reject.cut,
        };
        let mut bytes = serde_json::to_vec(&line).map_err(|e| cannot(&self.path, &e.into()))?;
        bytes.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::create(&self.path).map_err(|e| cannot(&self.path, &e))?;
                self.file.insert(BufWriter::new(file))
            }
        };
        file.write_all(&bytes).map_err(|e| cannot(&self.path, &e))
    }

    /// Makes sure that everything is written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(mut self) -> Result<()> {
        match &mut self.file {
            Some(file) => file.flush().map_err(|e| cannot(&self.path, &e)),
            None => Ok(()),
        }
    }
}

fn cannot(path: &Path, e: &std::io::Error) -> Error {
    Error::io("cannot write", path, e)
}
