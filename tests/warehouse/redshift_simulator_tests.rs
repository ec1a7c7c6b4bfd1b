//! Tests of the Redshift simulator: it enforces each rule of Redshift.

use std::fs;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use postgres::{Client, SimpleQueryMessage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::redshift_simulator::{
    AuthMethod, Codecs, FaultPoint, IAM_ROLE_ARN, Isolation, Mode, RedshiftSimulator, Settings,
    StatementMatcher,
};

/// A simulator with a bucket `b`, and a session.
struct SimulatorTest {
    simulator: RedshiftSimulator,
    client: Client,
    buckets: TempDir,
}

impl SimulatorTest {
    fn new() -> Self {
        Self::with_settings(Settings::default())
    }

    fn with_settings(settings: Settings) -> Self {
        let buckets = TempDir::new().unwrap();
        fs::create_dir(buckets.path().join("b")).unwrap();
        let cluster = RedshiftSimulator::start(Settings {
            buckets: buckets.path().to_owned(),
            ..settings
        });
        let client = cluster.connect();
        Self {
            simulator: cluster,
            client,
            buckets,
        }
    }

    #[track_caller]
    fn execute(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap();
    }

    /// Asserts that a statement fails with an error or detail that contains `words`, and returns the
    /// SQLSTATE.
    #[track_caller]
    fn expect_error(&mut self, sql: &str, words: &str) -> String {
        let error = self.client.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().expect(sql);
        let all = format!("{} {}", error.message(), error.detail().unwrap_or_default());
        assert!(all.contains(words), "{sql}: {all}");
        error.code().code().to_owned()
    }

    /// Returns rows as text, with `|` between columns.
    #[track_caller]
    fn query_rows(&mut self, sql: &str) -> Vec<String> {
        query_rows(&mut self.client, sql)
    }

    fn put_object(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.buckets.path().join("b").join(name), bytes).unwrap();
    }

    /// Writes a Parquet file and a manifest `m` that lists it.
    fn put_parquet(&self, columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let bytes = encode_parquet(columns);
        self.put_object("f", &bytes);
        self.put_manifest(json!([manifest_entry("f", bytes.len())]));
        bytes
    }

    fn put_manifest(&self, entries: Value) {
        self.put_object("m", json!({"entries": entries}).to_string());
    }
}

fn query_rows(client: &mut Client, sql: &str) -> Vec<String> {
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

fn manifest_entry(name: &str, length: usize) -> Value {
    json!({"url": format!("s3://b/{name}"), "mandatory": true, "meta": {"content_length": length}})
}

fn encode_parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    encode_parquet_with_codec(columns, Compression::UNCOMPRESSED)
}

