//! The operations queries on warehouses in which something is wrong.

use serde_json::{Value, json};
use testkit::cli::command::sparkify;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    age_of_the_newest_load_and_event_is_shown
    load_that_is_slower_than_the_others_stands_out
    session_that_holds_a_lock_is_shown_with_the_one_that_waits
    every_query_runs_in_every_format
}

const BOTH: [&str; 5] = [
    "load-lag",
    "load-trend",
    "failing-loads",
    "open-transactions",
    "table-health",
];
const REDSHIFT_ONLY: [&str; 4] = [
    "load-errors",
    "slow-copies",
    "queue-waits",
    "serverless-usage",
];

/// Returns the names of the queries for a kind of warehouse.
fn query_names(kind: WarehouseKind) -> Vec<&'static str> {
    let mut names = [&BOTH[..], &["disk"]].concat();
    if kind == WarehouseKind::Redshift {
        names.extend(REDSHIFT_ONLY);
    }
    names
}

/// Returns a warehouse with all tables, and a dataset in `out` that is not loaded.
fn warehouse_with_dataset(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = [
        "--events", "200", "--songs", "20", "--users", "5", "--files", "2",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse.build_dataset("data/song_data", "data/log_data", "out");
    warehouse
}

/// Runs a query and returns its rows.
#[track_caller]
fn rows(warehouse: &TestWarehouse, query: &[&str]) -> Vec<Value> {
    let output = warehouse.run_command(&[&["query", "--json", "--operations"], query].concat());
    let document = output.assert_success().json();
    assert_eq!(document["query"], query[0]);
    document["rows"].as_array().unwrap().clone()
}

/// Returns the row in which a column has this value.
#[track_caller]
fn row<'a>(rows: &'a [Value], column: &str, value: &str) -> &'a Value {
    let found = rows.iter().find(|row| row[column] == value);
    found.unwrap_or_else(|| panic!("no row with {column} {value}: {rows:?}"))
}

/// Adds a load to the history.
fn insert_load(warehouse: &TestWarehouse, run: &str, hours_ago: u32, seconds: f64) {
    let insert = format!(
        "INSERT INTO load_history (run, object, etag, rows, loaded_at, kind, rejected_records, load_seconds)
         SELECT '{run}', 'o', 'e', 100, now() AT TIME ZONE 'UTC' - INTERVAL '{hours_ago} hours', 'log', 1, {seconds}"
    );
    warehouse.admin_client().batch_execute(&insert).unwrap();
}

fn age_of_the_newest_load_and_event_is_shown(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    assert_eq!(rows(&warehouse, &["load-lag"]), [] as [Value; 0]);
    warehouse.load_dataset("out").assert_success();
    let shift =
        "UPDATE load_history SET loaded_at = now() AT TIME ZONE 'UTC' - INTERVAL '30 hours'";
    warehouse.admin_client().batch_execute(shift).unwrap();
    insert_load(&warehouse, "late", 5, 1.0);
    let lag = rows(&warehouse, &["load-lag"]);
    assert_eq!(lag.len(), 1);
    assert_eq!(lag[0]["run"], "late");
    assert_eq!(lag[0]["load_age_hours"], json!(5.0));
    // The events of generated data are from 2018.
    assert!(lag[0]["event_lag_hours"].as_f64().unwrap() > 50_000.0);
}

fn load_that_is_slower_than_the_others_stands_out(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    for (run, hours_ago, seconds) in [("a", 4, 2.0), ("b", 3, 2.0), ("c", 2, 2.0), ("d", 1, 9.0)] {
        insert_load(&warehouse, run, hours_ago, seconds);
    }
    let trend = rows(&warehouse, &["load-trend"]);
    let runs: Vec<_> = trend.iter().map(|row| &row["run"]).collect();
    assert_eq!(json!(runs), json!(["d", "c", "b", "a"]));
    assert_eq!(trend[0]["times_median"], json!(4.5));
    assert_eq!(trend[0]["events"], 100);
    assert_eq!(trend[0]["rejected"], 1);
    assert_eq!(trend[1]["times_median"], json!(1.0));
    assert_eq!(rows(&warehouse, &["load-trend", "--limit", "2"]).len(), 2);
}

