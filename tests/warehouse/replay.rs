//! Replays of rejects: corrected rejects give the warehouse of the corrected input, in any order with other batches.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    corrected_rejects_in_any_order_give_the_corrected_warehouse
    replay_of_songs_alone_is_loaded
    rejects_of_a_failed_run_are_loaded_and_its_objects_are_read_later
}

/// Returns a valid record in place of the reject number `n`. Corrected songs match plays of the other batch.
fn corrected(reject: &Value, n: usize) -> String {
    match reject["kind"].as_str().unwrap() {
        "song" => format!(
            r#"{{"song_id":"SOR{n}","title":"Title {n}","artist_id":"AR{n}","artist_name":"Artist","duration":{n}.5}}"#
        ),
        _ => event(1, 1_541_000_009_000 + n as u64, 100 + n as u64, n),
    }
}

/// Returns an event that plays the corrected song number `song`.
fn event(user: u64, ts: u64, item: u64, song: usize) -> String {
    format!(
        r#"{{"page":"NextSong","ts":{ts},"userId":"{user}","sessionId":7,"itemInSession":{item},"level":"paid","song":"Title {song}","artist":"Artist","length":{song}.5}}"#
    )
}

/// Returns the rejects of a run, in order.
fn read_rejects(dataset: &Path) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(dataset.join("_rejects"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let lines = |text: String| -> Vec<Value> {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    texts.flat_map(lines).collect()
}

/// Writes an edited copy of rejects, in which every text is corrected. Returns the texts by kind: songs and logs.
fn write_corrected(warehouse: &TestWarehouse, rejects: &[Value], name: &str) -> [String; 2] {
    let (mut lines, mut texts) = (String::new(), [String::new(), String::new()]);
    for (n, reject) in rejects.iter().enumerate() {
        let text = corrected(reject, n);
        let kind = usize::from(reject["kind"] == "log");
        texts[kind] += &format!("{text}\n");
        let mut line = reject.clone();
        line.as_object_mut().unwrap().remove("text_base64");
        line["text"] = text.into();
        lines += &format!("{line}\n");
    }
    warehouse.write_file(name, &lines);
    texts
}

/// Copies the edge case in which each reason of a reject of a record occurs, and adds an object of another format.
fn write_reject_reasons(warehouse: &TestWarehouse) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/edge-cases/reject-reasons");
    for (kind, name) in [("songs", "songs.json"), ("logs", "events.json")] {
        fs::create_dir_all(warehouse.path(kind)).unwrap();
        fs::copy(case.join(kind).join(name), warehouse.path(kind).join(name)).unwrap();
    }
    warehouse.write_file("logs/page.json", "<!DOCTYPE html><p>not a log</p>");
}

/// Writes the rejects of a run anew, with the lines of a file.
fn replace_rejects(warehouse: &TestWarehouse, dataset: &str, lines: &str) {
    let folder = warehouse.dataset_dir(dataset).join("_rejects");
    for file in fs::read_dir(&folder).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    fs::copy(warehouse.path(lines), folder.join("logs-00000.jsonl")).unwrap();
}

fn replay(warehouse: &TestWarehouse, from: &str, more: &[&str]) -> CommandOutput {
    let from = warehouse.out_location(from);
    let arguments = ["replay", "--quiet", "--from", from.as_str()];
    CommandOutput::run(&mut warehouse.sparkify(&[&arguments, more].concat()))
}

fn truncate_tables(warehouse: &TestWarehouse) {
    let tables: Vec<_> = warehouse.warehouse_tables().into_keys().collect();
    let sql = format!("TRUNCATE load_history, {}", tables.join(", "));
    warehouse.admin_client().batch_execute(&sql).unwrap();
}

fn corrected_rejects_in_any_order_give_the_corrected_warehouse(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    write_reject_reasons(&warehouse);
    // The other batch plays corrected songs, repeats a corrected event, and has newer and older events of its user.
    warehouse.write_file(
        "other/logs/a.json",
        &[
            event(1, 1_541_000_009_008, 108, 8),
            event(1, 1_541_000_009_005, 1, 2),
            event(2, 1_541_000_000_000, 2, 3),
        ]
        .join("\n"),
    );
    warehouse.write_file(
        "other/songs/a.json",
        r#"{"song_id":"SOX","title":"Title 4","artist_id":"AR4","artist_name":"Artist","duration":4.5}"#,
    );
    let out = warehouse.out_location("rejecting");
    let run = [
        "run",
        "--quiet",
        "--max-rejects",
        "100%",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        out.as_str(),
    ];
    CommandOutput::run(&mut warehouse.sparkify(&run)).assert_success_with_warnings();
    warehouse.build_dataset("other/songs", "other/logs", "later");
    let rejects = read_rejects(&warehouse.dataset_dir("rejecting"));
    let reasons: BTreeSet<_> = rejects.iter().map(|r| r["reason"].as_str()).collect();
    assert_eq!((rejects.len(), reasons.len()), (15, 8));

    let [songs, logs] = write_corrected(&warehouse, &rejects, "fixed.jsonl");
    let replayed = warehouse.out_location("replayed");
    let more = ["--edited", "fixed.jsonl", "--out", replayed.as_str()];
    replay(&warehouse, "rejecting", &more).assert_success();

    for (kind, text) in [("songs", songs), ("logs", logs)] {
        warehouse.write_file(&format!("clean/{kind}/corrected.json"), &text);
        for from in [kind.to_owned(), format!("other/{kind}")] {
            for file in fs::read_dir(warehouse.path(&from)).unwrap() {
                let file = file.unwrap();
                let to = format!("clean/{kind}/{}", file.file_name().to_str().unwrap());
                fs::copy(file.path(), warehouse.path(&to)).unwrap();
            }
        }
    }
    fs::remove_file(warehouse.path("clean/logs/page.json")).unwrap();
    warehouse.build_dataset("clean/songs", "clean/logs", "expected");
    let expected = warehouse.dataset_tables("expected");
    for order in [
        ["rejecting", "later", "replayed", "replayed"],
        ["replayed", "later", "rejecting", "replayed"],
        ["later", "replayed", "rejecting", "later"],
        ["replayed", "rejecting", "later", "rejecting"],
    ] {
        truncate_tables(&warehouse);
        for dataset in order {
            warehouse.load_dataset(dataset).assert_success();
        }
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    }

    // A second replay is another run, and changes nothing either.
    let url = warehouse.url();
    let again = warehouse.out_location("replayed-again");
    let more = [
        "--edited",
        "fixed.jsonl",
        "--out",
        again.as_str(),
        "--warehouse",
        url.as_str(),
    ];
    replay(&warehouse, "rejecting", &more).assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    // The history names the edited rejects, and never the objects that they come from.
    let names = loaded_objects(&warehouse, "%fixed.jsonl");
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[0].0, "log");
    assert!(names.iter().all(|(_, name, _)| name.starts_with('/')));

    // Rejects that a version with other limits accepts are replayed as they are.
    replace_rejects(&warehouse, "rejecting", "fixed.jsonl");
    truncate_tables(&warehouse);
    let as_is = warehouse.out_location("replayed-as-is");
    let more = ["--out", as_is.as_str(), "--warehouse", url.as_str()];
    replay(&warehouse, "rejecting", &more).assert_success();
    for dataset in ["rejecting", "later"] {
        warehouse.load_dataset(dataset).assert_success();
    }
    assert_tables_eq(&warehouse.warehouse_tables(), &expected);
}

