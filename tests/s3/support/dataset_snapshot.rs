//! The dataset of a run, in a local directory or in a bucket, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::s3_server::bucket_dir;
use crate::s3_server::server::S3Server;

/// The directories of all tables.
const TABLE_DIRS: [&str; 10] = [
    "artists",
    "songplays",
    "songs",
    "time",
    "users",
    "merge_state/artists",
    "merge_state/source_objects",
    "merge_state/songplays",
    "merge_state/songs",
    "merge_state/users",
];

/// The source objects contain names and versions, which differ from location to location.
const SOURCE_OBJECTS_PREFIX: &str = "merge_state/source_objects/";

type FilesByPath = BTreeMap<String, Vec<u8>>;

/// The parts of a dataset that follow from the input, without those that differ between runs.
#[derive(PartialEq)]
pub struct DatasetSnapshot {
    /// The Parquet parts by their paths in the dataset.
    pub parts: FilesByPath,
    /// The number of events of each object, in input order.
    pub object_row_counts: Vec<i64>,
    /// The rejects by file name, without the run id and without the location of the objects.
    pub rejects: BTreeMap<String, Vec<Value>>,
    /// The report without times.
    pub counts: Value,
}

/// A complete run in a bucket.
pub struct PublishedRun {
    pub id: String,
    pub dataset: DatasetSnapshot,
}

impl DatasetSnapshot {
    /// Reads a dataset from a directory; its input is below one of `inputs`.
    pub fn from_dir(folder: &Path, inputs: &[&str]) -> Self {
        let keys = bucket_dir::list_keys(folder).into_iter();
        let files = keys.map(|key| (key.clone(), fs::read(folder.join(key)).unwrap()));
        Self::from_files(files.collect(), inputs)
    }

    fn from_files(mut files: FilesByPath, inputs: &[&str]) -> Self {
        let report: Value = parse(&files.remove("_report.json").unwrap());
        let counts = ["songs", "logs", "tables", "matched_songplays"];
        let counts = counts.map(|name| (name.to_owned(), report[name].clone()));
        let (mut parts, mut rejects) = (FilesByPath::new(), BTreeMap::new());
        let mut events = Vec::new();
        for (name, bytes) in files {
            if name.starts_with(SOURCE_OBJECTS_PREFIX) {
                events.extend(row_counts(bytes));
            } else if name.ends_with(".parquet") {
                parts.insert(name, bytes);
            } else {
                assert!(name.starts_with("_rejects/"), "unexpected file {name}");
                let lines = String::from_utf8(bytes).unwrap();
                let lines = lines.lines().map(|line| {
                    let mut reject = strip_location(line, inputs);
                    assert_eq!(reject["run"].take(), report["run"]);
                    reject
                });
                rejects.insert(name, lines.collect());
            }
        }
        Self {
            parts,
            object_row_counts: events,
            rejects,
            counts: counts.into_iter().collect(),
        }
    }

    /// Asserts that both datasets are equal.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, case: &str) {
        let names = |dataset: &Self| dataset.parts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(self.counts, other.counts, "{case}");
        assert_eq!(names(self), names(other), "{case}");
        assert!(self.parts == other.parts, "{case}: Parquet parts differ");
        assert_eq!(self.object_row_counts, other.object_row_counts, "{case}");
        assert!(self.rejects == other.rejects, "{case}: rejects differ");
    }
}

/// Returns the column `rows` of a Parquet file.
fn row_counts(file: Vec<u8>) -> Vec<i64> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file));
    let column = |batch: RecordBatch| {
        let column = batch.column_by_name("rows").unwrap();
        column.as_primitive::<Int64Type>().values().to_vec()
    };
    let batches = reader.unwrap().build().unwrap();
    batches.flat_map(|batch| column(batch.unwrap())).collect()
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

/// Parses a reject and removes the location from its object.
fn strip_location(line: &str, inputs: &[&str]) -> Value {
    let mut reject: Value = serde_json::from_str(line).unwrap();
    let object = reject["object"].as_str().unwrap().to_owned();
    let mut below = inputs
        .iter()
        .filter_map(|location| object.strip_prefix(location));
    let below = below
        .next()
        .unwrap_or_else(|| panic!("{object} is not below {inputs:?}"));
    reject["object"] = below.into();
    reject
}

impl PublishedRun {
    /// Reads the run that `latest.json` names, which must be complete, or returns `None` if there is no
    /// `latest.json`.
    pub fn read_latest(
        server: &S3Server,
        bucket: &str,
        out: &str,
        inputs: &[&str],
    ) -> Option<Self> {
        let objects = server.objects(bucket);
        let latest = parse(objects.get(&format!("{out}/latest.json"))?);
        let id = latest["run"].as_str().unwrap();
        let report = format!("s3://{bucket}/{out}/{id}/_report.json");
        assert_eq!(latest["report"], report);
        let published = latest["published"].as_array().unwrap();
        assert_eq!(published.last().unwrap(), id);
        Some(Self::read_complete(server, bucket, out, id, inputs))
    }

    /// Reads a run, which must be complete.
    pub fn read_complete(
        server: &S3Server,
        bucket: &str,
        out: &str,
        id: &str,
        inputs: &[&str],
    ) -> Self {
        let run_prefix = format!("{out}/{id}/");
        let objects = server.objects(bucket).into_iter();
        let below =
            |(key, bytes): (String, _)| Some((key.strip_prefix(&run_prefix)?.to_owned(), bytes));
        let mut files: FilesByPath = objects.filter_map(below).collect();
        assert_eq!(parse(&files["_report.json"])["run"], id);
        for table in TABLE_DIRS {
            let manifest = files.remove(&format!("{table}.manifest"));
            let manifest =
                parse(&manifest.unwrap_or_else(|| panic!("{table}.manifest is missing")));
            assert_eq!(
                manifest,
                expected_manifest(&files, table, &format!("s3://{bucket}/{run_prefix}"))
            );
        }
        let dataset = DatasetSnapshot::from_files(files, inputs);
        let id = id.to_owned();
        Self { id, dataset }
    }
}

/// Returns the manifest that COPY requires for the parts of a table.
fn expected_manifest(files: &FilesByPath, table: &str, run_prefix: &str) -> Value {
    let parts = files
        .iter()
        .filter(|(name, _)| name.starts_with(&format!("{table}/")));
    let entries = parts.map(|(name, bytes)| {
        json!({
            "url": format!("{run_prefix}{name}"),
            "mandatory": true,
            "meta": {"content_length": bytes.len()},
        })
    });
    json!({"entries": entries.collect::<Vec<_>>()})
}

/// Returns the ids of all runs below `out`, complete or not.
pub fn run_ids(server: &S3Server, bucket: &str, out: &str) -> BTreeSet<String> {
    let below = format!("{out}/");
    let objects = server.objects(bucket);
    let keys = objects.keys().filter_map(|key| key.strip_prefix(&below));
    let runs = keys.filter_map(|key| Some(key.split_once('/')?.0.to_owned()));
    runs.collect()
}
