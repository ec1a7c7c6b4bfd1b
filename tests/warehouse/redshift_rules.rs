//! The stand-in for Redshift keeps Redshift's rules: each is shown to be kept.

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

use crate::redshift::{Cluster, Codecs, Isolation, Method, Mode, ROLE, Settings, When, Which};

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
    compressed(columns, Compression::UNCOMPRESSED)
}

fn compressed(columns: Vec<(&str, ArrayRef)>, codec: Compression) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
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

#[test]
fn copy_wants_as_many_columns_as_the_file_has() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER, b INTEGER)");
    place.file(vec![("a", ints(&[1]))]);
    place.refuses(COPY, "Table columns: 2, Data columns: 1");
    let listed = COPY.replace("COPY t", "COPY t (b)");
    place.takes(&listed);
    place.takes(&format!("{COPY} FILLRECORD"));
    assert_eq!(place.rows("SELECT a, b FROM t"), ["NULL|1", "1|NULL"]);
    place.file(vec![
        ("a", ints(&[1])),
        ("b", ints(&[2])),
        ("c", ints(&[3])),
    ]);
    place.refuses(COPY, "Table columns: 2, Data columns: 3");
    place.refuses(&listed, "Table columns: 1, Data columns: 3");
}

#[test]
fn copy_wants_the_very_types() {
    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    let utc: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"));
    let small: ArrayRef = Arc::new(Int16Array::from(vec![1]));
    let big: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let double: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let binary: ArrayRef = Arc::new(arrow_array::BinaryArray::from(vec![&b"x"[..]]));
    let all = [
        ("INTEGER", vec![ints(&[1])]),
        ("SMALLINT", vec![small]),
        ("BIGINT", vec![big]),
        ("DOUBLE PRECISION", vec![double]),
        ("VARCHAR(5)", vec![texts(&["x"])]),
        ("TIMESTAMP", vec![micros]),
        // For no column at all.
        ("", vec![nanos, utc, binary]),
    ];
    let mut place = Place::new();
    for (ty, _) in all.iter().filter(|(ty, _)| !ty.is_empty()) {
        place.takes(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (a {ty})"));
        for (other, arrays) in &all {
            for array in arrays {
                place.file(vec![("a", array.clone())]);
                match ty == other {
                    true => place.takes(COPY),
                    false => {
                        place.refuses(COPY, "has an incompatible Parquet schema for column 'a'");
                    }
                }
            }
        }
    }
}

#[test]
fn copy_counts_bytes() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a VARCHAR(3))");
    place.file(vec![("a", texts(&["äb"]))]);
    place.takes(COPY);
    place.file(vec![("a", texts(&["x", "ää"]))]);
    let longer = "The length of the data column a is longer than the length defined in the table. Table: 3, Data: 4";
    assert_eq!(place.refuses(COPY, longer), "XX000");
    assert_eq!(place.rows("SELECT a FROM t"), ["äb"]);
}

#[test]
fn copy_wants_values_where_null_is_not_allowed() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER NOT NULL)");
    place.file(vec![("a", Arc::new(Int32Array::from(vec![Some(1), None])))]);
    place.refuses(COPY, "NOT NULL");
    assert_eq!(place.rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn copy_takes_its_clauses_in_any_order_and_no_others() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.file(vec![("a", ints(&[1]))]);
    for clauses in [
        format!("MANIFEST FORMAT PARQUET IAM_ROLE '{ROLE}'"),
        "STATUPDATE OFF FORMAT AS PARQUET MANIFEST ACCEPTINVCHARS IAM_ROLE default".to_owned(),
        format!("FORMAT PARQUET CREDENTIALS 'aws_iam_role={ROLE}' MANIFEST"),
    ] {
        place.takes(&format!("COPY t FROM 's3://b/m' {clauses}"));
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
        assert_eq!(place.refuses(&format!("{COPY} {clause}"), &words), "0A000");
    }
    let keys = "CREDENTIALS 'aws_access_key_id=A;aws_secret_access_key=B'";
    place.refuses(
        &COPY.replace("IAM_ROLE default", keys),
        "no keys in the statement",
    );
    place.refuses(&COPY.replace("IAM_ROLE default", ""), "IAM_ROLE");
    place.refuses(
        &COPY.replace("default", "'arn:aws:iam::1:role/other'"),
        "Not authorized",
    );
    place.refuses(
        "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS JSON 'auto'",
        "",
    );
}

