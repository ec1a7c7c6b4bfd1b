//! Builds OpenLineage events.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::dataset::DatasetName;
use super::options::ParentRun;
use crate::input::RecordKind;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::monitoring::monitored_job::{JobDatasets, JobInput};
use crate::monitoring::run_end::{RunEnd, RunStatus};
use crate::output::run_report::RunReport;
use crate::storage::Location;

/// The package URL of this program, which does not depend on where its source is.
const PRODUCER: &str = concat!("pkg:generic/sparkify@", env!("CARGO_PKG_VERSION"));

const SCHEMA_URL: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// A transition of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum EventType {
    /// It begins.
    Start,
    /// It succeeded.
    Complete,
    /// It failed.
    Fail,
    /// A signal stopped it.
    Abort,
}

/// What all events of a run have in common.
#[derive(Debug)]
pub(super) struct LineageRun<'a> {
    /// The id of the run in OpenLineage.
    pub run_id: Uuid,
    /// The run that started it.
    pub parent: Option<&'a ParentRun>,
    /// The namespace of the job.
    pub namespace: &'a str,
    /// The name of the job.
    pub job: String,
    /// What it reads and writes.
    pub datasets: &'a JobDatasets,
}

/// An event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunEvent {
    event_time: String,
    /// The transition.
    pub event_type: EventType,
    run: Value,
    job: Value,
    inputs: Vec<Dataset>,
    outputs: Vec<Dataset>,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
}

/// A dataset with its facets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dataset {
    #[serde(flatten)]
    name: DatasetName,
    #[serde(skip_serializing_if = "Map::is_empty")]
    facets: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    input_facets: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    output_facets: Map<String, Value>,
}

/// The size of a dataset. Bytes and files are absent for tables of a warehouse.
#[derive(Debug, Clone, Copy)]
struct Statistics {
    rows: u64,
    bytes: Option<u64>,
    files: Option<u64>,
}

impl LineageRun<'_> {
    /// Returns the event for the beginning of the run.
    pub(super) fn start_event(&self, at: DateTime<Utc>) -> RunEvent {
        self.event(EventType::Start, at, None)
    }

    /// Returns the event for the end of the run.
    pub(super) fn end_event(&self, end: &RunEnd<'_>) -> RunEvent {
        let event_type = match end.status() {
            RunStatus::Ok | RunStatus::NothingNew => EventType::Complete,
            RunStatus::Failed | RunStatus::TooManyRejects => EventType::Fail,
            RunStatus::Stopped => EventType::Abort,
        };
        self.event(event_type, end.finished_at, Some(end))
    }

    fn event(
        &self,
        event_type: EventType,
        at: DateTime<Utc>,
        end: Option<&RunEnd<'_>>,
    ) -> RunEvent {
        RunEvent {
            event_time: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            event_type,
            run: json!({"runId": self.run_id, "facets": self.run_facets(end)}),
            job: json!({
                "namespace": self.namespace,
                "name": self.job,
                "facets": {
                    "jobType": facet("JobTypeJobFacet", "2-0-4", json!({
                        "processingType": "BATCH",
                        "integration": "SPARKIFY",
                        "jobType": "JOB",
                    })),
                },
            }),
            inputs: self.inputs(end),
            outputs: self.outputs(end),
            producer: PRODUCER,
            schema_url: SCHEMA_URL,
        }
    }

    fn run_facets(&self, end: Option<&RunEnd<'_>>) -> Map<String, Value> {
        let mut facets = Map::new();
        let version = env!("CARGO_PKG_VERSION");
        let engine = json!({"name": "sparkify", "version": version});
        facets.insert(
            "processing_engine".to_owned(),
            facet("ProcessingEngineRunFacet", "1-1-1", engine),
        );
        if let Some(ParentRun {
            namespace,
            job,
            run,
        }) = self.parent
        {
            let parent =
                json!({"run": {"runId": run}, "job": {"namespace": namespace, "name": job}});
            facets.insert(
                "parent".to_owned(),
                facet("ParentRunFacet", "1-2-0", parent),
            );
        }
        if let Some(error) = end.and_then(|end| end.error) {
            let message = json!({"message": error.to_string(), "programmingLanguage": "RUST"});
            facets.insert(
                "errorMessage".to_owned(),
                facet("ErrorMessageRunFacet", "1-0-1", message),
            );
        }
        facets
    }

    fn inputs(&self, end: Option<&RunEnd<'_>>) -> Vec<Dataset> {
        let inputs = self.datasets.inputs.iter();
        let inputs = inputs.flat_map(|input| match input {
            JobInput::Records {
                kind,
                location,
                is_only,
            } => {
                let report = end.and_then(|end| end.report).filter(|_| *is_only);
                let read = report.map(|report| record_statistics(report, *kind));
                vec![Dataset::new(DatasetName::of_location(location)).read(read)]
            }
            JobInput::Rejects(location) => {
                vec![Dataset::new(DatasetName::of_location(location))]
            }
            JobInput::Tables(location) => {
                let report = end.and_then(|end| end.loaded_run);
                let tables = SPARKIFY.star.iter();
                let table = |table: &&'static TableSchema| {
                    let read = report.and_then(|report| parquet_statistics(report, table));
                    parquet_dataset(location, table, report).read(read)
                };
                tables.map(table).collect()
            }
        });
        inputs.collect()
    }

    fn outputs(&self, end: Option<&RunEnd<'_>>) -> Vec<Dataset> {
        let mut outputs = Vec::new();
        if let Some(location) = &self.datasets.parquet {
            // The report of a run that failed has empty tables, because none is published.
            let report = end.and_then(|end| end.report);
            outputs.extend(SPARKIFY.star.iter().map(|table| {
                let written = report.and_then(|report| parquet_statistics(report, table));
                parquet_dataset(location, table, report).written(written)
            }));
        }
        if let Some(connection) = &self.datasets.warehouse {
            let load = end.and_then(|end| end.load);
            outputs.extend(SPARKIFY.star.iter().map(|table| {
                let counts = load.and_then(|load| load.tables.get(table.name));
                let written = counts.map(|counts| Statistics {
                    rows: counts.added + counts.changed,
                    bytes: None,
                    files: None,
                });
                let name = DatasetName::of_table(connection, table.name);
                Dataset::new(name).with_schema(table).written(written)
            }));
        }
        outputs
    }
}