fn encode_parquet_with_codec(columns: Vec<(&str, ArrayRef)>, codec: Compression) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn int_array(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn text_array(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A minimal COPY from the manifest.
const COPY_SQL: &str = "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS PARQUET MANIFEST";

#[test]
fn version_is_redshifts() {
    let mut simulator = SimulatorTest::new();
    let version = simulator.query_rows("SELECT version()").remove(0);
    assert!(
        version.starts_with("PostgreSQL 8.0.2 on ") && version.ends_with(" Redshift 1.0.12345")
    );
    assert!(
        simulator
            .simulator
            .url()
            .starts_with("redshift://loader@127.0.0.1:")
    );
}

#[test]
fn wrong_password_is_rejected() {
    for method in [AuthMethod::Md5, AuthMethod::Cleartext] {
        let simulator = SimulatorTest::with_settings(Settings {
            method,
            ..Settings::default()
        });
        let mut config = postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(simulator.simulator.database().port)
            .dbname(&simulator.simulator.database().name)
            .user("loader")
            .password("wrong");
        let error = config.connect(postgres::NoTls).err().unwrap();
        assert_eq!(error.code().unwrap().code(), "28000", "{method:?}");
    }
}

#[test]
fn driver_does_not_support_auth_method_13() {
    let buckets = TempDir::new().unwrap();
    let cluster = RedshiftSimulator::start(Settings {
        method: AuthMethod::Sha256,
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
fn copy_maps_columns_by_position() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER, b VARCHAR(10), c SMALLINT, d BIGINT, e DOUBLE PRECISION, f TIMESTAMP)");
    let stamps = TimestampMicrosecondArray::from(vec![Some(1_541_105_830_796_000), None]);
    simulator.put_parquet(vec![
        ("z", int_array(&[1, 2])),
        ("y", text_array(&["ä", "b"])),
        ("x", Arc::new(Int16Array::from(vec![Some(3), None]))),
        ("w", Arc::new(Int64Array::from(vec![Some(4), None]))),
        ("v", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("u", Arc::new(stamps)),
    ]);
    simulator.execute(COPY_SQL);
    assert_eq!(
        simulator.query_rows("SELECT * FROM t ORDER BY a"),
        [
            "1|ä|3|4|0.1|2018-11-01 20:57:10.796",
            "2|b|NULL|NULL|NULL|NULL"
        ]
    );
    assert_eq!(simulator.query_rows("SELECT pg_last_copy_count()"), ["2"]);
}

#[test]
fn copy_requires_matching_column_count() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER, b INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator.expect_error(COPY_SQL, "Table columns: 2, Data columns: 1");
    let listed = COPY_SQL.replace("COPY t", "COPY t (b)");
    simulator.execute(&listed);
    simulator.execute(&format!("{COPY_SQL} FILLRECORD"));
    assert_eq!(
        simulator.query_rows("SELECT a, b FROM t"),
        ["NULL|1", "1|NULL"]
    );
    simulator.put_parquet(vec![
        ("a", int_array(&[1])),
        ("b", int_array(&[2])),
        ("c", int_array(&[3])),
    ]);
    simulator.expect_error(COPY_SQL, "Table columns: 2, Data columns: 3");
    simulator.expect_error(&listed, "Table columns: 1, Data columns: 3");
}

#[test]
fn copy_requires_exact_types() {
    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    let utc: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"));
    let small: ArrayRef = Arc::new(Int16Array::from(vec![1]));
    let big: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let double: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let binary: ArrayRef = Arc::new(arrow_array::BinaryArray::from(vec![&b"x"[..]]));
    let all = [
        ("INTEGER", vec![int_array(&[1])]),
        ("SMALLINT", vec![small]),
        ("BIGINT", vec![big]),
        ("DOUBLE PRECISION", vec![double]),
        ("VARCHAR(5)", vec![text_array(&["x"])]),
        ("TIMESTAMP", vec![micros]),
        // Types that no column accepts.
        ("", vec![nanos, utc, binary]),
    ];
    let mut simulator = SimulatorTest::new();
    for (ty, _) in all.iter().filter(|(ty, _)| !ty.is_empty()) {
        simulator.execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (a {ty})"));
        for (other, arrays) in &all {
            for array in arrays {
                simulator.put_parquet(vec![("a", array.clone())]);
                match ty == other {
                    true => simulator.execute(COPY_SQL),
                    false => {
                        simulator.expect_error(
                            COPY_SQL,
                            "has an incompatible Parquet schema for column 'a'",
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn copy_checks_varchar_length_in_bytes() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a VARCHAR(3))");
    simulator.put_parquet(vec![("a", text_array(&["äb"]))]);
    simulator.execute(COPY_SQL);
    simulator.put_parquet(vec![("a", text_array(&["x", "ää"]))]);
    let longer = "The length of the data column a is longer than the length defined in the table. Table: 3, Data: 4";
    assert_eq!(simulator.expect_error(COPY_SQL, longer), "XX000");
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["äb"]);
}

#[test]
fn copy_enforces_not_null() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER NOT NULL)");
    simulator.put_parquet(vec![("a", Arc::new(Int32Array::from(vec![Some(1), None])))]);
    simulator.expect_error(COPY_SQL, "NOT NULL");
    assert_eq!(simulator.query_rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn copy_accepts_known_clauses_in_any_order() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[1]))]);
    for clauses in [
        format!("MANIFEST FORMAT PARQUET IAM_ROLE '{IAM_ROLE_ARN}'"),
        "STATUPDATE OFF FORMAT AS PARQUET MANIFEST ACCEPTINVCHARS IAM_ROLE default".to_owned(),
        format!("FORMAT PARQUET CREDENTIALS 'aws_iam_role={IAM_ROLE_ARN}' MANIFEST"),
    ] {
        simulator.execute(&format!("COPY t FROM 's3://b/m' {clauses}"));
    }
    for clause in [
        "REGION 'us-east-1'",
        "REGION AS 'us-east-1'",
        "MAXERROR 10",
        "ACCEPTANYDATE",
        "COMPUPDATE OFF",
        "TRUNCATECOLUMNS",
        "GZIP",
        "EMPTYASNULL",
    ] {
        let name = clause.split(' ').next().unwrap();
        let words = format!("{name} argument is not supported for PARQUET based COPY");
        assert_eq!(
            simulator.expect_error(&format!("{COPY_SQL} {clause}"), &words),
            "0A000"
        );
    }
    let keys = "CREDENTIALS 'aws_access_key_id=A;aws_secret_access_key=B'";
    simulator.expect_error(
        &COPY_SQL.replace("IAM_ROLE default", keys),
        "no keys in the statement",
    );
    simulator.expect_error(&COPY_SQL.replace("IAM_ROLE default", ""), "IAM_ROLE");
    simulator.expect_error(
        &COPY_SQL.replace("default", "'arn:aws:iam::1:role/other'"),
        "Not authorized",
    );
    simulator.expect_error(
        "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS JSON 'auto'",
        "",
    );
}

#[test]
fn manifest_requires_correct_content_length() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    let bytes = simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator.put_manifest(json!([{"url": "s3://b/f", "mandatory": true}]));
    simulator.expect_error(COPY_SQL, "15003");
    for length in [bytes.len() - 1, bytes.len() + 1] {
        simulator.put_manifest(json!([manifest_entry("f", length)]));
        simulator.expect_error(COPY_SQL, "Status 416");
    }
    assert_eq!(simulator.query_rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn file_listed_twice_is_loaded_twice() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    let bytes = simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator.put_manifest(json!([
        manifest_entry("f", bytes.len()),
        manifest_entry("f", bytes.len())
    ]));
    simulator.execute(COPY_SQL);
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1", "1"]);
}

#[test]
fn missing_mandatory_file_fails_copy() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    let bytes = simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator.put_manifest(json!([
        manifest_entry("f", bytes.len()),
        manifest_entry("none", 7)
    ]));
    simulator.expect_error(COPY_SQL, "Status 404");
    let optional = json!({"url": "s3://b/none", "meta": {"content_length": 7}});
    simulator.put_manifest(json!([manifest_entry("f", bytes.len()), optional]));
    simulator.execute(COPY_SQL);
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn copy_rejects_undocumented_codecs_by_default() {
    let codecs = [
        (Compression::UNCOMPRESSED, true),
        (Compression::SNAPPY, true),
        (Compression::GZIP(Default::default()), true),
        (Compression::ZSTD(Default::default()), false),
    ];
    for setting in [Codecs::Documented, Codecs::Any] {
        let mut simulator = SimulatorTest::with_settings(Settings {
            codecs: setting,
            ..Settings::default()
        });
        simulator.execute("CREATE TABLE t (a INTEGER)");
        for (codec, is_documented) in codecs {
            let bytes = encode_parquet_with_codec(vec![("a", int_array(&[1]))], codec);
            simulator.put_object("f", &bytes);
            simulator.put_manifest(json!([manifest_entry("f", bytes.len())]));
            if is_documented || setting == Codecs::Any {
                simulator.execute(COPY_SQL);
            } else {
                let words = "unsupported compression codec. Column: a, Codec: ZSTD";
                assert_eq!(simulator.expect_error(COPY_SQL, words), "XX000");
                simulator.expect_error(COPY_SQL, "Spectrum Scan Error");
                let why = "SELECT error_code FROM sys_load_error_detail ORDER BY query_id LIMIT 1";
                assert_eq!(simulator.query_rows(why), ["15001"]);
            }
        }
    }
}

#[test]
fn copy_without_files_fails() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_manifest(json!([]));
    simulator.expect_error(COPY_SQL, "No files");
    simulator.expect_error(
        &COPY_SQL.replace("MANIFEST", "").replace("/m'", "/x'"),
        "does not exist",
    );
}

#[test]
fn copy_prefix_matches_longer_names() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_object("part", encode_parquet(vec![("a", int_array(&[1]))]));
    simulator.put_object("part_old", encode_parquet(vec![("a", int_array(&[2]))]));
    simulator.execute("COPY t FROM 's3://b/part' IAM_ROLE default FORMAT PARQUET");
    assert_eq!(
        simulator.query_rows("SELECT a FROM t ORDER BY a"),
        ["1", "2"]
    );
}

