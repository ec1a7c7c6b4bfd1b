//! STL_LOAD_ERRORS and SYS_LOAD_ERROR_DETAIL after COPY FROM JSON.

use std::sync::mpsc;

use testkit::redshift_simulator::{IsolationLevel, SimulatorSettings};

use crate::fixture::{SimulatorFixture, query_rows};

const COPY_JSON: &str =
    "COPY t FROM 's3://b/d' IAM_ROLE default FORMAT AS JSON 'auto' MAXERROR 100";
const ERROR_COUNT: &str = "SELECT count(*) FROM stl_load_errors WHERE query = pg_last_copy_id()";

fn simulator_with(object: &str) -> SimulatorFixture {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(3), b INTEGER)");
    test.put_object("d", object);
    test
}

#[test]
fn each_rejected_record_is_one_row_of_both_views() {
    let object = "{\"a\":\"1\",\n\"b\":\"x\"\n}\n{\"b\":1,\"a\":\"long\"}\n{\"a\":\n";
    let mut test = simulator_with(object);
    test.execute(COPY_JSON);
    let stl = "SELECT TRIM(filename), line_number, TRIM(colname), TRIM(type), TRIM(col_length), position, \
               TRIM(raw_line), TRIM(raw_field_value), err_code, tbl = 't'::REGCLASS \
               FROM stl_load_errors WHERE query = pg_last_copy_id() ORDER BY line_number";
    assert_eq!(
        test.query_rows(stl),
        [
            "s3://b/d|3|b|int4|0|0|{\"a\":\"1\",\n\"b\":\"x\"\n}|x|1207|t",
            "s3://b/d|4|a|varchar|3|0|{\"b\":1,\"a\":\"long\"}|long|1204|t",
            "s3://b/d|5|||||{\"a\":||1216|t"
                .replace("|||||", "||||0|")
                .as_str(),
        ]
    );
    let sys = "SELECT TRIM(file_name), line_number, TRIM(column_name), TRIM(column_type), TRIM(column_length), \
               error_code, TRIM(error_message) FROM sys_load_error_detail \
               WHERE query_id = pg_last_copy_id() ORDER BY line_number";
    assert_eq!(
        test.query_rows(sys),
        [
            "s3://b/d|3|b|int4|0|1207|Invalid digit, Value 'x'",
            "s3://b/d|4|a|varchar|3|1204|String length exceeds DDL length",
            "s3://b/d|5||||1216|Invalid JSON: EOF while parsing a value",
        ]
    );
}

#[test]
fn texts_are_cut_and_padded() {
    let long = "ä".repeat(2000);
    let mut test = simulator_with(&format!("{{\"a\":\"{long}\"}}"));
    test.execute(COPY_JSON);
    let row =
        test.query_rows("SELECT raw_line, raw_field_value, filename, type FROM stl_load_errors");
    let lengths: Vec<usize> = row[0].split('|').map(|text| text.chars().count()).collect();
    assert_eq!(lengths, [1024, 1024, 256, 10]);
    // A multi-byte character is shown as a period.
    assert!(row[0].contains(&format!("{{\"a\":\"{}|", ".".repeat(1018))));
    let row = test
        .query_rows("SELECT column_name, column_length, error_message FROM sys_load_error_detail");
    let lengths: Vec<usize> = row[0].split('|').map(str::len).collect();
    assert_eq!(lengths, [127, 10, 512]);
}

#[test]
fn errors_of_a_loaded_copy_are_visible_in_its_transaction() {
    for isolation in [IsolationLevel::Snapshot, IsolationLevel::Serializable] {
        let mut test = SimulatorFixture::with_settings(SimulatorSettings {
            isolation,
            ..SimulatorSettings::default()
        });
        test.execute("CREATE TABLE t (a VARCHAR(3), b INTEGER)");
        test.put_object("d", "x\n{\"a\":\"1\"}\ny\n");
        let mut other = test.simulator.connect();
        test.execute("BEGIN; SELECT count(*) FROM t");
        test.execute(COPY_JSON);
        assert_eq!(test.query_rows(ERROR_COUNT), ["2"]);
        assert_eq!(test.query_rows("SELECT pg_last_copy_count()"), ["1"]);
        let all = "SELECT count(*) FROM sys_load_error_detail";
        assert_eq!(query_rows(&mut other, all), ["2"]);
        test.execute(COPY_JSON);
        assert_eq!(test.query_rows(ERROR_COUNT), ["2"]);
        assert_eq!(test.query_rows(all), ["4"]);
        test.execute("COMMIT");
        assert_eq!(test.query_rows(all), ["4"]);
        assert_eq!(query_rows(&mut other, all), ["4"]);
        // The simulator's own table is not shown.
        let tables =
            "SELECT tablename FROM pg_table_def UNION SELECT \"table\" FROM svv_table_info";
        assert_eq!(test.query_rows(tables), ["t"]);
    }
}

