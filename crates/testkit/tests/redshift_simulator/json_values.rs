//! COPY FROM JSON: how keys are mapped to columns, and values converted.

use serde_json::json;
use testkit::redshift_simulator::{NumberSpelling, RepeatedKeys, SimulatorSettings};

use crate::fixture::SimulatorFixture;

const COPY_JSON: &str = "COPY t FROM 's3://b/d' IAM_ROLE default FORMAT AS JSON 'auto'";
const COPY_PATHS: &str = "COPY t FROM 's3://b/d' IAM_ROLE default FORMAT AS JSON 's3://b/p'";

/// Returns a simulator with a table `t (a TYPE)`.
fn simulator_with_column(ty: &str, settings: SimulatorSettings) -> SimulatorFixture {
    let mut test = SimulatorFixture::with_settings(settings);
    test.execute(&format!("CREATE TABLE t (a {ty})"));
    test
}

/// Loads a JSON value into a column, and returns its text, or the code of the error.
#[track_caller]
fn load_value(test: &mut SimulatorFixture, value: &[u8], clauses: &str) -> Result<String, String> {
    test.put_object("d", [b"{\"a\":", value, b"}"].concat());
    test.execute(&format!("DELETE FROM t; {COPY_JSON} MAXERROR 2 {clauses}"));
    let code = "SELECT err_code FROM stl_load_errors WHERE query = pg_last_copy_id()";
    match test.query_rows("SELECT a FROM t").pop() {
        Some(text) => Ok(text),
        None => Err(test.query_rows(code).pop().unwrap()),
    }
}

/// Asserts the values of a column of this type: a text, or the code of an error.
#[track_caller]
fn assert_values(ty: &str, clauses: &str, values: &[(&str, Result<&str, &str>)]) {
    let mut test = simulator_with_column(ty, SimulatorSettings::default());
    for (value, expected) in values {
        let loaded = load_value(&mut test, value.as_bytes(), clauses);
        let loaded = loaded.as_deref().map_err(|code| code.as_str());
        assert_eq!(loaded, *expected, "{value} as {ty}");
    }
}

#[test]
fn auto_matches_names_exactly() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (userid VARCHAR(9), first_name VARCHAR(9))");
    let record = r#"{"userId":"1","userid":"2","firstName":"x","first_name":null,"other":[{}]}"#;
    test.put_object("d", record);
    test.execute(COPY_JSON);
    assert_eq!(test.query_rows("SELECT * FROM t"), ["2|NULL"]);
    test.put_object("d", r#"{"userId":"1","firstName":"x"}"#);
    test.execute(&COPY_JSON.replace("auto", "auto ignorecase"));
    assert_eq!(
        test.query_rows("SELECT * FROM t WHERE userid = '1'"),
        ["1|NULL"]
    );
}

#[test]
fn missing_key_is_null() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9), c VARCHAR(9) DEFAULT 'x')");
    test.put_object("d", "{}\n{\"c\":\"1\"}");
    test.execute(&COPY_JSON.replace("COPY t", "COPY t (a, b)"));
    assert_eq!(test.query_rows("SELECT * FROM t"), ["NULL|NULL|x"; 2]);
}

#[test]
fn null_in_a_not_null_column_is_an_error() {
    assert_values("VARCHAR(9) NOT NULL", "", &[("null", Err("1213"))]);
    assert_values("VARCHAR(9) NOT NULL", "", &[("\"\"", Ok(""))]);
    assert_values("INTEGER NOT NULL", "", &[("\"\"", Err("1213"))]);
}

