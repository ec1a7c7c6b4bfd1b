//! Defines a line of a reject file.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::input::RecordKind;

/// A line of a reject file: one rejected record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "expected the JSON object of a reject")]
pub(crate) struct RejectLine<'a> {
    /// The id of the run that rejected the record.
    pub run: Cow<'a, str>,
    /// The kind of the record. Absent in files of version 0.1, whose names tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RecordKind>,
    /// The name of the reason.
    pub reason: Cow<'a, str>,
    /// The key whose value is invalid, if the reason concerns one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// A description of the error.
    pub detail: Cow<'a, str>,
    /// The path or URL of the object.
    pub object: Cow<'a, str>,
    /// The line of the object on which the record begins, from 1.
    pub line: u64,
    /// The offset of the record in the decompressed object, in bytes.
    pub offset: u64,
    /// The length of the record, in bytes.
    pub bytes: u64,
    /// The text of the record, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    /// The text of the record, in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_base64: Option<Cow<'a, str>>,
    /// Whether the text is only the beginning of the record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl RejectLine<'_> {
    /// Parses a line.
    ///
    /// # Errors
    /// Returns a reason if the line is not the JSON object of a reject.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            // The error counts lines within this one.
            let text = error.to_string();
            let position = format!(" at line {} column {}", error.line(), error.column());
            match text.strip_suffix(&position) {
                Some(text) => format!("{text} at column {}", error.column()),
                None => text,
            }
        })
    }

    /// Returns the bytes of the text.
    ///
    /// # Errors
    /// Returns a reason if there is no text, or more than one, or if it is not base64.
    pub(crate) fn decode_text(&self) -> Result<Cow<'_, [u8]>, String> {
        match (&self.text, &self.text_base64) {
            (Some(text), None) => Ok(Cow::Borrowed(text.as_bytes())),
            (None, Some(base64)) => match BASE64.decode(base64.as_bytes()) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) => Err(format!("text_base64 is not base64: {error}")),
            },
            (Some(_), Some(_)) => Err("it has both text and text_base64".to_owned()),
            (None, None) => Err("it has neither text nor text_base64".to_owned()),
        }
    }

    /// Returns true if the record can be tried again: its text is complete and not empty. A reject at the end of an
    /// object, for bytes that are missing there, has an empty text.
    pub(crate) fn is_replayable(&self) -> bool {
        let texts = [&self.text, &self.text_base64].into_iter().flatten();
        !self.truncated && texts.map(|text| text.len()).sum::<usize>() > 0
    }
}
