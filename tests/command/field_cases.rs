//! Inputs in the shape of field reports, through the binary.

use serde_json::Value;

use crate::data::{event, events, song};
use crate::harness::Sandbox;
use crate::star::read_report;

#[test]
fn wrapper_object_gets_a_jq_hint() {
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
        let place = Sandbox::with_input();
        place.write("logs/a.json", &text);
        let ended = place.run_with(&[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let words = format!("unwrap it, for example with jq -c '{path}'");
        assert!(ended.warnings()[0].ends_with(&words), "{ended:?}");

        // It says so too where it fails for that.
        let (place, earlier) = Sandbox::with_dataset();
        place.write("logs/a.json", &text);
        place.run_with(&[]).assert_failure(1, &words);
        earlier.assert_unchanged();
    }
}

#[test]
fn wrapper_larger_than_the_inspected_prefix_is_recognized() {
    let place = Sandbox::with_input();
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
fn wrapped_songs_fail_with_a_jq_hint() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("songs/a.json", format!("{{\"data\": [{}]}}", song(1)));
    place
        .run_with(&[])
        .assert_failure(3, "no record in songs is a song")
        .assert_failure(3, "jq -c '.data[]'");
    earlier.assert_unchanged();
}

#[test]
fn non_wrapper_objects_get_no_jq_hint() {
    for text in [
        // It has a key of an event.
        format!("{{\"Records\":[{}],\"page\":\"Home\"}}", event(1)),
        "{\"Records\":[1,2]}".to_owned(),
        "{\"Records\":[]}".to_owned(),
        "{\"a\":{\"Records\":[{}]}}".to_owned(),
        "{}".to_owned(),
    ] {
        let place = Sandbox::with_input();
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
fn utf16_object_fails_the_run_unless_the_limit_allows_it() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("logs/a.json", events(0..1000));
    let utf16: Vec<u8> = events(1000..1300)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    place.write("logs/b.json", [b"\xff\xfe".as_slice(), &utf16].concat());
    let ended = place
        .run_with(&["--json"])
        .assert_failure_with_warnings(3, "1 of 2 log objects (50.00%): ");
    let warning = "nothing of logs/b.json could be read: it looks like UTF-16 text, not like JSON; \
                   store it as JSON in UTF-8, plain or compressed by gzip, bzip2 or zstd, or leave it out";
    assert_eq!(ended.warnings(), [warning]);
    earlier.assert_unchanged();
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
    assert_eq!(read_report(&place.path("star"))["logs"]["kept"], 1000);
}

#[test]
fn log_with_one_array_is_read() {
    let (place, earlier) = Sandbox::with_dataset();
    let all: Vec<_> = (0..5000).map(event).collect();
    place.write("logs/a.json", format!("[{}]", all.join(", ")));
    place.run_with(&[]).assert_success();
    assert_eq!(read_report(&place.path("star"))["logs"]["kept"], 5000);
    earlier.assert_replaced();
}