fn session_that_holds_a_lock_is_shown_with_the_one_that_waits(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let pid_of = |client: &mut ::postgres::Client| -> i32 {
        client
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0)
    };
    let mut holder = warehouse.admin_client();
    let holder_pid = pid_of(&mut holder);
    holder
        .batch_execute("BEGIN; LOCK TABLE load_history")
        .unwrap();
    let mut waiter = warehouse.admin_client();
    let waiter_pid = pid_of(&mut waiter);
    let waiting =
        std::thread::spawn(move || waiter.batch_execute("BEGIN; LOCK TABLE load_history; COMMIT"));
    let mut watcher = warehouse.admin_client();
    let blocked = format!("SELECT cardinality(pg_blocking_pids({waiter_pid}))");
    while watcher.query_one(&blocked, &[]).unwrap().get::<_, i32>(0) == 0 {
        std::thread::yield_now();
    }
    let transactions = rows(&warehouse, &["open-transactions"]);
    holder.batch_execute("COMMIT").unwrap();
    waiting.join().unwrap().unwrap();
    let of_pid = |pid: i32| transactions.iter().find(|row| row["pid"] == pid).unwrap();
    match kind {
        WarehouseKind::Postgres => {
            assert_eq!(of_pid(waiter_pid)["blocked_by"], holder_pid.to_string());
            assert_eq!(of_pid(holder_pid)["blocked_by"], "");
        }
        WarehouseKind::Redshift => {
            assert_eq!(of_pid(waiter_pid)["waits"], 1);
            assert!(of_pid(waiter_pid)["table_waited_for"].is_number());
            assert_eq!(of_pid(holder_pid)["waits"], 0);
            assert!(of_pid(holder_pid)["locks"].as_u64().unwrap() >= 1);
        }
    }
}

fn every_query_runs_in_every_format(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    warehouse.load_dataset("out").assert_success();
    for name in query_names(kind) {
        let ask = |form: &[&str]| {
            let output = warehouse.run_command(&[&["query", "--operations", name], form].concat());
            assert_eq!(output.code, Some(0), "{output:?}");
            output
        };
        let table = ask(&[]).stdout;
        assert!(
            table.contains("\nNormal: ") && table.contains("\nIf not: "),
            "{table}"
        );
        let csv = ask(&["--csv"]);
        assert!(
            csv.stdout.contains("\r\n") && !csv.stdout.contains("Normal:"),
            "{csv:?}"
        );
        assert!(csv.stderr.contains("Normal: "), "{csv:?}");
        // The script of a dry run is what runs.
        let script = ask(&["--dry-run"]).stdout;
        assert!(
            script.starts_with("-- ") && !script.contains(":limit"),
            "{script}"
        );
        warehouse.admin_client().batch_execute(&script).unwrap();
    }
}

#[test]
fn failed_copy_is_shown_with_its_errors() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Redshift);
    warehouse.load_dataset("out").assert_success();
    assert_eq!(rows(&warehouse, &["failing-loads"]), [] as [Value; 0]);
    let part = warehouse
        .dataset_dir("out")
        .join("songplays/part-00000.parquet");
    let mut bytes = std::fs::read(&part).unwrap();
    let half = bytes.len() / 2;
    bytes[4..half].fill(7);
    std::fs::write(&part, bytes).unwrap();
    warehouse
        .load_dataset("out")
        .assert_failure(1, &["part-00000.parquet"]);
    let failing = rows(&warehouse, &["failing-loads"]);
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert!(
        failing[0]["table_name"]
            .as_str()
            .unwrap()
            .contains("songplays")
    );
    assert!(
        failing[0]["data_source"]
            .as_str()
            .unwrap()
            .ends_with("songplays.manifest")
    );
    assert_eq!(failing[0]["errors"], 1);
    assert!(!failing[0]["error_message"].as_str().unwrap().is_empty());
    let errors = rows(&warehouse, &["load-errors"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0]["example_file"]
            .as_str()
            .unwrap()
            .ends_with("part-00000.parquet")
    );
    assert_eq!(errors[0]["copies"], 1);
}

#[test]
fn slow_copy_and_long_queue_stand_out() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Redshift);
    warehouse.load_dataset("out").assert_success();
    let copies = rows(&warehouse, &["slow-copies", "--limit", "50"]);
    assert!(copies.iter().all(|copy| copy["status"] == "completed"));
    assert!(
        copies
            .iter()
            .any(|copy| copy["files"].as_u64().unwrap() >= 1)
    );
    let slow = "INSERT INTO redshift.copies
        SELECT 1, 1, 'slow_table', 's3://datasets/x', 'parquet', 'completed', t - make_interval(secs => s), t, 5, 2,
            60000000, 0, NULL, 45000000
        FROM (SELECT now() AT TIME ZONE 'UTC' AS t) AS clock, unnest(ARRAY[10, 10, 60]) AS s";
    warehouse.admin_client().batch_execute(slow).unwrap();
    let copies = rows(&warehouse, &["slow-copies"]);
    assert_eq!(copies[0]["table_name"], "slow_table");
    assert_eq!(copies[0]["times_median"], json!(6.0));
    assert_eq!(copies[0]["mb_per_second"], json!(1.0));
    let waits = rows(&warehouse, &["queue-waits"]);
    assert_eq!(waits[0]["longest_queue_seconds"], json!(45.0));
}