#[test]
fn copy_from_other_region_fails() {
    let mut simulator = SimulatorTest::with_settings(Settings {
        other_region_buckets: vec!["b".to_owned()],
        ..Settings::default()
    });
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator.expect_error(COPY_SQL, "Status 301,Error PermanentRedirect");
}

#[test]
fn copy_is_transactional() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator.execute(&format!("BEGIN; {COPY_SQL}; ROLLBACK"));
    assert_eq!(simulator.query_rows("SELECT a FROM t"), [""; 0]);
    simulator.execute(&format!("BEGIN; {COPY_SQL}; COMMIT"));
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn load_errors_survive_rollback() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a VARCHAR(1))");
    simulator.put_parquet(vec![("a", text_array(&["x", "yy"]))]);
    simulator.execute("BEGIN");
    simulator.expect_error(COPY_SQL, "longer");
    assert_eq!(simulator.expect_error("SELECT 1", "aborted"), "25P02");
    simulator.execute("ROLLBACK");
    let told = "SELECT file_name, column_name, column_type, line_number, error_code \
                FROM sys_load_error_detail WHERE query_id = pg_last_query_id()";
    assert_eq!(
        simulator.query_rows(told),
        ["s3://b/f|a|character varying(1)|2|15001"]
    );
    let told = "SELECT filename, colname, line_number, err_code FROM stl_load_errors \
                WHERE query = pg_last_copy_id()";
    assert_eq!(simulator.query_rows(told), ["s3://b/f|a|2|15001"]);
    let told = "SELECT count(*) FROM svl_s3log WHERE query = pg_last_query_id()";
    assert_eq!(simulator.query_rows(told), ["1"]);
    assert_eq!(simulator.query_rows("SELECT pg_last_copy_count()"), ["0"]);
}

#[test]
fn identity_columns_are_generated() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (id BIGINT IDENTITY(0,1), a INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[7, 8]))]);
    simulator.execute(COPY_SQL);
    assert_eq!(
        simulator.query_rows("SELECT * FROM t ORDER BY id"),
        ["0|7", "1|8"]
    );
    simulator.expect_error("INSERT INTO t (id, a) VALUES (5, 5)", "id");
    simulator.expect_error(&COPY_SQL.replace("COPY t", "COPY t (id)"), "EXPLICIT_IDS");
    let both: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![9]))),
        ("a", int_array(&[9])),
    ];
    simulator.put_parquet(both);
    simulator.execute(&format!("{COPY_SQL} EXPLICIT_IDS"));
    assert_eq!(simulator.query_rows("SELECT id FROM t WHERE a = 9"), ["9"]);
}

#[test]
fn extended_protocol_accepts_only_queries() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[1]))]);
    for sql in [
        COPY_SQL,
        "BEGIN",
        "COMMIT",
        "CREATE TABLE u (a INTEGER)",
        "INSERT INTO t VALUES (1)",
    ] {
        let error = simulator.client.execute(sql, &[]).unwrap_err();
        assert!(
            format!("{error:?}").contains("extended protocol"),
            "{error:?}"
        );
    }
    let row = simulator
        .client
        .query_one("SELECT 1 + $1::INTEGER", &[&2])
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 3);
}