/// Returns kind, name and rejected records of the objects in the history whose names are like `pattern`, by kind.
fn loaded_objects(warehouse: &TestWarehouse, pattern: &str) -> Vec<(String, String, i64)> {
    let query = "SELECT kind, object, rejected_records FROM load_history \
                 WHERE object LIKE $1 ORDER BY kind, object";
    let rows = warehouse.admin_client().query(query, &[&pattern]).unwrap();
    let object = |row: &::postgres::Row| (row.get(0), row.get(1), row.get(2));
    rows.iter().map(object).collect()
}

fn replay_of_songs_alone_is_loaded(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let valid = corrected(&serde_json::json!({"kind": "song"}), 5);
    warehouse.write_file("songs/a.json", &format!("{valid}\n{{\"song_id\": 1\n"));
    warehouse.write_file("logs/a.json", &event(1, 1_541_000_000_000, 1, 0));
    warehouse.build_dataset("songs", "logs", "rejecting");
    warehouse.load_dataset("rejecting").assert_success();
    let rejects = read_rejects(&warehouse.dataset_dir("rejecting"));
    write_corrected(&warehouse, &rejects, "fixed.jsonl");
    let (url, out) = (warehouse.url(), warehouse.out_location("replayed"));
    let more = [
        "--edited",
        "fixed.jsonl",
        "--out",
        out.as_str(),
        "--warehouse",
        url.as_str(),
    ];
    let mut client = warehouse.admin_client();
    let mut song = || -> Option<String> {
        let row = client.query_one("SELECT song_id FROM songplays", &[]);
        row.unwrap().get(0)
    };
    assert_eq!(song(), None);
    let seen = warehouse.faults().statements().len();
    replay(&warehouse, "rejecting", &more).assert_success();
    // A replay need not know which objects are loaded.
    let statements = warehouse.faults().statements().split_off(seen);
    let reads_history = |sql: &String| sql.starts_with("SELECT DISTINCT kind, object");
    assert!(!statements.iter().any(reads_history), "{statements:?}");
    assert_eq!(song().as_deref(), Some("SOR0"));
    // The published dataset can be loaded by itself too.
    warehouse.load_dataset("replayed").assert_success();
    assert_eq!(song().as_deref(), Some("SOR0"));
}

