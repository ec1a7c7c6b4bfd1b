//! Inputs in the shape of field reports, through the binary.

use crate::data::{event, song};
use crate::harness::Place;

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