#[test]
fn missing_pg_catalogs_are_undefined() {
    let mut simulator = SimulatorTest::new();
    let code = simulator.expect_error("SELECT * FROM pg_catalog.pg_range", "pg_range");
    assert_eq!(code, "42P01");
    simulator.expect_error("SELECT * FROM pg_enum", "pg_enum");
    simulator.execute("SELECT * FROM pg_catalog.pg_type");
}

/// Asserts that some statements about two tables are rejected with these words, and that others are accepted.
#[track_caller]
fn assert_rejects_and_accepts(rejected: &[(&str, &str)], accepted: &[&str]) {
    let mut simulator = SimulatorTest::new();
    simulator.execute(
        "CREATE TABLE t (a INTEGER, b VARCHAR(9)); CREATE TABLE s (a INTEGER, b VARCHAR(9))",
    );
    for (sql, words) in rejected {
        simulator.expect_error(sql, words);
    }
    for sql in accepted {
        simulator.execute(sql);
    }
}

#[test]
fn copy_from_stdin_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("COPY t FROM STDIN", "LOAD source is not supported"),
            (
                "COPY t (a) FROM STDIN WITH (FORMAT binary)",
                "LOAD source is not supported",
            ),
            ("COPY t TO STDOUT", "LOAD source"),
        ],
        &[],
    );
}

#[test]
fn savepoints_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SAVEPOINT x", "SAVEPOINT"),
            ("ROLLBACK TO x", "ROLLBACK TO"),
            ("ROLLBACK TO SAVEPOINT x", "ROLLBACK TO"),
            ("RELEASE SAVEPOINT x", "RELEASE"),
        ],
        &["BEGIN; ROLLBACK"],
    );
}

#[test]
fn on_conflict_is_rejected() {
    assert_rejects_and_accepts(
        &[(
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "near \"ON\"",
        )],
        &["INSERT INTO t VALUES (1)"],
    );
}

#[test]
fn returning_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("INSERT INTO t VALUES (1) RETURNING a", "near \"RETURNING\""),
            ("DELETE FROM t RETURNING a", "near \"RETURNING\""),
        ],
        &["SELECT a FROM t WHERE b = 'ON CONFLICT RETURNING ['"],
    );
}

#[test]
fn distinct_on_is_rejected() {
    assert_rejects_and_accepts(
        &[("SELECT DISTINCT ON (a) a FROM t", "DISTINCT ON")],
        &["SELECT DISTINCT a FROM t"],
    );
}

#[test]
fn aggregate_filter_is_rejected() {
    assert_rejects_and_accepts(
        &[(
            "SELECT count(*) FILTER (WHERE a > 1) FROM t",
            "near \"FILTER\"",
        )],
        &["SELECT count(CASE WHEN a > 1 THEN 1 END) FROM t"],
    );
}

#[test]
fn is_distinct_from_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT 1 FROM t WHERE a IS DISTINCT FROM 1", "near \"IS\""),
            (
                "SELECT 1 FROM t WHERE a IS NOT DISTINCT FROM 1",
                "near \"IS\"",
            ),
        ],
        &["SELECT 1 FROM t WHERE a IS NOT NULL"],
    );
}

#[test]
fn delete_target_alias_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("DELETE FROM t x WHERE x.a = 1", "near \"x\""),
            ("DELETE FROM t AS x USING s WHERE x.a = s.a", "near \"AS\""),
        ],
        &[
            "DELETE FROM t USING s WHERE t.a = s.a",
            "DELETE t",
            "DELETE FROM t WHERE a = 1",
        ],
    );
}

#[test]
fn generate_series_with_tables_is_rejected() {
    assert_rejects_and_accepts(
        &[
            (
                "SELECT a FROM t CROSS JOIN generate_series(1, 2)",
                "not supported on Redshift tables",
            ),
            (
                "INSERT INTO t (a) SELECT generate_series(1, 2)",
                "not supported on Redshift tables",
            ),
        ],
        &["SELECT generate_series(1, 2)"],
    );
}

#[test]
fn indexes_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("CREATE INDEX i ON t (a)", "CREATE INDEX"),
            ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
        ],
        &[],
    );
}

#[test]
fn collations_are_rejected() {
    assert_rejects_and_accepts(
        &[(
            "SELECT b FROM t ORDER BY b COLLATE \"C\"",
            "near \"COLLATE\"",
        )],
        &["SELECT b FROM t ORDER BY b"],
    );
}

#[test]
fn lateral_is_rejected() {
    assert_rejects_and_accepts(
        &[("SELECT * FROM t, LATERAL (SELECT 1) x", "near \"LATERAL\"")],
        &[],
    );
}

#[test]
fn arrays_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT ARRAY[1, 2]", "near \"[\""),
            ("SELECT '{1}'::INTEGER[]", "near \"[\""),
            ("SELECT array_agg(a) FROM t", "array_agg"),
            ("SELECT * FROM unnest('{1}')", "near \"unnest\""),
        ],
        &[],
    );
}

#[test]
fn newer_functions_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT string_agg(b, ',') FROM t", "string_agg"),
            ("SELECT to_regclass('t')", "to_regclass"),
            ("SELECT gen_random_uuid()", "gen_random_uuid"),
            ("SELECT clock_timestamp()", "clock_timestamp"),
        ],
        &["SELECT NVL(b, 'x'), OCTET_LENGTH(b) FROM t"],
    );
}

#[test]
fn values_outside_insert_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT * FROM (VALUES (1), (2)) v", "near \"VALUES\""),
            ("VALUES (1)", "near \"VALUES\""),
        ],
        &["INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')"],
    );
}