#[test]
fn jsonpaths_map_columns_by_position() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9), c VARCHAR(9))");
    let record = r#"{"userId":"1","x":{"y":[{"z":"2"},{"z":"3"}]},"a":"no"}"#;
    test.put_object("d", record);
    for paths in [
        json!(["$['userId']", "$['x']['y'][1]['z']", "$['x']['none']['z']"]),
        json!(["$.userId", "$.x.y[1].z", "$.userId.z"]),
    ] {
        test.execute("DELETE FROM t");
        test.put_object("p", json!({"jsonpaths": paths}).to_string());
        test.execute(COPY_PATHS);
        assert_eq!(test.query_rows("SELECT * FROM t"), ["1|3|NULL"]);
    }
    test.put_object("p", r#"{"jsonpaths":["$.x","$.x"]}"#);
    test.execute("DELETE FROM t");
    test.execute(&format!(
        "{} TRUNCATECOLUMNS",
        COPY_PATHS.replace("COPY t", "COPY t (c, a)")
    ));
    assert_eq!(
        test.query_rows("SELECT * FROM t"),
        [r#"{"y":[{"z|NULL|{"y":[{"z"#]
    );
}

#[test]
fn jsonpaths_must_be_as_many_as_columns() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9))");
    test.put_object("d", "{}");
    test.put_object("p", r#"{"jsonpaths":["$.a"]}"#);
    let words = "JSONPath size: 1, Number of columns in table or column list: 2";
    test.expect_error(&format!("{COPY_PATHS} MAXERROR 100000"), words);
    test.execute(&COPY_PATHS.replace("COPY t", "COPY t (a)"));
}

#[test]
fn refuses_other_jsonpaths() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9))");
    test.put_object("d", "{}");
    let compressed = zstd::encode_all(&br#"{"jsonpaths":["$.a","$.b"]}"#[..], 1).unwrap();
    test.put_object("p", compressed);
    test.expect_error(
        &format!("{COPY_PATHS} MAXERROR 9"),
        "Invalid JSONPath format",
    );
    for file in [
        r#"["$.a","$.b"]"#,
        r#"{"jsonpaths":"$.a"}"#,
        r#"{"jsonpaths":["$.a",1]}"#,
        r#"{"jsonpaths":["$.a","$.b"],"more":1}"#,
        r#"{"jsonpaths":["$.a","$['b']"]}"#,
        r#"{"jsonpaths":["$.a","$.b['c']"]}"#,
        r#"{"jsonpaths":["$.a","$.*"]}"#,
        r#"{"jsonpaths":["$.a","$.b[*]"]}"#,
        r#"{"jsonpaths":["$['a']","$['*']"]}"#,
        r#"{"jsonpaths":["$.a","$..b"]}"#,
        r#"{"jsonpaths":["$.a","b"]}"#,
        r#"{"jsonpaths":["$.a","$"]}"#,
        r#"{"jsonpaths":["$.a","$[0]"]}"#,
        r#"{"jsonpaths":["$['a']","$[\"b\"]"]}"#,
    ] {
        test.put_object("p", file);
        test.expect_error(COPY_PATHS, "Invalid JSONPath format");
    }
    test.expect_error(&COPY_PATHS.replace("/p'", "/none'"), "NoSuchKey");
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
}

#[test]
fn file_without_jsonpaths_key_is_auto() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9))");
    test.put_object("d", r#"{"a":"1","x":"2"}"#);
    for file in [r#"{"JSONPaths":["$.x","$.x"]}"#, "{}"] {
        test.put_object("p", file);
        test.execute(COPY_PATHS);
    }
    assert_eq!(test.query_rows("SELECT * FROM t"), ["1|NULL"; 2]);
}

