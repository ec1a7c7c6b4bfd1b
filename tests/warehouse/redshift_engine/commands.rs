//! The other commands on the output of a run inside Redshift: load, rejects, replay, history and clean.

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use super::batches::{LIMIT, REJECTED_LOGS, runs_in_output, tables_of_one_run, upload_batch};
use super::support::{RawInput, reject_lines, run_engine};
use crate::support::table_rows::{TableRows, assert_tables_eq};
use crate::support::test_warehouse::TestWarehouse;

const OUT: &str = "s3://datasets/out-redshift";

/// Returns a warehouse with a batch that was loaded, its input, and the report.
fn loaded_warehouse() -> (TestWarehouse, RawInput, Value) {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    let output = run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    (warehouse, input, output.json())
}

fn run(warehouse: &TestWarehouse, arguments: &[&str]) -> CommandOutput {
    CommandOutput::run(&mut warehouse.sparkify(arguments))
}

/// Writes the rejects of a run that can be replayed to `edited.jsonl`, corrected. Returns how many there are.
fn edit_rejects(warehouse: &TestWarehouse, run: &str) -> u64 {
    let mut edited = Vec::new();
    for (number, mut reject) in reject_lines(warehouse, run, "logs").into_iter().enumerate() {
        if reject["truncated"] == true {
            continue;
        }
        let mut event: Value = serde_json::from_str(reject["text"].as_str().unwrap()).unwrap();
        event["itemInSession"] = (100 + number).to_string().into();
        reject["text"] = event.to_string().into();
        edited.push(reject.to_string());
    }
    warehouse.write_file("edited.jsonl", &edited.join("\n"));
    edited.len() as u64
}

#[test]
fn load_says_that_there_is_no_dataset() {
    let (warehouse, _, report) = loaded_warehouse();
    let before = warehouse.warehouse_tables();
    let run_location = format!("{OUT}/{}", report["run"].as_str().unwrap());
    for from in [OUT, &run_location] {
        for more in [&[][..], &["--dry-run"], &["--full-refresh"]] {
            let load = [&["load", "--quiet", "--from", from][..], more].concat();
            warehouse.run_command(&load).assert_failure(
                1,
                &[
                    "no dataset in s3://datasets/out-redshift/",
                    "Redshift transformed the records of its run",
                    "--engine in-process",
                ],
            );
        }
    }
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

#[test]
fn rejects_are_grouped() {
    let (warehouse, _, report) = loaded_warehouse();
    let id = report["run"].as_str().unwrap();
    let rejects = reject_lines(&warehouse, id, "logs");
    assert_eq!(rejects.len() as u64, REJECTED_LOGS);
    // A reject of the checks names its own line, because the object of its record is not known after COPY.
    let own_file = format!("{OUT}/{id}/_rejects/logs-00000.jsonl");
    for (line, reject) in rejects.iter().enumerate() {
        match reject["truncated"].as_bool() {
            Some(true) => {
                let object = "s3://datasets/input/log_data/batch-1/rejects.json";
                assert_eq!(
                    (&reject["object"], &reject["line"]),
                    (&object.into(), &2.into())
                );
            }
            _ => {
                assert_eq!(reject["object"], own_file);
                assert_eq!(reject["line"], line + 1);
            }
        }
    }
    let output = run(&warehouse, &["rejects", OUT, "--json"]).assert_success();
    let groups = output.json();
    assert_eq!(groups["total"]["rejects"], REJECTED_LOGS, "{groups}");
    assert_eq!(groups["total"]["not_replayable"], 1, "{groups}");
    let mut reasons: Vec<_> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["missing", "syntax", "type"]);
    let text = run(&warehouse, &["rejects", OUT]).assert_success().stdout;
    assert!(text.contains("1 cannot be replayed"), "{text}");
}

/// The texts of rejects that the checks found can be edited and replayed; those of COPY are cut.
#[test]
fn rejects_of_the_checks_are_replayed() {
    let (warehouse, _, report) = loaded_warehouse();
    let id = report["run"].as_str().unwrap();
    let from = format!("{OUT}/{id}");
    // As they are, all fail again.
    let replay = [
        "replay",
        "--quiet",
        "--from",
        &from,
        "--out",
        "s3://datasets/replay",
        "--max-rejects=100%",
    ];
    let output = warehouse.run_command(&replay);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(
        output
            .stderr
            .contains("1 of the rejects cannot be replayed"),
        "{output:?}"
    );

    let edited = edit_rejects(&warehouse, id);
    assert_eq!(edited, REJECTED_LOGS - 1);
    let before = warehouse.warehouse_tables()["songplays"].len();
    let replay = [&replay[..], &["--edited", "edited.jsonl", "--json"]].concat();
    for _ in 0..2 {
        let report = warehouse.run_command(&replay).assert_success().json();
        assert_eq!(report["logs"]["kept"], edited);
        assert_eq!(
            warehouse.warehouse_tables()["songplays"].len(),
            before + edited as usize
        );
    }
    // The next run by either engine finds nothing new.
    let input = RawInput::below(&warehouse, "input");
    for engine in ["redshift", "in-process"] {
        let again = run_engine(&warehouse, engine, &input, &LIMIT).assert_success();
        assert_eq!(again.json()["status"], "nothing_new");
    }
}

