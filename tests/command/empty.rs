//! Runs that keep no event: they replace no star that has some, unless `--allow-empty`.

use crate::data::{REJECT, event, song};
use crate::harness::Place;
use crate::star::report;

/// An event that the filter drops.
fn home(n: u64) -> String {
    event(n).replace("NextSong", "Home") + "\n"
}

#[test]
fn a_wrong_folder_of_logs_does_not_replace_a_star_that_has_events() {
    let (place, earlier) = Place::with_star();
    place.write("songs/b.json", song(2));
    let ended = place.run("songs", "songs", "star").fails(
        1,
        "will not replace the star in star, which has 2 songplays, by one without events: none of \
         the 2 records in songs is a NextSong event; check --logs; --allow-empty ",
    );
    assert_eq!(ended.stdout, "");
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn logs_without_a_kept_event_do_not_replace_a_star_that_has_events() {
    for (logs, words) in [
        (
            home(1) + &home(2),
            "none of the 2 records in logs is a NextSong event",
        ),
        (
            r#"{"page":"NextSong"}"#.to_owned() + "\n" + &home(1),
            "none of the 2 records in logs is kept: 1 filtered (page is not NextSong), 1 rejected",
        ),
        (
            String::new(),
            "by one without events: there is no record in logs; check --logs",
        ),
    ] {
        let (place, earlier) = Place::with_star();
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
        earlier.is_untouched();

        let ended = place.run_with(&["--max-rejects=100%", "--allow-empty"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        earlier.is_replaced();
        place.has_no_leavings();
    }
}

#[test]
fn a_star_without_events_is_published_where_none_is_lost() {
    let place = Place::with_input();
    place.write("logs/a.json", home(1));
    place.folder("empty");
    // Absent, empty, and a star that has no events either.
    for out in ["star", "empty", "star"] {
        let ended = place.run("songs", "logs", out);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(
            ended.warnings(),
            ["none of the 1 records in logs is a NextSong event; check --logs"]
        );
        assert_eq!(report(&place.path(out))["tables"]["songplays"]["rows"], 0);
    }
}

#[test]
fn rejects_past_the_limit_come_before_the_want_of_events() {
    let (place, earlier) = Place::with_star();
    place.write("logs/a.json", home(1) + REJECT);
    place.run_with(&[]).fails(3, "1 of 2 log records");
    earlier.is_untouched();
}

#[test]
fn a_star_that_does_not_tell_its_songplays_is_not_replaced() {
    let (place, _) = Place::with_star();
    place.write(
        "star/_report.json",
        r#"{"report_version":1,"sparkify_version":"0.0.1"}"#,
    );
    place.write("logs/a.json", home(1));
    place.run_with(&[]).fails(
        1,
        "_report.json: it does not tell how many songplays there are",
    );
    place.run_with(&["--allow-empty"]);
    assert_eq!(
        report(&place.path("star"))["tables"]["songplays"]["rows"],
        0
    );
}
