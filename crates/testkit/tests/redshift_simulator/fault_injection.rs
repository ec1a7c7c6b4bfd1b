//! Fault injection of the simulator, in both modes.

use testkit::redshift_simulator::{FaultPoint, SimulatorSettings, StatementMatcher, WarehouseKind};

use crate::fixture::{COPY_SQL, SimulatorFixture, backend_rows, in_both_modes, int_array};

#[test]
fn statements_are_recorded() {
    let mut test = SimulatorFixture::new();
    test.execute("SELECT 1; SELECT ';' -- and more\n;");
    test.client.query("SELECT 2", &[]).unwrap();
    let _ = test.client.batch_execute("SAVEPOINT x");
    let faults = test.simulator.faults();
    assert_eq!(
        faults.statements(),
        ["SELECT 1", "SELECT ';'", "SELECT 2", "SAVEPOINT x"]
    );
    let recorded = faults.recorded();
    assert!(recorded.iter().all(|statement| statement.session == 1));
    assert_eq!(
        recorded
            .iter()
            .map(|statement| statement.number)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
}

#[test]
fn connection_is_cut_before_or_after_statement() {
    in_both_modes(|test| {
        for (point, matcher, left) in [
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
            let faults = test.simulator.faults();
            faults.clear();
            faults.disconnect(point, matcher);
            let mut client = test.simulator.connect();
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
            assert_eq!(backend_rows(&test), left);
            assert_eq!(faults.fault_count(), 1);
        }
    });
}

#[test]
fn statement_fails_requested_number_of_times() {
    in_both_modes(|mut test| {
        let matcher = StatementMatcher::containing("INSERT INTO t")
            .nth(2)
            .times(2);
        test.simulator.faults().fail(matcher, "XX000", "1023");
        test.execute("INSERT INTO t VALUES (1)");
        for _ in 0..2 {
            assert_eq!(
                test.expect_error("BEGIN; INSERT INTO t VALUES (2)", "1023"),
                "XX000"
            );
            assert_eq!(test.expect_error("SELECT 1", "aborted"), "25P02");
            test.execute("ROLLBACK");
        }
        test.execute("INSERT INTO t VALUES (3)");
        assert_eq!(backend_rows(&test), ["1", "3"]);
    });
}

#[test]
fn hook_runs_while_statement_waits() {
    in_both_modes(|mut test| {
        let backend = std::sync::Mutex::new(test.simulator.backend_client());
        let hook = move |statement: &testkit::redshift_simulator::RecordedStatement| {
            assert_eq!(statement.sql, "COMMIT");
            let mut backend = backend.lock().unwrap();
            backend.batch_execute("INSERT INTO t VALUES (9)").unwrap();
        };
        test.simulator.faults().on_statement(
            FaultPoint::Before,
            StatementMatcher::containing("commit"),
            hook,
        );
        test.execute("BEGIN; INSERT INTO t VALUES (1); COMMIT");
        assert_eq!(backend_rows(&test), ["1", "9"]);
    });
}

#[test]
fn copy_is_cut_midway() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_parquet(vec![("a", int_array(&[1]))]);
    test.simulator
        .faults()
        .disconnect(FaultPoint::During, StatementMatcher::containing("copy"));
    assert!(test.client.batch_execute(COPY_SQL).unwrap_err().is_closed());
    assert_eq!(backend_rows(&test), [""; 0]);
}

#[test]
fn postgres_mode_forwards_everything() {
    use std::io::Write;
    let mut test = SimulatorFixture::with_settings(SimulatorSettings {
        kind: WarehouseKind::Postgres,
        ..SimulatorSettings::default()
    });
    assert!(test.simulator.url().starts_with("postgres://"));
    test.execute("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE INDEX i ON t (a)");
    test.execute("DO $$ BEGIN PERFORM 1; END $$");
    let mut copy = test.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\n2\n").unwrap();
    assert_eq!(copy.finish().unwrap(), 2);
    let mut copy = test.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"x\n").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!(
        test.client
            .execute("INSERT INTO t VALUES ($1)", &[&3])
            .unwrap(),
        1
    );
    assert_eq!(backend_rows(&test), ["1", "2", "3"]);
    test.expect_error("INSERT INTO t VALUES (3)", "duplicate key");
    let mut transaction = test.client.transaction().unwrap();
    transaction.execute("DELETE FROM t", &[]).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(backend_rows(&test).len(), 3);
    test.simulator
        .faults()
        .disconnect(FaultPoint::During, StatementMatcher::containing("copy"));
    let mut copy = test.client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"4\n").unwrap();
    assert!(copy.finish().is_err());
    assert_eq!(backend_rows(&test).len(), 3);
    test.client = test.simulator.connect();
    test.simulator
        .faults()
        .disconnect(FaultPoint::After, StatementMatcher::containing("insert"));
    assert!(
        test.client
            .execute("INSERT INTO t VALUES (5)", &[])
            .is_err()
    );
    assert_eq!(backend_rows(&test).len(), 4);
}
