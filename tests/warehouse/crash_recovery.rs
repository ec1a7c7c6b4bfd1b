//! Loads that are interrupted between any two statements, within a statement, or at a COMMIT with unknown
//! outcome: the warehouse holds all of a load or nothing of it, and the next load completes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, WarehouseKind};

use crate::support::on_both_warehouses;
use crate::support::table_rows::{TableRows, assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

/// Returns a warehouse with one dataset loaded and another one to be loaded, and its tables.
fn warehouse_with_two_datasets(kind: WarehouseKind) -> (TestWarehouse, TableRows) {
    let warehouse = TestWarehouse::new(kind);
    for (seed, out) in [("5", "first"), ("6", "second")] {
        let sizes = [
            "--events", "300", "--songs", "40", "--users", "9", "--files", "3", "--seed", seed,
        ];
        warehouse.generate_input(out, &sizes);
        warehouse.build_dataset(
            &format!("{out}/song_data"),
            &format!("{out}/log_data"),
            &format!("dataset-{out}"),
        );
    }
    warehouse.load_dataset("dataset-first").assert_success();
    let before = warehouse.warehouse_tables();
    (warehouse, before)
}

/// Returns the tables after both datasets are loaded.
fn tables_after_both_loads(kind: WarehouseKind) -> TableRows {
    let (warehouse, _) = warehouse_with_two_datasets(kind);
    warehouse.load_dataset("dataset-second").assert_success();
    warehouse.warehouse_tables()
}

/// Loads the second dataset, and returns the number of its statements.
fn count_load_statements(warehouse: &TestWarehouse) -> usize {
    let before = warehouse.faults().recorded().len();
    warehouse.load_dataset("dataset-second").assert_success();
    warehouse.faults().recorded().len() - before
}

/// Resets the warehouse to the state in which only the first dataset is loaded.
fn reset_to_first_dataset(warehouse: &TestWarehouse, before: &TableRows) {
    warehouse.faults().clear();
    let from = warehouse.out_location("dataset-first");
    warehouse
        .run_command(&["load", "--quiet", "--full-refresh", "--from", &from])
        .assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), before);
}

fn kill_at_any_statement_loads_all_or_nothing(kind: WarehouseKind) {
    let (warehouse, before) = warehouse_with_two_datasets(kind);
    let both = tables_after_both_loads(kind);
    let count = count_load_statements(&warehouse);
    assert!(count > 40, "{count}");
    reset_to_first_dataset(&warehouse, &before);
    for number in 1..=count {
        let pid = Arc::new(AtomicU32::new(0));
        let victim = pid.clone();
        // The process id is stored before or shortly after the first statement arrives.
        let matcher = StatementMatcher::any().nth(number);
        warehouse
            .faults()
            .on_statement(FaultPoint::Before, matcher, move |_| {
                while victim.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                let pid = victim.load(Ordering::SeqCst).cast_signed();
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            });
        let from = warehouse.out_location("dataset-second");
        let mut command = warehouse.warehouse_command(&["load", "--quiet", "--from", &from]);
        let mut child = command.spawn().unwrap();
        pid.store(child.id(), Ordering::SeqCst);
        assert!(!child.wait().unwrap().success(), "{number}");
        warehouse.wait_until_idle();
        warehouse.faults().clear();
        // The last statement may be executed although its client is gone.
        if number < count {
            assert_tables_eq(&warehouse.warehouse_tables(), &before);
        } else if warehouse.warehouse_tables() != before {
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
        }
        // Only after some of the statements, because it takes time.
        if number % 9 == 0 || number == count {
            warehouse.load_dataset("dataset-second").assert_success();
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
            reset_to_first_dataset(&warehouse, &before);
        }
    }
}

