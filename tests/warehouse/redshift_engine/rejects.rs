//! Records that COPY or the checks reject: they are listed, counted and held against the limit.

use serde_json::{Value, json};
use testkit::redshift_simulator::SimulatorSettings;

use super::support::{
    RawInput, assert_engines_agree, event, history_sums, reject_lines, run_engine, song,
    undocumented_behaviours,
};
use crate::support::test_warehouse::TestWarehouse;

/// Uploads songs and events, one object each.
fn upload_records(warehouse: &TestWarehouse, songs: &[String], events: &[String]) -> RawInput {
    warehouse.put_object("input/song_data/a.json", songs.join("\n"));
    warehouse.put_object("input/log_data/a.json", events.join("\n"));
    RawInput::below(warehouse, "input")
}

#[test]
fn each_reason_is_found() {
    let events = [
        event(&json!({})),
        event(&json!({"itemInSession": "x"})),
        event(&json!({"itemInSession": 1.5})),
        event(&json!({"userId": 3_000_000_000_u64})),
        event(&json!({"sessionId": null})),
        event(&json!({"level": "a level of more than 16 bytes"})),
        event(&json!({"level": null, "ts": "?"})),
        event(&json!({"page": "Home", "ts": "?"})),
    ];
    let songs = [
        song(&json!({})),
        song(&json!({"song_id": "S2", "duration": "long"})),
        song(&json!({"title": null})),
    ];
    for settings in undocumented_behaviours() {
        let upload = |warehouse: &TestWarehouse| upload_records(warehouse, &songs, &events);
        let report = assert_engines_agree(&settings, upload, &["--max-rejects", "90%"]);
        let reasons = json!({"missing": 1, "range": 1, "too_long": 1, "type": 3});
        assert_eq!(report["logs"]["rejected_by_reason"], reasons);
    }
}

/// Asserts that a run with these arguments fails because of its rejects: nothing is loaded, and they are kept. Returns the
/// report.
#[track_caller]
fn assert_fails(settings: &SimulatorSettings, events: &[String], max_rejects: &str) -> Value {
    let warehouse = TestWarehouse::with_settings(settings.clone());
    let input = upload_records(&warehouse, &[song(&json!({}))], events);
    let output = run_engine(
        &warehouse,
        "redshift",
        &input,
        &["--max-rejects", max_rejects],
    );
    assert_eq!(output.code, Some(3), "{output:?}");
    let report = output.json();
    assert_eq!(report["status"], "failed");
    let rejects = reject_lines(&warehouse, report["run"].as_str().unwrap(), "logs");
    assert_eq!(
        rejects.len() as u64,
        report["logs"]["rejected"].as_u64().unwrap()
    );
    for (table, rows) in warehouse.warehouse_tables() {
        assert!(rows.is_empty(), "{table}");
    }
    assert_eq!(history_sums(&warehouse), []);
    report
}

/// Events of which some are rejected by the checks, and some by COPY.
fn events_with_rejects(by_checks: usize, by_copy: usize, valid: usize) -> Vec<String> {
    let event = |number: usize, changes: serde_json::Value| {
        let mut changes = changes;
        changes["itemInSession"] = json!(number);
        event(&changes)
    };
    let rejected = (0..by_checks).map(|number| event(number, json!({"ts": "soon"})));
    let unreadable = (0..by_copy).map(|_| "{\"page\": \"NextSong\", ".to_owned());
    let valid = (0..valid).map(|number| event(number, json!({})));
    rejected.chain(valid).chain(unreadable).collect()
}

#[test]
fn a_percentage_is_checked_after_staging() {
    let settings = &undocumented_behaviours()[0];
    let events = events_with_rejects(3, 3, 94);
    let report = assert_fails(settings, &events, "5%");
    assert_eq!(report["logs"]["rejected"], 6);
    assert_eq!(report["logs"]["records"], 100);
    assert_eq!(
        report["logs"]["rejected_by_reason"],
        json!({"syntax": 3, "type": 3})
    );
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("6 of 100 log records (6.00%)"), "{error}");

    let warehouse = TestWarehouse::with_settings(settings.clone());
    let input = upload_records(&warehouse, &[song(&json!({}))], &events);
    let output = run_engine(&warehouse, "redshift", &input, &["--max-rejects", "6%"]);
    assert_eq!(output.assert_success().json()["logs"]["kept"], 94);
    assert_eq!(history_sums(&warehouse)[0], ("log".to_owned(), 94, 6));
}

