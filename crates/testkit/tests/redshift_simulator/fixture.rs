//! A simulator with a bucket, and the statements and files that its tests share.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use postgres::{Client, SimpleQueryMessage};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::redshift_simulator::{RedshiftSimulator, SimulatorSettings, WarehouseKind};

/// A simulator with a bucket `b`, and a session.
pub struct SimulatorFixture {
    pub simulator: RedshiftSimulator,
    pub client: Client,
    pub buckets: TempDir,
}

impl SimulatorFixture {
    pub fn new() -> Self {
        Self::with_settings(SimulatorSettings::default())
    }

    pub fn with_settings(settings: SimulatorSettings) -> Self {
        let buckets = TempDir::new().unwrap();
        fs::create_dir(buckets.path().join("b")).unwrap();
        let simulator = RedshiftSimulator::start(SimulatorSettings {
            buckets: buckets.path().to_owned(),
            ..settings
        });
        let client = simulator.connect();
        Self {
            simulator,
            client,
            buckets,
        }
    }

    #[track_caller]
    pub fn execute(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap();
    }

    /// Asserts that a statement fails with an error or detail that contains `words`, and returns the
    /// SQLSTATE.
    #[track_caller]
    pub fn expect_error(&mut self, sql: &str, words: &str) -> String {
        let error = self.client.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().expect(sql);
        let all = format!("{} {}", error.message(), error.detail().unwrap_or_default());
        assert!(all.contains(words), "{sql}: {all}");
        error.code().code().to_owned()
    }

    /// Returns rows as text, with `|` between columns.
    #[track_caller]
    pub fn query_rows(&mut self, sql: &str) -> Vec<String> {
        query_rows(&mut self.client, sql)
    }

    pub fn put_object(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.buckets.path().join("b").join(name), bytes).unwrap();
    }

    /// Writes a Parquet file and a manifest `m` that lists it.
    pub fn put_parquet(&self, columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let bytes = encode_parquet(columns);
        self.put_object("f", &bytes);
        self.put_manifest(json!([manifest_entry("f", bytes.len())]));
        bytes
    }

    pub fn put_manifest(&self, entries: Value) {
        self.put_object("m", json!({"entries": entries}).to_string());
    }
}

pub fn query_rows(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).unwrap();
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|at| row.get(at).unwrap_or("NULL"))
                .collect::<Vec<_>>()
                .join("|"),
        ),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

pub fn manifest_entry(name: &str, length: usize) -> Value {
    json!({"url": format!("s3://b/{name}"), "mandatory": true, "meta": {"content_length": length}})
}

pub fn encode_parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    encode_parquet_with_codec(columns, Compression::UNCOMPRESSED)
}

pub fn encode_parquet_with_codec(columns: Vec<(&str, ArrayRef)>, codec: Compression) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub fn int_array(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

pub fn text_array(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A minimal COPY from the manifest.
pub const COPY_SQL: &str = "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST";

/// Asserts that some statements about two tables are rejected with these words, and that others are accepted.
#[track_caller]
pub fn assert_rejects_and_accepts(rejected: &[(&str, &str)], accepted: &[&str]) {
    let mut test = SimulatorFixture::new();
    test.execute(
        "CREATE TABLE t (a INTEGER, b VARCHAR(9)); CREATE TABLE s (a INTEGER, b VARCHAR(9))",
    );
    for (sql, words) in rejected {
        test.expect_error(sql, words);
    }
    for sql in accepted {
        test.execute(sql);
    }
}

/// Runs a test in both modes, which have the same fault injection.
pub fn in_both_modes(run_test: impl Fn(SimulatorFixture)) {
    for kind in [WarehouseKind::Redshift, WarehouseKind::Postgres] {
        let mut test = SimulatorFixture::with_settings(SimulatorSettings {
            kind,
            ..SimulatorSettings::default()
        });
        test.execute("CREATE TABLE t (a INTEGER)");
        test.simulator.faults().clear();
        run_test(test);
    }
}

/// Returns the rows in the backend.
pub fn backend_rows(test: &SimulatorFixture) -> Vec<String> {
    query_rows(
        &mut test.simulator.backend_client(),
        "SELECT a FROM t ORDER BY a",
    )
}
