//! The ways of recovery that docs/recovery.md describes: each gives the tables as they were, or loses what it says.

use std::fs;

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    dropped_warehouse_is_rebuilt_from_its_runs_or_from_the_input
    lost_table_is_rebuilt_by_a_full_refresh
    lost_output_is_no_loss_for_the_warehouse
}

const INPUT: [&str; 2] = ["first", "second"];

/// Runs over this input, and loads what is new.
fn run(warehouse: &TestWarehouse, folders: &[&str], more: &[&str]) -> CommandOutput {
    let out = warehouse.out_location("star");
    let mut arguments = ["run", "--quiet", "--max-rejects", "50%", "--out", &out]
        .map(str::to_owned)
        .to_vec();
    for folder in folders {
        arguments.extend(["--songs".to_owned(), format!("{folder}/song_data")]);
        arguments.extend(["--logs".to_owned(), format!("{folder}/log_data")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    warehouse.run_command(&[&arguments[..], more].concat())
}

/// Returns a warehouse into which two nights and a replay were loaded. The input has one event without a level, which the
/// replay has corrected.
fn warehouse_of_two_nights(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    for (folder, seed) in INPUT.into_iter().zip(["1", "2"]) {
        let sizes = [
            "--events", "200", "--songs", "20", "--users", "5", "--files", "2",
        ];
        warehouse.generate_input(folder, &[&sizes[..], &["--seed", seed]].concat());
    }
    let event = r#"{"page":"NextSong","ts":1541000000000,"userId":"1","sessionId":999999,"itemInSession":1}"#;
    warehouse.write_file("second/log_data/without-level.json", event);
    ensure_done(&run(&warehouse, &INPUT[..1], &[]));
    ensure_done(&run(&warehouse, &INPUT, &[]));
    ensure_done(&replay_the_corrected_event(&warehouse, "replayed"));
    warehouse
}

/// Rejects may be a warning.
#[track_caller]
fn ensure_done(output: &CommandOutput) {
    assert_eq!(output.code, Some(0), "{output:?}");
}

fn replay_the_corrected_event(warehouse: &TestWarehouse, out: &str) -> CommandOutput {
    let rejects = warehouse.dataset_dir("star").join("_rejects");
    let file = fs::read_dir(rejects).unwrap().next().unwrap().unwrap();
    let text = fs::read_to_string(file.path()).unwrap();
    let mut reject: Value = serde_json::from_str(text.trim()).unwrap();
    let corrected = reject["text"]
        .as_str()
        .unwrap()
        .replacen('{', r#"{"level":"paid","#, 1);
    reject["text"] = corrected.into();
    warehouse.write_file("fixed.jsonl", &format!("{reject}\n"));
    let (from, to) = (warehouse.out_location("star"), warehouse.out_location(out));
    warehouse.run_command(&[
        "replay",
        "--quiet",
        "--from",
        &from,
        "--edited",
        "fixed.jsonl",
        "--out",
        &to,
    ])
}

/// Returns the names of the runs at an output, the newest first.
fn runs(warehouse: &TestWarehouse, out: &str) -> Vec<String> {
    let arguments = ["history", "--json", "--from", &warehouse.out_location(out)];
    let output = CommandOutput::run(&mut warehouse.sparkify(&arguments));
    let history = output.assert_success().json();
    let runs = history["runs"].as_array().unwrap().iter();
    runs.map(|run| run["run"].as_str().unwrap().to_owned())
        .collect()
}

fn drop_and_create_tables(warehouse: &TestWarehouse) {
    let arguments = ["create-tables", "--quiet", "--drop", "--yes"];
    warehouse.run_command(&arguments).assert_success();
}

fn history_rows(warehouse: &TestWarehouse) -> i64 {
    let query = "SELECT count(*) FROM load_history";
    warehouse
        .admin_client()
        .query_one(query, &[])
        .unwrap()
        .get(0)
}

fn dropped_warehouse_is_rebuilt_from_its_runs_or_from_the_input(kind: WarehouseKind) {
    let warehouse = warehouse_of_two_nights(kind);
    let before = warehouse.warehouse_tables();
    let objects = history_rows(&warehouse);

    // From the runs, in any order. Nothing is lost, and the next run reads nothing again.
    drop_and_create_tables(&warehouse);
    let nights = runs(&warehouse, "star");
    assert_eq!(nights.len(), 2);
    warehouse.load_dataset("replayed").assert_success();
    for night in &nights {
        warehouse
            .load_dataset(&format!("star/{night}"))
            .assert_success();
    }
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    assert_eq!(history_rows(&warehouse), objects);
    let nothing_new = run(&warehouse, &INPUT, &[]);
    assert!(
        nothing_new.stderr.is_empty() && nothing_new.code == Some(0),
        "{nothing_new:?}"
    );
    assert_eq!(runs(&warehouse, "star").len(), 2);

    // The newest run alone lacks the first night.
    drop_and_create_tables(&warehouse);
    warehouse.load_dataset("star").assert_success();
    assert_ne!(
        warehouse.warehouse_tables()["songplays"],
        before["songplays"]
    );
    let arguments = [
        "load",
        "--full-refresh",
        "--from",
        &warehouse.out_location("star"),
    ];
    warehouse
        .run_command(&arguments)
        .assert_failure(2, &["loaded already"]);

    // From the input. The corrected event is lost until its replay is loaded again.
    ensure_done(&run(&warehouse, &INPUT, &["--full-refresh"]));
    let refreshed = warehouse.warehouse_tables();
    assert_eq!(refreshed["songplays"].len() + 1, before["songplays"].len());
    warehouse.load_dataset("replayed").assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    // So it is by a replay of the rejects of the full refresh, if the output of the first replay is gone too.
    ensure_done(&run(&warehouse, &INPUT, &["--full-refresh"]));
    ensure_done(&replay_the_corrected_event(&warehouse, "replayed-again"));
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

fn lost_table_is_rebuilt_by_a_full_refresh(kind: WarehouseKind) {
    let warehouse = warehouse_of_two_nights(kind);
    let before = warehouse.warehouse_tables();
    warehouse
        .admin_client()
        .batch_execute("DROP TABLE songplays")
        .unwrap();
    run(&warehouse, &INPUT, &[]).assert_failure(1, &["songplays", "--full-refresh"]);
    ensure_done(&run(&warehouse, &INPUT, &["--full-refresh"]));
    warehouse.load_dataset("replayed").assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

fn lost_output_is_no_loss_for_the_warehouse(kind: WarehouseKind) {
    let warehouse = warehouse_of_two_nights(kind);
    let before = warehouse.warehouse_tables();
    let star = warehouse.dataset_dir("star");
    fs::remove_dir_all(star.parent().unwrap()).unwrap();
    let nothing_new = run(&warehouse, &INPUT, &[]);
    assert_eq!(nothing_new.code, Some(0), "{nothing_new:?}");
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    // The next night reads only what is new, and both nights are in the warehouse.
    let sizes = [
        "--events", "50", "--songs", "5", "--users", "5", "--files", "1", "--seed", "3",
    ];
    warehouse.generate_input("third", &sizes);
    ensure_done(&run(&warehouse, &["first", "second", "third"], &[]));
    assert!(warehouse.warehouse_tables()["songplays"].len() > before["songplays"].len());
    assert_eq!(runs(&warehouse, "star").len(), 1);
}
