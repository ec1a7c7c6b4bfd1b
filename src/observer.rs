//! Defines how a job reports its progress and its warnings to the program that runs it.
//!
//! The command line draws bars and prints lines. Another program implements [`Observer`] as it needs, or uses a
//! [`WarningCollector`].

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::output::run_report::RunReport;
use crate::storage::Location;

/// Receives the progress and the warnings of a job.
///
/// A job has one phase at a time. All methods may be called from several threads at the same time, and
/// [`advance`](Self::advance) is called often, so they should return quickly. By default they do nothing.
pub trait Observer: Send + Sync {
    /// A phase begins, and the previous one ends. `total_bytes` is the size of its work in bytes, as stored;
    /// `None` if it is not known.
    fn start_phase(&self, name: &str, total_bytes: Option<u64>) {
        let _ = (name, total_bytes);
    }

    /// The current phase has processed this number of bytes more. Bytes that are processed again are reported
    /// again, so that their sum can exceed the total of the phase.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// The current phase ends, if there is one.
    fn finish_phase(&self) {}

    /// A run or a load begins, whose id is known now.
    fn run_started(&self, run: &str) {
        let _ = run;
    }

    /// A run has published its dataset at `location`. Its load follows, if it has one.
    fn dataset_published(&self, report: &RunReport, location: &Location) {
        let _ = (report, location);
    }

    /// A load has opened the dataset that it loads, whose run has this report.
    fn dataset_opened(&self, report: &RunReport) {
        let _ = report;
    }

    /// Something is unusual but does not stop the job. The message is one sentence without a full stop. The same
    /// message may come several times.
    fn warn(&self, message: &str) {
        let _ = message;
    }
}

impl fmt::Debug for dyn Observer + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Collects the warnings of a job and ignores its progress.
#[derive(Debug, Default)]
pub struct WarningCollector {
    warnings: Mutex<Vec<String>>,
}

impl WarningCollector {
    /// Returns the different warnings so far, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes everything on to another observer, and collects the warnings.
#[derive(Debug)]
pub(crate) struct WarningRecorder<'a> {
    observer: &'a dyn Observer,
    collected: WarningCollector,
}

impl<'a> WarningRecorder<'a> {
    /// Creates a recorder that has collected nothing yet.
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            collected: WarningCollector::default(),
        }
    }

    /// Returns the different warnings so far, in order.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.collected.warnings()
    }
}

impl Observer for WarningRecorder<'_> {
    fn start_phase(&self, name: &str, total_bytes: Option<u64>) {
        self.observer.start_phase(name, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.observer.advance(bytes);
    }

    fn finish_phase(&self) {
        self.observer.finish_phase();
    }

    fn run_started(&self, run: &str) {
        self.observer.run_started(run);
    }

    fn dataset_published(&self, report: &RunReport, location: &Location) {
        self.observer.dataset_published(report, location);
    }

    fn dataset_opened(&self, report: &RunReport) {
        self.observer.dataset_opened(report);
    }

    fn warn(&self, message: &str) {
        self.collected.warn(message);
        self.observer.warn(message);
    }
}

impl Observer for WarningCollector {
    fn warn(&self, message: &str) {
        let mut warnings = self.lock();
        if !warnings.iter().any(|known| known == message) {
            warnings.push(message.to_owned());
        }
    }
}
