//! The contents of an output directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// The bytes of files, by their paths in a directory.
pub type FilesByPath = BTreeMap<String, Vec<u8>>;

const REPORT_FILE: &str = "_report.json";

/// The part with the source objects.
pub const SOURCE_OBJECTS_PART: &str = "merge_state/source_objects/part-00000.parquet";

/// Returns every file in a directory and its subdirectories.
pub fn all_files(folder: &Path) -> FilesByPath {
    let mut found = FilesByPath::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_string_lossy();
            found.insert(name.into_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

/// Returns the files that depend only on the records: all but the report, which contains times, and the
/// source objects, which contain locations and modification times.
pub fn deterministic_files(folder: &Path) -> FilesByPath {
    let mut files = all_files(folder);
    for name in [REPORT_FILE, SOURCE_OBJECTS_PART] {
        assert!(files.remove(name).is_some(), "{files:?}");
    }
    files
}

/// Reads the report of a dataset.
pub fn read_report(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join(REPORT_FILE)).unwrap()).unwrap()
}

/// A dataset that is to stay unchanged, including its report.
pub struct DatasetSnapshot {
    path: PathBuf,
    files: FilesByPath,
}

impl DatasetSnapshot {
    /// Records the current dataset in `path`.
    pub fn take(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: all_files(path),
        }
    }

    /// Asserts that no byte has changed.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        assert!(all_files(&self.path) == self.files, "dataset changed");
    }

    /// Asserts that another dataset has replaced it.
    #[track_caller]
    pub fn assert_replaced(&self) {
        assert!(
            all_files(&self.path) != self.files,
            "dataset was not replaced"
        );
    }
}

/// Returns a text column of songplays, in order of parts and rows.
pub fn songplays_text_column(folder: &Path, column: &str) -> Vec<String> {
    let mut parts: Vec<_> = fs::read_dir(folder.join("songplays"))
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
