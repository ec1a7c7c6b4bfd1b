//! Runs that are killed, lose their connection or conflict with others at any statement: the warehouse holds all of a run
//! or nothing of it, and the next run completes it.

use std::time::Duration;

use serde_json::Value;
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, WarehouseKind};

use super::batches::{
    LIMIT, REJECTED_LOGS, SavedTables, kill_at, permanent_staging_tables, runs_in_output,
    tables_of_one_run, upload_batch,
};
use super::support::{
    RawInput, assert_nothing_is_loaded_twice, engine_command, reject_lines, run_engine,
};
use crate::support::table_rows::{TableRows, assert_tables_eq};
use crate::support::test_warehouse::TestWarehouse;

/// Returns a warehouse with one batch loaded and another one to be loaded, and its tables.
fn warehouse_with_new_batch() -> (TestWarehouse, RawInput, TableRows) {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    upload_batch(&warehouse, 2);
    let before = warehouse.warehouse_tables();
    (warehouse, input, before)
}

/// Loads the new batch, and returns the number of the statements.
fn count_statements(warehouse: &TestWarehouse, input: &RawInput) -> usize {
    warehouse.faults().clear();
    run_engine(warehouse, "redshift", input, &LIMIT).assert_success();
    warehouse.faults().recorded().len()
}

/// Returns the report of a run that was loaded.
#[track_caller]
fn loaded_report(warehouse: &TestWarehouse, input: &RawInput, more: &[&str]) -> Value {
    let more = [&LIMIT, more].concat();
    let output = run_engine(warehouse, "redshift", input, &more);
    assert_eq!(output.code, Some(0), "{output:?}");
    let report = output.json();
    assert_eq!(report["logs"]["rejected"], REJECTED_LOGS, "{output:?}");
    let run = report["run"].as_str().unwrap();
    let rejects = reject_lines(warehouse, run, "logs");
    assert_eq!(rejects.len() as u64, REJECTED_LOGS);
    assert!(reject_lines(warehouse, run, "songs").is_empty());
    let run = warehouse.run_dir("out-redshift", run);
    let stored = std::fs::read(run.join("_report.json")).unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["logs"], report["logs"]);
    assert_eq!(stored["songs"], report["songs"]);
    report
}

#[test]
fn kill_before_any_statement_loads_all_or_nothing() {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let both = tables_of_one_run([1, 2]);
    let saved = SavedTables::save(&warehouse);
    let count = count_statements(&warehouse, &input);
    assert!(count > 70, "{count}");
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    saved.restore();
    for number in 1..=count {
        let run = engine_command(&warehouse, "redshift", &input, &LIMIT);
        let matcher = StatementMatcher::any().nth(number);
        kill_at(&warehouse, run, FaultPoint::Before, matcher);
        // The last statement may be executed although its client is gone.
        if number < count {
            assert_tables_eq(&warehouse.warehouse_tables(), &before);
        } else if warehouse.warehouse_tables() != before {
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
        }
        assert_eq!(permanent_staging_tables(&warehouse), Vec::<String>::new());
        // Only after some of the statements, because it takes time.
        if number % 12 == 0 {
            loaded_report(&warehouse, &input, &[]);
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
            assert_nothing_is_loaded_twice(&warehouse);
            saved.restore();
        }
    }
    saved.restore();
    let report = loaded_report(&warehouse, &input, &[]);
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    // What the killed runs left is removed when it is old enough.
    assert!(runs_in_output(&warehouse).len() > 50);
    let out = warehouse.out_location("out-redshift");
    let clean = ["clean", &out, "--yes", "--keep=1", "--unfinished-after=1"];
    let clean = |by: Duration| {
        warehouse.backdate("out-redshift", by);
        let mut command = warehouse.sparkify(&clean);
        testkit::cli::output::CommandOutput::run(&mut command).assert_success()
    };
    clean(Duration::from_secs(2 * 3600));
    let left: Vec<_> = runs_in_output(&warehouse).into_iter().collect();
    assert_eq!(left, [report["run"].as_str().unwrap()]);
}

#[test]
fn lost_connection_is_retried() {
    let (warehouse, input, _) = warehouse_with_new_batch();
    let both = tables_of_one_run([1, 2]);
    let saved = SavedTables::save(&warehouse);
    let count = count_statements(&warehouse, &input);
    // After each statement, and before every fourth and all of the last ones. The first ones are not part of the load.
    for (point, step) in [(FaultPoint::Before, 4), (FaultPoint::After, 1)] {
        let numbers = (9..=count).filter(|number| number % step == 0 || number + 3 > count);
        for number in numbers {
            saved.restore();
            let matcher = StatementMatcher::any().nth(number);
            warehouse.faults().disconnect(point, matcher);
            let report = loaded_report(&warehouse, &input, &[]);
            assert_eq!(report["load"]["attempts"], 2, "{number} {point:?}");
            assert_tables_eq(&warehouse.warehouse_tables(), &both);
            assert_nothing_is_loaded_twice(&warehouse);
        }
    }
    for copy in ["COPY staging_objects", "COPY staging_events"] {
        saved.restore();
        let matcher = StatementMatcher::containing(copy);
        warehouse.faults().disconnect(FaultPoint::During, matcher);
        loaded_report(&warehouse, &input, &[]);
        assert_tables_eq(&warehouse.warehouse_tables(), &both);
    }
}

