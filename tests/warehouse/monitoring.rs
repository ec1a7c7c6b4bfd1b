//! `--metrics` and `--openlineage` of runs that load, and of loads.

use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    runs_with_loads_are_reported
    loads_are_reported
    a_failed_load_keeps_the_counts_of_its_run
}

const MONITORING: [&str; 4] = ["--metrics", "run.prom", "--openlineage", "events.jsonl"];

fn warehouse_with_input(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = [
        "--events", "300", "--songs", "20", "--users", "9", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse
}

fn run_and_load(warehouse: &TestWarehouse) -> CommandOutput {
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
    ];
    warehouse.run_command(&[&run[..], &MONITORING].concat())
}

/// Returns the newest event.
fn last_event(warehouse: &TestWarehouse) -> Value {
    let text = std::fs::read_to_string(warehouse.path("events.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Returns the value of a series, by its name and the labels after those of the job.
fn find_value(warehouse: &TestWarehouse, name: &str, labels: &str) -> Option<f64> {
    let text = std::fs::read_to_string(warehouse.path("run.prom")).unwrap();
    text.lines().find_map(|line| {
        let series = line.strip_prefix(name)?.strip_prefix('{')?;
        let (series, value) = series.rsplit_once("} ")?;
        let own_labels = series.split_once("\",").map(|(_, rest)| rest)?;
        let own_labels = own_labels.split_once("\",").map_or("", |(_, rest)| rest);
        (own_labels == labels).then(|| value.parse().unwrap())
    })
}

/// Returns the namespace and the prefix of the names of the tables of the warehouse in OpenLineage.
fn table_names(warehouse: &TestWarehouse, kind: WarehouseKind) -> (String, String) {
    let url = warehouse.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, rest) = rest.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let database = database.split('?').next().unwrap();
    assert_eq!(scheme == "redshift", kind == WarehouseKind::Redshift);
    (format!("{scheme}://{server}"), format!("{database}.public"))
}

fn runs_with_loads_are_reported(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let report = run_and_load(&warehouse).assert_success().json();
    let songplays = &report["load"]["tables"]["songplays"]["added"];
    let event = last_event(&warehouse);
    assert_eq!(event["eventType"], "COMPLETE");
    let outputs = event["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 10);
    let (namespace, schema) = table_names(&warehouse, kind);
    let table = &outputs[5];
    assert_eq!(table["namespace"], namespace);
    assert_eq!(table["name"], format!("{schema}.songplays"));
    let written = &table["outputFacets"]["outputStatistics"];
    assert_eq!(&written["rowCount"], songplays);
    assert_eq!(written.get("size"), None);
    let parquet = outputs[0]["name"].as_str().unwrap();
    assert!(parquet.ends_with("out/songplays"), "{parquet}");
    let bucket = &outputs[0]["namespace"];
    assert_eq!(
        bucket == "s3://datasets",
        kind == WarehouseKind::Redshift,
        "{bucket}"
    );
    let inserted = find_value(
        &warehouse,
        "sparkify_load_rows",
        r#"table="songplays",change="inserted""#,
    );
    assert_eq!(inserted, songplays.as_f64());
    let seconds = find_value(&warehouse, "sparkify_load_duration_seconds", "");
    assert_eq!(seconds, report["load"]["seconds"].as_f64());
    let newest = find_value(&warehouse, "sparkify_newest_event_timestamp_seconds", "");
    assert!(newest.is_some());

    // A run that finds nothing new is a success, and the newest event stays.
    let report = run_and_load(&warehouse).assert_success().json();
    assert_eq!(report["status"], "nothing_new");
    assert_eq!(last_event(&warehouse)["eventType"], "COMPLETE");
    for (name, labels, expected) in [
        ("sparkify_last_run_success", "", Some(1.0)),
        ("sparkify_newest_event_timestamp_seconds", "", newest),
        ("sparkify_load_duration_seconds", "", None),
        (
            "sparkify_objects",
            r#"kind="songs",state="already_loaded""#,
            report["songs"]["already_loaded_objects"].as_f64(),
        ),
    ] {
        assert_eq!(find_value(&warehouse, name, labels), expected, "{name}");
    }

    // Older events do not make the newest one older.
    warehouse.write_file(
        "data/log_data/2018/11/older.json",
        &testkit::sample_data::events(0..1),
    );
    let report = run_and_load(&warehouse).assert_success().json();
    assert_eq!(report["status"], "ok");
    let later = find_value(&warehouse, "sparkify_newest_event_timestamp_seconds", "");
    assert!(later >= newest, "{later:?} {newest:?}");
}

fn loads_are_reported(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    warehouse.build_dataset("data/song_data", "data/log_data", "out");
    let out = warehouse.out_location("out");
    let load = ["load", "--quiet", "--json", "--from", &out];
    let output = warehouse.run_command(&[&load[..], &MONITORING].concat());
    let report = output.assert_success().json();
    let event = last_event(&warehouse);
    assert_eq!(event["eventType"], "COMPLETE");
    assert_eq!(event["job"]["name"], "sparkify.load");
    let input = &event["inputs"][1];
    assert!(
        input["name"].as_str().unwrap().ends_with("out/users"),
        "{input}"
    );
    let rows = &report["tables"]["users"]["rows"];
    assert_eq!(&input["inputFacets"]["inputStatistics"]["rowCount"], rows);
    assert_eq!(input["facets"]["version"]["datasetVersion"], report["run"]);
    let outputs = event["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 5);
    let added = find_value(
        &warehouse,
        "sparkify_load_rows",
        r#"table="users",change="inserted""#,
    );
    assert_eq!(added, rows.as_f64());
    let newest = find_value(&warehouse, "sparkify_newest_event_timestamp_seconds", "");
    assert!(newest.is_some_and(|newest| newest > 1.5e9), "{newest:?}");
    // The counts of the run are not those of this command.
    let records = find_value(
        &warehouse,
        "sparkify_records",
        r#"kind="logs",outcome="kept""#,
    );
    assert_eq!(records, None);

    // The same of a load that fails.
    let mut client = warehouse.admin_client();
    client.batch_execute("DROP TABLE songplays").unwrap();
    let output = warehouse.run_command(&[&load[..], &MONITORING].concat());
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(last_event(&warehouse)["eventType"], "FAIL");
    let after = find_value(&warehouse, "sparkify_newest_event_timestamp_seconds", "");
    assert_eq!(after, newest);
    assert_eq!(
        find_value(&warehouse, "sparkify_last_run_success", ""),
        Some(0.0)
    );
}

fn a_failed_load_keeps_the_counts_of_its_run(kind: WarehouseKind) {
    let warehouse = warehouse_with_input(kind);
    let mut client = warehouse.admin_client();
    let change = "ALTER TABLE users ADD CONSTRAINT no_users CHECK (user_id < 0)";
    client.batch_execute(change).unwrap();
    let output = run_and_load(&warehouse);
    assert_eq!(output.code, Some(1), "{output:?}");
    let event = last_event(&warehouse);
    assert_eq!(event["eventType"], "FAIL");
    let outputs = event["outputs"].as_array().unwrap();
    // The dataset is published, and the warehouse is unchanged.
    let written = &outputs[0]["outputFacets"]["outputStatistics"]["rowCount"];
    assert!(written.as_u64().is_some_and(|rows| rows > 0), "{event}");
    assert_eq!(outputs[5].get("outputFacets"), None);
    let kept = find_value(
        &warehouse,
        "sparkify_records",
        r#"kind="logs",outcome="kept""#,
    );
    assert!(kept.is_some_and(|kept| kept > 0.0), "{kept:?}");
    assert_eq!(
        find_value(&warehouse, "sparkify_last_run_success", ""),
        Some(0.0)
    );
    // No event was added to the warehouse.
    let newest = find_value(&warehouse, "sparkify_newest_event_timestamp_seconds", "");
    assert_eq!(json!(newest), json!(null));
}
