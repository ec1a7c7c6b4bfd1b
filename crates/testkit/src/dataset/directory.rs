//! A dataset in a local directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::dir_contents::{FilesByPath, read_files};

const REPORT_FILE: &str = "_report.json";

/// The part with the source objects.
pub const SOURCE_OBJECTS_PART: &str = "merge_state/source_objects/part-00000.parquet";

/// Returns the files that depend only on the records: all but the report, which contains times, and the
/// source objects, which contain locations and modification times.
pub fn deterministic_files(dir: &Path) -> FilesByPath {
    let mut files = read_files(dir);
    for name in [REPORT_FILE, SOURCE_OBJECTS_PART] {
        assert!(files.remove(name).is_some(), "{files:?}");
    }
    files
}

/// Reads the report of a dataset.
pub fn read_report(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join(REPORT_FILE)).unwrap()).unwrap()
}

/// A dataset that is to stay unchanged, including its report.
pub struct DatasetSnapshot {
    dir: PathBuf,
    files: FilesByPath,
}

impl DatasetSnapshot {
    /// Records the current dataset in `dir`.
    pub fn take(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            files: read_files(dir),
        }
    }

    /// Asserts that no byte has changed.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        assert!(read_files(&self.dir) == self.files, "dataset changed");
    }

    /// Asserts that another dataset has replaced it.
    #[track_caller]
    pub fn assert_replaced(&self) {
        let files = read_files(&self.dir);
        assert!(files.contains_key(REPORT_FILE), "{:?}", files.keys());
        assert!(files != self.files, "dataset was not replaced");
    }
}

/// Returns a text column of songplays, in order of parts and rows.
pub fn songplays_text_column(dir: &Path, column: &str) -> Vec<String> {
    let mut parts: Vec<_> = fs::read_dir(dir.join("songplays"))
        .unwrap()
        .map(|part| part.unwrap().path())
        .collect();
    parts.sort();
    let mut values = Vec::new();
    for part in parts {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(part).unwrap());
        for batch in reader.unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let texts = batch.column_by_name(column).unwrap().as_string::<i32>();
            values.extend((0..texts.len()).map(|row| texts.value(row).to_owned()));
        }
    }
    values
}
