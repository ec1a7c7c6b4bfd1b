//! `sparkify status`: how old the newest load, the newest run and the newest event are.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    loads_are_fresh_or_stale
    runs_are_fresh_or_stale
    events_in_the_future_have_no_lag
    a_warehouse_without_loads_is_stale
}

/// Returns a warehouse with generated input in `data`, one log of which has a rejected record.
fn warehouse_with_input(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = [
        "--events", "300", "--songs", "20", "--users", "9", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse.write_file("data/log_data/rejected.json", "{\"page\":\"NextSong\"}\n");
    warehouse
}

/// Runs and loads, and returns the report.
fn run_and_load(warehouse: &TestWarehouse) -> Value {
    let out = warehouse.out_location("out");
    let run = [
        "run",
        "--quiet",
        "--json",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        &out,
        "--max-rejects",
        "100%",
    ];
    let output = warehouse.run_command(&run);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.json()
}

fn status(warehouse: &TestWarehouse, more: &[&str]) -> CommandOutput {
    warehouse.run_command(&[&["status"], more].concat())
}

/// Asserts a result of a check: one line on stdout, nothing on stderr, and the exit code.
#[track_caller]
fn assert_line(output: &CommandOutput, code: i32, start: &str, words: &[&str]) {
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(code), ""),
        "{output:?}"
    );
    assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
    assert!(output.stdout.starts_with(start), "{output:?}");
    for word in words {
        assert!(output.stdout.contains(word), "no {word:?} in {output:?}");
    }
}

