//! Sends the events of one run.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::event::{LineageRun, RunEvent};
use super::options::{LineageOptions, LineageTarget, ParentRun};
use crate::error::{Error, Result};
use crate::monitoring::http::HttpTarget;
use crate::monitoring::monitored_job::{JobDatasets, MonitoredCommand};
use crate::monitoring::run_end::RunEnd;
use crate::observer::Observer;

/// The longest time for one event.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The events of one run.
#[derive(Debug)]
pub(crate) struct Lineage {
    run_id: Uuid,
    namespace: String,
    parent: Option<ParentRun>,
    sink: EventSink,
}

#[derive(Debug)]
enum EventSink {
    File { path: PathBuf, file: File },
    Http(HttpTarget),
}

impl Lineage {
    /// Opens the file, if the events go to one, and gives the run an id.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn open(options: LineageOptions) -> Result<Self> {
        let sink = match options.target {
            LineageTarget::File(path) => {
                // Opening a pipe would wait for a reader for ever.
                if path
                    .metadata()
                    .is_ok_and(|found| found.file_type().is_fifo())
                {
                    let path = path.display();
                    return Err(
                        Error::usage(format!("cannot write OpenLineage events to {path}"))
                            .with_reason("it is a pipe")
                            .with_hint("name a file"),
                    );
                }
                let file = OpenOptions::new().create(true).append(true).open(&path);
                let file = file.map_err(|error| {
                    let path = path.display();
                    Error::usage(format!("cannot write OpenLineage events to {path}"))
                        .with_source(error)
                })?;
                EventSink::File { path, file }
            }
            LineageTarget::Http(target) => EventSink::Http(target),
        };
        Ok(Self {
            run_id: Uuid::now_v7(),
            namespace: options.namespace,
            parent: options.parent,
            sink,
        })
    }

    /// Sends the event for the beginning of the run. An event that cannot be sent is a warning.
    pub(crate) fn start(
        &self,
        command: MonitoredCommand,
        datasets: &JobDatasets,
        at: DateTime<Utc>,
        observer: &dyn Observer,
    ) {
        let event = self.run(command, datasets).start_event(at);
        self.send(&event, observer);
    }

    /// Sends the event for the end of the run. An event that cannot be sent is a warning.
    pub(crate) fn end(&self, end: &RunEnd<'_>, datasets: &JobDatasets, observer: &dyn Observer) {
        let event = self.run(end.command, datasets).end_event(end);
        self.send(&event, observer);
    }

    fn run<'a>(&'a self, command: MonitoredCommand, datasets: &'a JobDatasets) -> LineageRun<'a> {
        LineageRun {
            run_id: self.run_id,
            parent: self.parent.as_ref(),
            namespace: &self.namespace,
            job: format!("sparkify.{}", command.name()),
            datasets,
        }
    }

    fn send(&self, event: &RunEvent, observer: &dyn Observer) {
        let sent = match serde_json::to_string(event) {
            Ok(json) => self.sink.write(json),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = sent {
            let target = match &self.sink {
                EventSink::File { path, .. } => path.display().to_string(),
                EventSink::Http(target) => target.to_string(),
            };
            observer.warn(&format!(
                "cannot send an OpenLineage event to {target}: {reason}"
            ));
        }
    }
}

impl EventSink {
    fn write(&self, event: String) -> std::result::Result<(), String> {
        match self {
            // One call, so that the lines of runs at the same time do not mix.
            Self::File { file, .. } => {
                let line = event + "\n";
                let mut file: &File = file;
                file.write_all(line.as_bytes()).map_err(|e| e.to_string())
            }
            Self::Http(target) => target.post_json(&event, TIMEOUT).map_err(|failure| {
                let hint = match failure.status {
                    Some(401 | 403) => "; check OPENLINEAGE_API_KEY",
                    _ => "",
                };
                failure.reason + hint
            }),
        }
    }
}