#[test]
fn skewed_table_full_node_and_usage_are_shown() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let conditions = "
        INSERT INTO redshift.table_conditions VALUES ('songplays', 900, 1.5, 35.5, 0, 7.25, 0);
        UPDATE redshift.nodes SET used = 912000 WHERE node = 1;
        INSERT INTO redshift.serverless_usage VALUES
            ('2026-11-30 10:00', '2026-11-30 10:01', 400, 8, 2500, 0, 480),
            ('2026-11-30 11:00', '2026-11-30 11:01', 400, 16, 2600, 0, 6720),
            ('2026-11-29 11:00', '2026-11-29 11:01', 0, 0, 2400, 0, 0)";
    warehouse.admin_client().batch_execute(conditions).unwrap();
    let tables = rows(&warehouse, &["table-health"]);
    assert_eq!(tables[0]["table_name"], "public.songplays");
    assert_eq!(tables[0]["skew_rows"], json!(7.25));
    assert_eq!(tables[0]["percent_unsorted"], json!(35.5));
    let nodes = rows(&warehouse, &["disk"]);
    assert_eq!(nodes[1]["used_percent"], json!(91.2));
    let usage = rows(&warehouse, &["serverless-usage"]);
    assert_eq!(usage[0]["rpu_hours"], json!(2.0));
    assert_eq!(usage[0]["minutes_used"], 2);
    assert_eq!(usage[0]["highest_rpus"].as_f64(), Some(16.0));
    assert_eq!(usage[1]["rpu_hours"], json!(0.0));
}

#[test]
fn dead_rows_and_sizes_are_shown() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    warehouse.load_dataset("out").assert_success();
    let mut client = warehouse.admin_client();
    client
        .batch_execute("ALTER TABLE songplays SET (autovacuum_enabled = off)")
        .unwrap();
    client
        .batch_execute("UPDATE songplays SET location = 'x'")
        .unwrap();
    let dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'songplays'";
    // The statistics are a moment late.
    while client.query_one(dead, &[]).unwrap().get::<_, i64>(0) < 100 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let tables = rows(&warehouse, &["table-health"]);
    let songplays = row(&tables, "table_name", "public.songplays");
    assert!(
        songplays["dead_percent"].as_f64().unwrap() > 40.0,
        "{songplays}"
    );
    let sizes = rows(&warehouse, &["disk", "--limit", "20"]);
    assert_eq!(sizes.len(), 10);
    assert!(
        row(&sizes, "table_name", "public.songplays")["total_mb"]
            .as_f64()
            .unwrap()
            > 0.0
    );
}

#[test]
fn query_of_the_other_kind_is_refused() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    for name in REDSHIFT_ONLY {
        let output = warehouse.run_command(&["query", "--operations", name]);
        let message = format!("{name} is a query for Redshift: the warehouse is PostgreSQL");
        output.assert_failure(2, &[&message, "sparkify query --operations"]);
    }
}

#[test]
fn missing_view_or_privilege_is_explained() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let drop = "SET allow_system_table_mods = on; DROP VIEW pg_catalog.stv_node_storage_capacity";
    warehouse.admin_client().batch_execute(drop).unwrap();
    let output = warehouse.run_command(&["query", "--operations", "disk"]);
    output.assert_failure(
        1,
        &["cannot run disk", "a superuser", "Serverless does not have"],
    );
}

#[test]
fn queries_are_listed_without_warehouse() {
    let list = |arguments: &[&str]| CommandOutput::run(sparkify().arg("query").args(arguments));
    let table = list(&["--operations"]).assert_success().stdout;
    for name in query_names(WarehouseKind::Redshift) {
        assert!(table.contains(&format!("\n{name} ")), "{table}");
    }
    assert_eq!(
        table,
        list(&["--operations", "--list"]).assert_success().stdout
    );
    let document = list(&["--operations", "--json"]).assert_success().json();
    assert_eq!(document["query_version"], 1);
    assert_eq!(document["queries"][0]["name"], "load-lag");
    assert_eq!(document["queries"][0]["warehouse"], "Redshift, PostgreSQL");
}

#[test]
fn invalid_usage_is_rejected() {
    let failure = |arguments: &[&str], words: &[&str]| {
        CommandOutput::run(sparkify().arg("query").args(arguments)).assert_failure(2, words)
    };
    failure(
        &["--operations", "load-lag", "--from", "out"],
        &[
            "--operations cannot answer from a dataset",
            "leave out --from",
        ],
    );
    let postgres = ["--warehouse", "postgres://nobody@localhost/none"];
    let ask = |query: &[&str], words: &[&str]| {
        failure(&[&["--operations"], query, &postgres].concat(), words)
    };
    ask(
        &["load-lag", "--limit", "3"],
        &["--limit has no effect", "load-lag has no limit"],
    );
    ask(&["load-lag", "--list"], &["--list has no effect"]);
    ask(&[], &["--warehouse has no effect", "no query is named"]);
    failure(&["--operations", "--dry-run"], &["--dry-run has no effect"]);
    failure(&["--operations", "load-lag"], &["no warehouse is named"]);
    for arguments in [
        &["top-songs", "--operations", "load-lag"][..],
        &["--operations", "top-songs"],
        &["--operations", "load-lag", "--since", "2018-11-01"],
        &["--operations", "load-lag", "--tz", "UTC"],
    ] {
        let output = CommandOutput::run(sparkify().arg("query").args(arguments));
        assert!(
            output.code == Some(2) && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}
