//! What is in an output folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// The bytes of files, by their paths below a folder.
pub type FileContents = BTreeMap<String, Vec<u8>>;

const REPORT_FILE: &str = "_report.json";

/// The ledger of objects.
pub const SOURCE_OBJECTS_PART: &str = "merge_state/source_objects/part-00000.parquet";

/// Every file below a folder.
pub fn all_files(folder: &Path) -> FileContents {
    let mut found = FileContents::new();
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

/// What the records decide: every file but the report, which tells times, and the ledger of objects, which
/// tells where they are and when they were written.
pub fn deterministic_files(folder: &Path) -> FileContents {
    let mut files = all_files(folder);
    for name in [REPORT_FILE, SOURCE_OBJECTS_PART] {
        assert!(files.remove(name).is_some(), "{files:?}");
    }
    files
}

/// The report of a star.
pub fn read_report(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join(REPORT_FILE)).unwrap()).unwrap()
}

/// A star that is to stay as it is, report and all.
pub struct DatasetSnapshot {
    path: PathBuf,
    files: FileContents,
}

impl DatasetSnapshot {
    /// The star that is in `path` now.
    pub fn take(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: all_files(path),
        }
    }

    /// Asserts that not a byte of it changed.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        assert!(all_files(&self.path) == self.files, "the star changed");
    }

    /// Asserts that another star took its place.
    #[track_caller]
    pub fn assert_replaced(&self) {
        assert!(all_files(&self.path) != self.files, "the star is the old");
    }
}

/// A text column of songplays, part by part and row by row.
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