#[test]
fn manifests_need_the_length_and_the_right_one() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    let bytes = place.file(vec![("a", ints(&[1]))]);
    place.manifest(json!([{"url": "s3://b/f", "mandatory": true}]));
    place.refuses(COPY, "15003");
    for length in [bytes.len() - 1, bytes.len() + 1] {
        place.manifest(json!([entry("f", length)]));
        place.refuses(COPY, "Status 416");
    }
    assert_eq!(place.rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn files_are_loaded_as_often_as_they_are_listed() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    let bytes = place.file(vec![("a", ints(&[1]))]);
    place.manifest(json!([entry("f", bytes.len()), entry("f", bytes.len())]));
    place.takes(COPY);
    assert_eq!(place.rows("SELECT a FROM t"), ["1", "1"]);
}

#[test]
fn missing_files_are_errors_if_they_are_mandatory() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    let bytes = place.file(vec![("a", ints(&[1]))]);
    place.manifest(json!([entry("f", bytes.len()), entry("none", 7)]));
    place.refuses(COPY, "Status 404");
    let optional = json!({"url": "s3://b/none", "meta": {"content_length": 7}});
    place.manifest(json!([entry("f", bytes.len()), optional]));
    place.takes(COPY);
    assert_eq!(place.rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn copy_reads_documented_codecs_only_unless_it_is_told_to_read_any() {
    let codecs = [
        (Compression::UNCOMPRESSED, true),
        (Compression::SNAPPY, true),
        (Compression::GZIP(Default::default()), true),
        (Compression::ZSTD(Default::default()), false),
    ];
    for setting in [Codecs::Documented, Codecs::Any] {
        let mut place = Place::with(Settings {
            codecs: setting,
            ..Settings::default()
        });
        place.takes("CREATE TABLE t (a INTEGER)");
        for (codec, is_documented) in codecs {
            let bytes = compressed(vec![("a", ints(&[1]))], codec);
            place.put("f", &bytes);
            place.manifest(json!([entry("f", bytes.len())]));
            if is_documented || setting == Codecs::Any {
                place.takes(COPY);
            } else {
                let words = "unsupported compression codec. Column: a, Codec: ZSTD";
                assert_eq!(place.refuses(COPY, words), "XX000");
                place.refuses(COPY, "Spectrum Scan Error");
                let why = "SELECT error_code FROM sys_load_error_detail ORDER BY query_id LIMIT 1";
                assert_eq!(place.rows(why), ["15001"]);
            }
        }
    }
}

#[test]
fn copy_of_no_files_is_an_error() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.manifest(json!([]));
    place.refuses(COPY, "No files");
    place.refuses(
        &COPY.replace("MANIFEST", "").replace("/m'", "/x'"),
        "does not exist",
    );
}

#[test]
fn a_prefix_matches_longer_names() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.put("part", parquet(vec![("a", ints(&[1]))]));
    place.put("part_old", parquet(vec![("a", ints(&[2]))]));
    place.takes("COPY t FROM 's3://b/part' IAM_ROLE default FORMAT PARQUET");
    assert_eq!(place.rows("SELECT a FROM t ORDER BY a"), ["1", "2"]);
}

#[test]
fn the_bucket_is_in_the_region_of_the_cluster() {
    let mut place = Place::with(Settings {
        elsewhere: vec!["b".to_owned()],
        ..Settings::default()
    });
    place.takes("CREATE TABLE t (a INTEGER)");
    place.file(vec![("a", ints(&[1]))]);
    place.refuses(COPY, "Status 301,Error PermanentRedirect");
}