/// The program itself retries when the connection is lost before and after each statement, in the middle of
/// the rows, and after a COMMIT that was executed but not answered.
fn lost_connection_is_retried(kind: WarehouseKind) {
    let (warehouse, before) = warehouse_with_two_datasets(kind);
    let both = tables_after_both_loads(kind);
    let count = count_load_statements(&warehouse);
    for point in [FaultPoint::Before, FaultPoint::After] {
        // Every third statement, and all of the last ones.
        let numbers = (1..=count).filter(|number| number % 3 == 1 || number + 3 > count);
        for number in numbers {
            reset_to_first_dataset(&warehouse, &before);
            warehouse
                .faults()
                .disconnect(point, StatementMatcher::any().nth(number));
            let output = warehouse.load_dataset("dataset-second");
            assert_eq!(output.code, Some(0), "{number} {point:?}: {output:?}");
            assert!(output.stderr.contains("warning"), "{output:?}");
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
        }
    }
    reset_to_first_dataset(&warehouse, &before);
    warehouse.faults().disconnect(
        FaultPoint::During,
        StatementMatcher::containing("COPY staged_songplays"),
    );
    assert_eq!(warehouse.load_dataset("dataset-second").code, Some(0));
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    // COMMIT was executed, and the retry detects it and reports what was committed.
    reset_to_first_dataset(&warehouse, &before);
    warehouse
        .faults()
        .disconnect(FaultPoint::After, StatementMatcher::containing("COMMIT"));
    let from = warehouse.out_location("dataset-second");
    let output = warehouse.run_command(&["load", "--quiet", "--json", "--from", &from]);
    assert_eq!(output.code, Some(0));
    let report = output.json();
    assert_eq!(report["attempts"], 2);
    let added = both["songplays"].len() - before["songplays"].len();
    assert_eq!(report["tables"]["songplays"]["added"], added);
    // A server that refuses connections for a while does not fail the load either.
    reset_to_first_dataset(&warehouse, &before);
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("INSERT INTO songplays"),
    );
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("SELECT version()")
            .nth(2)
            .times(2),
    );
    assert_eq!(warehouse.load_dataset("dataset-second").code, Some(0));
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    // The load history has each object of each run once, however often its load was started.
    let history = load_history_rows(&mut warehouse.admin_client());
    let mut once = history.clone();
    once.dedup();
    assert_eq!((history.len(), once.len()), (86, 86));
}

/// The number of retries is limited.
fn persistent_connection_loss_fails_with_one_line(kind: WarehouseKind) {
    let (warehouse, before) = warehouse_with_two_datasets(kind);
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("INSERT INTO load_history").times(99),
    );
    let output = warehouse.load_dataset("dataset-second");
    let last = output.stderr.lines().last().unwrap_or_default().to_owned();
    assert_eq!(output.code, Some(4));
    assert!(last.contains("load again"), "{last}");
    warehouse.faults().clear();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

fn conflicts_are_retried(kind: WarehouseKind) {
    let (warehouse, _) = warehouse_with_two_datasets(kind);
    let both = tables_after_both_loads(kind);
    let isolation = "1023\nDETAIL: Serializable isolation violation on table - 105, transactions forming the cycle are: 1, 2";
    let snapshot = "could not complete because of conflict with concurrent transaction";
    for (code, message) in [
        ("XX000", isolation),
        ("XX000", snapshot),
        ("40001", "conflict"),
        ("40P01", "deadlock detected"),
    ] {
        warehouse.faults().clear();
        warehouse.faults().fail(
            StatementMatcher::containing("INSERT INTO songplays").times(2),
            code,
            message,
        );
        let from = warehouse.out_location("dataset-second");
        let output = warehouse.run_command(&[
            "load",
            "--quiet",
            "--json",
            "--full-refresh",
            "--from",
            &from,
        ]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(output.json()["attempts"], 3);
    }
    warehouse.load_dataset("dataset-first").assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
}

/// A full refresh would remove what was loaded after the dataset was built.
fn full_refresh_fails_if_a_run_was_loaded_meanwhile(kind: WarehouseKind) {
    let (warehouse, before) = warehouse_with_two_datasets(kind);
    let client = std::sync::Mutex::new(warehouse.admin_client());
    let other = "INSERT INTO load_history (run, object, etag, rows, loaded_at, kind) VALUES ('other', 'o', 'e', 1, '2018-11-01', 'log')";
    warehouse.faults().on_statement(
        FaultPoint::Before,
        StatementMatcher::containing("LOCK"),
        move |_| {
            client.lock().unwrap().batch_execute(other).unwrap();
        },
    );
    let from = warehouse.out_location("dataset-second");
    let arguments = ["load", "--full-refresh", "--from", &from];
    warehouse.run_command(&arguments).assert_failure(
        4,
        &[
            "run other was loaded in the meantime",
            "run the same command again",
        ],
    );
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse.faults().clear();
    warehouse
        .run_command(&["load", "--quiet", "--full-refresh", "--from", &from])
        .assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset-second"),
    );
}

