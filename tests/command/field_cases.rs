//! Inputs in the shape of field reports, through the binary.

use serde_json::Value;

use crate::data::{event, events, song};
use crate::harness::Place;
use crate::star::report;

#[test]
fn a_wrapper_of_records_is_named() {
    let wrapped = |key: &str| format!("{{{key}: [{}, {}]}}", event(1), event(2));
    for (text, path) in [
        (wrapped("\"Records\""), ".Records[]"),
        (
            format!("\u{feff}\n {}", wrapped("\"Records\"")),
            ".Records[]",
        ),
        (
            format!("{}\n{}", wrapped("\"Records\""), wrapped("\"Records\"")),
            ".Records[]",
        ),
        (
            format!(
                "{{\"n\":[1,{{}}],\"status\":\"[{{\\\"\",\"log-events\" : [ {}]}}",
                event(1)
            ),
            ".[\"log-events\"][]",
        ),
    ] {
        let place = Place::with_input();
        place.write("logs/a.json", &text);
        let ended = place.run_with(&[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let words = format!("unwrap it, for example with jq -c '{path}'");
        assert!(ended.warnings()[0].ends_with(&words), "{ended:?}");

        // It says so too where it fails for that.
        let (place, earlier) = Place::with_star();
        place.write("logs/a.json", &text);
        place.run_with(&[]).fails(1, &words);
        earlier.is_untouched();
    }
}

#[test]
fn a_wrapper_longer_than_what_is_looked_at_is_named() {
    let place = Place::with_input();
    let all: Vec<_> = (0..10_000).map(event).collect();
    place.write(
        "logs/a.json",
        format!("{{\"Records\":[{}]}}", all.join(",")),
    );
    let ended = place.run_with(&[]);
    assert!(
        ended.warnings()[0].contains("in the array `Records`"),
        "{ended:?}"
    );
}

#[test]
fn songs_in_a_wrapper_are_named() {
    let (place, earlier) = Place::with_star();
    place.write("songs/a.json", format!("{{\"data\": [{}]}}", song(1)));
    place
        .run_with(&[])
        .fails(3, "no record in songs is a song")
        .fails(3, "jq -c '.data[]'");
    earlier.is_untouched();
}

#[test]
fn what_is_no_wrapper_is_not_called_one() {
    for text in [
        // It has a key of an event.
        format!("{{\"Records\":[{}],\"page\":\"Home\"}}", event(1)),
        "{\"Records\":[1,2]}".to_owned(),
        "{\"Records\":[]}".to_owned(),
        "{\"a\":{\"Records\":[{}]}}".to_owned(),
        "{}".to_owned(),
    ] {
        let place = Place::with_input();
        place.write("logs/a.json", &text);
        let ended = place.run_with(&[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.warnings()[0].ends_with("is a NextSong event; check --logs"),
            "{ended:?}"
        );
    }
}

#[test]
fn an_object_in_utf16_fails_the_run_and_others_are_read_if_tolerated() {
    let (place, earlier) = Place::with_star();
    place.write("logs/a.json", events(0..1000));
    let utf16: Vec<u8> = events(1000..1300)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    place.write("logs/b.json", [b"\xff\xfe".as_slice(), &utf16].concat());
    let ended = place
        .run_with(&["--json"])
        .fails_after_warnings(3, "1 of 2 log objects (50.00%): ");
    let warning = "nothing of logs/b.json could be read: it looks like UTF-16 text, not like JSON; \
                   store it as JSON in UTF-8, plain or compressed by gzip, bzip2 or zstd, or leave it out";
    assert_eq!(ended.warnings(), [warning]);
    earlier.is_untouched();
    let failed: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(failed["logs"]["rejected_by_reason"]["not_json"], 1);
    let reject = std::fs::read(place.path("star.failed/_rejects/logs-00000.jsonl")).unwrap();
    let reject: Value = serde_json::from_slice(&reject).unwrap();
    assert_eq!(
        (&reject["reason"], &reject["bytes"]),
        (&"not_json".into(), &(utf16.len() + 2).into())
    );

    let ended = place.run_with(&["--max-rejects", "60%"]);
    assert_eq!(
        (ended.code, ended.warnings().len()),
        (Some(0), 1),
        "{ended:?}"
    );
    assert_eq!(report(&place.path("star"))["logs"]["kept"], 1000);
}

#[test]
fn a_log_that_is_one_array_is_read() {
    let (place, earlier) = Place::with_star();
    let all: Vec<_> = (0..5000).map(event).collect();
    place.write("logs/a.json", format!("[{}]", all.join(", ")));
    place.run_with(&[]).succeeds();
    assert_eq!(report(&place.path("star"))["logs"]["kept"], 5000);
    earlier.is_replaced();
}
