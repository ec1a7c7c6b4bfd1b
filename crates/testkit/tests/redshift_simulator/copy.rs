//! COPY: clauses, manifests, types and load errors.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int16Array, Int32Array, Int64Array, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use parquet::basic::Compression;
use serde_json::json;
use testkit::redshift_simulator::{IAM_ROLE_ARN, ReadableCodecs, SimulatorSettings};

use crate::fixture::{
    COPY_SQL, SimulatorFixture, assert_rejects_and_accepts, encode_parquet,
    encode_parquet_with_codec, int_array, manifest_entry, text_array,
};

#[test]
fn copy_maps_columns_by_position() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER, b VARCHAR(10), c SMALLINT, d BIGINT, e DOUBLE PRECISION, f TIMESTAMP)");
    let stamps = TimestampMicrosecondArray::from(vec![Some(1_541_105_830_796_000), None]);
    test.put_parquet(vec![
        ("z", int_array(&[1, 2])),
        ("y", text_array(&["ä", "b"])),
        ("x", Arc::new(Int16Array::from(vec![Some(3), None]))),
        ("w", Arc::new(Int64Array::from(vec![Some(4), None]))),
        ("v", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("u", Arc::new(stamps)),
    ]);
    test.execute(COPY_SQL);
    assert_eq!(
        test.query_rows("SELECT * FROM t ORDER BY a"),
        [
            "1|ä|3|4|0.1|2018-11-01 20:57:10.796",
            "2|b|NULL|NULL|NULL|NULL"
        ]
    );
    assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["2"]);
}

#[test]
fn copy_requires_matching_column_count() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER, b INTEGER)");
    test.put_parquet(vec![("a", int_array(&[1]))]);
    test.expect_error(COPY_SQL, "Table columns: 2, Data columns: 1");
    let listed = COPY_SQL.replace("COPY t", "COPY t (b)");
    test.execute(&listed);
    test.execute(&format!("{COPY_SQL} FILLRECORD"));
    assert_eq!(test.query_rows("SELECT a, b FROM t"), ["NULL|1", "1|NULL"]);
    test.put_parquet(vec![
        ("a", int_array(&[1])),
        ("b", int_array(&[2])),
        ("c", int_array(&[3])),
    ]);
    test.expect_error(COPY_SQL, "Table columns: 2, Data columns: 3");
    test.expect_error(&listed, "Table columns: 1, Data columns: 3");
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
    let mut test = SimulatorFixture::new();
    for (ty, _) in all.iter().filter(|(ty, _)| !ty.is_empty()) {
        test.execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (a {ty})"));
        for (other, arrays) in &all {
            for array in arrays {
                test.put_parquet(vec![("a", array.clone())]);
                match ty == other {
                    true => test.execute(COPY_SQL),
                    false => {
                        test.expect_error(
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
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(3))");
    test.put_parquet(vec![("a", text_array(&["äb"]))]);
    test.execute(COPY_SQL);
    test.put_parquet(vec![("a", text_array(&["x", "ää"]))]);
    let longer = "The length of the data column a is longer than the length defined in the table. Table: 3, Data: 4";
    assert_eq!(test.expect_error(COPY_SQL, longer), "XX000");
    assert_eq!(test.query_rows("SELECT a FROM t"), ["äb"]);
}

#[test]
fn copy_enforces_not_null() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER NOT NULL)");
    test.put_parquet(vec![("a", Arc::new(Int32Array::from(vec![Some(1), None])))]);
    test.expect_error(COPY_SQL, "NOT NULL");
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn copy_accepts_known_clauses_in_any_order() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_parquet(vec![("a", int_array(&[1]))]);
    for clauses in [
        format!("MANIFEST FORMAT PARQUET IAM_ROLE '{IAM_ROLE_ARN}'"),
        "STATUPDATE OFF FORMAT AS PARQUET MANIFEST ACCEPTINVCHARS IAM_ROLE default".to_owned(),
        format!("FORMAT PARQUET CREDENTIALS 'aws_iam_role={IAM_ROLE_ARN}' MANIFEST"),
    ] {
        test.execute(&format!("COPY t FROM 's3://b/m' {clauses}"));
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
            test.expect_error(&format!("{COPY_SQL} {clause}"), &words),
            "0A000"
        );
    }
    let keys = "CREDENTIALS 'aws_access_key_id=A;aws_secret_access_key=B'";
    test.expect_error(
        &COPY_SQL.replace("IAM_ROLE default", keys),
        "no keys in the statement",
    );
    test.expect_error(&COPY_SQL.replace("IAM_ROLE default", ""), "IAM_ROLE");
    test.expect_error(
        &COPY_SQL.replace("default", "'arn:aws:iam::1:role/other'"),
        "Not authorized",
    );
    test.expect_error(
        "COPY t FROM 's3://b/m' IAM_ROLE default DELIMITER ','",
        "supports FORMAT AS PARQUET and FORMAT AS JSON only",
    );
}

#[test]
fn manifest_requires_correct_content_length() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    let bytes = test.put_parquet(vec![("a", int_array(&[1]))]);
    test.put_manifest(json!([{"url": "s3://b/f", "mandatory": true}]));
    test.expect_error(COPY_SQL, "15003");
    for length in [bytes.len() - 1, bytes.len() + 1] {
        test.put_manifest(json!([manifest_entry("f", length)]));
        test.expect_error(COPY_SQL, "Status 416");
    }
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn file_listed_twice_is_loaded_twice() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    let bytes = test.put_parquet(vec![("a", int_array(&[1]))]);
    test.put_manifest(json!([
        manifest_entry("f", bytes.len()),
        manifest_entry("f", bytes.len())
    ]));
    test.execute(COPY_SQL);
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1", "1"]);
}