#[test]
fn data_modifying_queries_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("WITH gone AS (DELETE FROM t) SELECT 1", "near \"(\""),
            ("SELECT a FROM t FOR UPDATE", "near \"FOR\""),
        ],
        &["WITH x AS (SELECT a FROM t) SELECT * FROM x"],
    );
}

#[test]
fn except_all_and_intersect_all_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT a FROM t EXCEPT ALL SELECT a FROM s", "EXCEPT ALL"),
            (
                "SELECT a FROM t INTERSECT ALL SELECT a FROM s",
                "INTERSECT ALL",
            ),
        ],
        &[
            "SELECT a FROM t EXCEPT SELECT a FROM s",
            "SELECT a FROM t UNION ALL SELECT a FROM s",
        ],
    );
}

#[test]
fn do_blocks_and_dollar_quotes_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("DO 'BEGIN END'", "near \"DO\""),
            ("SELECT $$x$$", "near \"$\""),
        ],
        &[],
    );
}

#[test]
fn on_commit_drop_and_unlogged_are_rejected() {
    assert_rejects_and_accepts(
        &[
            (
                "CREATE TEMP TABLE u (a INTEGER) ON COMMIT DROP",
                "near \"ON\"",
            ),
            ("CREATE UNLOGGED TABLE u (a INTEGER)", "UNLOGGED"),
        ],
        &[
            "CREATE TEMP TABLE u (a INTEGER)",
            "CREATE TEMP TABLE v AS SELECT a FROM t",
        ],
    );
}

#[test]
fn unknown_statements_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("LISTEN x", "LISTEN"),
            ("CREATE EXTENSION x", "CREATE"),
            ("CREATE SEQUENCE x", "CREATE"),
        ],
        &[
            "ANALYZE t",
            "EXPLAIN SELECT a FROM t",
            "GRANT SELECT ON t TO PUBLIC",
        ],
    );
}

#[test]
fn postgres_only_settings_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SET lock_timeout = 5", "lock_timeout"),
            ("SHOW max_connections", "max_connections"),
        ],
        &[
            "SET query_group TO 'x'",
            "SET statement_timeout TO 60000",
            "SHOW search_path",
        ],
    );
}

#[test]
fn truncate_takes_one_table() {
    assert_rejects_and_accepts(
        &[
            ("TRUNCATE t, s", "near \",\""),
            ("TRUNCATE t CASCADE", "near \"CASCADE\""),
        ],
        &["TRUNCATE t", "TRUNCATE TABLE s"],
    );
}

#[test]
fn merge_requires_both_clauses_and_equality() {
    let mut simulator = SimulatorTest::new();
    simulator
        .execute("CREATE TABLE t (a INTEGER, b INTEGER); CREATE TABLE s (a INTEGER, b INTEGER)");
    simulator.execute("INSERT INTO t VALUES (1, 1); INSERT INTO s VALUES (1, 10), (2, 20)");
    let matched = "WHEN MATCHED THEN UPDATE SET b = s.b";
    let other = "WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)";
    let merge = |on: &str, rest: &str| format!("MERGE INTO t USING s ON {on} {rest}");
    let both = format!("{matched} {other}");
    simulator.execute(&merge("t.a = s.a", &both));
    assert_eq!(
        simulator.query_rows("SELECT a, b FROM t ORDER BY a"),
        ["1|10", "2|20"]
    );
    simulator.expect_error(&merge("t.a = s.a", matched), "both");
    simulator.expect_error(&merge("t.a = s.a", other), "both");
    simulator.expect_error(&merge("t.a > s.a", &both), "equality");
    simulator.expect_error(
        &format!("WITH x AS (SELECT 1) {}", merge("t.a = s.a", &both)),
        "MERGE",
    );
    simulator.expect_error(
        &format!("MERGE INTO t USING t ON t.a = t.a {both}"),
        "different",
    );
    simulator.execute("INSERT INTO s VALUES (1, 11)");
    simulator.expect_error(&merge("t.a = s.a", &both), "second time");
}

#[test]
fn backslash_escapes_in_strings() {
    let mut simulator = SimulatorTest::new();
    assert_eq!(simulator.query_rows(r"SELECT '\''"), ["'"]);
    assert_eq!(simulator.query_rows(r"SELECT 'a\\b'"), [r"a\b"]);
    // A literal in which only quotes are doubled can be broken out of.
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.execute(r"SELECT '\'' ; DROP TABLE t; --'");
    simulator.expect_error("SELECT * FROM t", "does not exist");
    simulator.expect_error(r"SELECT '\'", "unterminated");
}

#[test]
fn lock_must_be_first_in_transaction() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER)");
    simulator.execute("BEGIN; LOCK t; LOCK TABLE s; COMMIT");
    simulator.execute("BEGIN; LOCK t, s; COMMIT");
    simulator.expect_error("BEGIN; SELECT 1; LOCK t", "first");
    simulator.execute("ROLLBACK");
    simulator.expect_error("BEGIN; LOCK t IN SHARE MODE", "near \"IN\"");
    simulator.execute("ROLLBACK");
}

#[test]
fn truncate_commits_transaction() {
    let mut simulator = SimulatorTest::new();
    simulator.execute(
        "CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER); INSERT INTO s VALUES (1)",
    );
    simulator.execute("BEGIN; INSERT INTO t VALUES (1)");
    simulator.execute("TRUNCATE s");
    simulator.execute("INSERT INTO t VALUES (2)");
    simulator.execute("ROLLBACK");
    assert_eq!(
        simulator.query_rows("SELECT a FROM t ORDER BY a"),
        ["1", "2"]
    );
    assert_eq!(simulator.query_rows("SELECT a FROM s"), [""; 0]);
}

