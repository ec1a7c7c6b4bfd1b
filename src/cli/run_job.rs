//! Executes the job of `sparkify run` and `sparkify replay`, and prints its result.

use super::args::monitoring::MonitoringArgs;
use super::console::{print_info, print_load_summary};
use super::progress::TerminalProgress;
use super::render::dry_run::dry_run_summary;
use super::render::run::nothing_new_summary;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::interrupt::{CanStop, set_leftovers};
use crate::jobs::{CompletedRun, RunJob};
use crate::monitoring::{JobDatasets, Monitor, MonitoredCommand};
use crate::observer::Observer;
use crate::output::run_report::REPORT_VERSION;
use crate::pipeline::RunFailure;
use crate::storage::Location;

/// What is done with a job, and what is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunMode {
    /// Whether the job is only shown.
    pub dry_run: bool,
    /// Whether the result is printed as JSON.
    pub json: bool,
    /// Whether no progress and no summary are shown.
    pub quiet: bool,
}

/// A job that others are told about.
#[derive(Debug)]
pub(super) struct WatchedJob {
    /// The command that executes it.
    pub command: MonitoredCommand,
    /// The output of the job.
    pub out: Location,
    /// Who is told how it went.
    pub monitoring: MonitoringArgs,
}

/// Executes a job, or shows what it would do.
///
/// # Errors
/// Returns the error of `job`, of the run or of the load. It is printed as JSON if the mode says so.
pub(super) fn run_job(
    watched: &WatchedJob,
    mode: RunMode,
    job: impl FnOnce(&dyn Observer) -> Result<RunJob>,
) -> Result<()> {
    execute_or_plan(watched, mode, job).map_err(|RunFailure { error, report }| match report {
        Some(report) if mode.json => {
            // The failure itself is more important than a failure to print it.
            let _ = print_json(&report);
            error
        }
        _ => report_failure(error, mode.json, ("report_version", REPORT_VERSION)),
    })
}

fn execute_or_plan(
    watched: &WatchedJob,
    mode: RunMode,
    job: impl FnOnce(&dyn Observer) -> Result<RunJob>,
) -> std::result::Result<(), RunFailure> {
    let progress = TerminalProgress::new(mode.quiet);
    let options = watched.monitoring.to_options(&progress)?;
    if mode.dry_run {
        return Ok(print_plan(&job(&progress)?, mode.json)?);
    }
    set_leftovers(
        "it could not clean up in time; the output and the warehouse are whole, and the next run or \
         sparkify clean removes what is left",
        CanStop::Yes,
    );
    let monitor = Monitor::open(options, watched.command, &watched.out, &progress)?;
    let result = execute(&monitor, mode, job);
    if let Err(failure) = &result
        && let Some(report) = &failure.report
    {
        monitor.record_run(report);
    }
    monitor.end(result.as_ref().err().map(|failure| &failure.error));
    result
}

fn execute(
    monitor: &Monitor<'_>,
    mode: RunMode,
    job: impl FnOnce(&dyn Observer) -> Result<RunJob>,
) -> std::result::Result<(), RunFailure> {
    let job = job(monitor)?;
    monitor.job_started(JobDatasets::from(&job));
    let completed = job.execute(monitor)?;
    monitor.record_run(completed.report());
    if let CompletedRun::Published(run) = &completed
        && let Some(load) = &run.load
    {
        monitor.record_load(load);
    }
    if !mode.quiet {
        match &completed {
            CompletedRun::NothingNew(run) => print_info(&nothing_new_summary(run)),
            CompletedRun::Published(run) => {
                if let Some(load) = &run.load {
                    // Separates it from the summary of the run.
                    print_info("\n");
                    print_load_summary(load);
                }
            }
        }
    }
    if mode.json {
        print_json(&completed)?;
    }
    Ok(())
}

/// Prints what a run would do.
fn print_plan(job: &RunJob, json: bool) -> Result<()> {
    let plan = job.plan()?;
    if json {
        return print_json(&plan);
    }
    print(&dry_run_summary(&plan.run))?;
    match (&plan.load_script, &job.load) {
        (Some(script), Some(target)) => print(&format!(
            "\n-- into {}\n\n{script}",
            target.warehouse.connection
        )),
        _ => Ok(()),
    }
}
