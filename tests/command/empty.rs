//! Runs that keep no event: they replace no star that has some, unless `--allow-empty`.

use crate::data::{MALFORMED_RECORD, event, song};
use crate::harness::Sandbox;
use crate::star::read_report;

/// An event that the filter drops.
fn filtered_event(n: u64) -> String {
    event(n).replace("NextSong", "Home") + "\n"
}

#[test]
fn wrong_logs_directory_does_not_replace_a_dataset_with_events() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("songs/b.json", song(2));
    let ended = place.run("songs", "songs", "star").assert_failure(
        1,
        "will not replace the star in star, which has 2 songplays, by one without events: none of \
         the 2 records in songs is a NextSong event; check --logs; --allow-empty ",
    );
    assert_eq!(ended.stdout, "");
    earlier.assert_unchanged();
    place.assert_no_staging_left();
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
            "by one without events: there is no record in logs; check --logs",
        ),
    ] {
        let (place, earlier) = Sandbox::with_dataset();
        place.write("logs/a.json", logs);
        let ended = place.run_with(&["--max-rejects=100%", "--json"]);
        let line = ended.stderr.lines().last().unwrap();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(line.contains(words), "{ended:?}");
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(
            (&report["status"], &report["logs"]["kept"]),
            (&"failed".into(), &0.into())
        );
        assert!(place.path("star.failed/_report.failed.json").is_file());
        earlier.assert_unchanged();

        let ended = place.run_with(&["--max-rejects=100%", "--allow-empty"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        earlier.assert_replaced();
        place.assert_no_staging_left();
    }
}

#[test]
fn empty_dataset_is_published_where_no_events_are_lost() {
    let place = Sandbox::with_input();
    place.write("logs/a.json", filtered_event(1));
    place.create_dir("empty");
    // Absent, empty, and a star that has no events either.
    for out in ["star", "empty", "star"] {
        let ended = place.run("songs", "logs", out);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(
            ended.warnings(),
            ["none of the 1 records in logs is a NextSong event; check --logs"]
        );
        assert_eq!(
            read_report(&place.path(out))["tables"]["songplays"]["rows"],
            0
        );
    }
}

#[test]
fn reject_limit_is_checked_before_missing_events() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("logs/a.json", filtered_event(1) + MALFORMED_RECORD);
    place.run_with(&[]).assert_failure(3, "1 of 2 log records");
    earlier.assert_unchanged();
}

#[test]
fn dataset_with_unknown_songplay_count_is_not_replaced() {
    let (place, _) = Sandbox::with_dataset();
    place.write(
        "star/_report.json",
        r#"{"report_version":1,"sparkify_version":"0.0.1"}"#,
    );
    place.write("logs/a.json", filtered_event(1));
    place.run_with(&[]).assert_failure(
        1,
        "_report.json: it does not tell how many songplays there are",
    );
    place.run_with(&["--allow-empty"]);
    assert_eq!(
        read_report(&place.path("star"))["tables"]["songplays"]["rows"],
        0
    );
}