#[test]
fn truncate_commits_within_a_message() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER)");
    simulator.expect_error(
        "INSERT INTO t VALUES (1); TRUNCATE s; INSERT INTO t VALUES (2); SELECT 1 / 0",
        "zero",
    );
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn lock_serializes_two_loads() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    let load = "BEGIN; LOCK t; INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t)";
    simulator.execute(load);
    let mut other = simulator.simulator.connect();
    let waiting = std::thread::spawn(move || {
        other.batch_execute(load).unwrap();
        other.batch_execute("COMMIT").unwrap();
    });
    let mut backend = simulator.simulator.backend_client();
    let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while query_rows(&mut backend, locks) == ["0"] {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    simulator.execute("COMMIT");
    waiting.join().unwrap();
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn multi_statement_message_is_one_transaction() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.expect_error(
        "INSERT INTO t VALUES (1); SELECT 1 / 0; INSERT INTO t VALUES (2)",
        "zero",
    );
    simulator.expect_error("INSERT INTO t VALUES (1); SAVEPOINT x", "SAVEPOINT");
    assert_eq!(simulator.query_rows("SELECT a FROM t"), [""; 0]);
    simulator.expect_error(
        "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT 1 / 0",
        "zero",
    );
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1"]);
    simulator.expect_error("BEGIN; INSERT INTO t VALUES (3); SAVEPOINT x", "SAVEPOINT");
    assert_eq!(simulator.expect_error("SELECT 1", "aborted"), "25P02");
    simulator.execute("COMMIT");
    assert_eq!(simulator.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn create_table_accepts_redshift_attributes() {
    let mut simulator = SimulatorTest::new();
    simulator.execute(
        "CREATE TABLE IF NOT EXISTS t (a INTEGER NOT NULL ENCODE az64, b VARCHAR(20) ENCODE zstd DEFAULT 'x', \
         c TIMESTAMP DEFAULT GETDATE(), d TIMESTAMP DEFAULT SYSDATE, PRIMARY KEY (a)) \
         DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (a, c)",
    );
    simulator
        .execute("CREATE TABLE u (a INTEGER DISTKEY SORTKEY, b TEXT, c VARCHAR(MAX)) ENCODE AUTO");
    simulator
        .execute("CREATE TABLE v (a INTEGER, b INTEGER) DISTSTYLE ALL INTERLEAVED SORTKEY (a, b)");
    simulator.execute("CREATE TABLE w DISTSTYLE EVEN AS SELECT a FROM u");
    simulator.execute("INSERT INTO t (a) VALUES (1)");
    assert_eq!(
        simulator.query_rows("SELECT b FROM t WHERE c <= GETDATE() AND d <= SYSDATE"),
        ["x"]
    );
    let columns = "SELECT \"column\", type, encoding, distkey, sortkey, \"notnull\" FROM pg_table_def \
                   WHERE tablename = 't'";
    assert_eq!(
        simulator.query_rows(columns)[..2],
        ["a|integer|az64|t|1|t", "b|character varying(20)|zstd|f|0|f"]
    );
    let style = "SELECT diststyle, sortkey1 FROM svv_table_info WHERE \"table\" = 't'";
    assert_eq!(simulator.query_rows(style), ["KEY(a)|a"]);
    for (sql, words) in [
        ("CREATE TABLE x (a INTEGER) TABLESPACE y", "TABLESPACE"),
        ("CREATE TABLE x (a INTEGER) WITH (fillfactor = 50)", "WITH"),
        ("CREATE TABLE x (a INTEGER CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE x (a SERIAL)", "serial"),
        ("CREATE TABLE x (a UUID)", "uuid"),
        ("CREATE TABLE x (a JSONB)", "jsonb"),
        ("CREATE TABLE x (a BYTEA)", "bytea"),
        ("CREATE TABLE x (a VARCHAR(65536))", "65535"),
        (
            "CREATE TABLE x (a INTEGER) DISTSTYLE ALL DISTKEY (a)",
            "DISTKEY",
        ),
        ("CREATE TABLE x (a INTEGER) DISTSTYLE KEY", "DISTKEY"),
        ("CREATE TABLE x (a INTEGER) DISTSTYLE SOME", "SOME"),
        ("CREATE TABLE x (a INTEGER) SORTKEY (b)", "\"b\""),
        ("CREATE TABLE x (a VARCHAR(9) ENCODE az64)", "az64"),
        ("CREATE TABLE x (a INTEGER ENCODE gzip)", "gzip"),
    ] {
        simulator.expect_error(sql, words);
    }
}

#[test]
fn create_table_like_copies_constraints() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER NOT NULL PRIMARY KEY, b VARCHAR(2)); CREATE TEMP TABLE s (LIKE t)");
    simulator.expect_error("INSERT INTO s VALUES (NULL, 'x')", "null");
    assert_eq!(
        simulator.expect_error("INSERT INTO s VALUES (1, 'ää')", "Value too long"),
        "22001"
    );
    simulator.execute("INSERT INTO s VALUES (1, 'x'), (1, 'y')");
}

#[test]
fn varchar_length_is_in_bytes() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a VARCHAR(4)); INSERT INTO t VALUES ('ää')");
    for sql in [
        "INSERT INTO t VALUES ('ääb')",
        "INSERT INTO t VALUES ('abcde')",
        "UPDATE t SET a = 'ääb'",
    ] {
        assert_eq!(
            simulator.expect_error(sql, "Value too long for character type"),
            "22001"
        );
    }
}