#[test]
fn errors_survive_a_rollback() {
    let mut test = simulator_with("x\n{\"a\":\"1\"}\n");
    test.execute(&format!("BEGIN; {COPY_JSON}"));
    assert_eq!(test.query_rows(ERROR_COUNT), ["1"]);
    test.execute("ROLLBACK");
    assert_eq!(test.query_rows(ERROR_COUNT), ["1"]);
    test.execute("BEGIN");
    test.expect_error(&COPY_JSON.replace("MAXERROR 100", ""), "failed");
    test.execute("ROLLBACK");
    assert_eq!(test.query_rows(ERROR_COUNT), ["1"]);
    assert_eq!(
        test.query_rows("SELECT count(*) FROM sys_load_error_detail"),
        ["2"]
    );
}

#[test]
fn views_are_joined_by_the_last_copy() {
    let mut test = simulator_with("x\n");
    test.execute(COPY_JSON);
    test.execute(COPY_JSON);
    test.put_object("d", "");
    test.execute(COPY_JSON);
    assert_eq!(test.query_rows(ERROR_COUNT), ["0"]);
    let session = "SELECT count(*) FROM sys_load_error_detail WHERE session_id = pg_backend_pid()";
    assert_eq!(test.query_rows(session), ["2"]);
    let errors = "SELECT count(*) FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()";
    assert_eq!(test.query_rows(errors), ["0"]);
}

#[test]
fn views_may_lag() {
    let mut test = SimulatorFixture::with_settings(SimulatorSettings {
        lagging_error_views: 2,
        ..SimulatorSettings::default()
    });
    test.execute("CREATE TABLE t (a VARCHAR(3), b INTEGER)");
    test.put_object("d", "x\ny\n");
    test.execute(&format!("BEGIN; {COPY_JSON}"));
    // Only queries of the views count.
    test.execute("SELECT 1");
    for count in ["0", "0", "2", "2"] {
        assert_eq!(test.query_rows(ERROR_COUNT), [count]);
    }
    test.execute("COMMIT");
    test.expect_error(&COPY_JSON.replace("MAXERROR 100", ""), "failed");
    for count in ["0", "0", "1"] {
        assert_eq!(test.query_rows(ERROR_COUNT), [count]);
    }
}

/// The documentation of AWS shows both messages in this form, both as INFO.
#[test]
fn tolerated_errors_are_a_notice() {
    let test = simulator_with("x\n{\"a\":\"1\"}\ny\n");
    let database = test.simulator.database();
    let (sender, notices) = mpsc::channel();
    let mut config = postgres::Config::new();
    config
        .host(&database.host)
        .port(database.port)
        .dbname(&database.name)
        .user(&database.user)
        .password(&database.password)
        .notice_callback(move |notice| sender.send(notice).unwrap());
    let mut client = config.connect(postgres::NoTls).unwrap();
    client.batch_execute(COPY_JSON).unwrap();
    test.put_object("d", "{\"a\":\"1\"}");
    client.batch_execute(COPY_JSON).unwrap();
    let notices: Vec<String> = notices
        .try_iter()
        .map(|notice| format!("{}: {}", notice.severity(), notice.message()))
        .collect();
    assert_eq!(
        notices,
        [
            "INFO: Load into table 't' completed, 1 record(s) loaded successfully.",
            "INFO: Load into table 't' completed, 2 record(s) could not be loaded.  \
             Check 'stl_load_errors' system table for details.",
            "INFO: Load into table 't' completed, 1 record(s) loaded successfully.",
        ]
    );
}
