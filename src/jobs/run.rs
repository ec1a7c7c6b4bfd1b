//! Builds a dataset from songs and logs, and loads it into a warehouse if one is named.

use serde::Serialize;

use super::load_target::LoadTarget;
use crate::config::{
    Engine, LoadedObjects, OutputArrangement, RedshiftEngineOptions, ReplayInput, RunConfig,
    RunInput,
};
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::run_report::{RunOutcome, RunReport};
use crate::output::{PublishedDataset, Purpose, manifest_key};
use crate::pipeline::{self, RunFailure, RunPlan, redshift_input, unusable_engine};
use crate::redshift_engine::{self, RedshiftRun};
use crate::storage::{Location, StoreOpener};
use crate::warehouse::WarehouseConfig;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::load::{
    Contact, LoadMode, LoadReport, NewestLoad, ParquetParams, WarehouseLoad, check_tables,
    loaded_before, parquet_copy_statements,
};

/// A run or a [replay](RunConfig::replay), and the load of its dataset.
#[derive(Debug, Clone)]
pub struct RunJob {
    /// The input, the output and the limits of the run.
    pub config: RunConfig,
    /// Where the dataset is loaded, if it is. The run then leaves out the objects that are loaded already, unless
    /// this is a full refresh, and a local output keeps its dataset beside those of other runs.
    pub load: Option<LoadTarget>,
}

/// The result of a [`RunJob`].
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum CompletedRun {
    /// The dataset is published and, if the job has a load, loaded.
    Published(PublishedRun),
    /// All objects were loaded already. Nothing was written, and nothing was loaded.
    NothingNew(NothingNewRun),
}

impl CompletedRun {
    /// Returns the report of the run.
    pub fn report(&self) -> &RunReport {
        match self {
            Self::Published(run) => &run.report,
            Self::NothingNew(run) => &run.report,
        }
    }
}

/// A run that published its dataset.
#[derive(Debug, Clone, Serialize)]
pub struct PublishedRun {
    /// The report of the run.
    #[serde(flatten)]
    pub report: RunReport,
    /// Where the dataset is published.
    #[serde(skip)]
    pub location: Location,
    /// The report of the load, if the job has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadReport>,
}

/// A run that found no object that was not loaded already.
#[derive(Debug, Clone, Serialize)]
pub struct NothingNewRun {
    /// The report of the run, which counts the objects. Its tables are empty.
    #[serde(flatten)]
    pub report: RunReport,
    /// The newest load of the warehouse.
    pub since: Option<NewestLoad>,
}

/// What a [`RunJob`] would do.
#[derive(Debug, Clone, Serialize)]
pub struct RunJobPlan {
    /// The input and the output of the run.
    #[serde(flatten)]
    pub run: RunPlan,
    /// The SQL of the load, if the job has one. `RUN` stands for the id of the run.
    #[serde(rename = "load", skip_serializing_if = "Option::is_none")]
    pub load_script: Option<String>,
}

impl RunJob {
    /// Builds and publishes the dataset, and loads it.
    ///
    /// # Errors
    /// Returns an error if the configuration is not valid, the input cannot be read, the output cannot be written or
    /// too many records are rejected. The output is then unchanged. The failure has a report if the input is the
    /// reason. Also returns an error if the load fails, after the dataset is published.
    pub fn execute(
        &self,
        observer: &dyn Observer,
    ) -> std::result::Result<CompletedRun, RunFailure> {
        let _span = tracing::info_span!("run").entered();
        let RunConfig {
            input,
            out,
            threads,
            ..
        } = &self.config;
        match input {
            RunInput::Objects { songs, logs } => {
                tracing::info!(%songs, %logs, %out, threads, "started");
            }
            RunInput::Rejects(ReplayInput { from, .. }) => {
                tracing::info!(%from, %out, threads, "started");
            }
        }
        let result = self.build_and_load(observer);
        observer.finish_phase();
        result.map_err(|RunFailure { error, report }| RunFailure {
            error: error.describe_stop("nothing was published or loaded"),
            report,
        })
    }

    /// Lists the input and examines the output. Reads no records, writes nothing and does not connect to the
    /// warehouse.
    ///
    /// # Errors
    /// Returns the error with which [`execute`](Self::execute) would fail before it reads records.
    pub fn plan(&self) -> Result<RunJobPlan> {
        let _span = tracing::info_span!("plan").entered();
        self.validate()?;
        if let (Engine::Redshift(options), Some(target)) = (&self.config.engine, &self.load) {
            let mode = target.planned_load_mode();
            let load = target.load_with(&mode, Contact::First);
            let (run, script) = redshift_engine::plan_run(&self.run_config(), options, load)?;
            return Ok(RunJobPlan {
                run,
                load_script: Some(script),
            });
        }
        Ok(RunJobPlan {
            run: pipeline::plan_run(&self.run_config())?,
            load_script: self
                .load
                .as_ref()
                .map(|to| self.load_script(to))
                .transpose()?,
        })
    }

    /// Returns the configuration of the run, which depends on whether it is loaded.
    fn run_config(&self) -> RunConfig {
        RunConfig {
            load_after_run: self.load.is_some(),
            ..self.config.clone()
        }
    }

    fn validate(&self) -> Result<()> {
        self.run_config().validate()?;
        if self.is_replay() && self.load.as_ref().is_some_and(|load| load.full_refresh) {
            return Err(Error::usage("invalid configuration")
                .with_reason("a replay adds to the tables and cannot empty them first"));
        }
        match (&self.config.engine, &self.load) {
            (Engine::InProcess, None) => Ok(()),
            (Engine::InProcess, Some(target)) => {
                target.warehouse.ensure_can_load_from(&self.config.out)
            }
            (Engine::Redshift(_), target) => {
                self.ensure_redshift_can_run(target.as_ref().map(|target| &target.warehouse))
            }
        }
    }

