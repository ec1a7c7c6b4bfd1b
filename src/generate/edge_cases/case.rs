//! Defines an edge case: a list of edits with its expected outcome.

/// Expected outcome of a record.
#[derive(Clone, Copy)]
pub(in crate::generate) enum ExpectedOutcome {
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
pub(in crate::generate) struct EdgeCase {
    pub outcome: ExpectedOutcome,
    pub(super) edits: &'static [RecordEdit],
}

/// A change to a record. Values, members and other bytes are inserted into the file unchanged.
pub(super) enum RecordEdit {
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
    pub(in crate::generate) fn changes_any(&self, keys: &[&str]) -> bool {
        self.edits.iter().any(|edit| match edit {
            RecordEdit::Set(key, _)
            | RecordEdit::FillText(key, ..)
            | RecordEdit::RemoveField(key) => keys.contains(key),
            RecordEdit::CopyFields(copied) => copied.iter().any(|key| keys.contains(key)),
            _ => false,
        })
    }

    pub(super) fn reuses_previous(&self) -> bool {
        self.edits
            .iter()
            .any(|edit| matches!(edit, RecordEdit::ReusePrevious))
    }

    /// Returns the separator between the record and the clean record that follows it, if there is one.
    pub(super) fn clean_after(&self) -> Option<&'static [u8]> {
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