fn other_errors_are_not_retried(kind: WarehouseKind) {
    let (warehouse, before) = warehouse_with_two_datasets(kind);
    warehouse.faults().fail(
        StatementMatcher::containing("INSERT INTO songplays"),
        "53100",
        "could not extend file: No space left on device",
    );
    warehouse
        .load_dataset("dataset-second")
        .assert_failure(1, &["No space left on device", "cannot load"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse.load_dataset("dataset-second").assert_success();
    assert_eq!(warehouse.faults().fault_count(), 1);
}

/// If the dataset is published but its load fails, the next run reads the same logs again.
fn next_run_loads_logs_of_failed_load(kind: WarehouseKind) {
    let (warehouse, before) = warehouse_with_two_datasets(kind);
    let out = warehouse.out_location("out");
    let run = [
        "run",
        "--quiet",
        "--songs",
        "second/song_data",
        "--logs",
        "second/log_data",
        "--out",
        &out,
    ];
    warehouse.faults().fail(
        StatementMatcher::containing("INSERT INTO load_history"),
        "42501",
        "permission denied for table load_history",
    );
    warehouse
        .run_command(&run)
        .assert_failure(1, &["permission denied", "sparkify load --from"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse.run_command(&run).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &tables_after_both_loads(kind),
    );
}

/// The password is not visible in the process list, the server log, the statements or the output.
fn password_is_never_leaked(kind: WarehouseKind) {
    let (warehouse, _) = warehouse_with_two_datasets(kind);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let recorder = seen.clone();
    warehouse.faults().on_statement(
        FaultPoint::Before,
        StatementMatcher::any().times(usize::MAX),
        move |statement| {
            recorder.lock().unwrap().push(statement.sql.clone());
        },
    );
    let pid = Arc::new(AtomicU32::new(0));
    let inspected = Arc::new(AtomicU32::new(0));
    let (victim, count) = (pid.clone(), inspected.clone());
    warehouse.faults().on_statement(
        FaultPoint::Before,
        StatementMatcher::containing("COPY"),
        move |_| {
            while victim.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let pid = victim.load(Ordering::SeqCst);
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            assert!(
                !String::from_utf8_lossy(&line).contains(testkit::redshift_simulator::PASSWORD)
            );
            count.fetch_add(1, Ordering::SeqCst);
        },
    );
    let out = warehouse.out_location("out");
    let mut command = warehouse.warehouse_command(&[
        "run",
        "--songs",
        "second/song_data",
        "--logs",
        "second/log_data",
        "--out",
        &out,
    ]);
    command
        .arg("-vv")
        .env("RUST_LOG", "trace")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    pid.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(inspected.load(Ordering::SeqCst), 1);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains(" INFO run:load: "), "{log}");
    let mut texts = seen.lock().unwrap().clone();
    texts.push(String::from_utf8_lossy(&output.stdout).into_owned());
    texts.push(String::from_utf8_lossy(&output.stderr).into_owned());
    texts.push(std::fs::read_to_string(warehouse.dataset_dir("out").join("_report.json")).unwrap());
    for dry in [&["create-tables", "--drop"][..], &["load", "--from", &out]] {
        let arguments: Vec<&str> = dry.iter().copied().chain(["--dry-run"]).collect();
        texts.push(warehouse.run_command(&arguments).assert_success().stdout);
    }
    for text in texts {
        assert!(
            !text.contains(testkit::redshift_simulator::PASSWORD),
            "{text}"
        );
    }
    // A failed command does not print it either.
    let mut wrong = warehouse.warehouse_command(&["load", "--from", &out]);
    CommandOutput::run(wrong.env("PGPASSWORD", "AnotherPasswordThatNobodyMaySee"))
        .assert_failure(1, &["password"]);
}

on_both_warehouses! {
    kill_at_any_statement_loads_all_or_nothing
    lost_connection_is_retried
    persistent_connection_loss_fails_with_one_line
    conflicts_are_retried
    other_errors_are_not_retried
    full_refresh_fails_if_a_run_was_loaded_meanwhile
    next_run_loads_logs_of_failed_load
    password_is_never_leaked
}