fn rejects_of_a_failed_run_are_loaded_and_its_objects_are_read_later(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let event = |n: u64| event(1, 1_541_000_000_000 + n, n, 0);
    let bad = event(3).replace("\"userId\":\"1\"", "\"userId\":\"one\"");
    let song = corrected(&serde_json::json!({"kind": "song"}), 0);
    warehouse.write_file("songs/a.json", &song);
    warehouse.write_file("logs/a.json", &[event(1), bad, event(2)].join("\n"));
    let out = warehouse.out_location("nightly");
    let run = [
        "run",
        "--quiet",
        "--json",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        out.as_str(),
    ];
    let failed = warehouse.run_command(&run);
    assert_eq!(failed.code, Some(3), "{failed:?}");
    let run_id = failed.json()["run"].as_str().unwrap().to_owned();
    // A local run without a warehouse leaves its rejects beside the output, all others below it.
    let (from, rejects) = match warehouse.path("nightly.failed") {
        beside if beside.exists() => ("nightly.failed".to_owned(), beside),
        _ => (
            format!("nightly/{run_id}"),
            warehouse.run_dir("nightly", &run_id),
        ),
    };
    let mut rejects = read_rejects(&rejects);
    rejects[0]["text"] = event(3).into();
    warehouse.write_file("fixed.jsonl", &rejects[0].to_string());
    let (url, replayed) = (warehouse.url(), warehouse.out_location("replayed"));
    let more = [
        "--edited",
        "fixed.jsonl",
        "--out",
        replayed.as_str(),
        "--warehouse",
        url.as_str(),
    ];
    replay(&warehouse, &from, &more).assert_success();

    // The objects of the failed run are not loaded yet: the next run reads them.
    let tolerant = [&run[..], &["--max-rejects", "100%"]].concat();
    let report = warehouse.run_command(&tolerant).assert_success().json();
    assert_eq!(report["logs"]["objects"], 1);
    assert_eq!(report["logs"]["kept"], 2);
    let corrected: Vec<_> = (1..4).map(event).collect();
    warehouse.write_file("corrected/a.json", &corrected.join("\n"));
    warehouse.build_dataset("songs", "corrected", "clean");
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("clean"),
    );
}