    /// Checks that the engine inside Redshift has a warehouse, and its input and output in S3.
    fn ensure_redshift_can_run(&self, warehouse: Option<&WarehouseConfig>) -> Result<()> {
        let Some(warehouse) = warehouse else {
            return Err(unusable_engine("no warehouse is named")
                .with_hint("name a Redshift warehouse with --warehouse or --config"));
        };
        if warehouse.connection.dialect != Dialect::Redshift {
            return Err(unusable_engine("the warehouse is PostgreSQL").with_hint(
                "leave out --engine redshift: the engine in this process loads into PostgreSQL and Redshift",
            ));
        }
        redshift_input(&self.config.input)?;
        if self.config.s3.customer_key.is_some() {
            return Err(unusable_engine(
                "COPY cannot read objects that are encrypted with a customer-provided key (--sse-c-key-file)",
            )
            .with_hint("leave out --engine redshift"));
        }
        match &self.config.out {
            out @ Location::S3 { .. } => warehouse.ensure_can_load_from(out),
            Location::Local(out) => Err(unusable_engine(format!(
                "--out {} is not in S3, and COPY reads its manifests there",
                out.display()
            ))
            .with_hint("use --out s3://bucket/prefix")),
        }
    }

    fn is_replay(&self) -> bool {
        matches!(self.config.input, RunInput::Rejects(_))
    }

    fn load_script(&self, target: &LoadTarget) -> Result<String> {
        let run = self.config.out.join("RUN");
        let dialect = target.warehouse.connection.dialect;
        let params = ParquetParams {
            dialect,
            iam_role: &target.warehouse.iam_role,
            manifest: &|table| run.join(&manifest_key(table)).to_string(),
            has_rows: &|_| true,
        };
        let copy = parquet_copy_statements(&params)?;
        let mode = target.planned_load_mode();
        let load = target.load_with(&mode, Contact::First);
        load.script_of("RUN", copy)
    }

    fn build_and_load(
        &self,
        observer: &dyn Observer,
    ) -> std::result::Result<CompletedRun, RunFailure> {
        self.validate()?;
        let mut config = self.run_config();
        let mut load = None;
        let mut since = None;
        if let Some(target) = &self.load {
            // Queried even if nothing is skipped, so that a missing table is noticed before a long run.
            let mode = target.load_mode(observer)?;
            config.loaded_objects = Some(match mode {
                LoadMode::FullRefresh { .. } => LoadedObjects::default(),
                LoadMode::Incremental if self.is_replay() => {
                    check_tables(&target.warehouse, observer)?;
                    LoadedObjects::default()
                }
                LoadMode::Incremental => {
                    let before = loaded_before(&target.warehouse, observer)?;
                    since = before.newest;
                    before.objects
                }
            });
            load = Some((target, mode));
        }
        if let (Engine::Redshift(options), Some((target, mode))) = (&self.config.engine, &load) {
            let load = target.load_with(mode, Contact::Again);
            return run_in_redshift(&config, options, load, since, observer);
        }
        let report = pipeline::run(&config, observer)?;
        observer.finish_phase();
        if report.status == RunOutcome::NothingNew {
            return Ok(CompletedRun::NothingNew(NothingNewRun { report, since }));
        }
        let location = dataset_location(&config, &report);
        tracing::info!(run = %report.run, %location, "published the dataset");
        observer.dataset_published(&report, &location);
        let load = load.map(|(target, mode)| {
            let _span = tracing::info_span!("load").entered();
            let loaded = self.load_dataset(target, &report, &location, &mode, observer);
            loaded.map_err(|error| {
                let flag = match mode {
                    LoadMode::FullRefresh { .. } => " --full-refresh",
                    LoadMode::Incremental => "",
                };
                error.add_hint(format!(
                    "the dataset is complete: load it with sparkify load --from {location}{flag}"
                ))
            })
        });
        let load = load.transpose()?;
        Ok(CompletedRun::Published(PublishedRun {
            report,
            location,
            load,
        }))
    }

    /// Loads the dataset that this job has just published.
    fn load_dataset(
        &self,
        target: &LoadTarget,
        report: &RunReport,
        location: &Location,
        mode: &LoadMode,
        observer: &dyn Observer,
    ) -> Result<LoadReport> {
        let stores = StoreOpener::new(self.config.s3.clone());
        let dataset = PublishedDataset::open_store(&stores, location, Purpose::Load)?;
        if dataset.report().run != report.run {
            return Err(Error::failed(format!("cannot load {location}"))
                .with_reason("another run replaced the dataset in the meantime")
                .temporary());
        }
        target.load(&dataset, mode, Contact::Again, observer)
    }
}

/// Loads the raw records by the engine inside Redshift.
fn run_in_redshift(
    config: &RunConfig,
    options: &RedshiftEngineOptions,
    load: WarehouseLoad<'_>,
    since: Option<NewestLoad>,
    observer: &dyn Observer,
) -> std::result::Result<CompletedRun, RunFailure> {
    let RedshiftRun { report, loaded } = redshift_engine::run(config, options, load, observer)?;
    let Some((location, load)) = loaded else {
        return Ok(CompletedRun::NothingNew(NothingNewRun { report, since }));
    };
    observer.dataset_published(&report, &location);
    Ok(CompletedRun::Published(PublishedRun {
        report,
        location,
        load: Some(load),
    }))
}

/// Returns the location of the dataset that a run published.
fn dataset_location(config: &RunConfig, report: &RunReport) -> Location {
    match config.output_arrangement() {
        OutputArrangement::SideBySide => config.out.join(&report.run),
        OutputArrangement::Replace => config.out.clone(),
    }
}
