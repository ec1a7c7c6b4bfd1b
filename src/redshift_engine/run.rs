//! Carries out a run inside Redshift: lists the input, writes what COPY needs, loads, and publishes the report.

use std::time::Instant;

use chrono::Utc;

use super::engine_run::{EngineRun, StagedStar};
use super::plan::raw_statements;
use super::raw_records::RawRecords;
use crate::config::{OutputArrangement, RedshiftEngineOptions, RunConfig};
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::observer::{Observer, WarningCollector, WarningRecorder};
use crate::output::raw_staging::{GivenJsonPaths, RawStagingPlan};
use crate::output::run_report::RunReport;
use crate::output::{RunId, Staging, describe_target};
use crate::pipeline::{
    InputPlan, RawInput, RunFailure, RunPlan, keep_failed_output, list_raw_input,
    nothing_new_report, record_schema,
};
use crate::storage::{Location, StoreOpener};
use crate::warehouse::load::{LoadReport, WarehouseLoad};

/// The result of a run inside Redshift.
#[derive(Debug)]
pub(crate) struct RedshiftRun {
    /// The report of the run.
    pub report: RunReport,
    /// Where the rejects and the report are, and the report of the load. `None` if all objects were loaded already.
    pub loaded: Option<(Location, LoadReport)>,
}

/// Loads the records of all new objects.
///
/// # Errors
/// Returns an error if the input cannot be listed, if the output cannot be written, if the warehouse rejects a statement,
/// or if too many records are rejected. The warehouse is then unchanged, or the error says that this is unknown.
pub(crate) fn run(
    config: &RunConfig,
    options: &RedshiftEngineOptions,
    load: WarehouseLoad<'_>,
    observer: &dyn Observer,
) -> std::result::Result<RedshiftRun, RunFailure> {
    let progress = WarningRecorder::new(observer);
    let run = EngineRun {
        config,
        options,
        progress: &progress,
        began: Instant::now(),
        started_at: Utc::now(),
    };
    let stores = StoreOpener::new(config.s3.clone());
    let jsonpaths = read_jsonpaths(options, &stores)?;
    let input = list_raw_input(config, &stores, &progress)?;
    if input.has_nothing_new {
        tracing::info!("found nothing new");
        let id = RunId::new().to_string();
        let star = StagedStar {
            stages: input.stages.clone(),
            ..StagedStar::default()
        };
        let reports = [&input.songs, &input.logs].map(|source| source.report.clone());
        return Ok(RedshiftRun {
            report: nothing_new_report(run.reported(&id, &star), reports),
            loaded: None,
        });
    }
    let staging = Staging::open(
        &stores,
        &config.out,
        OutputArrangement::SideBySide,
        [&[], &[]],
        config.compression,
    )?;
    progress.run_started(staging.run_id());
    let location = config.out.join(staging.run_id());
    let plan = RawStagingPlan::new(&location, &input.songs, &input.logs, jsonpaths.as_ref());
    let loaded = upload_and_load(&run, &input, &plan, &staging, load);
    let (report, load) = match loaded {
        Ok(loaded) => loaded,
        Err(failure) => return Err(end_failed_run(staging, failure)),
    };
    progress.finish_phase();
    // The load is committed, whatever happens to latest.json.
    match staging.publish_reported() {
        Ok(None) => {}
        Ok(Some(warning)) => progress.warn(&warning.to_string()),
        Err(error) => progress.warn(&format!("the load is committed, but {error}")),
    }
    tracing::info!(run = %report.run, %location, "published the report");
    Ok(RedshiftRun {
        report,
        loaded: Some((location, load)),
    })
}

/// A failure after the output was opened.
enum EngineFailure {
    /// The run failed and changed nothing.
    Unchanged(RunFailure),
    /// The load may have been committed.
    MaybeCommitted(Error),
}

impl From<Error> for EngineFailure {
    fn from(error: Error) -> Self {
        Self::Unchanged(error.into())
    }
}

/// Writes what COPY needs, and loads.
fn upload_and_load(
    run: &EngineRun<'_>,
    input: &RawInput,
    plan: &RawStagingPlan<'_>,
    staging: &Staging,
    load: WarehouseLoad<'_>,
) -> std::result::Result<(RunReport, LoadReport), EngineFailure> {
    plan.upload(staging.store()).map_err(|error| {
        error.describe_stop("the run is discarded, and the warehouse is unchanged")
    })?;
    let mut source = RawRecords::new(run, input, plan, staging);
    let loaded = load.execute(&mut source, run.progress);
    run.progress.finish_phase();
    match (loaded, source.take_report()) {
        (Ok(load), Some(report)) => Ok((report, load)),
        #[expect(clippy::panic, reason = "the report is written before the COMMIT")]
        (Ok(_), None) => panic!("a load that is committed has a report"),
        (Err(error), Some(_)) => Err(EngineFailure::MaybeCommitted(error)),
        (Err(error), None) => Err(EngineFailure::Unchanged(
            source.take_failure().unwrap_or_else(|| error.into()),
        )),
    }
}

/// Ends a run that failed: keeps its rejects if its input is the reason, and removes what it wrote otherwise.
fn end_failed_run(staging: Staging, failure: EngineFailure) -> RunFailure {
    match failure {
        EngineFailure::MaybeCommitted(error) => error.into(),
        EngineFailure::Unchanged(RunFailure {
            error,
            report: Some(report),
        }) => keep_failed_output(staging, error, report),
        EngineFailure::Unchanged(RunFailure {
            error,
            report: None,
        }) => RunFailure::from(match staging.discard() {
            None => error,
            Some(left) => error.add_hint(format!(
                "cannot remove the incomplete output in {left}: run sparkify clean later"
            )),
        }),
    }
}

fn read_jsonpaths(
    options: &RedshiftEngineOptions,
    stores: &StoreOpener,
) -> Result<Option<GivenJsonPaths>> {
    let given = options.log_jsonpaths.as_ref();
    given
        .map(|location| GivenJsonPaths::read(stores, location, record_schema(RecordKind::Log)))
        .transpose()
}

/// Lists the input, and returns what a run would do, and the SQL of its load, in which `RUN` stands for the id of the run.
/// Connects to no warehouse and writes nothing.
///
/// # Errors
/// Returns an error if the input cannot be listed, or if the output or the JSONPaths file cannot be used.
pub(crate) fn plan_run(
    config: &RunConfig,
    options: &RedshiftEngineOptions,
    load: WarehouseLoad<'_>,
) -> Result<(RunPlan, String)> {
    let stores = StoreOpener::new(config.s3.clone());
    let jsonpaths = read_jsonpaths(options, &stores)?;
    let input = list_raw_input(config, &stores, &WarningCollector::default())?;
    let arrangement = OutputArrangement::SideBySide;
    let out = describe_target(&stores, &config.out, arrangement, [&[], &[]])?;
    let location = config.out.join("RUN");
    let staged = RawStagingPlan::new(&location, &input.songs, &input.logs, jsonpaths.as_ref());
    let iam_role = &load.warehouse.iam_role;
    let fill = raw_statements(&staged, options, config.max_rejects, iam_role)?;
    let plan = RunPlan {
        songs: InputPlan::without_splits(input.songs.report.clone()),
        logs: InputPlan::without_splits(input.logs.report.clone()),
        out,
    };
    Ok((plan, load.script_of("RUN", fill)?))
}
