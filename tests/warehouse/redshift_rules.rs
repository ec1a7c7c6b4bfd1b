//! The stand-in for Redshift keeps Redshift's rules: each is shown to be kept.

use std::fs;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use parquet::arrow::ArrowWriter;
use postgres::{Client, SimpleQueryMessage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::redshift::{Cluster, Isolation, Method, Mode, ROLE, Settings, When, Which};

/// A server with a bucket `b`, and a session.
struct Place {
    cluster: Cluster,
    client: Client,
    buckets: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let buckets = TempDir::new().unwrap();
        fs::create_dir(buckets.path().join("b")).unwrap();
        let cluster = Cluster::start(Settings {
            buckets: buckets.path().to_owned(),
            ..settings
        });
        let client = cluster.connect();
        Self {
            cluster,
            client,
            buckets,
        }
    }

    #[track_caller]
    fn takes(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap();
    }

    /// The SQLSTATE and the words of an error, with its detail.
    #[track_caller]
    fn refuses(&mut self, sql: &str, words: &str) -> String {
        let error = self.client.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().expect(sql);
        let all = format!("{} {}", error.message(), error.detail().unwrap_or_default());
        assert!(all.contains(words), "{sql}: {all}");
        error.code().code().to_owned()
    }

    /// Rows as text, with `|` between columns.
    #[track_caller]
    fn rows(&mut self, sql: &str) -> Vec<String> {
        rows(&mut self.client, sql)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.buckets.path().join("b").join(name), bytes).unwrap();
    }

    /// Writes a file and a manifest `m` that names it.
    fn file(&self, columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let bytes = parquet(columns);
        self.put("f", &bytes);
        self.manifest(json!([entry("f", bytes.len())]));
        bytes
    }

    fn manifest(&self, entries: Value) {
        self.put("m", json!({"entries": entries}).to_string());
    }
}

fn rows(client: &mut Client, sql: &str) -> Vec<String> {
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

fn entry(name: &str, length: usize) -> Value {
    json!({"url": format!("s3://b/{name}"), "mandatory": true, "meta": {"content_length": length}})
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A COPY of the manifest with all that it needs.
const COPY: &str = "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST";

#[test]
fn it_says_that_it_is_redshift() {
    let mut place = Place::new();
    let version = place.rows("SELECT version()").remove(0);
    assert!(
        version.starts_with("PostgreSQL 8.0.2 on ") && version.ends_with(" Redshift 1.0.12345")
    );
    assert!(
        place
            .cluster
            .url()
            .starts_with("redshift://loader@127.0.0.1:")
    );
}

#[test]
fn passwords_are_asked_for() {
    for method in [Method::Md5, Method::Cleartext] {
        let place = Place::with(Settings {
            method,
            ..Settings::default()
        });
        let mut config = postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(place.cluster.database().port)
            .dbname(&place.cluster.database().name)
            .user("loader")
            .password("wrong");
        let error = config.connect(postgres::NoTls).err().unwrap();
        assert_eq!(error.code().unwrap().code(), "28000", "{method:?}");
    }
}

#[test]
fn method_13_is_not_known_to_the_driver() {
    let buckets = TempDir::new().unwrap();
    let cluster = Cluster::start(Settings {
        method: Method::Sha256,
        buckets: buckets.path().to_owned(),
        ..Settings::default()
    });
    let database = cluster.database();
    let error = postgres::Config::new()
        .host(&database.host)
        .port(database.port)
        .dbname(&database.name)
        .user(&database.user)
        .password(&database.password)
        .connect(postgres::NoTls)
        .err()
        .unwrap();
    let error = format!("{error:?}");
    assert!(error.contains("13"), "{error}");
}

#[test]
fn copy_loads_by_position_and_says_so() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER, b VARCHAR(10), c SMALLINT, d BIGINT, e DOUBLE PRECISION, f TIMESTAMP)");
    let stamps = TimestampMicrosecondArray::from(vec![Some(1_541_105_830_796_000), None]);
    place.file(vec![
        ("z", ints(&[1, 2])),
        ("y", texts(&["ä", "b"])),
        ("x", Arc::new(Int16Array::from(vec![Some(3), None]))),
        ("w", Arc::new(Int64Array::from(vec![Some(4), None]))),
        ("v", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("u", Arc::new(stamps)),
    ]);
    place.takes(COPY);
    assert_eq!(
        place.rows("SELECT * FROM t ORDER BY a"),
        [
            "1|ä|3|4|0.1|2018-11-01 20:57:10.796",
            "2|b|NULL|NULL|NULL|NULL"
        ]
    );
    assert_eq!(place.rows("SELECT pg_last_copy_count()"), ["2"]);
}
