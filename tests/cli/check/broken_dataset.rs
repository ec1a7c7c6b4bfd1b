//! A dataset that a test breaks in one way, with a report that otherwise fits.

use std::fs::{self, File};
use std::path::PathBuf;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use arrow_select::concat::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use serde_json::Value;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::{MALFORMED_RECORD, event, songs};

/// A dataset in the folder `dataset` of a sandbox: three songs, and five plays of the first one by one user.
pub struct Dataset {
    pub sandbox: Sandbox,
}

impl Dataset {
    pub fn new() -> Self {
        Self::with_compression("snappy")
    }

    /// Runs with a codec. A song and an event are rejected.
    pub fn with_compression(codec: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("songs/a.json", songs(1..4) + MALFORMED_RECORD);
        let events: String = (0..5).map(|n| event(n) + "\n").collect();
        let events = events.replace("\"level\"", "\"firstName\":\"Lily\",\"level\"");
        sandbox.write("logs/a.json", events + MALFORMED_RECORD);
        let run = ["--max-rejects=1", "--compression", codec];
        sandbox.run_with(&run).assert_success();
        Self { sandbox }
    }

    /// Returns the path of the first part of a table.
    pub fn part(&self, dir: &str) -> PathBuf {
        self.sandbox
            .path(&format!("dataset/{dir}/part-00000.parquet"))
    }

    pub fn report(&self) -> Value {
        read_report(&self.sandbox.path("dataset"))
    }

    /// Changes the report.
    pub fn edit_report(&self, edit: impl FnOnce(&mut Value)) {
        let mut report = self.report();
        edit(&mut report);
        self.sandbox
            .write("dataset/_report.json", report.to_string());
    }

    /// Makes the report count the files and rows of a table as they are.
    pub fn count_again(&self, dir: &str) {
        let (mut files, mut rows, mut bytes) = (0, 0, 0);
        for part in fs::read_dir(self.sandbox.path(&format!("dataset/{dir}"))).unwrap() {
            let part = part.unwrap();
            files += 1;
            bytes += part.metadata().unwrap().len();
            rows += read_part(&part.path()).num_rows();
        }
        let (group, name) = match dir.strip_prefix("merge_state/") {
            Some("source_objects") => ("merge_state", "source_objects".to_owned()),
            Some(table) => ("merge_state", format!("state_{table}")),
            None => ("tables", dir.to_owned()),
        };
        self.edit_report(|report| {
            let counts = serde_json::json!({"rows": rows, "files": files, "bytes": bytes});
            report[group][&name] = counts;
        });
    }

    /// Writes the first part of a table again with other rows, as it is written by default.
    pub fn edit_rows(&self, dir: &str, edit: impl FnOnce(RecordBatch) -> RecordBatch) {
        self.rewrite(dir, edit, |properties| properties);
    }

    /// Writes the first part of a table again, with other rows or properties.
    pub fn rewrite(
        &self,
        dir: &str,
        edit: impl FnOnce(RecordBatch) -> RecordBatch,
        set: impl FnOnce(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
    ) {
        let path = self.part(dir);
        let batch = edit(read_part(&path));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties = Some(set(properties).build());
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), properties).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.count_again(dir);
    }

    /// Asserts that the check fails with one line that contains all these words.
    #[track_caller]
    pub fn assert_check_fails(&self, words: &[&str]) {
        let output = self.sandbox.exec(&["check", "--from", "dataset"]);
        let output = output.assert_failure(1, words);
        assert_eq!(output.stdout, "");
        // What to do next.
        assert!(output.stderr.contains("; "), "{output:?}");
    }

    #[track_caller]
    pub fn assert_check_passes(&self) {
        self.sandbox
            .exec(&["check", "--from", "dataset"])
            .assert_success();
    }
}

/// Reads all rows of a part.
pub fn read_part(path: &PathBuf) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Replaces a column, whose type and name may change.
pub fn with_column(batch: &RecordBatch, name: &str, field: Field, column: ArrayRef) -> RecordBatch {
    let position = batch.schema().index_of(name).unwrap();
    let mut fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .map(|f| f.as_ref().clone())
        .collect();
    let mut columns = batch.columns().to_vec();
    fields[position] = field;
    columns[position] = column;
    RecordBatch::try_new(Schema::new(fields).into(), columns).unwrap()
}

/// Replaces the values of a column.
pub fn with_values(batch: &RecordBatch, name: &str, column: impl Array + 'static) -> RecordBatch {
    let field = batch.schema().field_with_name(name).unwrap().clone();
    with_column(batch, name, field, std::sync::Arc::new(column))
}
