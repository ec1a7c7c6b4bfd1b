//! Awkward records: clean ones, spoiled by a list of edits, in ways whose outcome is certain.
//!
//! A [`EdgeCase`] is one way, with what must come of it; `events` and `songs` are the tables of all
//! cases. [`EdgeCaseCycle`] goes round and round a table. A syntax error runs to the next line that begins
//! with `{`, so that a clean record always follows it there. A case has one fault, since only the
//! first of several would be reported.

mod events;
mod ignored_files;
mod record;
mod songs;

pub(super) use ignored_files::write_files_without_records;
use record::EditableRecord;

/// What an engine makes of a record.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    /// Accepted; an event: kept.
    Kept,
    /// An event on another page than NextSong.
    Filtered,
    /// An event that was kept before.
    Duplicate,
    /// Rejected for this reason.
    Rejected(&'static str),
}

/// One way to be awkward.
pub(super) struct EdgeCase {
    pub outcome: Outcome,
    edits: &'static [Edit],
}

/// A change to a record. Bytes are JSON as it will stand in the file.
enum Edit {
    /// Begin with the clean record that was written before, not with a fresh one.
    ReusePrevious,
    /// Take these fields from that record.
    CopyFields(&'static [&'static str]),
    /// The field's value, or a new last field.
    Set(&'static str, &'static [u8]),
    /// A text value of so many copies of a character.
    FillText(&'static str, &'static str, usize),
    /// No such field.
    RemoveField(&'static str),
    /// The key spelt otherwise.
    RenameKey(&'static str, &'static str),
    /// The number in quotes, or the text without.
    Quote(&'static str),
    Unquote(&'static str),
    /// The number written longer: `.0`, `e0`.
    LengthenNumber(&'static str, &'static str),
    /// Every plain character of the text as `\u00XX`.
    EscapeText(&'static str),
    /// A member before or after all others.
    PrependMember(&'static [u8]),
    AppendMember(&'static [u8]),
    /// A last member that brings the record to this depth.
    NestTo(usize),
    /// The fields from the last to the first.
    ReverseFields,
    /// One field a line.
    PrettyPrint,
    /// Bytes before and after the record (a newline if not given).
    BytesBefore(&'static [u8]),
    BytesAfter(&'static [u8]),
    /// A clean record after it, behind these bytes.
    CleanAfter(&'static [u8]),
    /// Only the first so many bytes.
    Truncate(usize),
    /// Not the last so many bytes.
    DropLast(usize),
    /// Not the first byte.
    DropFirst,
    /// Something else altogether.
    Replace(&'static [u8]),
}

impl EdgeCase {
    /// Whether any of these fields has another value than the clean record had.
    pub(super) fn changes_any(&self, keys: &[&str]) -> bool {
        self.edits.iter().any(|edit| match edit {
            Edit::Set(key, _) | Edit::FillText(key, ..) | Edit::RemoveField(key) => {
                keys.contains(key)
            }
            Edit::CopyFields(same) => same.iter().any(|key| keys.contains(key)),
            _ => false,
        })
    }

    fn reuses_previous(&self) -> bool {
        self.edits
            .iter()
            .any(|edit| matches!(edit, Edit::ReusePrevious))
    }

    /// What stands between the record and the clean one that follows it, if one does.
    fn clean_after(&self) -> Option<&'static [u8]> {
        let explicit = self.edits.iter().find_map(|edit| {
            if let Edit::CleanAfter(bytes) = edit {
                Some(*bytes)
            } else {
                None
            }
        });
        match self.outcome {
            Outcome::Rejected("syntax") => explicit.or(Some(b"\n")),
            _ => explicit,
        }
    }
}

/// What was written for a case; `T` is what the caller knows of a clean record.
pub(super) struct WrittenCase<T> {
    pub case: &'static EdgeCase,
    /// The record that was spoiled, unless it was an old one.
    pub fresh_record: Option<T>,
    /// A clean record that was written besides.
    pub clean_record: Option<T>,
}

/// Deals out a table's cases in turn, for ever.
pub(super) struct EdgeCaseCycle {
    table: &'static [EdgeCase],
    next_index: usize,
    /// A clean record that was written, for those that come again.
    previous: Vec<u8>,
    /// Bytes after a record that asks for none.
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

    /// How many pieces go with so many ordinary records: at least one of each, and about 0.4 %
    /// rejects.
    pub(super) fn count_for(&self, records: u64) -> u64 {
        let rejects = self
            .table
            .iter()
            .filter(|case| matches!(case.outcome, Outcome::Rejected(_)))
            .count() as u64;
        let cases = self.table.len() as u64;
        cases.max(records.div_ceil(250) * cases / rejects.max(1))
    }

    /// Writes the next case; `clean` appends a clean record of which there is no other.
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

    /// Writes the clean record again, if there is one.
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
            outcome: Outcome::Filtered,
            edits: &[Edit::Replace(b"{}")],
        };
        let case = self
            .table
            .get(self.next_index % self.table.len().max(1))
            .unwrap_or(&EMPTY_OBJECT);
        self.next_index += 1;
        case
    }
}
