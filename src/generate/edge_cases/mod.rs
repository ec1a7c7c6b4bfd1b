//! Generates edge cases: clean records that are changed by a list of edits, each with a known outcome.
//!
//! An [`EdgeCase`] is a list of edits with its expected outcome, and `events` and `songs` are the tables of all cases.
//! [`EdgeCaseCycle`] cycles through a table. After a syntax error the engine resumes at the next line that begins with
//! `{`, so a clean record always follows on such a line. A case has only one error, because the engine reports only the
//! first of several.

mod case;
mod cycle;
mod editable_record;
mod events;
mod ignored_files;
mod songs;

pub(super) use case::ExpectedOutcome;
pub(super) use cycle::{EdgeCaseCycle, WrittenCase};
pub(super) use ignored_files::write_files_without_records;
