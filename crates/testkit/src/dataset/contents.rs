//! The contents of a dataset in a form in which datasets of different runs and locations can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::dir_contents::{FilesByPath, read_files};

/// The source objects contain names and versions, which differ from location to location.
const SOURCE_OBJECTS_PREFIX: &str = "merge_state/source_objects/";

/// The parts of a dataset that follow from the input, without those that differ between runs.
#[derive(PartialEq)]
pub struct DatasetContents {
    /// The Parquet parts by their paths in the dataset.
    pub parts: FilesByPath,
    /// The number of kept records of each object, in input order.
    pub object_row_counts: Vec<i64>,
    /// The rejects by file name, without the run id and without the location of the objects.
    pub rejects: BTreeMap<String, Vec<Value>>,
    /// The report without times, and without the location of the objects.
    pub counts: Value,
}

impl DatasetContents {
    /// Reads a dataset from a directory; its input is below one of `inputs`.
    pub fn from_dir(dir: &Path, inputs: &[&str]) -> Self {
        Self::from_files(read_files(dir), inputs)
    }

    /// Takes apart the files of a dataset; its input is below one of `inputs`.
    pub fn from_files(mut files: FilesByPath, inputs: &[&str]) -> Self {
        let mut report: Value =
            serde_json::from_slice(&files.remove("_report.json").unwrap()).unwrap();
        for input in ["songs", "logs"] {
            report[input].as_object_mut().unwrap().remove("locations");
            for unknown in report[input]["unknown_keys"].as_array_mut().unwrap() {
                strip_location(unknown, inputs);
            }
        }
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
                    let mut reject: Value = serde_json::from_str(line).unwrap();
                    strip_location(&mut reject, inputs);
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

/// Removes the location from the object of a reject or of an unknown key.
fn strip_location(found: &mut Value, inputs: &[&str]) {
    let object = found["object"].as_str().unwrap().to_owned();
    let mut below = inputs
        .iter()
        .filter_map(|location| object.strip_prefix(location));
    let below = below
        .next()
        .unwrap_or_else(|| panic!("{object} is not below {inputs:?}"));
    found["object"] = below.into();
}
