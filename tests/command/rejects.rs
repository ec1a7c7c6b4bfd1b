//! `--max-rejects`: the last reject that is tolerated, and the first that is not.

use crate::data::{REJECT, events};
use crate::harness::Place;
use crate::star::{Earlier, report, star};

/// A place with an earlier star and 200 records, 4 of which are rejects: 1 song and 3 events.
fn four_rejects_of_two_hundred() -> (Place, Earlier) {
    let (place, earlier) = Place::with_star();
    place.write("songs/b.json", REJECT);
    place.write("logs/a.json", events(0..195) + &REJECT.repeat(3));
    (place, earlier)
}

#[test]
fn rejects_up_to_the_limit_are_published_beside_the_star() {
    for limit in ["4", "5", "2%", "2.0%", "2.1%", "100%"] {
        let (place, earlier) = four_rejects_of_two_hundred();
        place.run_with(&["--max-rejects", limit]).succeeds();
        earlier.is_replaced();
        let report = report(&place.path("star"));
        assert_eq!(
            (&report["songs"]["rejected"], &report["logs"]["rejected"]),
            (&1.into(), &3.into())
        );
        let lines = |name: &str| {
            star(&place.path("star"))[name]
                .split(|b| *b == b'\n')
                .count()
                - 1
        };
        assert_eq!(lines("_rejects/songs-00000.jsonl"), 1);
        assert_eq!(lines("_rejects/logs-00000.jsonl"), 3);
    }
}

#[test]
fn one_reject_past_the_limit_publishes_nothing() {
    for limit in ["3", "0", "1.99%", "0%", "0.5%"] {
        let (place, earlier) = four_rejects_of_two_hundred();
        let words = format!("4 of 200 records rejected (2.00%), more than {limit}: ");
        place
            .run_with(&["--max-rejects", limit])
            .fails(1, &words)
            .fails(1, "the first is songs/b.json line 1 byte 0: syntax: ")
            .fails(1, "raise --max-rejects");
        earlier.is_untouched();
        place.has_no_leavings();
    }
}

#[test]
fn one_percent_is_tolerated_unless_told_otherwise() {
    let (place, earlier) = Place::with_star();
    // With the song 200 records.
    place.write("logs/a.json", events(0..196) + &REJECT.repeat(3));
    place
        .run_with(&[])
        .fails(1, "3 of 200 records rejected (1.50%), more than 1%: ");
    earlier.is_untouched();
    place.write("logs/a.json", events(0..197) + &REJECT.repeat(2));
    place.run_with(&[]).succeeds();
    earlier.is_replaced();
}

#[test]
fn past_the_limit_no_folder_appears_where_none_was() {
    let place = Place::with_input();
    place.write("logs/a.json", REJECT);
    place
        .run_with(&["--max-rejects", "0"])
        .fails(1, "1 of 2 records");
    assert!(!place.path("star").exists());
    place.has_no_leavings();
}

#[test]
fn a_reject_in_place_of_every_song_can_be_tolerated() {
    let place = Place::with_input();
    place.write("songs/a.json", REJECT);
    place.run_with(&[]).fails(
        1,
        "no record in songs is a song: songs/a.json line 1 byte 0: ",
    );
    let ended = place.run_with(&["--max-rejects", "100%"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "sparkify: warning: no record in songs is a song: ";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
    assert!(place.path("star/songplays/part-00000.parquet").is_file());
}
