//! Loads that are cut short between any two statements, in the middle of one, or when nobody knows whether it was
//! carried out: the warehouse holds all or nothing, and loading again ends right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::redshift_simulator::{FaultPoint, Mode, StatementMatcher};
use crate::support::table_rows::{TableRows, assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::{CommandOutput, TestWarehouse};

/// A warehouse with one star loaded, and another to be loaded.
fn warehouse_with_two_datasets(mode: Mode) -> (TestWarehouse, TableRows) {
    let warehouse = TestWarehouse::new(mode);
    for (seed, out) in [("5", "first"), ("6", "second")] {
        let sizes = [
            "--events", "300", "--songs", "40", "--users", "9", "--files", "3", "--seed", seed,
        ];
        warehouse.generate_input(out, &sizes);
        warehouse.build_dataset(
            &format!("{out}/song_data"),
            &format!("{out}/log_data"),
            &format!("star-{out}"),
        );
    }
    warehouse.load_dataset("star-first").assert_success();
    let before = warehouse.warehouse_tables();
    (warehouse, before)
}

/// The tables when both stars are loaded.
fn tables_after_both_loads(mode: Mode) -> TableRows {
    let (warehouse, _) = warehouse_with_two_datasets(mode);
    warehouse.load_dataset("star-second").assert_success();
    warehouse.warehouse_tables()
}

/// The statements of a load, as the warehouse sees them.
fn count_load_statements(warehouse: &TestWarehouse) -> usize {
    let before = warehouse.faults().recorded().len();
    warehouse.load_dataset("star-second").assert_success();
    warehouse.faults().recorded().len() - before
}

/// Puts the warehouse back to where the first star alone is loaded.
fn reset_to_first_dataset(warehouse: &TestWarehouse, before: &TableRows) {
    warehouse.faults().clear();
    let from = warehouse.out_location("star-first");
    warehouse
        .run_command(&["load", "--quiet", "--full-refresh", "--from", &from])
        .assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), before);
}

fn kill_at_any_statement_loads_all_or_nothing(mode: Mode) {
    let (warehouse, before) = warehouse_with_two_datasets(mode);
    let both = tables_after_both_loads(mode);
    let count = count_load_statements(&warehouse);
    assert!(count > 40, "{count}");
    reset_to_first_dataset(&warehouse, &before);
    for number in 1..=count {
        let pid = Arc::new(AtomicU32::new(0));
        let victim = pid.clone();
        // The process is known when the first statement comes, or a moment later.
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
        let from = warehouse.out_location("star-second");
        let mut command = warehouse.warehouse_command(&["load", "--quiet", "--from", &from]);
        let mut child = command.spawn().unwrap();
        pid.store(child.id(), Ordering::SeqCst);
        assert!(!child.wait().unwrap().success(), "{number}");
        warehouse.wait_until_idle();
        warehouse.faults().clear();
        // The last statement may be carried out though nobody waits for it.
        if number < count {
            assert_tables_eq(&warehouse.warehouse_tables(), &before);
        } else if warehouse.warehouse_tables() != before {
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
        }
        // Now and then, for it takes its time.
        if number % 9 == 0 || number == count {
            warehouse.load_dataset("star-second").assert_success();
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
            reset_to_first_dataset(&warehouse, &before);
        }
    }
}

/// The program itself tries again: the connection is lost before and after each statement, in the middle of
/// rows, and after COMMIT is carried out but not answered.
fn lost_connection_is_retried(mode: Mode) {
    let (warehouse, before) = warehouse_with_two_datasets(mode);
    let both = tables_after_both_loads(mode);
    let count = count_load_statements(&warehouse);
    for when in [FaultPoint::Before, FaultPoint::After] {
        // Every third statement, and the last ones all.
        let numbers = (4..=count).filter(|number| number % 3 == 0 || number + 3 > count);
        for number in numbers {
            reset_to_first_dataset(&warehouse, &before);
            warehouse
                .faults()
                .disconnect(when, StatementMatcher::any().nth(number));
            let ended = warehouse.load_dataset("star-second");
            assert_eq!(ended.code, Some(0), "{number} {when:?}: {ended:?}");
            assert!(ended.stderr.contains("warning"), "{ended:?}");
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
        }
    }
    reset_to_first_dataset(&warehouse, &before);
    warehouse.faults().disconnect(
        FaultPoint::During,
        StatementMatcher::containing("COPY staged_songplays"),
    );
    assert_eq!(warehouse.load_dataset("star-second").code, Some(0));
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    // COMMIT was carried out, and it is known what it did.
    reset_to_first_dataset(&warehouse, &before);
    warehouse
        .faults()
        .disconnect(FaultPoint::After, StatementMatcher::containing("COMMIT"));
    let from = warehouse.out_location("star-second");
    let ended = warehouse.run_command(&["load", "--quiet", "--json", "--from", &from]);
    assert_eq!(ended.code, Some(0));
    let report = ended.json();
    assert_eq!(report["attempts"], 2);
    let added = both["songplays"].len() - before["songplays"].len();
    assert_eq!(report["tables"]["songplays"]["added"], added);
    // Nor does a server that takes a while to be there again end it.
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
    assert_eq!(warehouse.load_dataset("star-second").code, Some(0));
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    // Each object of each run is noted once, however often its load was begun.
    let history = load_history_rows(&mut warehouse.admin_client());
    let mut once = history.clone();
    once.dedup();
    assert_eq!((history.len(), once.len()), (6, 6));
}

