//! Runs that read only what a warehouse does not have, and replays: each dataset is complete in itself.

use std::fs;

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::sample_data::{MALFORMED_RECORD, event, events, song};

use crate::local_runs::{run_and_load, run_ids, warehouse_with_input};

#[test]
fn each_increment_and_each_replay_passes_the_check() {
    let warehouse = warehouse_with_input();
    let out = warehouse.path("star");
    let run = || run_and_load(&warehouse, "logs", "star", &["--max-rejects=100%"]);
    run().assert_success();
    // Plays of a song that only the warehouse has.
    warehouse.write_file("logs/b.json", &events(3..5));
    run().assert_success();
    // A song without a play, and a play of a song that another run has.
    warehouse.write_file("songs/b.json", &song(2));
    warehouse.write_file("logs/c.json", &event(7).replace("Title 1", "Title 2"));
    run().assert_success();
    warehouse.write_file("logs/d.json", &(events(8..9) + MALFORMED_RECORD));
    warehouse.write_file("songs/d.json", MALFORMED_RECORD);
    run();
    // A new version of an object.
    warehouse.write_file("logs/b.json", &events(3..7));
    run().assert_success_with_warnings();

    let runs = run_ids(&out);
    assert_eq!(runs.len(), 5);
    let mut checked: Vec<String> = runs.iter().map(|run| format!("star/{run}")).collect();
    checked.push("star".to_owned());

    // A play that was rejected, of a song of another run.
    let rejected = &checked[3];
    let rejects = fs::read_to_string(out.join(&runs[3]).join("_rejects/logs-00000.jsonl"));
    let mut reject: Value = serde_json::from_str(&rejects.unwrap()).unwrap();
    reject["text"] = event(9).into();
    warehouse.write_file("fixed.jsonl", &reject.to_string());
    let replay = ["replay", "--quiet", "--from", rejected, "--edited"];
    let replay = [&replay[..], &["fixed.jsonl", "--out", "replayed"]].concat();
    CommandOutput::run(&mut warehouse.sparkify(&replay)).assert_success();
    checked.push("replayed".to_owned());

    for from in checked {
        let check = ["check", "--from", &from, "--json"];
        let report = CommandOutput::run(&mut warehouse.sparkify(&check)).assert_success();
        assert_eq!(report.json()["status"], "ok", "{from}");
    }
}
