//! The classification of statement errors, and the one-line message for each.

use std::io::Write;
use std::thread;
use std::time::Duration;

use sparkify::internals::warehouse::connect::WarehouseSession;
use sparkify::internals::warehouse::connect::{
    ErrorClass, StatementError, copy_error, statement_error,
};
use testkit::postgres_server::shared_server;

use crate::support::config_sources::config_of_database;

/// Asserts the class of an error, and that it is one line that contains all these words.
#[track_caller]
fn assert_statement_error(failure: &StatementError, cause: ErrorClass, words: &[&str]) {
    let line = failure.error.to_string();
    assert_eq!(failure.class, cause, "{line}");
    for words in words {
        assert!(line.contains(words), "{line}");
    }
    assert!(!line.contains(char::is_control), "{line}");
}

#[test]
fn sqlstate_and_message_determine_class_and_hint() {
    use ErrorClass::{Conflict, ConnectionLost, Fatal, StorageBusy};
    let mut session =
        WarehouseSession::open(&config_of_database(&shared_server().create_database())).unwrap();
    for (code, text, cause, hint) in [
        ("40001", "could not serialize", Conflict, ""),
        ("40P01", "deadlock detected", Conflict, ""),
        (
            "55P03",
            "canceling statement due to lock timeout",
            Fatal,
            "raise lock_timeout",
        ),
        (
            "22P05",
            "character with byte sequence 0xe2 0x82 0xac has no equivalent",
            Fatal,
            "ENCODING 'UTF8'",
        ),
        (
            "25P02",
            "current transaction is aborted",
            Fatal,
            "an earlier statement of the transaction failed, mostly by statement_timeout",
        ),
        (
            "XX000",
            "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 1,ExtRid a,CanRetry 1",
            StorageBusy,
            "SlowDown",
        ),
        (
            "XX000",
            "S3ServiceException:We encountered an internal error.,Status 500,Error InternalError,Rid 1",
            StorageBusy,
            "InternalError",
        ),
        (
            "XX000",
            "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 1,CanRetry 1",
            Fatal,
            "AccessDenied",
        ),
        (
            "XX000",
            "S3 Query Exception (Fetch). Task failed due to an internal error. Please reduce your request rate.",
            StorageBusy,
            "reduce your request rate",
        ),
        (
            "XX000",
            "S3 Query Exception (Fetch). HTTP response error code: 403 Message: AccessDenied 5030, x=1503",
            Fatal,
            "AccessDenied",
        ),
        (
            "XX000",
            "cannot open part-503.parquet: SlowDown",
            Fatal,
            "SlowDown",
        ),
        (
            "XX000",
            "1023 DETAIL: Serializable isolation violation on table",
            Conflict,
            "",
        ),
        ("XX000", "ERROR: 1023", Conflict, ""),
        (
            "XX000",
            "S3ServiceException: cannot read s3://bucket/20261130T102310230Z-1/a.json",
            Fatal,
            "XX000",
        ),
        (
            "XX000",
            "could not complete because of conflict with concurrent transaction",
            Conflict,
            "",
        ),
        ("XX000", "internal error", Fatal, "internal error (XX000)"),
        ("22P02", "invalid value 1023", Fatal, "22P02"),
        ("57P01", "terminating", ConnectionLost, ""),
        ("57P02", "crash", ConnectionLost, ""),
        ("57P03", "starting up", ConnectionLost, ""),
        ("08006", "connection failure", ConnectionLost, "08006"),
        (
            "57014",
            "canceling statement due to statement timeout",
            Fatal,
            "statement_timeout",
        ),
        ("42501", "permission denied for table users", Fatal, "GRANT"),
        (
            "42P01",
            "relation \"users\" does not exist",
            Fatal,
            "sparkify create-tables",
        ),
        (
            "42703",
            "column \"x\" does not exist",
            Fatal,
            "--drop recreates them",
        ),
        ("53100", "disk full", Fatal, "free some space"),
        (
            "53300",
            "too many connections",
            Fatal,
            "close other sessions",
        ),
        ("25006", "read-only transaction", Fatal, "replica"),
        ("22000", "two\nlines\tand \x1b[31mred", Fatal, "two lines"),
    ] {
        let sql =
            format!("DO $do$ BEGIN RAISE '%', $t${text}$t$ USING ERRCODE = '{code}'; END $do$");
        assert_statement_error(&session.execute(&sql).unwrap_err(), cause, &[code, hint]);
        assert_statement_error(&session.query(&sql).unwrap_err(), cause, &[code, hint]);
    }
    assert_statement_error(
        &session
            .query_with_columns("SELECT * FROM nothing")
            .unwrap_err(),
        Fatal,
        &["42P01"],
    );
    assert_statement_error(
        &session.copy_in("COPY nothing FROM STDIN").err().unwrap(),
        Fatal,
        &["42P01"],
    );
}