#[test]
fn missing_mandatory_file_fails_copy() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    let bytes = test.put_parquet(vec![("a", int_array(&[1]))]);
    test.put_manifest(json!([
        manifest_entry("f", bytes.len()),
        manifest_entry("none", 7)
    ]));
    test.expect_error(COPY_SQL, "Status 404");
    let optional = json!({"url": "s3://b/none", "meta": {"content_length": 7}});
    test.put_manifest(json!([manifest_entry("f", bytes.len()), optional]));
    test.execute(COPY_SQL);
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn copy_rejects_undocumented_codecs_by_default() {
    let codecs = [
        (Compression::UNCOMPRESSED, true),
        (Compression::SNAPPY, true),
        (Compression::GZIP(Default::default()), true),
        (Compression::ZSTD(Default::default()), false),
    ];
    for setting in [ReadableCodecs::Documented, ReadableCodecs::Any] {
        let mut test = SimulatorFixture::with_settings(SimulatorSettings {
            codecs: setting,
            ..SimulatorSettings::default()
        });
        test.execute("CREATE TABLE t (a INTEGER)");
        for (codec, is_documented) in codecs {
            let bytes = encode_parquet_with_codec(vec![("a", int_array(&[1]))], codec);
            test.put_object("f", &bytes);
            test.put_manifest(json!([manifest_entry("f", bytes.len())]));
            if is_documented || setting == ReadableCodecs::Any {
                test.execute(COPY_SQL);
            } else {
                let words = "unsupported compression codec. Column: a, Codec: ZSTD";
                assert_eq!(test.expect_error(COPY_SQL, words), "XX000");
                test.expect_error(COPY_SQL, "Spectrum Scan Error");
                let why = "SELECT error_code FROM sys_load_error_detail ORDER BY query_id LIMIT 1";
                assert_eq!(test.query_rows(why), ["15001"]);
            }
        }
    }
}

#[test]
fn copy_without_files_fails() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_manifest(json!([]));
    test.expect_error(COPY_SQL, "No files");
    test.expect_error(
        &COPY_SQL.replace("MANIFEST", "").replace("/m'", "/x'"),
        "does not exist",
    );
}

#[test]
fn copy_prefix_matches_longer_names() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_object("part", encode_parquet(vec![("a", int_array(&[1]))]));
    test.put_object("part_old", encode_parquet(vec![("a", int_array(&[2]))]));
    test.execute("COPY t FROM 's3://b/part' IAM_ROLE default FORMAT PARQUET");
    assert_eq!(test.query_rows("SELECT a FROM t ORDER BY a"), ["1", "2"]);
}

#[test]
fn copy_from_other_region_fails() {
    let mut test = SimulatorFixture::with_settings(SimulatorSettings {
        other_region_buckets: vec![("b".to_owned(), "eu-west-1".to_owned())],
        ..SimulatorSettings::default()
    });
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_parquet(vec![("a", int_array(&[1]))]);
    test.expect_error(COPY_SQL, "Status 301,Error PermanentRedirect");
}

#[test]
fn copy_is_transactional() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_parquet(vec![("a", int_array(&[1]))]);
    test.execute(&format!("BEGIN; {COPY_SQL}; ROLLBACK"));
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
    test.execute(&format!("BEGIN; {COPY_SQL}; COMMIT"));
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn load_errors_survive_rollback() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(1))");
    test.put_parquet(vec![("a", text_array(&["x", "yy"]))]);
    test.execute("BEGIN");
    test.expect_error(COPY_SQL, "longer");
    assert_eq!(test.expect_error("SELECT 1", "aborted"), "25P02");
    test.execute("ROLLBACK");
    let query = "SELECT TRIM(file_name), TRIM(column_name), TRIM(column_type), line_number, error_code \
                FROM sys_load_error_detail WHERE query_id = pg_last_query_id()";
    assert_eq!(test.query_rows(query), ["s3://b/f|a|varchar|2|15001"]);
    let query = "SELECT TRIM(filename), TRIM(colname), line_number, err_code FROM stl_load_errors \
                WHERE query = pg_last_copy_id()";
    assert_eq!(test.query_rows(query), ["s3://b/f|a|2|15001"]);
    let query = "SELECT count(*) FROM svl_s3log WHERE query = pg_last_query_id()";
    assert_eq!(test.query_rows(query), ["1"]);
    assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["0"]);
}

#[test]
fn identity_columns_are_generated() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (id BIGINT IDENTITY(0,1), a INTEGER)");
    test.put_parquet(vec![("a", int_array(&[7, 8]))]);
    test.execute(COPY_SQL);
    assert_eq!(
        test.query_rows("SELECT * FROM t ORDER BY id"),
        ["0|7", "1|8"]
    );
    test.expect_error("INSERT INTO t (id, a) VALUES (5, 5)", "id");
    test.expect_error(&COPY_SQL.replace("COPY t", "COPY t (id)"), "EXPLICIT_IDS");
    let both: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![9]))),
        ("a", int_array(&[9])),
    ];
    test.put_parquet(both);
    test.execute(&format!("{COPY_SQL} EXPLICIT_IDS"));
    assert_eq!(test.query_rows("SELECT id FROM t WHERE a = 9"), ["9"]);
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
