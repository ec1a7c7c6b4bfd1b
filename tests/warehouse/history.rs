//! `sparkify history`: the loads of a warehouse, and the runs at an output location.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    loads_are_listed_newest_first
    nulls_of_other_programs_are_tolerated
    runs_are_listed_by_their_reports
    only_the_history_must_match
    missing_history_is_an_error
}

/// Returns a warehouse with generated input in `data`, one log of which has a rejected record.
fn warehouse_with_input(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = [
        "--events", "300", "--songs", "20", "--users", "9", "--files", "3", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse.write_file("data/log_data/rejected.json", "{\"page\":\"NextSong\"}\n");
    warehouse
}

/// Runs and loads, and returns the report.
fn run_and_load(warehouse: &TestWarehouse, out: &str) -> Value {
    let out = warehouse.out_location(out);
    let run = [
        "run",
        "--quiet",
        "--json",
        "--out",
        &out,
        "--max-rejects",
        "100%",
    ];
    let input = ["--songs", "data/song_data", "--logs", "data/log_data"];
    let output = warehouse.run_command(&[&run[..], &input].concat());
    assert_eq!(output.code, Some(0), "{output:?}");
    output.json()
}

fn history(warehouse: &TestWarehouse, more: &[&str]) -> CommandOutput {
    warehouse
        .run_command(&[&["history"], more].concat())
        .assert_success()
}

fn loads_are_listed_newest_first(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let empty = history(&warehouse, &[]);
    assert!(empty.stdout.starts_with("no loads in "), "{empty:?}");
    assert_eq!(history(&warehouse, &["--json"]).json()["runs"], json!([]));
    let first = run_and_load(&warehouse, "out");
    warehouse.generate_input(
        "data/log_data/more",
        &["--events", "50", "--songs", "5", "--seed", "6"],
    );
    std::fs::remove_dir_all(warehouse.path("data/log_data/more/song_data")).unwrap();
    let second = run_and_load(&warehouse, "out");
    let document = history(&warehouse, &["--json"]).json();
    assert_eq!(document["history_version"], 1);
    let runs = document["runs"].as_array().unwrap();
    let ids: Vec<_> = runs.iter().map(|run| &run["run"]).collect();
    assert_eq!(ids, [&second["run"], &first["run"]]);
    let counts = |run: &Value| {
        ["song_objects", "songs", "rejected_records"].map(|key| run[key].as_u64().unwrap())
    };
    assert_eq!(counts(&runs[1]), [20, 20, 1]);
    assert_eq!(counts(&runs[0]), [0, 0, 0]);
    assert_eq!(runs[1]["log_objects"], first["logs"]["objects"]);
    assert!(runs[1]["loaded_by"].is_string(), "{document}");
    assert!(runs[1]["load_seconds"].is_number(), "{document}");
    let loaded_at = runs[0]["loaded_at"].as_str().unwrap();
    assert!(
        loaded_at.ends_with('Z') && loaded_at.len() == 20,
        "{loaded_at}"
    );
    let newest = history(&warehouse, &["--limit", "1", "--json"]).json();
    assert_eq!(newest["runs"].as_array().unwrap()[..], runs[..1]);
    let table = history(&warehouse, &[]).stdout;
    assert!(table.starts_with("loaded  "), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
}

/// The check of the tables lets columns be nullable, and other programs can write null then.
fn nulls_of_other_programs_are_tolerated(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let first = run_and_load(&warehouse, "out");
    let before = history(&warehouse, &["--json"]).json();
    let columns = ["run", "kind", "object", "etag", "rows", "loaded_at"];
    let nullable = columns.map(|column| format!("ALTER COLUMN {column} DROP NOT NULL"));
    let nullable = nullable.join(", ");
    let change = format!(
        "ALTER TABLE load_history {nullable};
         INSERT INTO load_history (run, loaded_at) VALUES ('untimed', NULL), (NULL, '2040-01-01'), (NULL, NULL);
         INSERT INTO load_history (run, loaded_at) VALUES ('empty', '2000-01-01')"
    );
    let mut client = warehouse.admin_client();
    client.batch_execute(&change).unwrap();
    let document = history(&warehouse, &["--json"]).json();
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{document}");
    assert_eq!(runs[0], before["runs"][0]);
    assert_eq!(runs[1]["run"], "empty");
    assert_eq!(runs[1]["loaded_at"], "2000-01-01T00:00:00Z");
    assert_eq!(
        (&runs[1]["log_objects"], &runs[1]["events"]),
        (&json!(0), &json!(0))
    );
    let nothing_new = run_and_load(&warehouse, "out");
    assert_eq!(nothing_new["status"], "nothing_new");
    let since = json!({"run": first["run"], "loaded_at": runs[0]["loaded_at"]});
    assert_eq!(nothing_new["since"], since);
}

fn runs_are_listed_by_their_reports(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let report = run_and_load(&warehouse, "out");
    let from = warehouse.out_location("out");
    let list = |more: &[&str]| {
        let mut command = warehouse.sparkify(&[&["history", "--from", &from], more].concat());
        CommandOutput::run(&mut command).assert_success()
    };
    let document = list(&["--json"]).json();
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "{document}");
    for (key, expected) in [
        ("run", &report["run"]),
        ("started_at", &report["started_at"]),
        ("executed_by", &report["executed_by"]),
        ("song_objects", &report["songs"]["objects"]),
        ("log_objects", &report["logs"]["objects"]),
        ("events", &report["logs"]["kept"]),
        ("rejected_records", &json!(1)),
        ("seconds", &report["total"]["seconds"]),
    ] {
        assert_eq!(&runs[0][key], expected, "{key}");
    }
    assert_eq!(runs[0]["state"], "latest");
    assert_eq!(list(&[]).stdout.lines().count(), 2);
}

fn only_the_history_must_match(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    run_and_load(&warehouse, "out");
    let before = history(&warehouse, &[]).stdout;
    let mut client = warehouse.admin_client();
    let change = "ALTER TABLE songs ADD note BIGINT; DROP TABLE users CASCADE; CREATE TABLE loads (weight BIGINT)";
    client.batch_execute(change).unwrap();
    assert_eq!(history(&warehouse, &[]).stdout, before);
    let change = "ALTER TABLE load_history ADD note BIGINT";
    client.batch_execute(change).unwrap();
    let words = ["table load_history does not match: unexpected column `note bigint`"];
    warehouse
        .run_command(&["history"])
        .assert_failure(1, &words);
}

fn missing_history_is_an_error(kind: WarehouseKind) {
    let warehouse = TestWarehouse::without_tables(kind);
    let words = ["cannot read the history of", "sparkify create-tables"];
    warehouse
        .run_command(&["history"])
        .assert_failure(1, &words);
}

/// In Redshift the lock of a load keeps readers out.
#[test]
fn history_says_that_it_waits_for_a_load() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let mut load = warehouse.admin_client();
    load.batch_execute("BEGIN; LOCK TABLE load_history")
        .unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| warehouse.run_command(&["history"]));
        // The warning comes after five seconds.
        std::thread::sleep(Duration::from_secs(7));
        assert!(!waiting.is_finished());
        load.batch_execute("COMMIT").unwrap();
        let output = waiting.join().unwrap().assert_success_with_warnings();
        let warning = "still waiting for other sessions that use the warehouse tables";
        assert_eq!(output.warnings(), [warning]);
    });
}