#[test]
fn a_copy_is_part_of_its_transaction() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.file(vec![("a", ints(&[1]))]);
    place.takes(&format!("BEGIN; {COPY}; ROLLBACK"));
    assert_eq!(place.rows("SELECT a FROM t"), [""; 0]);
    place.takes(&format!("BEGIN; {COPY}; COMMIT"));
    assert_eq!(place.rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn load_errors_are_told_after_the_rollback() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a VARCHAR(1))");
    place.file(vec![("a", texts(&["x", "yy"]))]);
    place.takes("BEGIN");
    place.refuses(COPY, "longer");
    assert_eq!(place.refuses("SELECT 1", "aborted"), "25P02");
    place.takes("ROLLBACK");
    let told = "SELECT file_name, column_name, column_type, line_number, error_code \
                FROM sys_load_error_detail WHERE query_id = pg_last_query_id()";
    assert_eq!(
        place.rows(told),
        ["s3://b/f|a|character varying(1)|2|15001"]
    );
    let told = "SELECT filename, colname, line_number, err_code FROM stl_load_errors \
                WHERE query = pg_last_copy_id()";
    assert_eq!(place.rows(told), ["s3://b/f|a|2|15001"]);
    let told = "SELECT count(*) FROM svl_s3log WHERE query = pg_last_query_id()";
    assert_eq!(place.rows(told), ["1"]);
    assert_eq!(place.rows("SELECT pg_last_copy_count()"), ["0"]);
}

#[test]
fn identities_count_by_themselves() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (id BIGINT IDENTITY(0,1), a INTEGER)");
    place.file(vec![("a", ints(&[7, 8]))]);
    place.takes(COPY);
    assert_eq!(place.rows("SELECT * FROM t ORDER BY id"), ["0|7", "1|8"]);
    place.refuses("INSERT INTO t (id, a) VALUES (5, 5)", "id");
    place.refuses(&COPY.replace("COPY t", "COPY t (id)"), "EXPLICIT_IDS");
    let both: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![9]))),
        ("a", ints(&[9])),
    ];
    place.file(both);
    place.takes(&format!("{COPY} EXPLICIT_IDS"));
    assert_eq!(place.rows("SELECT id FROM t WHERE a = 9"), ["9"]);
}

#[test]
fn only_queries_come_by_the_extended_protocol() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.file(vec![("a", ints(&[1]))]);
    for sql in [
        COPY,
        "BEGIN",
        "COMMIT",
        "CREATE TABLE u (a INTEGER)",
        "INSERT INTO t VALUES (1)",
    ] {
        let error = place.client.execute(sql, &[]).unwrap_err();
        assert!(
            format!("{error:?}").contains("extended protocol"),
            "{error:?}"
        );
    }
    let row = place
        .client
        .query_one("SELECT 1 + $1::INTEGER", &[&2])
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 3);
}

#[test]
fn types_are_not_looked_up_in_catalogs_that_are_not_there() {
    let mut place = Place::new();
    let code = place.refuses("SELECT * FROM pg_catalog.pg_range", "pg_range");
    assert_eq!(code, "42P01");
    place.refuses("SELECT * FROM pg_enum", "pg_enum");
    place.takes("SELECT * FROM pg_catalog.pg_type");
}

/// Of statements about two tables, some are refused with these words, and others are taken.
#[track_caller]
fn refused(wrong: &[(&str, &str)], right: &[&str]) {
    let mut place = Place::new();
    place.takes(
        "CREATE TABLE t (a INTEGER, b VARCHAR(9)); CREATE TABLE s (a INTEGER, b VARCHAR(9))",
    );
    for (sql, words) in wrong {
        place.refuses(sql, words);
    }
    for sql in right {
        place.takes(sql);
    }
}

