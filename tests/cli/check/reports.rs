//! Reports that do not fit the dataset, that cannot be read, or that another version wrote.

use serde_json::json;

use super::broken_dataset::Dataset;

#[test]
fn counts_of_the_report_must_fit() {
    for (pointer, value, reason) in [
        (
            "/tables/songs/rows",
            4,
            "dataset/songs failed: it has 3 rows, the report counts 4",
        ),
        (
            "/tables/songs/files",
            2,
            "it contains 1 files, the report counts 2",
        ),
        (
            "/tables/time/rows",
            6,
            "dataset/time failed: it has 5 rows, the report counts 6",
        ),
        (
            "/tables/songplays/rows",
            6,
            "it counts 5 kept events, but 6 rows of songplays",
        ),
        (
            "/tables/users/rows",
            2,
            "it counts 1 rows of state_users, but 2 of users",
        ),
        (
            "/merge_state/source_objects/rows",
            9,
            "it has 2 rows, the report counts 9",
        ),
        (
            "/logs/filtered",
            3,
            "it counts 6 log records, but 9 that are kept, filtered",
        ),
        (
            "/songs/rejected",
            7,
            "it has 1 rejects of songs, the report counts 7",
        ),
        (
            "/matched_songplays",
            4,
            "it counts 4 plays with a known song, but 5 have one",
        ),
    ] {
        let dataset = Dataset::new();
        dataset.edit_report(|report| *report.pointer_mut(pointer).unwrap() = json!(value));
        dataset.assert_check_fails(&["check of dataset", reason]);
    }
}

#[test]
fn report_that_cannot_be_used_is_named() {
    for (key, value, reason) in [
        (
            "report_version",
            json!(2),
            "cannot check dataset: its report has version 2, expected 3; run again",
        ),
        (
            "report_version",
            json!(9),
            "check it with the version of sparkify that wrote it",
        ),
        (
            "run",
            json!(""),
            "cannot check dataset: its report has no valid run id; run again",
        ),
        (
            "run",
            json!("x\n.shell echo"),
            "cannot check dataset: its report has no valid run id; run again",
        ),
        (
            "tables",
            json!({}),
            "cannot check dataset: its report does not list table songplays",
        ),
        (
            "engine",
            json!("redshift"),
            "Redshift transformed the records",
        ),
        (
            "threads",
            json!("many"),
            "cannot read dataset/_report.json: ",
        ),
    ] {
        let dataset = Dataset::new();
        dataset.edit_report(|report| report[key] = value);
        dataset.assert_check_fails(&[reason]);
    }
    let dataset = Dataset::new();
    dataset.sandbox.write("dataset/_report.json", "{");
    dataset.assert_check_fails(&["cannot read dataset/_report.json: EOF while parsing"]);
}

#[test]
fn failed_run_has_no_dataset() {
    let dataset = Dataset::new();
    let failed = dataset.sandbox.run_with(&["--max-rejects=0"]);
    failed.assert_failure(3, &["rejects exceed --max-rejects"]);
    let failed = dataset.sandbox.exec(&["check", "--from", "dataset.failed"]);
    failed.assert_failure(
        1,
        &["no dataset in dataset.failed: the run failed and published nothing"],
    );
    dataset.assert_check_passes();
}