#[test]
fn text_is_ordered_bytewise() {
    let mut simulator = SimulatorTest::new();
    simulator.execute(
        "CREATE TABLE t (a VARCHAR(9)); INSERT INTO t VALUES ('b'), ('A'), ('ä'), ('B'), ('a')",
    );
    assert_eq!(
        simulator.query_rows("SELECT a FROM t ORDER BY a"),
        ["A", "B", "a", "b", "ä"]
    );
}

#[test]
fn keys_are_not_enforced() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE p (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)");
    simulator.execute(
        "CREATE TABLE c (a INTEGER REFERENCES p (a), b INTEGER, FOREIGN KEY (b) REFERENCES p (b))",
    );
    simulator.execute("INSERT INTO p VALUES (1, 1), (1, 1); INSERT INTO c VALUES (7, 7)");
    simulator.expect_error("INSERT INTO p VALUES (NULL, 1)", "null");
    assert_eq!(simulator.query_rows("SELECT count(*) FROM p"), ["2"]);
    simulator.expect_error(
        "CREATE TABLE d (a INTEGER REFERENCES c (a))",
        "no unique constraint",
    );
    simulator.expect_error(
        "CREATE TABLE d (a INTEGER REFERENCES nothing (a))",
        "does not exist",
    );
}

#[test]
fn referenced_table_is_dropped_only_with_cascade() {
    let mut simulator = SimulatorTest::new();
    simulator.execute(
        "CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE c (a INTEGER REFERENCES p (a))",
    );
    assert_eq!(
        simulator.expect_error("DROP TABLE p", "other objects depend on it"),
        "2BP01"
    );
    simulator.expect_error("DROP TABLE IF EXISTS p", "other objects depend on it");
    simulator.execute("BEGIN; DROP TABLE c; DROP TABLE p; ROLLBACK");
    simulator.execute("DROP TABLE p CASCADE");
    simulator.execute("DROP TABLE c");
    // A transaction that is rolled back leaves no reference.
    simulator.execute("CREATE TABLE p (a INTEGER PRIMARY KEY)");
    simulator.execute("BEGIN; CREATE TABLE c (a INTEGER REFERENCES p (a)); ROLLBACK; DROP TABLE p");
}

#[test]
fn fnv_hash_matches_redshift() {
    let mut simulator = SimulatorTest::new();
    assert_eq!(
        simulator.query_rows("SELECT fnv_hash(1)"),
        ["-5968735742475085980"]
    );
    let seeded =
        "SELECT fnv_hash('x'::VARCHAR, fnv_hash(1::BIGINT)) = fnv_hash('x'::VARCHAR, fnv_hash(1))";
    assert_eq!(simulator.query_rows(seeded), ["f"]);
    // The hashes of "" and "a" show the offset basis and the prime of FNV-1a.
    let texts = "SELECT to_hex(fnv_hash('')), to_hex(fnv_hash('a'::VARCHAR))";
    assert_eq!(
        simulator.query_rows(texts),
        ["cbf29ce484222325|af63dc4c8601ec8c"]
    );
    assert_eq!(
        simulator.query_rows("SELECT fnv_hash(0.5::DOUBLE PRECISION) IS NULL"),
        ["f"]
    );
}

#[test]
fn conflict_errors_match_redshift() {
    for (isolation, words) in [
        (Isolation::Snapshot, "conflict with concurrent transaction"),
        (Isolation::Serializable, "Serializable isolation violation"),
    ] {
        let mut simulator = SimulatorTest::with_settings(Settings {
            isolation,
            ..Settings::default()
        });
        simulator.execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        let mut other = simulator.simulator.connect();
        simulator.execute("BEGIN; SELECT * FROM t");
        other.batch_execute("UPDATE t SET a = 2").unwrap();
        assert_eq!(simulator.expect_error("UPDATE t SET a = 3", words), "XX000");
    }
}

#[test]
fn statements_are_recorded() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("SELECT 1; SELECT ';' -- and more\n;");
    simulator.client.query("SELECT 2", &[]).unwrap();
    let _ = simulator.client.batch_execute("SAVEPOINT x");
    let faults = simulator.simulator.faults();
    assert_eq!(
        faults.statements(),
        ["SELECT 1", "SELECT ';'", "SELECT 2", "SAVEPOINT x"]
    );
    let seen = faults.recorded();
    assert!(seen.iter().all(|seen| seen.session == 1));
    assert_eq!(
        seen.iter().map(|seen| seen.number).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
}

/// Runs a test in both modes, which have the same fault injection.
fn in_both_modes(test: impl Fn(SimulatorTest)) {
    for mode in [Mode::Redshift, Mode::Postgres] {
        let mut simulator = SimulatorTest::with_settings(Settings {
            mode,
            ..Settings::default()
        });
        simulator.execute("CREATE TABLE t (a INTEGER)");
        simulator.simulator.faults().clear();
        test(simulator);
    }
}

/// Returns the rows in the backend.
fn backend_rows(simulator: &SimulatorTest) -> Vec<String> {
    query_rows(
        &mut simulator.simulator.backend_client(),
        "SELECT a FROM t ORDER BY a",
    )
}