/// The COPY of Parquet reads through Redshift Spectrum, whose message says little and whose detail has many lines.
#[test]
fn busy_s3_is_recognized_in_the_detail() {
    let config = config_of_database(&shared_server().create_database());
    let mut session = WarehouseSession::open(&config).unwrap();
    let frame = "-----------------------------------------------";
    for (message, context, expected) in [
        (
            "S3 Query Exception (Fetch)",
            "Task failed due to an internal error. HTTP response error code: 503 Message: Slow Down",
            ErrorClass::StorageBusy,
        ),
        (
            "S3Query Exception (Fetch)",
            "File part-0.parquet: S3 retries exceeded",
            ErrorClass::StorageBusy,
        ),
        (
            "Spectrum Scan Error",
            "Error SlowDown",
            ErrorClass::StorageBusy,
        ),
        (
            "Spectrum Scan Error",
            "File part-0.parquet has an incompatible Parquet schema, length 15034",
            ErrorClass::Fatal,
        ),
    ] {
        let detail = format!(
            "\n  {frame}\n  error:  {message}\n  code:      15001\n  context:   {context}\n  query:     5\n  {frame}"
        );
        let sql = format!(
            "DO $do$ BEGIN RAISE '%', '{message}' USING ERRCODE = 'XX000', DETAIL = $t${detail}$t$; END $do$"
        );
        let failure = session.execute(&sql).unwrap_err();
        assert_statement_error(&failure, expected, &[message, context]);
    }
}

/// The time is over while the data of a COPY is sent: the error is that of the COPY, not of the statement after it.
#[test]
fn statement_timeout_of_a_slow_copy_is_named() {
    let mut config = config_of_database(&shared_server().create_database());
    config.options = Some("-c statement_timeout=300".to_owned());
    let mut session = WarehouseSession::open(&config).unwrap();
    session
        .execute("CREATE TABLE t (a INTEGER); BEGIN")
        .unwrap();
    let mut copy = session.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\n").unwrap();
    copy.flush().unwrap();
    thread::sleep(Duration::from_millis(500));
    let failure = statement_error(copy.finish().unwrap_err());
    assert_statement_error(&failure, ErrorClass::Fatal, &["57014", "COPY t"]);
}

#[test]
fn server_detail_is_in_the_error() {
    let mut session =
        WarehouseSession::open(&config_of_database(&shared_server().create_database())).unwrap();
    session
        .execute("CREATE TABLE u (a INTEGER PRIMARY KEY); INSERT INTO u VALUES (7)")
        .unwrap();
    let failure = session.execute("INSERT INTO u VALUES (7)").unwrap_err();
    assert_statement_error(
        &failure,
        ErrorClass::Fatal,
        &["23505", "Key (a)=(7) already exists"],
    );
}

#[test]
fn concurrent_update_is_a_conflict() {
    let config = config_of_database(&shared_server().create_database());
    let mut sessions = [(); 2].map(|()| WarehouseSession::open(&config).unwrap());
    sessions[0]
        .execute("CREATE TABLE c (a INTEGER); INSERT INTO c VALUES (1)")
        .unwrap();
    for session in &mut sessions {
        session
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM c")
            .unwrap();
    }
    sessions[0].execute("UPDATE c SET a = 2; COMMIT").unwrap();
    let failure = sessions[1].execute("UPDATE c SET a = 3").unwrap_err();
    assert_statement_error(
        &failure,
        ErrorClass::Conflict,
        &["conflict with a concurrent transaction", "40001"],
    );
    // The session can still be used.
    sessions[1].execute("ROLLBACK; UPDATE c SET a = 3").unwrap();
}

#[test]
fn terminated_session_is_connection_lost() {
    let database = shared_server().create_database();
    let mut session = WarehouseSession::open(&config_of_database(&database)).unwrap();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = '{}' AND application_name = 'sparkify'",
        database.name
    );
    session.execute("CREATE TABLE t (a INTEGER)").unwrap();
    shared_server().admin_client().batch_execute(&end).unwrap();
    assert_statement_error(
        &session.execute("SELECT 1").unwrap_err(),
        ErrorClass::ConnectionLost,
        &[],
    );
    assert_statement_error(
        &session.query("SELECT 1").unwrap_err(),
        ErrorClass::ConnectionLost,
        &["lost"],
    );

    let mut session = WarehouseSession::open(&config_of_database(&database)).unwrap();
    let mut copy = session.copy_in("COPY t FROM STDIN").unwrap();
    shared_server().admin_client().batch_execute(&end).unwrap();
    let error = loop {
        if let Err(error) = copy.write_all(&b"1\n".repeat(10_000)) {
            break error;
        }
    };
    assert_statement_error(&copy_error(error), ErrorClass::ConnectionLost, &[]);
}

#[test]
fn invalid_copy_data_is_fatal() {
    let mut session =
        WarehouseSession::open(&config_of_database(&shared_server().create_database())).unwrap();
    session.execute("CREATE TABLE t (a INTEGER)").unwrap();
    let mut copy = session.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\nword\n").unwrap();
    let error = copy.finish().unwrap_err();
    let refused = statement_error(error);
    assert_statement_error(&refused, ErrorClass::Fatal, &["22P02", "COPY t, line 2"]);
    session.execute("SELECT 1").unwrap();
}
