//! Watches one run or load from its beginning to its end.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::metrics_file::MetricsFile;
use super::monitored_job::{JobDatasets, MonitoredCommand};
use super::openlineage::Lineage;
use super::options::MonitoringOptions;
use super::run_end::RunEnd;
use super::webhook::Webhook;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::run_report::RunReport;
use crate::storage::Location;
use crate::warehouse::load::LoadReport;

/// Watches one run or load. It is the observer of the job, and passes everything on to another observer.
pub(crate) struct Monitor<'a> {
    observer: &'a dyn Observer,
    command: MonitoredCommand,
    out: Location,
    started_at: DateTime<Utc>,
    metrics: Option<MetricsFile>,
    lineage: Option<Lineage>,
    webhook: Option<Webhook>,
    seen: Mutex<SeenJob>,
}

/// What was seen of the job so far.
#[derive(Debug, Default)]
struct SeenJob {
    run: Option<String>,
    datasets: Option<JobDatasets>,
    report: Option<RunReport>,
    loaded_run: Option<RunReport>,
    load: Option<LoadReport>,
}

impl<'a> Monitor<'a> {
    /// Prepares to watch a command, whose output, or the dataset that it loads, is at `out`.
    ///
    /// # Errors
    /// Returns an error if a file of the options cannot be written, or is in the output. Servers are not asked.
    pub(crate) fn open(
        options: MonitoringOptions,
        command: MonitoredCommand,
        out: &Location,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let out = out.resolve_links();
        options.ensure_files_are_outside(&out)?;
        Ok(Self {
            observer,
            command,
            out,
            started_at: Utc::now(),
            metrics: options.metrics.map(MetricsFile::open).transpose()?,
            lineage: options.lineage.map(Lineage::open).transpose()?,
            webhook: options.webhook.map(Webhook::new),
            seen: Mutex::default(),
        })
    }

    /// Tells that a job begins.
    pub(crate) fn job_started(&self, datasets: JobDatasets) {
        if let Some(lineage) = &self.lineage {
            lineage.start(self.command, &datasets, self.started_at, self.observer);
        }
        self.lock().datasets = Some(datasets);
    }

    /// Records the report of the run.
    pub(crate) fn record_run(&self, report: &RunReport) {
        self.lock().report = Some(report.clone());
    }

    /// Records the report of the load.
    pub(crate) fn record_load(&self, report: &LoadReport) {
        self.lock().load = Some(report.clone());
    }

    /// Tells how the command ended. What cannot be told is a warning.
    pub(crate) fn end(&self, error: Option<&Error>) {
        let seen = self.lock();
        let end = RunEnd {
            command: self.command,
            out: &self.out,
            started_at: self.started_at,
            finished_at: Utc::now(),
            run: seen.run.as_deref(),
            error,
            report: seen.report.as_ref(),
            loaded_run: seen.loaded_run.as_ref(),
            load: seen.load.as_ref(),
        };
        if let Some(metrics) = &self.metrics {
            let datasets = seen.datasets.as_ref();
            let adds_events = datasets.is_some_and(|datasets| datasets.is_incremental);
            metrics.write(&end, adds_events, self.observer);
        }
        // A job that never began has no lineage.
        if let (Some(lineage), Some(datasets)) = (&self.lineage, &seen.datasets) {
            lineage.end(&end, datasets, self.observer);
        }
        if let Some(webhook) = &self.webhook {
            webhook.send_failure(&end, self.observer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, SeenJob> {
        // After a panic in another thread the worst result is that something is not told.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Monitor<'_> {
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
        self.lock().run = Some(run.to_owned());
        self.observer.run_started(run);
    }

    fn dataset_published(&self, report: &RunReport, location: &Location) {
        // The load that follows may fail, and then nobody else knows the report.
        self.record_run(report);
        self.observer.dataset_published(report, location);
    }

    fn dataset_opened(&self, report: &RunReport) {
        self.lock().loaded_run = Some(report.clone());
        self.observer.dataset_opened(report);
    }

    fn warn(&self, message: &str) {
        self.observer.warn(message);
    }
}

impl fmt::Debug for Monitor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}