impl Dataset {
    fn new(name: DatasetName) -> Self {
        Self {
            name,
            facets: Map::new(),
            input_facets: Map::new(),
            output_facets: Map::new(),
        }
    }

    fn with_schema(mut self, table: &TableSchema) -> Self {
        let fields = table.columns.iter().map(|column| {
            json!({"name": column.name, "type": column.ty.to_string(), "description": column.description})
        });
        let fields = json!({"fields": fields.collect::<Vec<_>>()});
        let schema = facet("SchemaDatasetFacet", "1-2-0", fields);
        self.facets.insert("schema".to_owned(), schema);
        self
    }

    fn read(mut self, statistics: Option<Statistics>) -> Self {
        if let Some(statistics) = statistics {
            let facet = statistics.facet("InputStatisticsInputDatasetFacet", "1-0-0");
            self.input_facets
                .insert("inputStatistics".to_owned(), facet);
        }
        self
    }

    fn written(mut self, statistics: Option<Statistics>) -> Self {
        if let Some(statistics) = statistics {
            let facet = statistics.facet("OutputStatisticsOutputDatasetFacet", "1-0-2");
            self.output_facets
                .insert("outputStatistics".to_owned(), facet);
        }
        self
    }
}

impl Statistics {
    fn facet(self, name: &str, version: &str) -> Value {
        let mut fields = json!({"rowCount": self.rows});
        for (key, value) in [("size", self.bytes), ("fileCount", self.files)] {
            if let Some(value) = value {
                fields[key] = value.into();
            }
        }
        facet(name, version, fields)
    }
}

/// Returns the Parquet folder of a table. Where runs are kept side by side, the folders of all runs are versions of one
/// dataset: its name must not change every night.
fn parquet_dataset(
    location: &Location,
    table: &TableSchema,
    report: Option<&RunReport>,
) -> Dataset {
    let name = DatasetName::of_location(&location.join(table.dir));
    let mut dataset = Dataset::new(name).with_schema(table);
    if let Some(report) = report {
        let version = json!({"datasetVersion": report.run});
        let version = facet("DatasetVersionDatasetFacet", "1-0-1", version);
        dataset.facets.insert("version".to_owned(), version);
    }
    dataset
}

fn record_statistics(report: &RunReport, kind: RecordKind) -> Statistics {
    let input = match kind {
        RecordKind::Song => &report.songs,
        RecordKind::Log => &report.logs.input,
    };
    Statistics {
        rows: input.records,
        bytes: Some(input.bytes),
        files: Some(input.objects),
    }
}

fn parquet_statistics(report: &RunReport, table: &TableSchema) -> Option<Statistics> {
    let table = report.tables.get(table.name)?;
    Some(Statistics {
        rows: table.rows,
        bytes: Some(table.bytes),
        files: Some(table.files),
    })
}

/// Adds to a facet what every facet has.
fn facet(name: &str, version: &str, mut fields: Value) -> Value {
    fields["_producer"] = PRODUCER.into();
    let url = format!("https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}");
    fields["_schemaURL"] = url.into();
    fields
}
