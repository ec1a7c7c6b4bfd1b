//! What became of the records of one source.

use std::sync::{Mutex, PoisonError};

use super::Run;
use super::chain::Settled;
use super::reader::SplitRead;
use super::source::Source;
use crate::config::MaxRejects;
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::Split;
use crate::output::Rejects;
use crate::output::report::InputReport;

/// Collects counts as splits settle.
#[derive(Debug)]
pub struct Tally<'a> {
    run: &'a Run<'a>,
    source: &'a Source,
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

impl State {
    /// Nothing read yet.
    pub fn new(source: &Source) -> Self {
        Self {
            report: source.report(),
            kept: 0,
            filtered: 0,
            first_reject: None,
        }
    }

    /// Counts a settled split.
    pub fn count(&mut self, found: &SplitRead) {
        self.report.add(found.counts, found.reasons);
        self.kept += found.counts.kept;
        self.filtered += found.counts.filtered;
    }
}

impl<'a> Tally<'a> {
    /// Nothing read yet.
    pub fn new(run: &'a Run<'a>, source: &'a Source) -> Self {
        Self {
            run,
            source,
            state: Mutex::new(State::new(source)),
        }
    }

    /// Counts a settled split and writes its rejects.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add<T>(&self, split: &Split, settled: &Settled<T>, rejects: Rejects) -> Result<()> {
        let Settled {
            found,
            lines_before,
            ..
        } = settled;
        let lines_before = *lines_before;
        let shift = (found.first_segment_rejects, lines_before);
        let kind = self.source.kind.plural();
        self.run
            .staging
            .rejects(kind, split.number, rejects, shift)?;
        for &segment in &found.broken {
            let object = self.object(split, segment);
            self.run.progress.warn(&format!(
                "the compressed stream of {object} is broken: what may have been behind the break is not read"
            ));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count(found);
        let earlier = |other: &(usize, String)| other.0 < split.number;
        if !state.first_reject.as_ref().is_some_and(earlier)
            && let Some((segment, reject)) = &found.first_reject
        {
            let before = if *segment == 0 { lines_before } else { 0 };
            let what = self.describe(split, *segment, before, reject);
            state.first_reject = Some((split.number, what));
        }
        Ok(())
    }

    /// How people name the object of a segment.
    fn object(&self, split: &Split, segment: usize) -> String {
        let segment = split.segments.get(segment);
        let object = segment.and_then(|s| self.source.objects.get(s.object));
        object.map(|o| self.source.display(o)).unwrap_or_default()
    }

    fn describe(&self, split: &Split, segment: usize, before: u64, reject: &Reject) -> String {
        let object = self.object(split, segment);
        let key = reject.key.map(|key| format!("{key}: ")).unwrap_or_default();
        let (line, offset) = (before + reject.line + 1, reject.offset);
        let (reason, detail) = (reject.reason.name(), &reject.detail);
        format!("{object} line {line} byte {offset}: {reason}: {key}{detail}")
    }

    /// What was tallied so far.
    pub fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// An error if there are more rejects than are tolerated.
///
/// # Errors
/// That, with the place of the first reject.
pub fn refuse(most: MaxRejects, states: &[&State]) -> Result<()> {
    let rejected = states.iter().map(|s| s.report.rejected).sum();
    let records = states.iter().map(|s| s.report.records).sum();
    if !most.exceeded_by(rejected, records) {
        return Ok(());
    }
    let first = states.iter().find_map(|s| s.first_reject.as_ref());
    let first = first.map_or("", |(_, first)| first);
    let percent = rejected as f64 * 100.0 / records as f64;
    Err(Error::failed(format!(
        "{rejected} of {records} records rejected ({percent:.2}%), more than {most}"
    ))
    .because(format!("the first is {first}"))
    .hint(
        "mend the input, or raise --max-rejects to publish without them and find them in _rejects",
    ))
}
