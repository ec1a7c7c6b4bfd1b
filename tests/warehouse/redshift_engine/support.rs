//! Runs both engines over the same input in S3.

use std::process::Command;

use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{NumberSpelling, RepeatedKeys, SimulatorSettings, WarehouseKind};

use crate::support::table_rows::{TableRows, assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

/// Settings that cover both ways of each behaviour that the documentation of COPY leaves open: two of the four
/// combinations.
pub fn undocumented_behaviours() -> Vec<SimulatorSettings> {
    let spellings = [NumberSpelling::AsWritten, NumberSpelling::ThroughDouble];
    let keys = [RepeatedKeys::First, RepeatedKeys::Last];
    let pairs = spellings.into_iter().zip(keys);
    pairs
        .map(|(number_spelling, repeated_keys)| SimulatorSettings {
            kind: WarehouseKind::Redshift,
            number_spelling,
            repeated_keys,
            ..SimulatorSettings::default()
        })
        .collect()
}

/// Input in S3, below a prefix of the bucket.
#[derive(Debug, Clone)]
pub struct RawInput {
    pub songs: Vec<String>,
    pub logs: Vec<String>,
}

impl RawInput {
    /// Returns the input in the folders `song_data` and `log_data` below a prefix.
    pub fn below(warehouse: &TestWarehouse, prefix: &str) -> Self {
        let url = |name: &str| vec![warehouse.out_location(&format!("{prefix}/{name}"))];
        Self {
            songs: url("song_data"),
            logs: url("log_data"),
        }
    }
}

/// Returns an event as JSON, with some keys changed.
pub fn event(changes: &Value) -> String {
    let event = json!({
        "page": "NextSong", "ts": 1541016707796_u64, "userId": "7", "sessionId": 8, "itemInSession": 1, "level": "free",
        "location": "L", "userAgent": "U", "firstName": "F", "lastName": "L", "gender": "G",
        "song": "T", "artist": "N", "length": 1.5,
    });
    changed(event, changes)
}

/// Returns a song as JSON, with some keys changed.
pub fn song(changes: &Value) -> String {
    let song = json!({
        "song_id": "S1", "title": "T", "artist_id": "A1", "artist_name": "N", "duration": 1.5, "year": 1999,
        "artist_location": "P", "artist_latitude": 1.0, "artist_longitude": 2.0,
    });
    changed(song, changes)
}

fn changed(mut record: Value, changes: &Value) -> String {
    let fields = record.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    record.to_string()
}

/// Runs an engine, and loads its result.
pub fn run_engine(
    warehouse: &TestWarehouse,
    engine: &str,
    input: &RawInput,
    more: &[&str],
) -> CommandOutput {
    CommandOutput::run(&mut engine_command(warehouse, engine, input, more))
}

/// Returns the command that runs an engine and loads its result.
pub fn engine_command(
    warehouse: &TestWarehouse,
    engine: &str,
    input: &RawInput,
    more: &[&str],
) -> Command {
    let out = warehouse.out_location(&format!("out-{engine}"));
    let mut command = warehouse.warehouse_command(&["run", "--json", "--quiet"]);
    command.args(["--engine", engine, "--out", &out]);
    for (flag, values) in [("--songs", &input.songs), ("--logs", &input.logs)] {
        command.arg(flag).args(values);
    }
    command.args(more);
    command
}

/// The counts of a report that both engines must agree on.
pub fn counts(report: &Value) -> Vec<(String, Value)> {
    let mut counts = Vec::new();
    for (kind, names) in [
        (
            "songs",
            &["objects", "records", "rejected", "rejected_by_reason"][..],
        ),
        (
            "logs",
            &[
                "objects",
                "records",
                "rejected",
                "rejected_by_reason",
                "kept",
                "filtered",
                "duplicates",
                "oldest_event",
                "newest_event",
            ],
        ),
    ] {
        for name in names {
            counts.push((format!("{kind}.{name}"), report[kind][name].clone()));
        }
    }
    counts.push(("matched".to_owned(), report["matched_songplays"].clone()));
    counts
}

/// Loads the input by each engine into a warehouse of its own, and asserts that tables, counts and history are equal.
/// `upload` writes the input to the bucket. Returns the report of the engine inside Redshift.
#[track_caller]
pub fn assert_engines_agree(
    settings: &SimulatorSettings,
    upload: impl Fn(&TestWarehouse) -> RawInput,
    more: &[&str],
) -> Value {
    let load = |engine: &str| -> (Value, TableRows, Vec<(String, i64, i64)>) {
        let warehouse = TestWarehouse::with_settings(settings.clone());
        let input = upload(&warehouse);
        let output = run_engine(&warehouse, engine, &input, more);
        // The engine in this process warns about objects of which nothing can be read.
        assert_eq!(output.code, Some(0), "{output:?}");
        let report = output.json();
        (
            report,
            warehouse.warehouse_tables(),
            history_sums(&warehouse),
        )
    };
    let (expected, expected_tables, expected_history) = load("in-process");
    let (found, tables, history) = load("redshift");
    assert_eq!(counts(&found), counts(&expected));
    assert_tables_eq(&tables, &expected_tables);
    assert_eq!(history, expected_history);
    found
}

/// Returns the sums of the load history by kind: rows and rejected records.
pub fn history_sums(warehouse: &TestWarehouse) -> Vec<(String, i64, i64)> {
    let query = "SELECT kind, SUM(rows)::BIGINT, SUM(rejected_records)::BIGINT FROM load_history GROUP BY kind ORDER BY kind";
    let rows = warehouse.admin_client().query(query, &[]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// Asserts that no object is listed twice by the load history.
#[track_caller]
pub fn assert_nothing_is_loaded_twice(warehouse: &TestWarehouse) {
    let history = load_history_rows(&mut warehouse.admin_client());
    let mut once = history.clone();
    once.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(history.len(), once.len(), "{history:?}");
}

/// Returns the lines of the reject file of a run of the engine inside Redshift, by its id; none if it has no such file.
pub fn reject_lines(warehouse: &TestWarehouse, run: &str, kind: &str) -> Vec<Value> {
    let file = warehouse
        .run_dir("out-redshift", run)
        .join(format!("_rejects/{kind}-00000.jsonl"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}