/// A run that fails on the limit keeps its rejects, which can be replayed; its objects are read later.
#[test]
fn rejects_of_a_failed_run_are_kept() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    let before = warehouse.warehouse_tables();
    for limit in ["0", "1", "2", "0.5%"] {
        let limit = ["--max-rejects", limit];
        let output = run_engine(&warehouse, "redshift", &input, &limit);
        assert_eq!(output.code, Some(3), "{limit:?}: {output:?}");
        assert!(
            output.stderr.contains("rejects and report are in"),
            "{output:?}"
        );
        let report = output.json();
        assert_eq!(report["status"], "failed", "{report}");
        let id = report["run"].as_str().unwrap();
        let listed = reject_lines(&warehouse, id, "logs").len() as u64;
        assert_eq!(report["logs"]["rejected"], listed, "{limit:?}: {report}");
        let groups = run(&warehouse, &["rejects", &format!("{OUT}/{id}"), "--json"]);
        let groups = groups.assert_success().json();
        assert_eq!(groups["total"]["rejects"], listed);
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
        // Nothing but the report and the rejects is left of the run.
        let mut left = testkit::dir_contents::list_files(&warehouse.run_dir("out-redshift", id));
        left.retain(|name| !name.starts_with("_rejects/"));
        let left: Vec<_> = left.into_iter().collect();
        assert_eq!(left, ["_report.failed.json"], "{limit:?}");
    }
    // The records that the checks of the last of these runs rejected are corrected and loaded, before the others are.
    let failed = runs_in_output(&warehouse).pop_last().unwrap();
    let edited = edit_rejects(&warehouse, &failed);
    let replay = [
        "replay",
        "--json",
        "--quiet",
        "--out",
        "s3://datasets/replay",
        "--edited",
        "edited.jsonl",
    ];
    let from = format!("{OUT}/{failed}");
    let replay = [&replay[..], &["--from", &from]].concat();
    let replayed = warehouse.run_command(&replay).assert_success().json();
    assert_eq!(replayed["logs"]["kept"], edited);
    let output = run_engine(&warehouse, "redshift", &input, &["--max-rejects", "3"]);
    assert_eq!(
        output.assert_success().json()["logs"]["already_loaded_objects"],
        0
    );
    let expected = tables_of_one_run([1]);
    let tables = warehouse.warehouse_tables();
    assert_tables_eq(
        &TableRows::from([
            ("songs", tables["songs"].clone()),
            ("artists", tables["artists"].clone()),
        ]),
        &TableRows::from([
            ("songs", expected["songs"].clone()),
            ("artists", expected["artists"].clone()),
        ]),
    );
    let added = tables["songplays"].len() - expected["songplays"].len();
    assert_eq!(added as u64, edited);
}

#[test]
fn history_lists_runs_and_clean_keeps_the_newest() {
    let (warehouse, _, first) = loaded_warehouse();
    let mut ids = vec![first["run"].as_str().unwrap().to_owned()];
    for batch in [2, 3] {
        let input = upload_batch(&warehouse, batch);
        let output = run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
        ids.push(output.json()["run"].as_str().unwrap().to_owned());
    }
    let runs = run(&warehouse, &["history", "--from", OUT, "--json"]).assert_success();
    let runs = runs.json();
    let listed: Vec<_> = runs["runs"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 3, "{runs}");
    let loads = warehouse
        .run_command(&["history", "--json"])
        .assert_success();
    let loads = loads.json();
    let loaded: Vec<_> = loads["runs"].as_array().unwrap().iter().collect();
    assert_eq!(loaded.len(), 3, "{loads}");
    for (of_warehouse, id) in loaded.iter().zip(ids.iter().rev()) {
        assert_eq!(of_warehouse["run"], id.as_str());
        assert_eq!(of_warehouse["rejected_records"], REJECTED_LOGS, "{loads}");
    }
    let clean = run(&warehouse, &["clean", OUT, "--keep=1", "--yes", "--json"]).assert_success();
    let clean = clean.json();
    assert_eq!(clean["remove"].as_array().unwrap().len(), 2, "{clean}");
    let left: Vec<_> = runs_in_output(&warehouse).into_iter().collect();
    assert_eq!(left, ids[2..]);
    let latest = warehouse.run_dir("out-redshift", "latest.json");
    let latest: Value = serde_json::from_slice(&std::fs::read(latest).unwrap()).unwrap();
    assert_eq!(latest["run"], ids[2].as_str());
    let report = warehouse
        .run_dir("out-redshift", &ids[2])
        .join("_report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["engine"], "redshift");
}
