//! Reject files: one JSON object a line for each record that did not become a row.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::decode::reject::Reject;
use crate::error::{Error, Result};

/// The ending of a reject file that is being written again.
pub(super) const SHIFTED: &str = ".shifted";

/// A line of a reject file.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    reason: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    detail: Cow<'a, str>,
    object: Cow<'a, str>,
    line: u64,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_base64: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
        let text_base64 = text.is_none().then(|| BASE64.encode(&reject.text).into());
        self.write_line(&Line {
            reason: reject.reason.name().into(),
            key: reject.key.map(Cow::Borrowed),
            detail: reject.detail.as_ref().into(),
            object: object.into(),
            line,
            offset: reject.offset,
            text: text.map(Cow::Borrowed),
            text_base64,
            cut: reject.cut,
        })
    }

    fn write_line(&mut self, line: &Line<'_>) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(|e| cannot(&self.path, &e.into()))?;
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

/// Adds `by` to the line numbers of the first `count` rejects in a closed file: those of a split that
/// began in the middle of an object, when it has become known how many lines are before it.
///
/// # Errors
/// The file cannot be read or written again.
pub fn shift_lines(path: &Path, count: u64, by: u64) -> Result<()> {
    let shifted = path.with_extension(SHIFTED.trim_start_matches('.'));
    let mut writer = RejectWriter::new(shifted.clone());
    let file = File::open(path).map_err(|e| cannot(path, &e))?;
    for (number, line) in (0..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|e| cannot(path, &e))?;
        let mut line: Line<'_> =
            serde_json::from_str(&line).map_err(|e| cannot(path, &e.into()))?;
        if number < count {
            line.line += by;
        }
        writer.write_line(&line)?;
    }
    writer.close()?;
    fs::rename(&shifted, path).map_err(|e| cannot(path, &e))
}

fn cannot(path: &Path, e: &std::io::Error) -> Error {
    Error::io("cannot write", path, e)
}
