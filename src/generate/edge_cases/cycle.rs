//! Writes the cases of a table one after the other.

use super::case::{EdgeCase, ExpectedOutcome};
use super::editable_record::EditableRecord;
use super::{events, songs};

/// The records that were written for a case. `T` is the caller's description of a clean record.
pub(in crate::generate) struct WrittenCase<T> {
    pub case: &'static EdgeCase,
    /// The edited record, if it was a new one.
    pub fresh_record: Option<T>,
    /// The clean record that was written in addition.
    pub clean_record: Option<T>,
}

/// Cycles through the cases of a table without end.
pub(in crate::generate) struct EdgeCaseCycle {
    table: &'static [EdgeCase],
    next_index: usize,
    /// The last clean record, for the cases that repeat it.
    previous: Vec<u8>,
    /// Bytes after a record without a `BytesAfter` edit.
    terminator: &'static [u8],
}

impl EdgeCaseCycle {
    pub(in crate::generate) fn for_events() -> Self {
        Self {
            table: events::CASES,
            next_index: 0,
            previous: Vec::new(),
            terminator: b"\n",
        }
    }

    pub(in crate::generate) fn for_songs() -> Self {
        Self {
            table: songs::CASES,
            next_index: 0,
            previous: Vec::new(),
            terminator: b"",
        }
    }

    /// Returns the number of cases for a number of ordinary records: at least one of each case, and about 0.4 % rejects.
    pub(in crate::generate) fn count_for(&self, records: u64) -> u64 {
        let rejects = self
            .table
            .iter()
            .filter(|case| matches!(case.outcome, ExpectedOutcome::Rejected(_)))
            .count() as u64;
        let cases = self.table.len() as u64;
        cases.max(records.div_ceil(250) * cases / rejects.max(1))
    }

    /// Writes the next case. `clean` appends a clean record that is different from all others.
    pub(in crate::generate) fn write_next<T>(
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
    pub(in crate::generate) fn push_duplicate(&mut self, out: &mut Vec<u8>) -> bool {
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
        let case = &self.table[self.next_index % self.table.len()];
        self.next_index += 1;
        case
    }
}