fn loads_are_fresh_or_stale(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let report = run_and_load(&warehouse);
    let newest_event = report["logs"]["newest_event"].as_str().unwrap();
    let shown = newest_event[..19].replace('T', " ");
    let output = status(&warehouse, &[]);
    let words = [
        &format!("newest event {shown} UTC ("),
        " ago); 1 record rejected\n",
    ];
    assert_line(&output, 0, "OK: loaded 20", &words);
    assert_line(&status(&warehouse, &["--max-age", "1h"]), 0, "OK: ", &[]);
    let output = status(&warehouse, &["--max-age", "1h", "--json"]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
    let document = output.json();
    assert_eq!(document["status_version"], 1);
    assert_eq!(document["status"], "ok");
    assert_eq!(document["newest"]["run"], report["run"]);
    assert_eq!(document["newest"]["rejected_records"], 1);
    assert_eq!(document["newest_event"], newest_event);
    assert_eq!(document["stale"], json!([]));
    assert_eq!(document["is_event_in_future"], false);
    assert!(
        document["newest"]["age_seconds"].as_u64().unwrap() < 600,
        "{document}"
    );
    assert!(
        document["lag_seconds"].as_u64().unwrap() > 86400,
        "{document}"
    );
    assert!(document["warehouse"].is_string());

    // The generated events are of 2018.
    let output = status(&warehouse, &["--max-lag", "2d"]);
    assert_line(&output, 1, "STALE: loaded ", &["ago, more than 2d)"]);
    let mut client = warehouse.admin_client();
    client
        .batch_execute("UPDATE load_history SET loaded_at = loaded_at - INTERVAL '27 hours'")
        .unwrap();
    let output = status(&warehouse, &["--max-age", "26h"]);
    assert_line(
        &output,
        1,
        "STALE: loaded ",
        &["(1d 3h ago, more than 1d 2h); newest"],
    );
    assert_line(&status(&warehouse, &["--max-age", "28h"]), 0, "OK: ", &[]);
    let document = status(
        &warehouse,
        &["--max-age", "26h", "--max-lag", "2d", "--json"],
    );
    assert_eq!(document.code, Some(1));
    let document = document.json();
    assert_eq!(document["status"], "stale");
    assert_eq!(document["stale"], json!(["too_old", "event_too_old"]));
}

fn runs_are_fresh_or_stale(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let report = run_and_load(&warehouse);
    let from = warehouse.out_location("out");
    let check = |more: &[&str]| {
        let mut command = warehouse.sparkify(&[&["status", "--from", &from], more].concat());
        CommandOutput::run(&mut command)
    };
    let words = ["; newest event 20", "; 1 record rejected\n"];
    assert_line(&check(&["--max-age", "1h"]), 0, "OK: run began 20", &words);
    let document = check(&["--json"]).json();
    assert_eq!(document["newest"]["run"], report["run"]);
    assert_eq!(document["newest_event"], report["logs"]["newest_event"]);
    assert_eq!(document["failed_since"], json!(null));
    assert_eq!(document["from"], from);
    // Ages are compared in whole seconds.
    std::thread::sleep(Duration::from_millis(2100));
    let output = check(&["--max-age", "1s"]);
    assert_line(&output, 1, "STALE: run began 20", &[", more than 1s)"]);

    // A run that fails leaves the newest success, and is mentioned.
    warehouse.write_file("data/log_data/worse.json", "x\n");
    let run = [
        "run",
        "--quiet",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        &from,
        "--max-rejects",
        "0",
    ];
    assert_eq!(warehouse.run_command(&run).code, Some(3));
    let output = check(&["--max-age", "1h"]);
    assert_line(
        &output,
        0,
        "OK: run began 20",
        &["; a run that began 20", " UTC failed\n"],
    );
    let document = check(&["--json"]).json();
    assert_eq!(document["newest"]["run"], report["run"]);
    assert!(document["failed_since"]["run"].as_str() > report["run"].as_str());
}

fn events_in_the_future_have_no_lag(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    run_and_load(&warehouse);
    let mut client = warehouse.admin_client();
    let change = "INSERT INTO time (start_time, hour, day, week, month, year, weekday)
         VALUES ('2090-01-02 03:04:05', 3, 2, 1, 1, 2090, 1)";
    client.batch_execute(change).unwrap();
    let words = ["newest event 2090-01-02 03:04:05 UTC (in the future: check the clocks)"];
    assert_line(&status(&warehouse, &[]), 0, "OK: ", &words);
    // It would hide that no other events come.
    let output = status(&warehouse, &["--max-lag", "1s"]);
    assert_line(&output, 1, "STALE: ", &words);
    let document = status(&warehouse, &["--json"]).json();
    assert_eq!(document["newest_event"], "2090-01-02T03:04:05.000Z");
    assert_eq!(
        (&document["lag_seconds"], &document["is_event_in_future"]),
        (&json!(0), &json!(true))
    );
}

fn a_warehouse_without_loads_is_stale(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let output = status(&warehouse, &[]);
    assert_line(&output, 1, "STALE: no loads in ", &[]);
    let document = status(&warehouse, &["--json"]).json();
    assert_eq!(document["stale"], json!(["no_success"]));
    assert_eq!(
        (&document["newest"], &document["newest_event"]),
        (&json!(null), &json!(null))
    );
    // Without tables there is no answer.
    let warehouse = TestWarehouse::without_tables(kind);
    let words = ["cannot read the status of", "sparkify create-tables"];
    status(&warehouse, &[]).assert_failure(1, &words);
    let output = status(&warehouse, &["--json"]);
    assert_eq!(output.json()["status"], "failed");
}

#[test]
fn wrong_usage_is_reported() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    status(&warehouse, &["--from", "out"]).assert_failure(2, &["--warehouse has no effect"]);
    for age in ["26", "0s", "yesterday", "-1h"] {
        let output = status(&warehouse, &[&format!("--max-age={age}")]);
        output.assert_usage_error("expected a time such as 26h, 90m, 3d or 1d12h");
    }
    let mut command = warehouse.sparkify(&["status", "--from", "nothing"]);
    CommandOutput::run(&mut command).assert_failure(1, &["nothing", "no such folder"]);
    std::fs::create_dir(warehouse.path("empty")).unwrap();
    let mut command = warehouse.sparkify(&["status", "--from", "empty"]);
    let output = CommandOutput::run(&mut command);
    assert_line(&output, 1, "STALE: no complete runs in empty\n", &[]);
}