#[test]
fn text_is_loaded_as_redshift_stages_it() {
    assert_values(
        "VARCHAR(8)",
        "",
        &[
            (r#""x y""#, Ok("x y")),
            (r#""""#, Ok("")),
            (r#"" ""#, Ok(" ")),
            ("null", Ok("NULL")),
            (r#""null""#, Ok("null")),
            (r#""\u00e9\n\"\\\/""#, Ok("é\n\"\\/")),
            (r#""\ud83d\ude00""#, Ok("😀")),
            ("true", Ok("true")),
            ("false", Ok("false")),
            ("1.50", Ok("1.50")),
            ("1e3", Ok("1e3")),
            ("-0", Ok("-0")),
            (r#"{"b" :1}"#, Ok(r#"{"b" :1}"#)),
            (r#"["\u0041"]"#, Err("1204")),
            ("[1, 2]", Ok("[1, 2]")),
            (r#""12345678""#, Ok("12345678")),
            (r#""123456789""#, Err("1204")),
            (r#""ääää""#, Ok("ääää")),
            (r#""ääääx""#, Err("1204")),
            ("123456789", Err("1204")),
        ],
    );
}

#[test]
fn u0000_ends_the_value() {
    let value = |text: &str| format!("\"{text}\"");
    let mut test = simulator_with_column("VARCHAR(8)", SimulatorSettings::default());
    for (text, expected) in [
        (r"x\u0000y", Ok("x".to_owned())),
        (r"xy\u0000", Ok("xy".to_owned())),
        (r"\u0000y", Err("1220".to_owned())),
    ] {
        let loaded = load_value(&mut test, value(text).as_bytes(), "");
        assert_eq!(loaded, expected, "{text}");
    }
}

#[test]
fn truncatecolumns_cuts_at_a_character() {
    assert_values(
        "VARCHAR(5)",
        "TRUNCATECOLUMNS",
        &[
            (r#""123456""#, Ok("12345")),
            (r#""äääx""#, Ok("ää")),
            ("[1, 2]", Ok("[1, 2")),
        ],
    );
}

#[test]
fn emptyasnull_and_blanksasnull_load_nulls() {
    let (empty, blank) = (r#""""#, "\" \\t\"");
    for (clauses, of_empty, of_blank) in [
        ("", "", " \t"),
        ("EMPTYASNULL", "NULL", " \t"),
        ("BLANKSASNULL", "", "NULL"),
        ("EMPTYASNULL BLANKSASNULL", "NULL", "NULL"),
    ] {
        assert_values(
            "VARCHAR(5)",
            clauses,
            &[(empty, Ok(of_empty)), (blank, Ok(of_blank))],
        );
    }
}

#[test]
fn invalid_utf8_is_an_error_unless_accepted() {
    let mut test = simulator_with_column("VARCHAR(8)", SimulatorSettings::default());
    let values: [(&[u8], &str); 4] = [
        (b"\"a\xff\"", "a?"),
        (b"\"\xc3\"", "?"),
        (b"\"\xed\xa0\x80z\"", "???z"),
        (b"{\"x\":\"\xff\"}", "{\"x\":\"?\""),
    ];
    for (value, replaced) in values {
        let error = load_value(&mut test, value, "");
        assert_eq!(error, Err("1220".to_owned()));
        let accepted = load_value(&mut test, value, "ACCEPTINVCHARS TRUNCATECOLUMNS");
        assert_eq!(accepted, Ok(replaced.to_owned()));
    }
    // A key that is not loaded does not matter, and the next record neither.
    test.put_object("d", b"{\"x\":\"\xff\",\"a\":\"1\"}\n{\"a\":\"2\"}");
    test.execute(COPY_JSON);
    // Outside of strings, such bytes are syntax errors.
    let outside = load_value(&mut test, b"\xff1", "ACCEPTINVCHARS");
    assert_eq!(outside, Err("1216".to_owned()));
}

#[test]
fn escapes_of_lone_surrogates_are_errors() {
    assert_values(
        "VARCHAR(20)",
        "ACCEPTINVCHARS",
        &[
            (r#""\ud800""#, Err("1220")),
            (r#""x\udc00""#, Err("1220")),
            (r#""\ud800\u0041""#, Err("1220")),
            // Only the text of a nested value is loaded.
            (r#"["\ud800"]"#, Ok(r#"["\ud800"]"#)),
        ],
    );
}

#[test]
fn numbers_go_through_doubles_by_setting() {
    let settings = SimulatorSettings {
        number_spelling: NumberSpelling::ThroughDouble,
        ..SimulatorSettings::default()
    };
    let mut test = simulator_with_column("VARCHAR(30)", settings);
    // These are the outputs of printf("%.17g") in C.
    for (number, text) in [
        ("0", "0"),
        ("-0", "-0"),
        ("112", "112"),
        ("1.50", "1.5"),
        ("0.1", "0.10000000000000001"),
        ("1e3", "1000"),
        ("1541016707796", "1541016707796"),
        ("218.93179", "218.93179000000001"),
        ("9007199254740993", "9007199254740992"),
        ("12345678901234567890", "1.2345678901234567e+19"),
        ("1e16", "10000000000000000"),
        ("1e17", "1e+17"),
        ("0.0001", "0.0001"),
        ("0.00001", "1.0000000000000001e-05"),
        ("5e-324", "4.9406564584124654e-324"),
        ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
        ("1e400", "inf"),
    ] {
        let loaded = load_value(&mut test, number.as_bytes(), "");
        assert_eq!(loaded.as_deref(), Ok(text), "{number}");
    }
    // Numbers in other columns do not.
    test.execute("DROP TABLE t; CREATE TABLE t (a BIGINT)");
    let loaded = load_value(&mut test, b"9007199254740993", "");
    assert_eq!(loaded.as_deref(), Ok("9007199254740993"));
}

#[test]
fn repeated_key_counts_by_setting() {
    for (repeated_keys, expected) in [(RepeatedKeys::First, "1|4"), (RepeatedKeys::Last, "3|6")] {
        let mut test = SimulatorFixture::with_settings(SimulatorSettings {
            repeated_keys,
            ..SimulatorSettings::default()
        });
        test.execute("CREATE TABLE t (a VARCHAR(9), b VARCHAR(9))");
        let record = r#"{"a":"1","a":"2","x":{"y":"4"},"a":"3","x":{"y":"5","y":"6"}}"#;
        let record = match repeated_keys {
            RepeatedKeys::First => record.replace(r#""4""#, r#""4","y":"7""#),
            RepeatedKeys::Last => record.to_owned(),
        };
        test.put_object("d", record);
        test.put_object("p", r#"{"jsonpaths":["$.a","$.x.y"]}"#);
        test.execute(COPY_PATHS);
        assert_eq!(test.query_rows("SELECT * FROM t"), [expected]);
    }
}

#[test]
fn integers_are_checked_and_truncated() {
    let common = [
        (r#""26""#, Ok("26")),
        ("-26", Ok("-26")),
        ("1.9", Ok("1")),
        ("-1.9", Ok("-1")),
        (r#""""#, Ok("NULL")),
        ("null", Ok("NULL")),
        (r#""abc""#, Err("1207")),
        (r#""1 ""#, Err("1207")),
        ("1e3", Err("1207")),
        ("true", Err("1207")),
        ("[1]", Err("1207")),
    ];
    for (ty, max, over) in [
        ("SMALLINT", "32767", "32768"),
        ("INTEGER", "2147483647", "2147483648"),
        ("BIGINT", "9223372036854775807", "9223372036854775808"),
    ] {
        assert_values(ty, "", &common);
        assert_values(ty, "", &[(max, Ok(max)), (over, Err("1222"))]);
    }
}

#[test]
fn doubles_are_checked() {
    assert_values(
        "DOUBLE PRECISION",
        "",
        &[
            ("218.93179", Ok("218.93179")),
            (r#""1e3""#, Ok("1000")),
            ("5e-324", Ok("5e-324")),
            ("0e-400", Ok("0")),
            (r#""""#, Ok("NULL")),
            (r#""abc""#, Err("1208")),
            (r#""NaN""#, Err("1208")),
            (r#""inf""#, Err("1208")),
            ("true", Err("1208")),
            ("1e400", Err("1204")),
            ("1e-400", Err("1204")),
        ],
    );
}

#[test]
fn times_are_parsed_by_timeformat() {
    assert_values(
        "TIMESTAMP",
        "",
        &[
            (
                r#""2018-11-01 20:57:10.796""#,
                Ok("2018-11-01 20:57:10.796"),
            ),
            (r#""2018-11-01 20:57:10""#, Ok("2018-11-01 20:57:10")),
            (r#""2018-13-01 20:57:10""#, Err("1206")),
            ("1541105830796", Err("1206")),
            (r#""""#, Ok("NULL")),
        ],
    );
    assert_values(
        "TIMESTAMP",
        "TIMEFORMAT 'epochmillisecs'",
        &[
            ("1541105830796", Ok("2018-11-01 20:57:10.796")),
            ("-1", Ok("1969-12-31 23:59:59.999")),
            (r#""x""#, Err("1206")),
        ],
    );
    assert_values(
        "TIMESTAMP",
        "TIMEFORMAT AS 'epochsecs'",
        &[("1541105830", Ok("2018-11-01 20:57:10"))],
    );
}

#[test]
fn refuses_columns_of_other_types() {
    for ty in ["BOOLEAN", "DATE", "NUMERIC(9, 2)", "CHAR(9)", "REAL"] {
        let mut test = simulator_with_column(ty, SimulatorSettings::default());
        test.put_object("d", "{}");
        test.expect_error(COPY_JSON, "does not load JSON into columns of type");
    }
}