/// The retry notices that the COMMIT was executed, and reports what was committed.
#[test]
fn unanswered_commit_is_noticed() {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let both = tables_of_one_run([1, 2]);
    warehouse
        .faults()
        .disconnect(FaultPoint::After, StatementMatcher::containing("COMMIT"));
    let report = loaded_report(&warehouse, &input, &[]);
    assert_eq!(report["load"]["attempts"], 2);
    let added = both["songplays"].len() - before["songplays"].len();
    assert_eq!(report["load"]["tables"]["songplays"]["added"], added);
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
    assert_nothing_is_loaded_twice(&warehouse);
    let again = run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    assert_eq!(again.json()["status"], "nothing_new");
}

/// The report and the rejects stay, because the load may have been committed.
fn assert_unknown_outcome_is_said(is_executed: bool) {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let runs_before = runs_in_output(&warehouse);
    let point = match is_executed {
        true => FaultPoint::After,
        false => FaultPoint::Before,
    };
    warehouse
        .faults()
        .disconnect(point, StatementMatcher::containing("COMMIT"));
    // The session of the load is the second one, and then none begins.
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("SELECT version()")
            .nth(3)
            .times(99),
    );
    run_engine(&warehouse, "redshift", &input, &LIMIT)
        .assert_failure_with_warnings(4, "it is unknown whether the load was committed");
    warehouse.faults().clear();
    let new_runs: Vec<_> = runs_in_output(&warehouse)
        .difference(&runs_before)
        .cloned()
        .collect();
    let [run] = new_runs.as_slice() else {
        panic!("{new_runs:?}");
    };
    let report =
        std::fs::read(warehouse.run_dir("out-redshift", run).join("_report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["status"], "ok");
    assert_eq!(
        reject_lines(&warehouse, run, "logs").len() as u64,
        REJECTED_LOGS
    );
    if !is_executed {
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
    }
    let again = run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    let expected = if is_executed { "nothing_new" } else { "ok" };
    assert_eq!(again.json()["status"], expected);
    assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1, 2]));
    assert_nothing_is_loaded_twice(&warehouse);
}

#[test]
fn unknown_outcome_of_executed_commit_is_said() {
    assert_unknown_outcome_is_said(true);
}

#[test]
fn unknown_outcome_of_lost_commit_is_said() {
    assert_unknown_outcome_is_said(false);
}

#[test]
fn conflicts_are_retried() {
    let (warehouse, input, _) = warehouse_with_new_batch();
    let both = tables_of_one_run([1, 2]);
    let saved = SavedTables::save(&warehouse);
    let isolation = "1023\nDETAIL: Serializable isolation violation on table - 105, transactions forming the cycle are: 1, 2";
    for statement in [
        "COPY staging_songs",
        "COPY staging_events",
        "INSERT INTO staged_songplays",
        "INSERT INTO songplays",
        "COMMIT",
    ] {
        saved.restore();
        let matcher = StatementMatcher::containing(statement).times(2);
        warehouse.faults().fail(matcher, "XX000", isolation);
        let report = loaded_report(&warehouse, &input, &[]);
        assert_eq!(report["load"]["attempts"], 3, "{statement}");
        assert_tables_eq(&warehouse.warehouse_tables(), &both);
    }
}

#[test]
fn busy_s3_is_asked_again() {
    let (warehouse, input, _) = warehouse_with_new_batch();
    let both = tables_of_one_run([1, 2]);
    let message = "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 5,CanRetry 1";
    for statement in ["COPY staging_objects", "COPY staging_events"] {
        let matcher = StatementMatcher::containing(statement);
        warehouse.faults().fail(matcher, "XX000", message);
    }
    let report = loaded_report(&warehouse, &input, &[]);
    assert_eq!(report["load"]["attempts"], 3);
    assert_tables_eq(&warehouse.warehouse_tables(), &both);
}

