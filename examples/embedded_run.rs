//! Runs a job from another program: builds a dataset and prints its row counts, with an observer of its own.
//!
//! ```sh
//! cargo run --example embedded_run -- fixtures/song_data fixtures/log_data /tmp/star
//! ```
//!
//! The arguments are the songs, the logs and the output, each a local path or `s3://bucket/prefix`. The exit code is
//! 0 for success, and otherwise that of `sparkify run`.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use sparkify::config::{Location, RunConfig};
use sparkify::error::{Error, Result};
use sparkify::jobs::{CompletedRun, RunJob};
use sparkify::observer::Observer;

fn main() -> ExitCode {
    let result = parse_arguments(env::args_os().skip(1)).and_then(build);
    match result {
        Ok(CompletedRun::Published(run)) => {
            println!("run {} in {}", run.report.run, run.location);
            for (table, written) in &run.report.tables {
                println!("{table}: {} rows", written.rows);
            }
            ExitCode::SUCCESS
        }
        // Only a job that loads knows what is new.
        Ok(CompletedRun::NothingNew(_)) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Returns the configuration of a run, with the defaults of the command line.
fn parse_arguments(arguments: impl Iterator<Item = OsString>) -> Result<RunConfig> {
    let locations: Vec<Location> = arguments
        .map(|argument| Location::parse(&argument).map_err(Error::usage))
        .collect::<Result<_>>()?;
    match <[Location; 3]>::try_from(locations) {
        Ok([songs, logs, out]) => Ok(RunConfig::new(songs, logs, out)),
        Err(_) => Err(Error::usage("usage: embedded_run SONGS LOGS OUT")),
    }
}

/// Builds the dataset. A failure because of the input has a report, which says what was rejected.
fn build(config: RunConfig) -> Result<CompletedRun> {
    let job = RunJob { config, load: None };
    job.execute(&PhasePrinter::default()).map_err(|failure| {
        if let Some(report) = &failure.report {
            let (songs, logs) = (report.songs.rejected, report.logs.input.rejected);
            eprintln!("{songs} song records and {logs} log records were rejected");
        }
        failure.error
    })
}

/// Prints the phases and the warnings of a job on stderr.
#[derive(Default)]
struct PhasePrinter {
    /// The bytes that the current phase has processed. Several threads add to them.
    done_bytes: AtomicU64,
}

impl Observer for PhasePrinter {
    fn start_phase(&self, name: &str, total_bytes: Option<u64>) {
        self.done_bytes.store(0, Ordering::Relaxed);
        match total_bytes {
            Some(total) => eprintln!("{name}: {total} bytes"),
            None => eprintln!("{name}"),
        }
    }

    fn advance(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn finish_phase(&self) {
        let done = self.done_bytes.swap(0, Ordering::Relaxed);
        if done > 0 {
            eprintln!("done: {done} bytes");
        }
    }

    fn warn(&self, message: &str) {
        eprintln!("warning: {message}");
    }
}
