//! Describes a job to those who watch it: its command, and the datasets that it reads and writes.

use crate::config::{Engine, RunConfig, RunInput};
use crate::input::RecordKind;
use crate::jobs::{LoadJob, LoadTarget, RunJob};
use crate::output::REJECTS_DIR;
use crate::storage::Location;
use crate::warehouse::connect::config::ConnectionConfig;

/// A command that can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MonitoredCommand {
    /// `sparkify run`.
    Run,
    /// `sparkify replay`.
    Replay,
    /// `sparkify load`.
    Load,
}

impl MonitoredCommand {
    /// Returns the name of the command.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Replay => "replay",
            Self::Load => "load",
        }
    }
}

/// The datasets that a job reads and writes.
#[derive(Debug)]
pub(crate) struct JobDatasets {
    /// What it reads.
    pub(super) inputs: Vec<JobInput>,
    /// The location below which it writes Parquet, if it does.
    pub(super) parquet: Option<Location>,
    /// The warehouse that it loads, if it does.
    pub(super) warehouse: Option<ConnectionConfig>,
    /// Whether what it writes is added to what was there.
    pub(super) is_incremental: bool,
}

/// What a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobInput {
    /// Records in a file or a folder.
    Records {
        /// The kind of the records.
        kind: RecordKind,
        /// The file or the folder.
        location: Location,
        /// Whether all records of this kind are there, so that the counts of the kind are those of the location.
        is_only: bool,
    },
    /// The rejects of a run, or an edited copy of them.
    Rejects(Location),
    /// The tables of a dataset.
    Tables(Location),
}

impl From<&RunJob> for JobDatasets {
    fn from(job: &RunJob) -> Self {
        let RunConfig {
            input, out, engine, ..
        } = &job.config;
        let inputs = match input {
            RunInput::Objects { songs, logs } => {
                let songs = record_inputs(RecordKind::Song, &songs.locations);
                songs
                    .chain(record_inputs(RecordKind::Log, &logs.locations))
                    .collect()
            }
            RunInput::Rejects(rejects) => {
                let from = JobInput::Rejects(rejects.from.join(REJECTS_DIR));
                let edited = rejects.edited.iter().cloned().map(JobInput::Rejects);
                edited.chain([from]).collect()
            }
        };
        Self {
            inputs,
            parquet: matches!(engine, Engine::InProcess).then(|| out.clone()),
            warehouse: job.load.as_ref().map(connection),
            is_incremental: job.load.as_ref().is_some_and(|load| !load.full_refresh),
        }
    }
}

impl From<&LoadJob> for JobDatasets {
    fn from(job: &LoadJob) -> Self {
        Self {
            inputs: vec![JobInput::Tables(job.from.clone())],
            parquet: None,
            warehouse: Some(connection(&job.target)),
            is_incremental: !job.target.full_refresh,
        }
    }
}

fn record_inputs(kind: RecordKind, locations: &[Location]) -> impl Iterator<Item = JobInput> {
    let is_only = locations.len() == 1;
    // A glob is no name of a dataset. The folder that it begins with is.
    let folders = locations
        .iter()
        .map(|location| match location.split_glob() {
            Some((folder, _)) => folder,
            None => location.clone(),
        });
    folders.map(move |location| JobInput::Records {
        kind,
        location,
        is_only,
    })
}

fn connection(target: &LoadTarget) -> ConnectionConfig {
    target.warehouse.connection.clone()
}