/// It does not try for ever.
fn persistent_connection_loss_fails_with_one_line(mode: Mode) {
    let (warehouse, before) = warehouse_with_two_datasets(mode);
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("INSERT INTO load_history").times(99),
    );
    let ended = warehouse.load_dataset("star-second");
    let last = ended.stderr.lines().last().unwrap_or_default().to_owned();
    assert_eq!(ended.code, Some(1));
    assert!(last.contains("load again"), "{last}");
    warehouse.faults().clear();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

fn conflicts_are_retried(mode: Mode) {
    let (warehouse, _) = warehouse_with_two_datasets(mode);
    let both = tables_after_both_loads(mode);
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
        let from = warehouse.out_location("star-second");
        let ended = warehouse.run_command(&[
            "load",
            "--quiet",
            "--json",
            "--full-refresh",
            "--from",
            &from,
        ]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.json()["attempts"], 3);
    }
    warehouse.load_dataset("star-first").assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
}

/// What others have loaded since the star was made would be lost.
fn full_refresh_fails_if_a_run_was_loaded_meanwhile(mode: Mode) {
    let (warehouse, before) = warehouse_with_two_datasets(mode);
    let client = std::sync::Mutex::new(warehouse.admin_client());
    let other = "INSERT INTO load_history VALUES ('other', 'o', 'e', 1, '2018-11-01')";
    warehouse.faults().on_statement(
        FaultPoint::Before,
        StatementMatcher::containing("LOCK"),
        move |_| {
            client.lock().unwrap().batch_execute(other).unwrap();
        },
    );
    let from = warehouse.out_location("star-second");
    let arguments = ["load", "--full-refresh", "--from", &from];
    warehouse
        .run_command(&arguments)
        .assert_failure(1, &["run other was loaded meanwhile", "do the same again"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse.faults().clear();
    warehouse
        .run_command(&["load", "--quiet", "--full-refresh", "--from", &from])
        .assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star-second"),
    );
}

fn other_errors_are_not_retried(mode: Mode) {
    let (warehouse, before) = warehouse_with_two_datasets(mode);
    warehouse.faults().fail(
        StatementMatcher::containing("INSERT INTO songplays"),
        "53100",
        "could not extend file: No space left on device",
    );
    warehouse
        .load_dataset("star-second")
        .assert_failure(1, &["No space left on device", "cannot load"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse.load_dataset("star-second").assert_success();
    assert_eq!(warehouse.faults().fault_count(), 1);
}

/// The star is published, the load fails: the next run takes the same logs again.
fn next_run_loads_logs_of_failed_load(mode: Mode) {
    let (warehouse, before) = warehouse_with_two_datasets(mode);
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
        &tables_after_both_loads(mode),
    );
}

/// Whoever lists processes, reads logs or the output never sees the password, nor do the statements hold it.
fn password_is_never_leaked(mode: Mode) {
    let (warehouse, _) = warehouse_with_two_datasets(mode);
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
            assert!(!String::from_utf8_lossy(&line).contains(crate::redshift_simulator::PASSWORD));
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
    // It concerns S3 alone.
    if mode == Mode::Redshift {
        command.arg("--verbose");
    }
    command
        .env("RUST_LOG", "trace")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    pid.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(inspected.load(Ordering::SeqCst), 1);
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
            !text.contains(crate::redshift_simulator::PASSWORD),
            "{text}"
        );
    }
    // Nor does a failure, of whatever kind.
    let mut wrong = warehouse.warehouse_command(&["load", "--from", &out]);
    CommandOutput::run(wrong.env("PGPASSWORD", "AnotherPasswordThatNobodyMaySee"))
        .assert_failure(1, &["password"]);
}

macro_rules! everywhere {
    ($($test:ident)*) => {
        mod postgres {
            $(#[test] fn $test() { super::$test(super::Mode::Postgres) })*
        }
        mod redshift {
            $(#[test] fn $test() { super::$test(super::Mode::Redshift) })*
        }
    };
}

everywhere! {
    kill_at_any_statement_loads_all_or_nothing
    lost_connection_is_retried
    persistent_connection_loss_fails_with_one_line
    conflicts_are_retried
    other_errors_are_not_retried
    full_refresh_fails_if_a_run_was_loaded_meanwhile
    next_run_loads_logs_of_failed_load
    password_is_never_leaked
}
