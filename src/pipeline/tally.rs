//! What became of the records of one source, and the reject files.

use std::sync::{Mutex, PoisonError};

use super::reader::SplitRead;
use super::source::Source;
use crate::error::Result;
use crate::input::Split;
use crate::output::report::InputReport;
use crate::output::{RejectWriter, Staging};

/// Collects counts and rejects as splits settle.
#[derive(Debug)]
pub struct Tally<'a> {
    source: &'a Source,
    staging: &'a Staging,
    state: Mutex<State>,
}

/// What was tallied.
#[derive(Debug, Clone)]
pub struct State {
    /// The counts of records.
    pub report: InputReport,
    /// Records that became a row, duplicates among them.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// The split and the words of the first reject in input order.
    pub first_reject: Option<(usize, String)>,
}

impl<'a> Tally<'a> {
    /// Nothing read yet.
    pub fn new(source: &'a Source, staging: &'a Staging) -> Self {
        let state = State {
            report: source.report(),
            kept: 0,
            filtered: 0,
            first_reject: None,
        };
        Self {
            source,
            staging,
            state: Mutex::new(state),
        }
    }

    /// Counts a settled split and writes its rejects to a file of their own.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, split: &Split, found: SplitRead, lines_before: u64) -> Result<()> {
        let path = self.staging.rejects(self.source.name, split.number);
        let mut writer = RejectWriter::new(path);
        let mut first = None;
        for (number, reject) in &found.rejects {
            let Some(segment) = split.segments.get(*number) else {
                continue;
            };
            let Some(object) = self.source.objects.get(segment.object) else {
                continue;
            };
            let before = if *number == 0 { lines_before } else { 0 };
            let line = before + reject.line + 1;
            let object = self.source.store.display(&object.key);
            writer.write(&object, line, reject)?;
            first.get_or_insert_with(|| {
                let key = reject.key.map(|key| format!("{key}: ")).unwrap_or_default();
                let (reason, detail) = (reject.reason.name(), &reject.detail);
                let offset = reject.offset;
                let what = format!("{object} line {line} byte {offset}: {reason}: {key}{detail}");
                (split.number, what)
            });
        }
        writer.close()?;
        let mut state = self.lock();
        state
            .report
            .add(found.counts, found.rejects.iter().map(|(_, r)| r.reason));
        state.kept += found.counts.kept;
        state.filtered += found.counts.filtered;
        let earlier = |other: &(usize, String)| other.0 < split.number;
        if first.is_some() && !state.first_reject.as_ref().is_some_and(earlier) {
            state.first_reject = first;
        }
        Ok(())
    }

    /// What was tallied so far.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