#[test]
fn connection_is_cut_before_or_after_statement() {
    in_both_modes(|simulator| {
        for (when, which, left) in [
            (FaultPoint::Before, StatementMatcher::any().nth(3), vec![]),
            (
                FaultPoint::After,
                StatementMatcher::containing("insert").nth(1),
                vec![],
            ),
            (
                FaultPoint::Before,
                StatementMatcher::containing("commit"),
                vec![],
            ),
            (
                FaultPoint::After,
                StatementMatcher::containing("commit"),
                vec!["1", "2"],
            ),
        ] {
            let faults = simulator.simulator.faults();
            faults.clear();
            faults.disconnect(when, which);
            let mut client = simulator.simulator.connect();
            let mut cut = false;
            for sql in [
                "BEGIN",
                "INSERT INTO t VALUES (1)",
                "INSERT INTO t VALUES (2)",
                "COMMIT",
            ] {
                cut = cut
                    || client
                        .batch_execute(sql)
                        .is_err_and(|error| error.is_closed());
            }
            assert!(cut && client.is_closed());
            assert_eq!(backend_rows(&simulator), left);
            assert_eq!(faults.fault_count(), 1);
        }
    });
}

#[test]
fn statement_fails_requested_number_of_times() {
    in_both_modes(|mut simulator| {
        let matcher = StatementMatcher::containing("INSERT INTO t")
            .nth(2)
            .times(2);
        simulator.simulator.faults().fail(matcher, "XX000", "1023");
        simulator.execute("INSERT INTO t VALUES (1)");
        for _ in 0..2 {
            assert_eq!(
                simulator.expect_error("BEGIN; INSERT INTO t VALUES (2)", "1023"),
                "XX000"
            );
            assert_eq!(simulator.expect_error("SELECT 1", "aborted"), "25P02");
            simulator.execute("ROLLBACK");
        }
        simulator.execute("INSERT INTO t VALUES (3)");
        assert_eq!(backend_rows(&simulator), ["1", "3"]);
    });
}

#[test]
fn hook_runs_while_statement_waits() {
    in_both_modes(|mut simulator| {
        let backend = std::sync::Mutex::new(simulator.simulator.backend_client());
        let hook = move |seen: &crate::redshift_simulator::RecordedStatement| {
            assert_eq!(seen.sql, "COMMIT");
            let mut backend = backend.lock().unwrap();
            backend.batch_execute("INSERT INTO t VALUES (9)").unwrap();
        };
        simulator.simulator.faults().on_statement(
            FaultPoint::Before,
            StatementMatcher::containing("commit"),
            hook,
        );
        simulator.execute("BEGIN; INSERT INTO t VALUES (1); COMMIT");
        assert_eq!(backend_rows(&simulator), ["1", "9"]);
    });
}

#[test]
fn copy_is_cut_midway() {
    let mut simulator = SimulatorTest::new();
    simulator.execute("CREATE TABLE t (a INTEGER)");
    simulator.put_parquet(vec![("a", int_array(&[1]))]);
    simulator
        .simulator
        .faults()
        .disconnect(FaultPoint::During, StatementMatcher::containing("copy"));
    assert!(
        simulator
            .client
            .batch_execute(COPY_SQL)
            .unwrap_err()
            .is_closed()
    );
    assert_eq!(backend_rows(&simulator), [""; 0]);
}

#[test]
fn postgres_mode_forwards_everything() {
    use std::io::Write;
    let mut simulator = SimulatorTest::with_settings(Settings {
        mode: Mode::Postgres,
        ..Settings::default()
    });
    assert!(simulator.simulator.url().starts_with("postgres://"));
    simulator.execute("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE INDEX i ON t (a)");
    simulator.execute("DO $$ BEGIN PERFORM 1; END $$");
    let mut copy = simulator.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\n2\n").unwrap();
    assert_eq!(copy.finish().unwrap(), 2);
    let mut copy = simulator.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"x\n").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!(
        simulator
            .client
            .execute("INSERT INTO t VALUES ($1)", &[&3])
            .unwrap(),
        1
    );
    assert_eq!(backend_rows(&simulator), ["1", "2", "3"]);
    simulator.expect_error("INSERT INTO t VALUES (3)", "duplicate key");
    let mut transaction = simulator.client.transaction().unwrap();
    transaction.execute("DELETE FROM t", &[]).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(backend_rows(&simulator).len(), 3);
    simulator
        .simulator
        .faults()
        .disconnect(FaultPoint::During, StatementMatcher::containing("copy"));
    let mut copy = simulator.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"4\n").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!(backend_rows(&simulator).len(), 3);
    simulator.client = simulator.simulator.connect();
    simulator
        .simulator
        .faults()
        .disconnect(FaultPoint::After, StatementMatcher::containing("insert"));
    assert!(
        simulator
            .client
            .execute("INSERT INTO t VALUES (5)", &[])
            .is_err()
    );
    assert_eq!(backend_rows(&simulator).len(), 4);
}

#[test]
fn sql_scripts_are_accepted() {
    let mut simulator = SimulatorTest::new();
    simulator.execute(include_str!("../../sql/redshift/create.sql"));
    simulator.execute(include_str!("../../sql/redshift/create.sql"));
    simulator.execute(include_str!("../../sql/redshift/stage.sql"));
    simulator.execute(include_str!("../../sql/redshift/refresh.sql"));
    let merge = include_str!("../../sql/redshift/merge.sql");
    simulator.execute(&merge.replace(":'run'", "'x'"));
    simulator.execute(include_str!("../../sql/redshift/drop.sql"));
}
