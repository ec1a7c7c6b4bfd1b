//! Splits the text of an object into JSON objects, as COPY does.
//!
//! Only white space may be between them. The documentation does not say where COPY resumes after a syntax error: here
//! it resumes at the next line that begins with `{`.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::redshift_simulator::copy::json::utf8::JsonText;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A JSON object, or the text in place of one.
pub struct ReadRecord<'a> {
    /// The object, or the reason for which it is rejected.
    pub object: Result<&'a RawValue, String>,
    pub text: &'a str,
    /// The number of its last line, from 1.
    pub line: usize,
    /// The length of the text that was parsed.
    parsed: usize,
    start: usize,
    invalid: &'a [Range<usize>],
}

impl ReadRecord<'_> {
    /// Returns the bytes that count for the maximum size of an object: pipes count twice.
    pub fn counted_bytes(&self) -> usize {
        let parsed = &self.text.as_bytes()[..self.parsed.min(self.text.len())];
        parsed.len() + parsed.iter().filter(|byte| **byte == b'|').count()
    }

    /// Returns the ranges of invalid UTF-8 within the text.
    pub fn invalid_ranges(&self) -> Vec<Range<usize>> {
        let (start, end) = (self.start, self.start + self.text.len());
        let first = self.invalid.partition_point(|range| range.end <= start);
        let within = self.invalid[first..]
            .iter()
            .take_while(|range| range.start < end);
        within
            .map(|range| range.start - start..range.end - start)
            .collect()
    }
}

/// Reads the records of an object in order.
pub struct RecordReader<'a> {
    text: &'a JsonText,
    at: usize,
    /// The position up to which the lines are counted, and the number of the line there.
    counted: (usize, usize),
}

impl<'a> RecordReader<'a> {
    pub fn new(text: &'a JsonText) -> Self {
        Self {
            text,
            at: 0,
            counted: (0, 1),
        }
    }

    /// Returns the next record, or `None` at the end.
    pub fn next(&mut self) -> Option<ReadRecord<'a>> {
        let rest = &self.text.text[self.at..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        let start = self.at + blanks;
        let rest = &rest[blanks..];
        if rest.is_empty() {
            return None;
        }
        let marked = rest.strip_prefix(BYTE_ORDER_MARK);
        let marked = marked.filter(|after| start == 0 && after.starts_with('{'));
        let value = marked.unwrap_or(rest);
        if !value.starts_with(['{', '[']) {
            let length = rest.find(['{', '\n']).unwrap_or(rest.len());
            let message = "Invalid JSON: a character other than white space is between the objects";
            return Some(self.record(start, length, length, Err(message.to_owned())));
        }
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<&RawValue>();
        let parsed = values.next().expect("a value begins here");
        let length = rest.len() - value.len() + values.byte_offset();
        let object = match parsed {
            Ok(_) if marked.is_some() => Err("Invalid JSON: a byte order mark".to_owned()),
            Ok(_) if value.starts_with('[') => Err("Member is not an object".to_owned()),
            Ok(object) => Ok(object),
            Err(error) => {
                let end = error_position(value, &error) + rest.len() - value.len();
                let resume = next_object_line(rest);
                let message = syntax_message(&error);
                return Some(self.record(start, resume, end.min(resume), Err(message)));
            }
        };
        Some(self.record(start, length, length, object))
    }

    /// Returns a record of this length, of which the parser has read the bytes up to `end`.
    fn record(
        &mut self,
        start: usize,
        length: usize,
        end: usize,
        object: Result<&'a RawValue, String>,
    ) -> ReadRecord<'a> {
        self.at = start + length;
        let last = start + end.saturating_sub(1);
        ReadRecord {
            object,
            text: self.text.text[start..self.at].trim_end(),
            line: self.line_at(last),
            parsed: end,
            start,
            invalid: &self.text.invalid,
        }
    }

    /// Returns the number of the line of a position, which is not before the last one.
    fn line_at(&mut self, position: usize) -> usize {
        let (counted, line) = self.counted;
        let passed = &self.text.text.as_bytes()[counted..position.max(counted)];
        let line = line + passed.iter().filter(|byte| **byte == b'\n').count();
        self.counted = (position.max(counted), line);
        line
    }
}

/// Returns the position of a syntax error: its line and column count from 1.
fn error_position(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.match_indices('\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(lines).nth(error.line() - 1);
    (start.unwrap_or(0) + error.column()).min(text.len())
}

/// Returns the message of a syntax error without its position, which is relative to the record.
fn syntax_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (what, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    format!("Invalid JSON: {what}")
}

/// Returns the start of the next line that begins with `{`, or the end.
fn next_object_line(text: &str) -> usize {
    text.find("\n{").map_or(text.len(), |at| at + 1)
}