/// A failed run is beside the local output, or in it.
#[test]
fn failed_runs_are_listed() {
    let warehouse = warehouse_with_input(WarehouseKind::Postgres);
    let run = ["run", "--quiet", "--out", "out", "--max-rejects", "0"];
    let input = ["--songs", "data/song_data", "--logs", "data/log_data"];
    let mut command = warehouse.sparkify(&[&run[..], &input].concat());
    assert_eq!(CommandOutput::run(&mut command).code, Some(3));
    let mut command = warehouse.sparkify(&["history", "--from", "out", "--json"]);
    let document = CommandOutput::run(&mut command).assert_success().json();
    assert_eq!(document["runs"][0]["state"], "failed", "{document}");
    assert_eq!(document["runs"][0]["rejected_records"], 1);
}

#[test]
fn a_history_is_of_a_warehouse_or_of_an_output() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    warehouse
        .run_command(&["history", "--from", "out"])
        .assert_failure(2, &["--warehouse has no effect"]);
    let mut command = warehouse.sparkify(&["history"]);
    CommandOutput::run(&mut command).assert_failure(2, &["no warehouse is named"]);
    let mut command = warehouse.sparkify(&["history", "--from", "nothing"]);
    CommandOutput::run(&mut command)
        .assert_failure(1, &["cannot read the history of nothing", "no such folder"]);
    std::fs::create_dir(warehouse.path("empty")).unwrap();
    let mut command = warehouse.sparkify(&["history", "--from", "empty"]);
    let output = CommandOutput::run(&mut command).assert_success();
    assert_eq!(output.stdout, "no runs in empty\n");
}
