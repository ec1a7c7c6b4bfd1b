//! Reads the records that COPY could not read from the load error views of Redshift.

use std::borrow::Cow;

use crate::decode::reject::RejectReason;
use crate::error::Result;
use crate::input::RecordKind;
use crate::model::StagingColumn;
use crate::output::RejectLine;
use crate::warehouse::connect::session::ResultRow;
use crate::warehouse::query_result::unexpected_result;

/// The maximum length of `raw_line`, in characters (the page "STL_LOAD_ERRORS"). Trailing blanks are not known.
const MAX_VIEW_TEXT_CHARS: usize = 1000;

/// "Input data exceeded the acceptable range for the data type" (Amazon Redshift Database Developer Guide, "Load error
/// reference"): for a text column, its length.
const VALUE_TOO_LONG: u32 = 1204;

/// "Contains invalid or unsupported UTF8 codepoints" (the same page).
const INVALID_UTF8: u32 = 1220;

/// A record that COPY could not read, as a load error view shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LoadError {
    /// The URL of the object.
    pub object: String,
    /// The last line of the record, from 1.
    pub line: u64,
    /// The column whose value is invalid; empty if the error concerns the record.
    column: String,
    /// The code of Redshift.
    code: u32,
    message: String,
    /// The beginning of the record; empty if the view does not have it.
    text: String,
}

impl LoadError {
    /// Reads a row of the query for load errors.
    ///
    /// # Errors
    /// Returns an error if the row has another shape.
    pub(super) fn parse(row: ResultRow) -> Result<Self> {
        let unreadable = || unexpected_result("the load errors of COPY");
        let Ok([object, line, column, code, message, text]) = <[Option<String>; 6]>::try_from(row)
        else {
            return Err(unreadable());
        };
        let number = |field: Option<String>| field.and_then(|text| text.trim().parse().ok());
        Ok(Self {
            object: object.ok_or_else(unreadable)?,
            line: number(line).ok_or_else(unreadable)?,
            column: column.unwrap_or_default(),
            code: number(code)
                .and_then(|code| u32::try_from(code).ok())
                .ok_or_else(unreadable)?,
            message: message.unwrap_or_default(),
            text: text.unwrap_or_default(),
        })
    }

    /// Returns true if the view has only the beginning of the record, or nothing.
    pub(super) fn is_cut(&self) -> bool {
        self.text.is_empty() || self.text.chars().count() >= MAX_VIEW_TEXT_CHARS
    }

    /// Returns the reason of the reject. Everything that is not about the encoding or the length of a value is about the
    /// syntax of the record.
    pub(super) fn reason(&self) -> RejectReason {
        match self.code {
            VALUE_TOO_LONG => RejectReason::TooLong,
            INVALID_UTF8 => RejectReason::Encoding,
            _ => RejectReason::Syntax,
        }
    }

    /// Returns the line of the reject file. `columns` are those of the staging table. Only the beginning of the record is known, and neither its offset nor its
    /// length.
    pub(super) fn to_reject_line<'a>(
        &'a self,
        run: &'a str,
        kind: RecordKind,
        columns: &[StagingColumn],
    ) -> RejectLine<'a> {
        let mut columns = columns.iter();
        let column = columns.find(|column| column.name == self.column);
        RejectLine {
            run: run.into(),
            kind: Some(kind),
            reason: self.reason().name().into(),
            key: column.map(|column| Cow::Borrowed(column.key)),
            detail: format!("COPY error {}: {}", self.code, self.message).into(),
            object: self.object.as_str().into(),
            line: self.line,
            offset: 0,
            bytes: self.text.len() as u64,
            text: Some(self.text.as_str().into()),
            text_base64: None,
            truncated: true,
        }
    }

    /// Describes the error for messages.
    pub(super) fn describe(&self) -> String {
        format!(
            "{} line {}: {} (COPY error {}: {})",
            self.object,
            self.line,
            self.reason().name(),
            self.code,
            self.message
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: [&str; 6]) -> ResultRow {
        fields.map(|field| Some(field.to_owned())).to_vec()
    }

    const ERROR: [&str; 6] = [
        "s3://bucket/logs/1.json",
        "7",
        "",
        "1216",
        "Invalid JSON",
        "{\"page\":",
    ];

    #[test]
    fn codes_have_reasons() {
        for (code, reason) in [
            ("1204", RejectReason::TooLong),
            ("1220", RejectReason::Encoding),
            ("1216", RejectReason::Syntax),
        ] {
            let mut fields = ERROR;
            fields[3] = code;
            assert_eq!(LoadError::parse(row(fields)).unwrap().reason(), reason);
        }
    }

    #[test]
    fn unreadable_rows_are_errors() {
        LoadError::parse(row(ERROR)[..5].to_vec()).unwrap_err();
        for (index, value) in [(1, "first"), (3, "-1"), (3, "")] {
            let mut fields = ERROR;
            fields[index] = value;
            LoadError::parse(row(fields)).unwrap_err();
        }
    }

    #[test]
    fn only_the_beginning_of_the_record_is_known() {
        let error = LoadError::parse(row(ERROR)).unwrap();
        let line = error.to_reject_line("R", RecordKind::Log, &[]);
        assert!(!line.is_replayable());
        assert_eq!(
            (line.line, line.detail.as_ref()),
            (7, "COPY error 1216: Invalid JSON")
        );
    }
}
