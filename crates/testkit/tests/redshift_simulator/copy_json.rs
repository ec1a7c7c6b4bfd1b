//! COPY FROM JSON: how objects and manifests are read, how records are split, and what is rejected.

use std::fs;
use std::io::Write;

use serde_json::json;
use testkit::redshift_simulator::{CLUSTER_REGION, SimulatorSettings};

use crate::fixture::SimulatorFixture;

/// A minimal COPY from the objects with the prefix `d`.
const COPY_JSON: &str = "COPY t FROM 's3://b/d' IAM_ROLE default FORMAT AS JSON 'auto'";
/// A minimal COPY from the manifest `m`.
const COPY_LISTED: &str = "COPY t FROM 's3://b/m' IAM_ROLE default FORMAT AS JSON 'auto' MANIFEST";

/// Returns a simulator with a table `t (a VARCHAR(20), b VARCHAR(20))` and an object `d`.
fn simulator_with(object: impl AsRef<[u8]>) -> SimulatorFixture {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(20), b VARCHAR(20))");
    test.put_object("d", object);
    test
}

/// Runs a COPY that tolerates errors, and returns column `a` of the loaded rows and the line of each error.
fn load_tolerantly(object: impl AsRef<[u8]>) -> (Vec<String>, Vec<String>) {
    let mut test = simulator_with(object);
    test.execute(&format!("{COPY_JSON} MAXERROR 100"));
    let lines = "SELECT line_number FROM stl_load_errors WHERE query = pg_last_copy_id() ORDER BY line_number";
    (
        test.query_rows("SELECT a FROM t ORDER BY a"),
        test.query_rows(lines),
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn accepts_the_clauses_of_json_in_any_order() {
    let mut test = simulator_with(r#"{"a":"x"}"#);
    test.put_manifest(json!([{"url": "s3://b/d"}]));
    for clauses in [
        "FORMAT AS JSON 'auto' MANIFEST",
        "MANIFEST FORMAT JSON AS 'auto ignorecase' REGION AS 'us-west-2' MAXERROR AS 100000",
        "JSON 'auto' MANIFEST REGION 'us-west-2' MAXERROR 1 STATUPDATE OFF COMPUPDATE OFF",
        "AS JSON MANIFEST TRUNCATECOLUMNS EMPTYASNULL BLANKSASNULL ACCEPTINVCHARS",
        "FORMAT JSON 'auto' MANIFEST TIMEFORMAT 'epochmillisecs' ACCEPTINVCHARS AS '?' COMPUPDATE PRESET",
    ] {
        let sql = format!("COPY t (a) FROM 's3://b/m' IAM_ROLE default {clauses}");
        test.execute(&sql);
    }
    assert_eq!(test.query_rows("SELECT count(a) FROM t"), ["5"]);
}

#[test]
fn refuses_clauses_that_json_does_not_have() {
    let mut test = simulator_with("");
    for clause in [
        "NULL AS 'x'",
        "DELIMITER ','",
        "FILLRECORD",
        "EXPLICIT_IDS",
        "ESCAPE",
        "IGNOREHEADER 1",
        "LZOP",
        "ENCODING UTF16",
        "ACCEPTANYDATE",
    ] {
        let name = clause.split(' ').next().unwrap();
        let words = format!("{name} argument is not supported for JSON based COPY");
        let sql = format!("{COPY_JSON} {clause}");
        assert_eq!(test.expect_error(&sql, &words), "0A000");
    }
    for (clause, words) in [
        ("ACCEPTINVCHARS '^'", "ACCEPTINVCHARS with '?' only"),
        ("TIMEFORMAT 'auto'", "does not support TIMEFORMAT 'auto'"),
        ("REGION", "syntax error"),
    ] {
        test.expect_error(&format!("{COPY_JSON} {clause}"), words);
    }
}

#[test]
fn refuses_clauses_that_occur_twice() {
    let mut test = simulator_with("");
    for clauses in [
        "MANIFEST MANIFEST",
        "GZIP ZSTD",
        "GZIP GZIP",
        "MAXERROR 1 MAXERROR 2",
        "REGION 'us-west-2' REGION 'us-west-2'",
        "FORMAT JSON 'auto'",
        "FORMAT PARQUET",
        "NOLOAD NOLOAD",
    ] {
        let sql = format!("{COPY_JSON} {clauses}");
        test.expect_error(&sql, "conflicting or redundant options");
    }
    test.expect_error(&format!("{COPY_JSON} IAM_ROLE default"), "IAM_ROLE once");
}

#[test]
fn refuses_maxerror_out_of_range() {
    let mut test = simulator_with("");
    for count in ["0", "100001"] {
        let sql = format!("{COPY_JSON} MAXERROR {count}");
        assert_eq!(test.expect_error(&sql, "MAXERROR must be from 1"), "22023");
    }
    for count in ["-1", "'1'", "1.5"] {
        test.expect_error(&format!("{COPY_JSON} MAXERROR {count}"), "syntax error");
    }
}

#[test]
fn refuses_other_json_options() {
    let mut test = simulator_with("");
    for (option, words) in [
        ("noshred", "'noshred'"),
        ("AUTO", "Invalid JSON option"),
        ("paths.json", "Invalid JSON option"),
    ] {
        test.expect_error(&COPY_JSON.replace("'auto'", &format!("'{option}'")), words);
    }
}

#[test]
fn prefix_matches_longer_names() {
    let mut test = simulator_with(r#"{"a":"1"}"#);
    test.put_object("d_old", r#"{"a":"2"}"#);
    test.put_object("other", r#"{"a":"3"}"#);
    test.execute(COPY_JSON);
    assert_eq!(test.query_rows("SELECT a FROM t ORDER BY a"), ["1", "2"]);
    assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["2"]);
    test.expect_error(&COPY_JSON.replace("/d'", "/x'"), "does not exist");
}

#[test]
fn manifest_needs_only_urls() {
    let mut test = simulator_with(r#"{"a":"1"}"#);
    test.put_object("d2", r#"{"a":"2"}"#);
    // An object that is listed twice is loaded twice, and a missing one that is not mandatory is skipped.
    test.put_manifest(json!([
        {"url": "s3://b/d"},
        {"url": "s3://b/d2", "mandatory": true},
        {"url": "s3://b/d", "mandatory": false},
        {"url": "s3://b/none"},
    ]));
    test.execute(COPY_LISTED);
    assert_eq!(
        test.query_rows("SELECT a FROM t ORDER BY a"),
        ["1", "1", "2"]
    );
}

#[test]
fn missing_mandatory_object_fails_copy() {
    let mut test = simulator_with(r#"{"a":"1"}"#);
    test.put_manifest(json!([{"url": "s3://b/d"}, {"url": "s3://b/none", "mandatory": true}]));
    test.expect_error(COPY_LISTED, "Status 404,Error NoSuchKey");
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn copy_of_no_objects_fails() {
    let mut test = simulator_with("");
    for entries in [json!([]), json!([{"url": "s3://b/none"}])] {
        test.put_manifest(entries);
        test.expect_error(COPY_LISTED, "No files to load");
    }
    test.expect_error(&COPY_LISTED.replace("/m'", "/none'"), "NoSuchKey");
}

#[test]
fn refuses_malformed_manifests() {
    let mut test = simulator_with("");
    for manifest in [
        "{",
        "[]",
        r#"{"urls":[]}"#,
        r#"{"entries":{}}"#,
        r#"{"entries":["s3://b/d"]}"#,
        r#"{"entries":[{"mandatory":true}]}"#,
        r#"{"entries":[{"url":"s3://b/d","mandatory":"yes"}]}"#,
    ] {
        test.put_object("m", manifest);
        test.expect_error(COPY_LISTED, "invalid manifest");
    }
}

#[test]
fn compression_is_that_of_the_whole_copy() {
    let rows = b"{\"a\":\"1\"}\n{\"a\":\"2\"}\n";
    let all = [
        ("GZIP", gzip(rows)),
        ("BZIP2", bzip2(rows)),
        ("ZSTD", zstd(rows)),
    ];
    let mut test = simulator_with("");
    for (clause, _) in &all {
        for (other, object) in &all {
            test.execute("DELETE FROM t");
            test.put_object("d", object);
            let sql = format!("{COPY_JSON} {clause}");
            if clause == other {
                test.execute(&sql);
                assert_eq!(test.query_rows("SELECT a FROM t ORDER BY a"), ["1", "2"]);
            } else {
                test.expect_error(&sql, "failed to inflate");
            }
        }
    }
}

#[test]
fn plain_bytes_are_no_compressed_object() {
    let mut test = simulator_with(r#"{"a":"1"}"#);
    for clause in ["GZIP", "BZIP2", "ZSTD"] {
        let sql = format!("{COPY_JSON} {clause} MAXERROR 100000");
        test.expect_error(&sql, "failed to inflate");
    }
}

#[test]
fn empty_cut_or_padded_compressed_objects_fail_copy() {
    let whole = gzip(br#"{"a":"1"}"#);
    let cut = whole[..whole.len() - 3].to_vec();
    let padded = [&whole[..], &[0; 8]].concat();
    for object in [Vec::new(), cut, padded] {
        let mut test = simulator_with(object);
        test.expect_error(&format!("{COPY_JSON} GZIP"), "failed to inflate");
    }
}

#[test]
fn several_members_are_one_compressed_object() {
    for (clause, compress) in [
        ("GZIP", gzip as fn(&[u8]) -> Vec<u8>),
        ("BZIP2", bzip2),
        ("ZSTD", zstd),
    ] {
        // The record is cut by the end of a member.
        let object = [compress(br#"{"a":"#), compress(br#""1"}"#)].concat();
        let mut test = simulator_with(object);
        test.execute(&format!("{COPY_JSON} {clause}"));
        assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
    }
}

#[test]
fn compressed_bytes_without_the_clause_are_syntax_errors() {
    let mut test = simulator_with(gzip(br#"{"a":"1"}"#));
    test.expect_error(COPY_JSON, "Check 'stl_load_errors'");
    test.execute(&format!("{COPY_JSON} MAXERROR 100"));
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
}

/// Returns a simulator with buckets in two regions: `b` and `near` in that of the cluster, `far` in another.
fn simulator_with_regions() -> SimulatorFixture {
    let mut test = SimulatorFixture::with_settings(SimulatorSettings {
        other_region_buckets: vec![("far".to_owned(), "eu-west-1".to_owned())],
        ..SimulatorSettings::default()
    });
    test.execute("CREATE TABLE t (a VARCHAR(20), b VARCHAR(20))");
    for bucket in ["near", "far"] {
        let folder = test.buckets.path().join(bucket);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("d"), r#"{"a":"1"}"#).unwrap();
        let paths = r#"{"jsonpaths":["$.a","$.b"]}"#;
        fs::write(folder.join("p"), paths).unwrap();
        for other in ["near", "far"] {
            let manifest = json!({"entries": [{"url": format!("s3://{other}/d")}]});
            fs::write(folder.join(other), manifest.to_string()).unwrap();
        }
    }
    test
}

#[test]
fn region_is_that_of_data_manifest_and_jsonpaths() {
    let mut test = simulator_with_regions();
    for region in ["", CLUSTER_REGION, "eu-west-1", "us-east-1"] {
        let clause = match region {
            "" => String::new(),
            _ => format!("REGION '{region}'"),
        };
        let here = match region {
            "" | CLUSTER_REGION => "near",
            "eu-west-1" => "far",
            _ => "",
        };
        for manifest in ["near", "far"] {
            for data in ["near", "far"] {
                for paths in ["near", "far"] {
                    let sql = format!(
                        "COPY t FROM 's3://{manifest}/{data}' IAM_ROLE default MANIFEST \
                         JSON 's3://{paths}/p' {clause}"
                    );
                    if [manifest, data, paths] == [here; 3] {
                        test.execute(&sql);
                    } else {
                        test.expect_error(&sql, "Status 301,Error PermanentRedirect");
                    }
                }
            }
        }
        for data in ["near", "far"] {
            let sql = format!("COPY t FROM 's3://{data}/d' IAM_ROLE default JSON 'auto' {clause}");
            if data == here {
                test.execute(&sql);
            } else {
                test.expect_error(&sql, "Status 301,Error PermanentRedirect");
            }
        }
    }
}

#[test]
fn white_space_separates_objects() {
    let object = " \t\r\n{\"a\":\"1\"}{\"a\":\"2\"}\r{\n \"a\" : \"3\"\n}\n\n";
    let (rows, errors) = load_tolerantly(object);
    assert_eq!(rows, ["1", "2", "3"]);
    assert_eq!(errors, [""; 0]);
    assert_eq!(load_tolerantly("").0, [""; 0]);
}

#[test]
fn anything_else_between_objects_is_an_error() {
    let (rows, errors) =
        load_tolerantly("{\"a\":\"1\"},{\"a\":\"2\"}\n,\n{\"a\":\"3\"}\n12 null\n");
    assert_eq!(rows, ["1", "2", "3"]);
    assert_eq!(errors, ["1", "2", "4"]);
}

#[test]
fn array_is_not_an_object() {
    let mut test = simulator_with("[{\"a\":\"1\"},\n{\"a\":\"2\"}]");
    test.execute(&format!("{COPY_JSON} MAXERROR 2"));
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
    let errors = "SELECT line_number, err_code, TRIM(err_reason) FROM stl_load_errors";
    assert_eq!(test.query_rows(errors), ["2|1216|Member is not an object"]);
}

#[test]
fn byte_order_mark_is_an_error_of_the_first_record() {
    let (rows, errors) = load_tolerantly("\u{feff}{\"a\":\n\"1\"}\n{\"a\":\"2\"}");
    assert_eq!(rows, ["2"]);
    assert_eq!(errors, ["2"]);
}

#[test]
fn copy_resumes_at_the_next_line_after_a_syntax_error() {
    // The broken record takes the rest of its line with it, and lines that do not begin with a brace.
    let object = "{\"a\":1 \"b\":2} {\"a\":\"lost\"}\n {\"a\":\"lost\"}\n{\"a\":\"1\"}\n{\"a\":\"cut\n{\"a\":\"2\"}\n{\"a\":";
    let (rows, errors) = load_tolerantly(object);
    assert_eq!(rows, ["1", "2"]);
    assert_eq!(errors, ["1", "4", "6"]);
}

#[test]
fn syntax_is_that_of_rfc_8259() {
    for record in [
        "{'a':1}",
        "{a:1}",
        r#"{"a":1,}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":NaN}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":True}"#,
        "{\"a\":\"\t\"}",
        "{\"a\":\"\0\"}",
        r#"{"unknown":[1,}"#,
        r#"{"a":1 /* no */}"#,
    ] {
        let (rows, errors) = load_tolerantly(record);
        assert_eq!(rows, [""; 0], "{record}");
        assert_eq!(errors, ["1"], "{record}");
    }
}

#[test]
fn object_over_4_mb_fails_copy() {
    let object = |bytes: usize, filler: &str| {
        let frame = r#"{"a":"1","x":""}"#.len();
        let filler = filler.repeat(bytes - frame);
        format!("{{\"a\":\"0\"}}\n{{\"a\":\"1\",\"x\":\"{filler}\"}}\n")
    };
    let limit = 4 << 20;
    let mut test = simulator_with(object(limit, "x"));
    test.execute(COPY_JSON);
    for (bytes, filler) in [(limit + 1, "x"), (limit / 2 + 10, "|")] {
        test.put_object("d", object(bytes, filler));
        let sql = format!("{COPY_JSON} MAXERROR 100000");
        test.expect_error(&sql, "exceeds the maximum size");
    }
    assert_eq!(test.query_rows("SELECT a FROM t ORDER BY a"), ["0", "1"]);
}

#[test]
fn copy_fails_at_maxerror_errors() {
    let mut test = simulator_with("x\n{\"a\":\"1\"}\ny\n");
    test.expect_error(COPY_JSON, "Load into table 't' failed.");
    let count = "SELECT count(*) FROM stl_load_errors WHERE query = pg_last_copy_id()";
    assert_eq!(test.query_rows(count), ["1"]);
    test.expect_error(
        &format!("{COPY_JSON} MAXERROR 2"),
        "Load into table 't' failed.",
    );
    assert_eq!(test.query_rows(count), ["2"]);
    assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["0"]);
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
    test.execute(&format!("{COPY_JSON} MAXERROR 3"));
    assert_eq!(test.query_rows(count), ["2"]);
    assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["1"]);
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn noload_checks_and_loads_nothing() {
    let mut test = simulator_with("{\"a\":\"1\"}\nx\n");
    test.execute(&format!("{COPY_JSON} NOLOAD MAXERROR 2"));
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
    assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["0"]);
    test.expect_error(&format!("{COPY_JSON} NOLOAD"), "failed");
}

#[test]
fn copy_from_json_is_transactional() {
    let mut test = simulator_with(r#"{"a":"1"}"#);
    test.execute(&format!("BEGIN; {COPY_JSON}; ROLLBACK"));
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
    test.execute(&format!("BEGIN; {COPY_JSON}; COMMIT"));
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn temporary_tables_are_loaded() {
    let mut test = simulator_with(r#"{"a":"1"}"#);
    test.execute("BEGIN; CREATE TEMP TABLE staging (a VARCHAR(65535))");
    test.execute(&COPY_JSON.replace("COPY t", "COPY staging"));
    assert_eq!(test.query_rows("SELECT a FROM staging"), ["1"]);
    test.execute("COMMIT");
}
