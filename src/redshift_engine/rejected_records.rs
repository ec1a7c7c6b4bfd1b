//! Reads the records that the checks in Redshift rejected.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::decode::reject::MAX_REJECT_TEXT_BYTES;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::model::StagingColumn;
use crate::output::RejectLine;
use crate::warehouse::query_result::unexpected_result;

/// A record that was copied, and that a check rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RejectedRecord {
    reason: String,
    key: String,
    detail: String,
    /// A JSON object with the copied values, all of them as texts. Keys without a value are absent.
    text: String,
    /// The length of that object, of which the text is the beginning.
    bytes: usize,
}

impl RejectedRecord {
    /// Reads a row of the query for rejected records: reason, key and detail, and the values of the columns.
    ///
    /// # Errors
    /// Returns an error if the row has another shape.
    pub(super) fn parse(row: &[Option<&str>], columns: &[StagingColumn]) -> Result<Self> {
        let [Some(reason), Some(key), Some(detail), values @ ..] = row else {
            return Err(unreadable());
        };
        if values.len() != columns.len() {
            return Err(unreadable());
        }
        let fields = columns.iter().zip(values);
        let fields = fields.filter_map(|(column, value)| {
            let value = Value::String((*value)?.to_owned());
            Some((column.key.to_owned(), value))
        });
        let mut text = Value::Object(fields.collect::<Map<_, _>>()).to_string();
        let bytes = text.len();
        text.truncate(text.floor_char_boundary(MAX_REJECT_TEXT_BYTES));
        Ok(Self {
            reason: (*reason).to_owned(),
            key: (*key).to_owned(),
            detail: (*detail).to_owned(),
            text,
            bytes,
        })
    }

    /// Returns the line of the reject file. The object of the record is not known after COPY, so that the line names its
    /// own place: the reject file, and the line and the offset there.
    pub(super) fn to_reject_line<'a>(
        &'a self,
        run: &'a str,
        kind: RecordKind,
        place: RejectPlace<'a>,
    ) -> RejectLine<'a> {
        RejectLine {
            run: run.into(),
            kind: Some(kind),
            reason: self.reason.as_str().into(),
            key: Some(Cow::Borrowed(&self.key)),
            detail: self.detail.as_str().into(),
            object: place.file.into(),
            line: place.line,
            offset: 0,
            bytes: self.bytes as u64,
            text: Some(self.text.as_str().into()),
            text_base64: None,
            truncated: self.text.len() < self.bytes,
        }
    }

    /// Describes the reject for messages.
    pub(super) fn describe(&self) -> String {
        format!("{} of {}: {}", self.reason, self.key, self.detail)
    }
}

/// The place of a reject in a reject file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RejectPlace<'a> {
    /// The path or URL of the file.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u64,
}

fn unreadable() -> Error {
    unexpected_result("the rejected records")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<StagingColumn> {
        ["level", "ts", "userId"]
            .map(|key| StagingColumn {
                key,
                name: key.to_lowercase(),
            })
            .to_vec()
    }

    #[test]
    fn text_has_the_copied_values() {
        let row = [
            Some("type"),
            Some("ts"),
            Some("not a number"),
            None,
            Some("a \"b\""),
            Some(""),
        ];
        let record = RejectedRecord::parse(&row, &columns()).unwrap();
        let place = RejectPlace {
            file: "s3://bucket/out/R/_rejects/logs-00000.jsonl",
            line: 3,
        };
        let line = record.to_reject_line("R", RecordKind::Log, place);
        assert_eq!(
            line.text.as_deref(),
            Some(r#"{"ts":"a \"b\"","userId":""}"#)
        );
        assert!(line.is_replayable());
        assert_eq!(record.describe(), "type of ts: not a number");
    }

    #[test]
    fn long_text_is_cut() {
        let long = "é".repeat(MAX_REJECT_TEXT_BYTES);
        let row = [
            Some("type"),
            Some("ts"),
            Some("x"),
            Some(&*long),
            None,
            None,
        ];
        let record = RejectedRecord::parse(&row, &columns()).unwrap();
        let place = RejectPlace { file: "f", line: 1 };
        let line = record.to_reject_line("R", RecordKind::Log, place);
        assert!(!line.is_replayable());
        assert!(line.text.unwrap().len() <= MAX_REJECT_TEXT_BYTES);
        assert!(line.bytes > long.len() as u64);
    }

    #[test]
    fn unreadable_rows_are_errors() {
        let full = [Some("type"), Some("ts"), Some("x"), None, None, None];
        RejectedRecord::parse(&full[..5], &columns()).unwrap_err();
        RejectedRecord::parse(&[None; 6], &columns()).unwrap_err();
    }
}
