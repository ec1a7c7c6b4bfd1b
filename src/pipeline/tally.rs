//! What became of the records of one source, and the reject files.

use std::sync::{Mutex, PoisonError};

use super::Run;
use super::reader::SplitRead;
use super::source::Source;
use crate::config::MaxRejects;
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::{Object, Split};
use crate::output::report::InputReport;
use crate::output::{RejectWriter, Staging, shift_lines};

/// Writes the rejects of one split to a file of their own.
pub struct SplitRejects<'a> {
    source: &'a Source,
    writer: RejectWriter,
}

impl<'a> SplitRejects<'a> {
    /// Begins the file anew: a split that is read again leaves nothing of the first time.
    ///
    /// # Errors
    /// What was there cannot be removed.
    pub fn new(source: &'a Source, staging: &Staging, split: &Split) -> Result<Self> {
        let path = staging.rejects(source.kind.plural(), split.number);
        staging.remove(&path)?;
        Ok(Self {
            source,
            writer: RejectWriter::new(path),
        })
    }

    /// Writes one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, object: &Object, reject: &Reject) -> Result<()> {
        let object = self.source.store.display(&object.key);
        self.writer.write(&object, reject.line + 1, reject)
    }

    /// Makes sure that all are written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(self) -> Result<()> {
        self.writer.close()
    }
}

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

    /// Counts a settled split and puts the lines of its rejects right.
    ///
    /// # Errors
    /// A reject file cannot be written.
    pub fn add(&self, split: &Split, found: &SplitRead, lines_before: u64) -> Result<()> {
        if lines_before > 0 && found.first_segment_rejects > 0 {
            let path = self
                .run
                .staging
                .rejects(self.source.kind.plural(), split.number);
            shift_lines(&path, found.first_segment_rejects, lines_before)?;
        }
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
        object
            .map(|o| self.source.store.display(&o.key))
            .unwrap_or_default()
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