#[test]
fn copy_from_stdin_is_refused() {
    refused(
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
fn savepoints_are_refused() {
    refused(
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
fn on_conflict_is_refused() {
    refused(
        &[(
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "near \"ON\"",
        )],
        &["INSERT INTO t VALUES (1)"],
    );
}

#[test]
fn returning_is_refused() {
    refused(
        &[
            ("INSERT INTO t VALUES (1) RETURNING a", "near \"RETURNING\""),
            ("DELETE FROM t RETURNING a", "near \"RETURNING\""),
        ],
        &["SELECT a FROM t WHERE b = 'ON CONFLICT RETURNING ['"],
    );
}

#[test]
fn distinct_on_is_refused() {
    refused(
        &[("SELECT DISTINCT ON (a) a FROM t", "DISTINCT ON")],
        &["SELECT DISTINCT a FROM t"],
    );
}

#[test]
fn filter_is_refused() {
    refused(
        &[(
            "SELECT count(*) FILTER (WHERE a > 1) FROM t",
            "near \"FILTER\"",
        )],
        &["SELECT count(CASE WHEN a > 1 THEN 1 END) FROM t"],
    );
}

#[test]
fn is_distinct_from_is_refused() {
    refused(
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
fn the_target_of_delete_has_no_alias() {
    refused(
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
fn generate_series_has_no_tables() {
    refused(
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
fn indexes_are_refused() {
    refused(
        &[
            ("CREATE INDEX i ON t (a)", "CREATE INDEX"),
            ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
        ],
        &[],
    );
}

#[test]
fn collations_are_refused() {
    refused(
        &[(
            "SELECT b FROM t ORDER BY b COLLATE \"C\"",
            "near \"COLLATE\"",
        )],
        &["SELECT b FROM t ORDER BY b"],
    );
}

#[test]
fn lateral_is_refused() {
    refused(
        &[("SELECT * FROM t, LATERAL (SELECT 1) x", "near \"LATERAL\"")],
        &[],
    );
}

#[test]
fn arrays_are_refused() {
    refused(
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
fn newer_functions_are_refused() {
    refused(
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
fn values_belong_to_insert() {
    refused(
        &[
            ("SELECT * FROM (VALUES (1), (2)) v", "near \"VALUES\""),
            ("VALUES (1)", "near \"VALUES\""),
        ],
        &["INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')"],
    );
}

#[test]
fn queries_only_read() {
    refused(
        &[
            ("WITH gone AS (DELETE FROM t) SELECT 1", "near \"(\""),
            ("SELECT a FROM t FOR UPDATE", "near \"FOR\""),
        ],
        &["WITH x AS (SELECT a FROM t) SELECT * FROM x"],
    );
}

#[test]
fn sets_are_without_all() {
    refused(
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
fn blocks_and_dollar_quotes_are_refused() {
    refused(
        &[
            ("DO 'BEGIN END'", "near \"DO\""),
            ("SELECT $$x$$", "near \"$\""),
        ],
        &[],
    );
}

#[test]
fn temporary_tables_go_with_the_session() {
    refused(
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
fn unknown_statements_are_refused() {
    refused(
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
fn settings_are_redshifts() {
    refused(
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
fn tables_are_truncated_one_by_one() {
    refused(
        &[
            ("TRUNCATE t, s", "near \",\""),
            ("TRUNCATE t CASCADE", "near \"CASCADE\""),
        ],
        &["TRUNCATE t", "TRUNCATE TABLE s"],
    );
}

#[test]
fn merge_is_the_narrow_one() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER, b INTEGER); CREATE TABLE s (a INTEGER, b INTEGER)");
    place.takes("INSERT INTO t VALUES (1, 1); INSERT INTO s VALUES (1, 10), (2, 20)");
    let matched = "WHEN MATCHED THEN UPDATE SET b = s.b";
    let other = "WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)";
    let merge = |on: &str, rest: &str| format!("MERGE INTO t USING s ON {on} {rest}");
    let both = format!("{matched} {other}");
    place.takes(&merge("t.a = s.a", &both));
    assert_eq!(
        place.rows("SELECT a, b FROM t ORDER BY a"),
        ["1|10", "2|20"]
    );
    place.refuses(&merge("t.a = s.a", matched), "both");
    place.refuses(&merge("t.a = s.a", other), "both");
    place.refuses(&merge("t.a > s.a", &both), "equality");
    place.refuses(
        &format!("WITH x AS (SELECT 1) {}", merge("t.a = s.a", &both)),
        "MERGE",
    );
    place.refuses(
        &format!("MERGE INTO t USING t ON t.a = t.a {both}"),
        "different",
    );
    place.takes("INSERT INTO s VALUES (1, 11)");
    place.refuses(&merge("t.a = s.a", &both), "second time");
}

#[test]
fn backslashes_escape() {
    let mut place = Place::new();
    assert_eq!(place.rows(r"SELECT '\''"), ["'"]);
    assert_eq!(place.rows(r"SELECT 'a\\b'"), [r"a\b"]);
    // What only doubles quotes is broken out of.
    place.takes("CREATE TABLE t (a INTEGER)");
    place.takes(r"SELECT '\'' ; DROP TABLE t; --'");
    place.refuses("SELECT * FROM t", "does not exist");
    place.refuses(r"SELECT '\'", "unterminated");
}

#[test]
fn locks_come_first() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER)");
    place.takes("BEGIN; LOCK t; LOCK TABLE s; COMMIT");
    place.takes("BEGIN; LOCK t, s; COMMIT");
    place.refuses("BEGIN; SELECT 1; LOCK t", "first");
    place.takes("ROLLBACK");
    place.refuses("BEGIN; LOCK t IN SHARE MODE", "near \"IN\"");
    place.takes("ROLLBACK");
}

#[test]
fn truncate_commits() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER); INSERT INTO s VALUES (1)");
    place.takes("BEGIN; INSERT INTO t VALUES (1)");
    place.takes("TRUNCATE s");
    place.takes("INSERT INTO t VALUES (2)");
    place.takes("ROLLBACK");
    assert_eq!(place.rows("SELECT a FROM t ORDER BY a"), ["1", "2"]);
    assert_eq!(place.rows("SELECT a FROM s"), [""; 0]);
}

#[test]
fn truncate_commits_within_a_message_too() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER)");
    place.refuses(
        "INSERT INTO t VALUES (1); TRUNCATE s; INSERT INTO t VALUES (2); SELECT 1 / 0",
        "zero",
    );
    assert_eq!(place.rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn two_loads_wait_for_each_other() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    let load = "BEGIN; LOCK t; INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t)";
    place.takes(load);
    let mut other = place.cluster.connect();
    let waiting = std::thread::spawn(move || {
        other.batch_execute(load).unwrap();
        other.batch_execute("COMMIT").unwrap();
    });
    let mut backend = place.cluster.backend();
    let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while rows(&mut backend, locks) == ["0"] {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    place.takes("COMMIT");
    waiting.join().unwrap();
    assert_eq!(place.rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn a_message_of_several_statements_is_one_transaction() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.refuses(
        "INSERT INTO t VALUES (1); SELECT 1 / 0; INSERT INTO t VALUES (2)",
        "zero",
    );
    place.refuses("INSERT INTO t VALUES (1); SAVEPOINT x", "SAVEPOINT");
    assert_eq!(place.rows("SELECT a FROM t"), [""; 0]);
    place.refuses(
        "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT 1 / 0",
        "zero",
    );
    assert_eq!(place.rows("SELECT a FROM t"), ["1"]);
    place.refuses("BEGIN; INSERT INTO t VALUES (3); SAVEPOINT x", "SAVEPOINT");
    assert_eq!(place.refuses("SELECT 1", "aborted"), "25P02");
    place.takes("COMMIT");
    assert_eq!(place.rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn tables_have_redshifts_attributes() {
    let mut place = Place::new();
    place.takes(
        "CREATE TABLE IF NOT EXISTS t (a INTEGER NOT NULL ENCODE az64, b VARCHAR(20) ENCODE zstd DEFAULT 'x', \
         c TIMESTAMP DEFAULT GETDATE(), d TIMESTAMP DEFAULT SYSDATE, PRIMARY KEY (a)) \
         DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (a, c)",
    );
    place.takes("CREATE TABLE u (a INTEGER DISTKEY SORTKEY, b TEXT, c VARCHAR(MAX)) ENCODE AUTO");
    place.takes("CREATE TABLE v (a INTEGER, b INTEGER) DISTSTYLE ALL INTERLEAVED SORTKEY (a, b)");
    place.takes("CREATE TABLE w DISTSTYLE EVEN AS SELECT a FROM u");
    place.takes("INSERT INTO t (a) VALUES (1)");
    assert_eq!(
        place.rows("SELECT b FROM t WHERE c <= GETDATE() AND d <= SYSDATE"),
        ["x"]
    );
    let columns = "SELECT \"column\", type, encoding, distkey, sortkey, \"notnull\" FROM pg_table_def \
                   WHERE tablename = 't'";
    assert_eq!(
        place.rows(columns)[..2],
        ["a|integer|az64|t|1|t", "b|character varying(20)|zstd|f|0|f"]
    );
    let style = "SELECT diststyle, sortkey1 FROM svv_table_info WHERE \"table\" = 't'";
    assert_eq!(place.rows(style), ["KEY(a)|a"]);
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
        place.refuses(sql, words);
    }
}

#[test]
fn tables_are_like_others() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER NOT NULL PRIMARY KEY, b VARCHAR(2)); CREATE TEMP TABLE s (LIKE t)");
    place.refuses("INSERT INTO s VALUES (NULL, 'x')", "null");
    assert_eq!(
        place.refuses("INSERT INTO s VALUES (1, 'ää')", "Value too long"),
        "22001"
    );
    place.takes("INSERT INTO s VALUES (1, 'x'), (1, 'y')");
}

#[test]
fn lengths_are_bytes() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a VARCHAR(4)); INSERT INTO t VALUES ('ää')");
    for sql in [
        "INSERT INTO t VALUES ('ääb')",
        "INSERT INTO t VALUES ('abcde')",
        "UPDATE t SET a = 'ääb'",
    ] {
        assert_eq!(
            place.refuses(sql, "Value too long for character type"),
            "22001"
        );
    }
}

#[test]
fn text_is_compared_bytewise() {
    let mut place = Place::new();
    place.takes(
        "CREATE TABLE t (a VARCHAR(9)); INSERT INTO t VALUES ('b'), ('A'), ('ä'), ('B'), ('a')",
    );
    assert_eq!(
        place.rows("SELECT a FROM t ORDER BY a"),
        ["A", "B", "a", "b", "ä"]
    );
}

#[test]
fn keys_are_not_enforced() {
    let mut place = Place::new();
    place.takes("CREATE TABLE p (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)");
    place.takes(
        "CREATE TABLE c (a INTEGER REFERENCES p (a), b INTEGER, FOREIGN KEY (b) REFERENCES p (b))",
    );
    place.takes("INSERT INTO p VALUES (1, 1), (1, 1); INSERT INTO c VALUES (7, 7)");
    place.refuses("INSERT INTO p VALUES (NULL, 1)", "null");
    assert_eq!(place.rows("SELECT count(*) FROM p"), ["2"]);
    place.refuses(
        "CREATE TABLE d (a INTEGER REFERENCES c (a))",
        "no unique constraint",
    );
    place.refuses(
        "CREATE TABLE d (a INTEGER REFERENCES nothing (a))",
        "does not exist",
    );
}

#[test]
fn a_table_that_others_refer_to_is_dropped_with_cascade() {
    let mut place = Place::new();
    place.takes(
        "CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE c (a INTEGER REFERENCES p (a))",
    );
    assert_eq!(
        place.refuses("DROP TABLE p", "other objects depend on it"),
        "2BP01"
    );
    place.refuses("DROP TABLE IF EXISTS p", "other objects depend on it");
    place.takes("BEGIN; DROP TABLE c; DROP TABLE p; ROLLBACK");
    place.takes("DROP TABLE p CASCADE");
    place.takes("DROP TABLE c");
    // A transaction that is undone leaves nobody who refers.
    place.takes("CREATE TABLE p (a INTEGER PRIMARY KEY)");
    place.takes("BEGIN; CREATE TABLE c (a INTEGER REFERENCES p (a)); ROLLBACK; DROP TABLE p");
}

#[test]
fn hashes_are_redshifts() {
    let mut place = Place::new();
    assert_eq!(place.rows("SELECT fnv_hash(1)"), ["-5968735742475085980"]);
    let seeded =
        "SELECT fnv_hash('x'::VARCHAR, fnv_hash(1::BIGINT)) = fnv_hash('x'::VARCHAR, fnv_hash(1))";
    assert_eq!(place.rows(seeded), ["f"]);
    // The offset basis and the prime of FNV-1a: the hashes of "" and "a".
    let texts = "SELECT to_hex(fnv_hash('')), to_hex(fnv_hash('a'::VARCHAR))";
    assert_eq!(place.rows(texts), ["cbf29ce484222325|af63dc4c8601ec8c"]);
    assert_eq!(
        place.rows("SELECT fnv_hash(0.5::DOUBLE PRECISION) IS NULL"),
        ["f"]
    );
}

#[test]
fn conflicts_have_redshifts_words() {
    for (isolation, words) in [
        (Isolation::Snapshot, "conflict with concurrent transaction"),
        (Isolation::Serializable, "Serializable isolation violation"),
    ] {
        let mut place = Place::with(Settings {
            isolation,
            ..Settings::default()
        });
        place.takes("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        let mut other = place.cluster.connect();
        place.takes("BEGIN; SELECT * FROM t");
        other.batch_execute("UPDATE t SET a = 2").unwrap();
        assert_eq!(place.refuses("UPDATE t SET a = 3", words), "XX000");
    }
}

#[test]
fn statements_are_written_down() {
    let mut place = Place::new();
    place.takes("SELECT 1; SELECT ';' -- and more\n;");
    place.client.query("SELECT 2", &[]).unwrap();
    let _ = place.client.batch_execute("SAVEPOINT x");
    let faults = place.cluster.faults();
    assert_eq!(
        faults.statements(),
        ["SELECT 1", "SELECT ';'", "SELECT 2", "SAVEPOINT x"]
    );
    let seen = faults.seen();
    assert!(seen.iter().all(|seen| seen.session == 1));
    assert_eq!(
        seen.iter().map(|seen| seen.number).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
}

/// In front of both, the same faults.
fn both(test: impl Fn(Place)) {
    for mode in [Mode::Redshift, Mode::Postgres] {
        let mut place = Place::with(Settings {
            mode,
            ..Settings::default()
        });
        place.takes("CREATE TABLE t (a INTEGER)");
        place.cluster.faults().clear();
        test(place);
    }
}

/// What the backend holds in the end.
fn held(place: &Place) -> Vec<String> {
    rows(&mut place.cluster.backend(), "SELECT a FROM t ORDER BY a")
}

#[test]
fn a_connection_is_cut_before_or_after_a_statement() {
    both(|place| {
        for (when, which, left) in [
            (When::Before, Which::any().nth(3), vec![]),
            (When::After, Which::with("insert").nth(1), vec![]),
            (When::Before, Which::with("commit"), vec![]),
            (When::After, Which::with("commit"), vec!["1", "2"]),
        ] {
            let faults = place.cluster.faults();
            faults.clear();
            faults.cut(when, which);
            let mut client = place.cluster.connect();
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
            assert_eq!(held(&place), left);
            assert_eq!(faults.fired(), 1);
        }
    });
}

#[test]
fn a_statement_fails_as_often_as_it_shall() {
    both(|mut place| {
        let which = Which::with("INSERT INTO t").nth(2).times(2);
        place.cluster.faults().fail(which, "XX000", "1023");
        place.takes("INSERT INTO t VALUES (1)");
        for _ in 0..2 {
            assert_eq!(
                place.refuses("BEGIN; INSERT INTO t VALUES (2)", "1023"),
                "XX000"
            );
            assert_eq!(place.refuses("SELECT 1", "aborted"), "25P02");
            place.takes("ROLLBACK");
        }
        place.takes("INSERT INTO t VALUES (3)");
        assert_eq!(held(&place), ["1", "3"]);
    });
}

#[test]
fn a_test_can_act_while_a_statement_waits() {
    both(|mut place| {
        let backend = std::sync::Mutex::new(place.cluster.backend());
        let hook = move |seen: &crate::redshift::Seen| {
            assert_eq!(seen.sql, "COMMIT");
            let mut backend = backend.lock().unwrap();
            backend.batch_execute("INSERT INTO t VALUES (9)").unwrap();
        };
        place
            .cluster
            .faults()
            .call(When::Before, Which::with("commit"), hook);
        place.takes("BEGIN; INSERT INTO t VALUES (1); COMMIT");
        assert_eq!(held(&place), ["1", "9"]);
    });
}

#[test]
fn a_copy_is_cut_in_the_middle() {
    let mut place = Place::new();
    place.takes("CREATE TABLE t (a INTEGER)");
    place.file(vec![("a", ints(&[1]))]);
    place
        .cluster
        .faults()
        .cut(When::During, Which::with("copy"));
    assert!(place.client.batch_execute(COPY).unwrap_err().is_closed());
    assert_eq!(held(&place), [""; 0]);
}

#[test]
fn postgres_is_as_it_is_behind_the_faults() {
    use std::io::Write;
    let mut place = Place::with(Settings {
        mode: Mode::Postgres,
        ..Settings::default()
    });
    assert!(place.cluster.url().starts_with("postgres://"));
    place.takes("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE INDEX i ON t (a)");
    place.takes("DO $$ BEGIN PERFORM 1; END $$");
    let mut copy = place.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\n2\n").unwrap();
    assert_eq!(copy.finish().unwrap(), 2);
    let mut copy = place.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"x\n").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!(
        place
            .client
            .execute("INSERT INTO t VALUES ($1)", &[&3])
            .unwrap(),
        1
    );
    assert_eq!(held(&place), ["1", "2", "3"]);
    place.refuses("INSERT INTO t VALUES (3)", "duplicate key");
    let mut transaction = place.client.transaction().unwrap();
    transaction.execute("DELETE FROM t", &[]).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(held(&place).len(), 3);
    place
        .cluster
        .faults()
        .cut(When::During, Which::with("copy"));
    let mut copy = place.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"4\n").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!(held(&place).len(), 3);
    place.client = place.cluster.connect();
    place
        .cluster
        .faults()
        .cut(When::After, Which::with("insert"));
    assert!(
        place
            .client
            .execute("INSERT INTO t VALUES (5)", &[])
            .is_err()
    );
    assert_eq!(held(&place).len(), 4);
}

#[test]
fn the_scripts_are_taken() {
    let mut place = Place::new();
    place.takes(include_str!("../../sql/redshift/create.sql"));
    place.takes(include_str!("../../sql/redshift/create.sql"));
    place.takes(include_str!("../../sql/redshift/stage.sql"));
    place.takes(include_str!("../../sql/redshift/refresh.sql"));
    let merge = include_str!("../../sql/redshift/merge.sql");
    place.takes(&merge.replace(":'run'", "'x'"));
    place.takes(include_str!("../../sql/redshift/drop.sql"));
}
