//! Runs that keep no event: they do not replace a dataset with events, unless `--allow-empty` is given.

use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::{MALFORMED_RECORD, event, song};

/// Returns an event that the filter drops.
fn filtered_event(n: u64) -> String {
    event(n).replace("NextSong", "Home") + "\n"
}

#[test]
fn wrong_logs_directory_does_not_replace_a_dataset_with_events() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("songs/b.json", song(2));
    let output = sandbox.run("songs", "songs", "dataset").assert_failure(1, &["will not replace the dataset in dataset, which has 2 songplays, with one without events: none of \
         the 2 records in songs is a NextSong event; check --logs; use --allow-empty "]);
    assert_eq!(output.stdout, "");
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn logs_without_kept_events_do_not_replace_a_dataset_with_events() {
    for (logs, words) in [
        (
            filtered_event(1) + &filtered_event(2),
            "none of the 2 records in logs is a NextSong event",
        ),
        (
            r#"{"page":"NextSong"}"#.to_owned() + "\n" + &filtered_event(1),
            "none of the 2 records in logs is kept: 1 filtered (page is not NextSong), 1 rejected",
        ),
        (
            String::new(),
            "with one without events: there are no records in logs; check --logs",
        ),
    ] {
        let (sandbox, snapshot) = Sandbox::with_dataset();
        sandbox.write("logs/a.json", logs);
        let output = sandbox.run_with(&["--max-rejects=100%", "--json"]);
        let line = output.stderr.lines().last().unwrap();
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(line.contains(words), "{output:?}");
        let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(
            (&report["status"], &report["logs"]["kept"]),
            (&"failed".into(), &0.into())
        );
        assert!(sandbox.path("dataset.failed/_report.failed.json").is_file());
        snapshot.assert_unchanged();

        let output = sandbox.run_with(&["--max-rejects=100%", "--allow-empty"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        snapshot.assert_replaced();
        sandbox.assert_no_staging_left();
    }
}

#[test]
fn empty_dataset_is_published_where_no_events_are_lost() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a.json", filtered_event(1));
    sandbox.create_dir("empty");
    // The output is absent, an empty directory, or a dataset without events.
    for out in ["dataset", "empty", "dataset"] {
        let output = sandbox.run("songs", "logs", out);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(
            output.warnings(),
            ["none of the 1 records in logs is a NextSong event; check --logs"]
        );
        assert_eq!(
            read_report(&sandbox.path(out))["tables"]["songplays"]["rows"],
            0
        );
    }
}

#[test]
fn reject_limit_is_checked_before_missing_events() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("logs/a.json", filtered_event(1) + MALFORMED_RECORD);
    sandbox
        .run_with(&[])
        .assert_failure(3, &["1 of 2 log records"]);
    snapshot.assert_unchanged();
}

#[test]
fn dataset_with_unknown_songplay_count_is_not_replaced() {
    let (sandbox, _) = Sandbox::with_dataset();
    sandbox.write(
        "dataset/_report.json",
        r#"{"report_version":2,"sparkify_version":"0.0.1"}"#,
    );
    sandbox.write("logs/a.json", filtered_event(1));
    sandbox
        .run_with(&[])
        .assert_failure(1, &["_report.json: it has no row count for songplays"]);
    sandbox.run_with(&["--allow-empty"]);
    assert_eq!(
        read_report(&sandbox.path("dataset"))["tables"]["songplays"]["rows"],
        0
    );
}