/// A failure that is not the fault of the input changes nothing, and leaves nothing in the output.
#[test]
fn other_failures_leave_nothing() {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let runs_before = runs_in_output(&warehouse);
    for (statement, code, message) in [
        (
            "CREATE TEMP TABLE staging_events",
            "42501",
            "permission denied to create temporary tables",
        ),
        (
            "COPY staging_objects",
            "XX000",
            "Problem reading manifest file",
        ),
        ("COPY staging_events", "53100", "No space left on device"),
        (
            "INSERT INTO staged_songplays",
            "53100",
            "No space left on device",
        ),
        (
            "INSERT INTO load_history",
            "42501",
            "permission denied for table load_history",
        ),
        ("COMMIT", "53100", "No space left on device"),
    ] {
        warehouse.faults().clear();
        let matcher = StatementMatcher::containing(statement);
        warehouse.faults().fail(matcher, code, message);
        let output = run_engine(&warehouse, "redshift", &input, &LIMIT);
        let line = output.stderr.lines().last().unwrap_or_default();
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(line.contains("cannot load run "), "{output:?}");
        let words = message.lines().next().unwrap();
        assert!(line.contains(words), "{output:?}");
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
        assert_eq!(
            runs_in_output(&warehouse),
            runs_before,
            "{statement}: {line}"
        );
    }
    // A connection that is lost at COMMIT once, and an error of the retry: by then it is known that nothing was committed.
    warehouse.faults().clear();
    warehouse
        .faults()
        .disconnect(FaultPoint::Before, StatementMatcher::containing("COMMIT"));
    warehouse.faults().fail(
        StatementMatcher::containing("INSERT INTO songplays").nth(2),
        "53100",
        "No space left on device",
    );
    run_engine(&warehouse, "redshift", &input, &LIMIT)
        .assert_failure_with_warnings(1, "No space left on device");
    assert_eq!(runs_in_output(&warehouse), runs_before);
    warehouse.faults().clear();
    loaded_report(&warehouse, &input, &[]);
    assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1, 2]));
}

#[test]
fn connection_that_is_lost_each_time_leaves_nothing() {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let runs_before = runs_in_output(&warehouse);
    warehouse.faults().clear();
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("INSERT INTO load_history").times(99),
    );
    run_engine(&warehouse, "redshift", &input, &LIMIT)
        .assert_failure_with_warnings(4, "the warehouse is unchanged; run again");
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    assert_eq!(runs_in_output(&warehouse), runs_before);
}

/// An object that is removed between the listing and its COPY fails the run, and is named.
#[test]
fn removed_object_is_named() {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let runs_before = runs_in_output(&warehouse);
    // An error of an earlier COPY, which is tolerated, is not taken for the reason.
    warehouse.put_object("input/song_data/batch-2/broken.json", "{\"title\":}");
    let object = warehouse.run_dir("input/log_data/batch-2", "rejects.json");
    warehouse.faults().on_statement(
        FaultPoint::Before,
        StatementMatcher::containing("LOCK"),
        move |_| std::fs::remove_file(&object).unwrap(),
    );
    let output = run_engine(&warehouse, "redshift", &input, &LIMIT);
    assert!(!output.stderr.contains("broken.json"), "{output:?}");
    let words = ["input/log_data/batch-2/rejects.json", "does not exist"];
    output.assert_failure(1, &words);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    assert_eq!(runs_in_output(&warehouse), runs_before);
}

/// The staging tables of `--keep-staging` are those of a whole run: a killed run leaves those of the run before it.
#[test]
fn killed_run_leaves_no_half_of_kept_staging_tables() {
    let (warehouse, input, before) = warehouse_with_new_batch();
    let keep = [&LIMIT[..], &["--keep-staging"]].concat();
    let statements = [
        "CREATE TABLE staging_songs",
        "COPY staging_songs",
        "COPY staging_events",
        "INSERT INTO songplays",
    ];
    for statement in statements {
        let run = engine_command(&warehouse, "redshift", &input, &keep);
        let matcher = StatementMatcher::containing(statement);
        kill_at(&warehouse, run, FaultPoint::After, matcher);
        assert_eq!(permanent_staging_tables(&warehouse), Vec::<String>::new());
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
    }
    loaded_report(&warehouse, &input, &["--keep-staging"]);
    let staged = |table: &str| -> Vec<String> {
        let query = format!("SELECT t::TEXT FROM {table} t ORDER BY 1");
        let rows = warehouse.admin_client().query(&query, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let kept = ["staging_events", "staging_songs"].map(staged);
    assert!(kept.iter().all(|rows| rows.len() > 20));
    upload_batch(&warehouse, 3);
    for statement in statements {
        let run = engine_command(&warehouse, "redshift", &input, &keep);
        let matcher = StatementMatcher::containing(statement);
        kill_at(&warehouse, run, FaultPoint::After, matcher);
        assert_eq!(["staging_events", "staging_songs"].map(staged), kept);
    }
    loaded_report(&warehouse, &input, &["--keep-staging"]);
    assert_ne!(["staging_events", "staging_songs"].map(staged), kept);
    assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1, 2, 3]));
}