/// COPY fails at one error more than are tolerated, before the other records are read.
#[test]
fn a_count_limits_copy_and_checks_together() {
    let settings = &undocumented_behaviours()[0];
    let by_copy = assert_fails(settings, &events_with_rejects(0, 8, 50), "5");
    assert_eq!(by_copy["logs"]["rejected"], 6);
    let together = assert_fails(settings, &events_with_rejects(3, 3, 50), "5");
    assert_eq!(together["logs"]["rejected"], 6);
    let error = together["error"].as_str().unwrap();
    assert!(error.contains("rejects exceed --max-rejects 5"), "{error}");
}

/// Each reject of COPY has its object and line, and those of the checks have the staged fields.
#[test]
fn rejects_say_what_is_known() {
    let warehouse = TestWarehouse::with_settings(undocumented_behaviours()[0].clone());
    let input = upload_records(
        &warehouse,
        &[song(&json!({}))],
        &events_with_rejects(1, 1, 8),
    );
    let output = run_engine(&warehouse, "redshift", &input, &["--max-rejects", "2"]);
    let report = output.assert_success().json();
    let rejects = reject_lines(&warehouse, report["run"].as_str().unwrap(), "logs");
    let [by_copy, by_check] = &rejects[..] else {
        panic!("{rejects:?}")
    };
    assert_eq!(by_copy["object"], "s3://datasets/input/log_data/a.json");
    assert_eq!(
        (&by_copy["line"], &by_copy["reason"]),
        (&json!(10), &json!("syntax"))
    );
    assert_eq!(by_copy["truncated"], true);
    assert!(by_copy["text"].as_str().unwrap().starts_with("{\"page\""));
    assert_eq!(by_check["reason"], "type");
    assert_eq!(
        (&by_check["key"], &by_check["detail"]),
        (&json!("ts"), &json!("not a number"))
    );
    let file = by_check["object"].as_str().unwrap();
    assert!(file.ends_with("/_rejects/logs-00000.jsonl"), "{file}");
    assert_eq!(by_check["line"], 2);
    let text: Value = serde_json::from_str(by_check["text"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&text["ts"], &text["userId"]),
        (&json!("soon"), &json!("7"))
    );
}

/// Where no record of a kind can be read, the run fails whatever the limit.
#[test]
fn unreadable_logs_fail_the_run() {
    let settings = &undocumented_behaviours()[0];
    let report = assert_fails(settings, &events_with_rejects(0, 4, 0), "100%");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("no log record in"), "{error}");
}

/// An array of events is one reject of COPY, however many events are lost with it.
#[test]
fn objects_that_may_be_lost_are_named() {
    let warehouse = TestWarehouse::with_settings(undocumented_behaviours()[0].clone());
    let events = events_with_rejects(0, 0, 300);
    let input = upload_records(&warehouse, &[song(&json!({}))], &events);
    let array = format!("[{}]", events[..20].join(","));
    warehouse.put_object("input/log_data/b.json", array);
    let output = run_engine(&warehouse, "redshift", &input, &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let warning = "COPY could not read 1 long record of 1 log object, which may be most of it: \
                   s3://datasets/input/log_data/b.json (1)";
    assert!(output.stderr.contains(warning), "{output:?}");
    assert_eq!(output.json()["warnings"], json!([warning]));
}

/// The views may show what a COPY could not read a while after it. The number in its notice says whether they do.
#[test]
fn late_load_errors_are_waited_for() {
    let lagging = |queries| SimulatorSettings {
        lagging_error_views: queries,
        ..undocumented_behaviours()[0].clone()
    };
    let events = events_with_rejects(1, 2, 40);
    let run = |queries| {
        let warehouse = TestWarehouse::with_settings(lagging(queries));
        let input = upload_records(&warehouse, &[song(&json!({}))], &events);
        let output = run_engine(&warehouse, "redshift", &input, &["--max-rejects", "3"]);
        (warehouse, output)
    };
    let (warehouse, output) = run(3);
    let report = output.assert_success().json();
    assert_eq!(report["logs"]["rejected"], 3);
    assert_eq!(
        reject_lines(&warehouse, report["run"].as_str().unwrap(), "logs").len(),
        3
    );

    // Rejects that are never shown must not vanish.
    let (warehouse, output) = run(1000);
    output.assert_failure(
        1,
        &["COPY could not read 2 event records, but the load error views list only 0"],
    );
    assert_eq!(history_sums(&warehouse), []);
}
