//! The pipeline: the stages wired together, and the only place that knows threads.
//!
//! `list objects -> plan splits -> read -> decode -> build the star -> encode Parquet -> publish`
//!
//! Songs go first, for they are the lookup table of the events. A worker takes a split from bytes to
//! its own Parquet part and leaves behind small states (users, ids, times) from which the dimensions
//! are made when all splits are done.

mod chain;
mod duplicates;
mod logs;
mod reader;
mod songs;
mod source;
mod stages;
mod tally;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;

use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::output::report::{LogReport, REPORT_VERSION, Report, StageReport, Status, TableReport};
use crate::output::{PartWriter, Staging};
use crate::progress::Progress;
use crate::star::schema::{EVENT_RECORD, SONG_RECORD, Table};
use logs::Logs;
use source::Source;
use stages::{Stage, Stages};
use tally::State;

/// One run: what every phase of it needs.
#[derive(Debug)]
struct Run<'a> {
    config: &'a RunConfig,
    progress: &'a Progress,
    staging: &'a Staging,
    stages: Stages,
    songs: Source,
    logs: Source,
    tables: Mutex<BTreeMap<&'static str, TableReport>>,
}

/// Builds the star from the configured input and publishes it.
///
/// # Errors
/// Input that cannot be read, output that cannot be written, or too many rejects. What was published
/// before is whole then.
pub fn run(config: &RunConfig, progress: &Progress) -> Result<Report> {
    let began = Instant::now();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(config.threads)
        .thread_name(|number| format!("worker-{number}"))
        .build()
        .map_err(|e| {
            Error::failed(format!("cannot start {} threads", config.threads)).because(e)
        })?;
    pool.install(|| {
        let stages = Stages::default();
        let split_bytes = config.sizes.split_bytes;
        let songs = Source::open("songs", &SONG_RECORD, &config.songs, split_bytes, &stages)?;
        let logs = Source::open("logs", &EVENT_RECORD, &config.logs, split_bytes, &stages)?;
        let staging = Staging::open(&config.out, [&config.songs, &config.logs])?;
        let tables = Mutex::default();
        let run = Run {
            config,
            progress,
            staging: &staging,
            stages,
            songs,
            logs,
            tables,
        };
        match run.build(began) {
            Ok(report) => {
                if let Some(left) = staging.publish()? {
                    progress.warn(&left.to_string());
                }
                Ok(report)
            }
            Err(error) => {
                staging.discard();
                Err(error)
            }
        }
    })
}

impl Run<'_> {
    /// Everything up to publishing.
    fn build(&self, began: Instant) -> Result<Report> {
        self.progress.begin("songs", self.songs.plan.bytes);
        let (lookup, songs) = songs::run(self)?;
        self.warn_of_nothing(&self.songs, &self.config.songs, &songs);
        self.progress.begin("logs", self.logs.plan.bytes);
        let logs = logs::run(self, &lookup)?;
        self.progress.end();
        self.warn_of_nothing(&self.logs, &self.config.logs, &logs.state);
        tally::refuse(self.config.max_rejects, &[&songs, &logs.state])?;
        let report = self.report(began, songs, logs);
        self.write_report(&report)?;
        Ok(report)
    }

    /// Files without a record are no error, but seldom meant.
    fn warn_of_nothing(&self, source: &Source, place: &str, state: &State) {
        if state.report.records == 0 {
            let objects = source.objects.len();
            let name = source.name;
            self.progress.warn(&format!(
                "no record in the {objects} {name} objects of {place}"
            ));
        }
    }

    fn report(&self, began: Instant, songs: State, logs: Logs) -> Report {
        let tables = self
            .lock_tables()
            .iter()
            .map(|(&name, &t)| (name.to_owned(), t))
            .collect();
        let seconds = began.elapsed().as_secs_f64();
        let bytes = songs.report.bytes + logs.state.report.bytes;
        let total = StageReport::new(seconds, bytes, logs.state.report.records);
        Report {
            report_version: REPORT_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION").to_owned(),
            status: Status::Ok,
            songs: songs.report,
            logs: LogReport {
                input: logs.state.report,
                kept: logs.state.kept - logs.duplicates,
                filtered: logs.state.filtered,
                duplicates: logs.duplicates,
            },
            tables,
            matched_songplays: logs.matched,
            stages: self.stages.report(),
            total,
            peak_memory_bytes: peak_memory(),
            threads: self.config.threads,
        }
    }

    fn write_report(&self, report: &Report) -> Result<()> {
        let path = self.staging.report();
        let cannot = |e: std::io::Error| Error::io("cannot write", &path, &e);
        let mut json = serde_json::to_vec_pretty(report).map_err(|e| cannot(e.into()))?;
        json.push(b'\n');
        fs::write(&path, json).map_err(cannot)
    }

    /// Writes a table that is one part.
    fn write_table(&self, table: &'static Table, rows: &RecordBatch) -> Result<()> {
        self.write_part(table, 0, rows)
    }

    /// Writes one part of a table.
    fn write_part(&self, table: &'static Table, number: usize, rows: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let mut writer = PartWriter::create(&self.staging.part(table.name, number), rows.schema())?;
        let group = self.config.sizes.row_group_rows.max(1);
        for start in (0..rows.num_rows()).step_by(group) {
            writer.write(&rows.slice(start, group.min(rows.num_rows() - start)))?;
        }
        let part = writer.close()?;
        self.stages.add(Stage::Encode, began, part.bytes, part.rows);
        self.written(table, part);
        Ok(())
    }

    /// Counts what was written of a table.
    fn written(&self, table: &'static Table, part: TableReport) {
        self.lock_tables().entry(table.name).or_default().add(part);
    }

    fn lock_tables(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, TableReport>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most memory that the process held so far, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
