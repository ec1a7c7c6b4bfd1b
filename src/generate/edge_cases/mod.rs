//! Generates edge cases: clean records that are changed by a list of edits, each with a known outcome.
//!
//! An [`EdgeCase`] is a list of edits with its expected outcome, and `events` and `songs` are the tables of all cases.
//! [`EdgeCaseCycle`] cycles through a table. After a syntax error the engine resumes at the next line that begins with
//! `{`, so a clean record always follows on such a line. A case has only one error, because the engine reports only the
//! first of several.

mod editable_record;
mod events;
mod ignored_files;
mod songs;

use editable_record::EditableRecord;
pub(super) use ignored_files::write_files_without_records;

/// Expected outcome of a record.
#[derive(Clone, Copy)]
pub(super) enum ExpectedOutcome {
    /// The record is accepted, and an event is kept.
    Kept,
    /// The event is on another page than NextSong.
    Filtered,
    /// The event was kept before.
    Duplicate,
    /// The record is rejected for this reason.
    Rejected(&'static str),
}

/// A list of edits with its expected outcome.
pub(super) struct EdgeCase {
    pub outcome: ExpectedOutcome,
    edits: &'static [RecordEdit],
}

/// A change to a record. Values, members and other bytes are inserted into the file unchanged.
enum RecordEdit {
    /// Starts with the previous clean record instead of a new one.
    ReusePrevious,
    /// Copies these fields from the previous clean record.
    CopyFields(&'static [&'static str]),
    /// Sets the value of a field, which is appended if it does not exist.
    Set(&'static str, &'static [u8]),
    /// Sets a field to a text that repeats a string a number of times.
    FillText(&'static str, &'static str, usize),
    /// Removes a field.
    RemoveField(&'static str),
    /// Renames the key of a field.
    RenameKey(&'static str, &'static str),
    /// Puts a number in quotes.
    Quote(&'static str),
    /// Removes the quotes of a text.
    Unquote(&'static str),
    /// Appends a suffix such as `.0` or `e0` to a number.
    LengthenNumber(&'static str, &'static str),
    /// Writes every unescaped character of a text as `\u00XX`.
    EscapeText(&'static str),
    /// Inserts a member before all others.
    PrependMember(&'static [u8]),
    /// Inserts a member after all others.
    AppendMember(&'static [u8]),
    /// Appends a member with which the record is nested to this depth.
    NestTo(usize),
    /// Reverses the order of the fields.
    ReverseFields,
    /// Writes one field per line.
    PrettyPrint,
    /// Writes bytes before the record.
    BytesBefore(&'static [u8]),
    /// Writes bytes after the record instead of the usual terminator.
    BytesAfter(&'static [u8]),
    /// Writes these bytes and a clean record after the record.
    CleanAfter(&'static [u8]),
    /// Keeps only the given number of bytes.
    Truncate(usize),
    /// Removes the given number of bytes from the end.
    DropLast(usize),
    /// Removes the first byte.
    DropFirst,
    /// Replaces the record by other bytes.
    Replace(&'static [u8]),
}

impl EdgeCase {
    /// Returns true if the edits change the value of any of these fields.
    pub(super) fn changes_any(&self, keys: &[&str]) -> bool {
        self.edits.iter().any(|edit| match edit {
            RecordEdit::Set(key, _)
            | RecordEdit::FillText(key, ..)
            | RecordEdit::RemoveField(key) => keys.contains(key),
            RecordEdit::CopyFields(copied) => copied.iter().any(|key| keys.contains(key)),
            _ => false,
        })
    }

    fn reuses_previous(&self) -> bool {
        self.edits
            .iter()
            .any(|edit| matches!(edit, RecordEdit::ReusePrevious))
    }

    /// Returns the separator between the record and the clean record that follows it, if there is one.
    fn clean_after(&self) -> Option<&'static [u8]> {
        let explicit = self.edits.iter().find_map(|edit| {
            if let RecordEdit::CleanAfter(bytes) = edit {
                Some(*bytes)
            } else {
                None
            }
        });
        match self.outcome {
            ExpectedOutcome::Rejected("syntax") => explicit.or(Some(b"\n")),
            _ => explicit,
        }
    }
}

/// The records that were written for a case. `T` is the caller's description of a clean record.
pub(super) struct WrittenCase<T> {
    pub case: &'static EdgeCase,
    /// The edited record, if it was a new one.
    pub fresh_record: Option<T>,
    /// The clean record that was written in addition.
    pub clean_record: Option<T>,
}

/// Cycles through the cases of a table without end.
pub(super) struct EdgeCaseCycle {
    table: &'static [EdgeCase],
    next_index: usize,
    /// The last clean record, for the cases that repeat it.
    previous: Vec<u8>,
    /// Bytes after a record without a `BytesAfter` edit.
    terminator: &'static [u8],
}

impl EdgeCaseCycle {
    pub(super) fn for_events() -> Self {
        Self {
            table: events::CASES,
            next_index: 0,
            previous: Vec::new(),
            terminator: b"\n",
        }
    }

    pub(super) fn for_songs() -> Self {
        Self {
            table: songs::CASES,
            next_index: 0,
            previous: Vec::new(),
            terminator: b"",
        }
    }

    /// Returns the number of cases for a number of ordinary records: at least one of each case, and about 0.4 % rejects.
    pub(super) fn count_for(&self, records: u64) -> u64 {
        let rejects = self
            .table
            .iter()
            .filter(|case| matches!(case.outcome, ExpectedOutcome::Rejected(_)))
            .count() as u64;
        let cases = self.table.len() as u64;
        cases.max(records.div_ceil(250) * cases / rejects.max(1))
    }

    /// Writes the next case. `clean` appends a clean record that is different from all others.
    pub(super) fn write_next<T>(
        &mut self,
        out: &mut Vec<u8>,
        mut clean: impl FnMut(&mut Vec<u8>) -> T,
    ) -> WrittenCase<T> {
        let case = self.next_case();
        let mut written_case = WrittenCase {
            case,
            fresh_record: None,
            clean_record: None,
        };
        let mut text = Vec::new();
        if !case.reuses_previous() {
            written_case.fresh_record = Some(clean(&mut text));
        } else if self.previous.is_empty() {
            written_case.clean_record = Some(clean(&mut self.previous));
            self.push_previous(out);
        }
        let record = EditableRecord::with_edits(&text, &self.previous, case.edits);
        record.write(
            out,
            case.edits,
            if case.clean_after().is_some() {
                b""
            } else {
                self.terminator
            },
        );
        if let Some(separator) = case.clean_after() {
            out.extend_from_slice(separator);
            self.previous.clear();
            written_case.clean_record = Some(clean(&mut self.previous));
            self.push_previous(out);
        }
        written_case
    }

    /// Writes the previous clean record again. Returns false if there is none.
    pub(super) fn push_duplicate(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.previous.is_empty() {
            self.push_previous(out);
        }
        !self.previous.is_empty()
    }

    fn push_previous(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.previous);
        out.push(b'\n');
    }

    fn next_case(&mut self) -> &'static EdgeCase {
        static EMPTY_OBJECT: EdgeCase = EdgeCase {
            outcome: ExpectedOutcome::Filtered,
            edits: &[RecordEdit::Replace(b"{}")],
        };
        let case = self
            .table
            .get(self.next_index % self.table.len().max(1))
            .unwrap_or(&EMPTY_OBJECT);
        self.next_index += 1;
        case
    }
}
