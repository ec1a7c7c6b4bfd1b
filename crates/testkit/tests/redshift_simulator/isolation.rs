//! Transactions, LOCK, and conflicts between transactions.

use testkit::redshift_simulator::{IsolationLevel, SimulatorSettings};

use crate::fixture::{SimulatorFixture, assert_rejects_and_accepts, query_rows};

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
fn lock_must_be_first_in_transaction() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER)");
    test.execute("BEGIN; LOCK t; LOCK TABLE s; COMMIT");
    test.execute("BEGIN; LOCK t, s; COMMIT");
    test.expect_error("BEGIN; SELECT 1; LOCK t", "first");
    test.execute("ROLLBACK");
    test.expect_error("BEGIN; LOCK t IN SHARE MODE", "near \"IN\"");
    test.execute("ROLLBACK");
}

#[test]
fn truncate_commits_transaction() {
    let mut test = SimulatorFixture::new();
    test.execute(
        "CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER); INSERT INTO s VALUES (1)",
    );
    test.execute("BEGIN; INSERT INTO t VALUES (1)");
    test.execute("TRUNCATE s");
    test.execute("INSERT INTO t VALUES (2)");
    test.execute("ROLLBACK");
    assert_eq!(test.query_rows("SELECT a FROM t ORDER BY a"), ["1", "2"]);
    assert_eq!(test.query_rows("SELECT a FROM s"), [""; 0]);
}

#[test]
fn truncate_commits_within_a_message() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER); CREATE TABLE s (a INTEGER)");
    test.expect_error(
        "INSERT INTO t VALUES (1); TRUNCATE s; INSERT INTO t VALUES (2); SELECT 1 / 0",
        "zero",
    );
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn lock_serializes_two_loads() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    let load = "BEGIN; LOCK t; INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t)";
    test.execute(load);
    let mut other = test.simulator.connect();
    let waiting = std::thread::spawn(move || {
        other.batch_execute(load).unwrap();
        other.batch_execute("COMMIT").unwrap();
    });
    let mut backend = test.simulator.backend_client();
    let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while query_rows(&mut backend, locks) == ["0"] {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    test.execute("COMMIT");
    waiting.join().unwrap();
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn multi_statement_message_is_one_transaction() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.expect_error(
        "INSERT INTO t VALUES (1); SELECT 1 / 0; INSERT INTO t VALUES (2)",
        "zero",
    );
    test.expect_error("INSERT INTO t VALUES (1); SAVEPOINT x", "SAVEPOINT");
    assert_eq!(test.query_rows("SELECT a FROM t"), [""; 0]);
    test.expect_error(
        "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT 1 / 0",
        "zero",
    );
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
    test.expect_error("BEGIN; INSERT INTO t VALUES (3); SAVEPOINT x", "SAVEPOINT");
    assert_eq!(test.expect_error("SELECT 1", "aborted"), "25P02");
    test.execute("COMMIT");
    assert_eq!(test.query_rows("SELECT a FROM t"), ["1"]);
}

#[test]
fn conflict_errors_match_redshift() {
    for (isolation, words) in [
        (
            IsolationLevel::Snapshot,
            "conflict with concurrent transaction",
        ),
        (
            IsolationLevel::Serializable,
            "Serializable isolation violation",
        ),
    ] {
        let mut test = SimulatorFixture::with_settings(SimulatorSettings {
            isolation,
            ..SimulatorSettings::default()
        });
        test.execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
        let mut other = test.simulator.connect();
        test.execute("BEGIN; SELECT * FROM t");
        other.batch_execute("UPDATE t SET a = 2").unwrap();
        assert_eq!(test.expect_error("UPDATE t SET a = 3", words), "XX000");
    }
}
