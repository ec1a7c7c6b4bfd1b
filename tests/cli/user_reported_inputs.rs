//! Inputs like those of field reports, read by the binary.

use serde_json::Value;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::{event, events, song};

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
        let sandbox = Sandbox::with_input();
        sandbox.write("logs/a.json", &text);
        let output = sandbox.run_with(&[]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let words = format!("unwrap it, for example with jq -c '{path}'");
        assert!(output.warnings()[0].ends_with(&words), "{output:?}");

        // The message is printed too if the run fails for this reason.
        let (sandbox, snapshot) = Sandbox::with_dataset();
        sandbox.write("logs/a.json", &text);
        sandbox.run_with(&[]).assert_failure(1, &[&words]);
        snapshot.assert_unchanged();
    }
}

#[test]
fn wrapper_larger_than_the_inspected_prefix_is_recognized() {
    let sandbox = Sandbox::with_input();
    let all: Vec<_> = (0..10_000).map(event).collect();
    sandbox.write(
        "logs/a.json",
        format!("{{\"Records\":[{}]}}", all.join(",")),
    );
    let output = sandbox.run_with(&[]);
    assert!(
        output.warnings()[0].contains("in the array `Records`"),
        "{output:?}"
    );
}

#[test]
fn wrapped_songs_fail_with_a_jq_hint() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("songs/a.json", format!("{{\"data\": [{}]}}", song(1)));
    sandbox
        .run_with(&[])
        .assert_failure(3, &["no record in songs is a song"])
        .assert_failure(3, &["jq -c '.data[]'"]);
    snapshot.assert_unchanged();
}

#[test]
fn non_wrapper_objects_get_no_jq_hint() {
    for text in [
        // The record has a key of an event.
        format!("{{\"Records\":[{}],\"page\":\"Home\"}}", event(1)),
        "{\"Records\":[1,2]}".to_owned(),
        "{\"Records\":[]}".to_owned(),
        "{\"a\":{\"Records\":[{}]}}".to_owned(),
        "{}".to_owned(),
    ] {
        let sandbox = Sandbox::with_input();
        sandbox.write("logs/a.json", &text);
        let output = sandbox.run_with(&[]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(
            output.warnings()[0].ends_with("is a NextSong event; check --logs"),
            "{output:?}"
        );
    }
}

#[test]
fn utf16_object_fails_the_run_unless_the_limit_allows_it() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("logs/a.json", events(0..1000));
    let utf16: Vec<u8> = events(1000..1300)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    sandbox.write("logs/b.json", [b"\xff\xfe".as_slice(), &utf16].concat());
    let output = sandbox
        .run_with(&["--json"])
        .assert_failure_with_warnings(3, "1 of 2 log objects (50.00%): ");
    let warning = "no record in logs/b.json could be read: looks like UTF-16 text, not JSON; \
                   store it as JSON in UTF-8, uncompressed or compressed with gzip, bzip2 or zstd, or remove it from the input";
    assert_eq!(output.warnings(), [warning]);
    snapshot.assert_unchanged();
    let failed: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(failed["logs"]["rejected_by_reason"]["not_json"], 1);
    let reject = std::fs::read(sandbox.path("dataset.failed/_rejects/logs-00000.jsonl")).unwrap();
    let reject: Value = serde_json::from_slice(&reject).unwrap();
    assert_eq!(
        (&reject["reason"], &reject["bytes"]),
        (&"not_json".into(), &(utf16.len() + 2).into())
    );

    let output = sandbox.run_with(&["--max-rejects", "60%"]);
    assert_eq!(
        (output.code, output.warnings().len()),
        (Some(0), 1),
        "{output:?}"
    );
    assert_eq!(read_report(&sandbox.path("dataset"))["logs"]["kept"], 1000);
}

#[test]
fn log_with_one_array_is_read() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let all: Vec<_> = (0..5000).map(event).collect();
    sandbox.write("logs/a.json", format!("[{}]", all.join(", ")));
    sandbox.run_with(&[]).assert_success();
    assert_eq!(read_report(&sandbox.path("dataset"))["logs"]["kept"], 5000);
    snapshot.assert_replaced();
}
