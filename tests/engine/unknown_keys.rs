//! Keys that the model does not know: each is listed where it occurs first, whatever the threads and sizes. Every
//! list is also compared with that of the reference.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sparkify::config::IoSizes;
use sparkify::report::{InputReport, UnknownKeyReport};
use testkit::property_tests::config::config_with_cases;

use crate::determinism::gzip;
use crate::harness::{RunOptions, SONG, TestInput, event, run_and_compare, run_and_compare_input};

/// The key and line of each unknown key in the only log object.
type KeysAndLines<'a> = &'a [(&'a str, u64)];

/// Returns an event with further members.
fn event_with(n: u64, members: &str) -> String {
    format!("{{{members},{}", &event(n, &[])[1..])
}

/// Returns an event with further members that the filter drops.
fn filtered_event_with(n: u64, members: &str) -> String {
    event_with(n, members).replace("NextSong", "Home")
}

fn keys_and_lines(input: &InputReport) -> Vec<(&str, u64)> {
    let keys = input.unknown_keys.iter();
    keys.map(|unknown| (unknown.key.as_str(), unknown.line))
        .collect()
}

/// Asserts the unknown keys of one log object, for several sizes of splits and chunks.
fn assert_log_keys(bytes: impl AsRef<[u8]>, expected: KeysAndLines<'_>) {
    let input = TestInput::with_log(bytes);
    let setting = |split_bytes, chunk_bytes| IoSizes {
        split_bytes,
        chunk_bytes,
        row_group_rows: 2,
    };
    for sizes in [
        IoSizes::default(),
        setting(Some(5), 1),
        setting(Some(200), 64),
        setting(None, 100),
    ] {
        for threads in [1, 3] {
            let options = RunOptions { threads, sizes };
            let checked = run_and_compare(&input.songs_dir(), &input.logs_dir(), options);
            let logs = &checked.report.logs.input;
            assert_eq!(keys_and_lines(logs), expected, "{sizes:?}");
            assert!(!logs.more_unknown_keys);
            for unknown in &logs.unknown_keys {
                assert!(unknown.object.ends_with("/logs/a.json"), "{unknown:?}");
            }
        }
    }
}

#[test]
fn known_keys_are_not_listed() {
    let input = TestInput::with_log([event(1, &[]), filtered_event_with(2, "\"auth\":1")].concat());
    let report = run_and_compare_input(&input).report;
    assert_eq!(report.songs.unknown_keys, []);
    assert_eq!(report.logs.input.unknown_keys, []);
    assert!(!report.songs.more_unknown_keys && !report.logs.input.more_unknown_keys);
}

#[test]
fn keys_of_songs_are_unknown_in_logs_and_the_reverse() {
    let input = TestInput::new();
    input.write("songs/a.json", format!("{SONG}\n{{\"ts\":1,{}", &SONG[1..]));
    input.write("logs/a.json", event_with(1, "\"num_songs\":1"));
    let report = run_and_compare_input(&input).report;
    assert_eq!(keys_and_lines(&report.songs), [("ts", 2)]);
    assert_eq!(keys_and_lines(&report.logs.input), [("num_songs", 1)]);
}

#[test]
fn repeated_keys_are_listed_where_they_occur_first() {
    let lines = [
        event(1, &[]),
        event_with(2, "\"b\":1,\"a\":2,\"b\":3"),
        event_with(3, "\"a\":1"),
        event_with(4, "\"c\":[],\"b\":{},\"a\":null"),
        event_with(5, "\"c\":\"\""),
    ];
    assert_log_keys(lines.join("\n"), &[("b", 2), ("a", 2), ("c", 4)]);
}

#[test]
fn only_keys_of_the_top_level_are_listed() {
    let lines = [
        event_with(1, "\"outer\":{\"inner\":[{\"innermost\":1}]}"),
        event_with(2, "\"inner\":1"),
    ];
    assert_log_keys(lines.join("\n"), &[("outer", 1), ("inner", 2)]);
}

#[test]
fn keys_of_filtered_and_rejected_records_are_listed() {
    let lines = [
        filtered_event_with(1, "\"filtered\":1"),
        event_with(2, "\"rejected\":1").replace("\"paid\"", "null"),
        event_with(3, "\"filtered\":1,\"rejected\":1"),
        "{\"only\":1}".to_owned(),
    ];
    assert_log_keys(
        lines.join("\n"),
        &[("filtered", 1), ("rejected", 2), ("only", 4)],
    );
}

/// The records with a syntax error teach the scanner to predict their keys.
#[test]
fn keys_of_records_that_are_not_json_are_not_listed() {
    let broken = [
        event_with(1, "\"a\":1,\"b\":1,\"broken\":-"),
        event_with(2, "\"a\":1,\"b\":2").replace('}', "]"),
        event_with(3, "\"a\":1,\"b\":2,\"gone\":1") + "x",
    ];
    let valid = [event_with(4, "\"a\":1"), event_with(5, "\"a\":1,\"b\":1")];
    let text = [&broken[..2], &valid, &broken[..1]].concat().join("\n");
    assert_log_keys(&text, &[("a", 3), ("b", 4)]);
    // Garbage after a record is a reject of its own.
    let text = [&broken[2..], &valid].concat().join("\n");
    assert_log_keys(&text, &[("a", 1), ("b", 1), ("gone", 1)]);
    // A truncated last record.
    assert_log_keys(format!("{}\n{{\"a\":1,\"cut\":2", event(1, &[])), &[]);
}

#[test]
fn keys_of_records_that_are_not_utf8_are_not_listed() {
    let invalid = |member: &[u8]| {
        let (before, after) = (b"{\"a\":1,".as_slice(), event(1, &[]));
        [before, member, b",", &after.as_bytes()[1..], b"\n"].concat()
    };
    let text = [
        invalid(b"\"k\xFFy\":1"),
        invalid(b"\"key\":\"\x80\""),
        event_with(2, "\"key\":1,\"a\":2").into_bytes(),
    ];
    assert_log_keys(text.concat(), &[("key", 3), ("a", 3)]);
}

#[test]
fn keys_are_compared_after_their_escapes_are_decoded() {
    let lines = [
        event_with(1, r#""\u0070ageNumber":1,"\u0061uth":1,"\u0070age":1"#).replace("Next", "No"),
        event_with(2, r#""pageNumber":1,"page\u004Eumber":2,"\ud83d\ude00":1"#),
        event_with(3, r#""😀":1,"\u0000":2,"\"\\\n":3"#),
        // Lone surrogates cannot be written as UTF-8.
        event_with(4, r#""\ud800x":1,"\uDFFFx":2,"\ufffdx":3,"ts\udc00":4"#),
    ];
    assert_log_keys(
        lines.join("\n"),
        &[
            ("pageNumber", 1),
            ("😀", 2),
            ("\0", 3),
            ("\"\\\n", 3),
            ("\u{fffd}x", 4),
            ("ts\u{fffd}", 4),
        ],
    );
}

#[test]
fn long_keys_are_cut_at_a_character() {
    let long = format!("x{}", "é".repeat(300));
    let (exact, other) = ("y".repeat(256), "y".repeat(257));
    let lines = [
        event_with(1, &format!("\"{long}\":1")),
        event_with(2, &format!("\"{long}more\":1,\"{exact}\":1")),
        event_with(3, &format!("\"{other}\":1,\"\\u0079{other}\":1")),
    ];
    let cut = format!("x{}", "é".repeat(127));
    assert_log_keys(lines.join("\n"), &[(&cut, 1), (&exact, 2)]);
}

#[test]
fn line_is_that_of_the_key() {
    let record = "{\n  \"a\": 1,\r\n  \"b\":\n{\"c\": 1},\n\n  \"d\": 2}";
    let text = format!("\u{feff}\n{}\r{record}\n{record}", event(1, &[]));
    assert_log_keys(text, &[("a", 3), ("b", 4), ("d", 7)]);
}

#[test]
fn keys_of_arrays_of_records_are_listed() {
    let records = [
        event_with(1, "\"a\":1"),
        event_with(2, "\"b\":1"),
        event_with(3, "\"b\":1,\"a\":1"),
    ];
    assert_log_keys(format!("[{}]", records.join(",\n")), &[("a", 1), ("b", 2)]);
}

/// A split that begins at the wrong brace reads the nested objects as records.
#[test]
fn keys_of_a_wrong_split_boundary_are_not_listed() {
    let record = |n: u64| event_with(n, "\"nested\":\n{\"inner\":1,\"more\":2},\"last\":1");
    let records: Vec<_> = (0..20).map(record).collect();
    assert_log_keys(records.join("\n"), &[("nested", 1), ("last", 2)]);
    let records = [records.join("\n"), event_with(20, "\"inner\":1")];
    assert_log_keys(
        records.join("\n"),
        &[("nested", 1), ("last", 2), ("inner", 41)],
    );
}

#[test]
fn key_of_a_later_object_has_its_object_and_line() {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    input.write("logs/a.json", event(1, &[]));
    input.write("logs/b/c.json", event_with(2, "\"old\":1") + "\n\n");
    let lines = [event_with(3, "\"old\":1"), event_with(4, "\"new\":1")];
    input.write("logs/d.json.gz", gzip(lines.join("\n").as_bytes()));
    input.write("logs/e.json", event_with(5, "\"new\":1,\"old\":1"));
    for split_bytes in [Some(300), None] {
        let sizes = IoSizes {
            split_bytes,
            ..IoSizes::default()
        };
        let options = RunOptions { threads: 2, sizes };
        let report = run_and_compare(&input.songs_dir(), &input.logs_dir(), options).report;
        let found = |key: &str, object: &str, line| UnknownKeyReport {
            key: key.to_owned(),
            object: input.logs_dir().join(object).display().to_string(),
            line,
        };
        assert_eq!(
            report.logs.input.unknown_keys,
            [found("old", "b/c.json", 1), found("new", "d.json.gz", 2)]
        );
    }
}

/// Returns the listed keys, and whether there are more, for splits of the whole input and of a few records.
fn listed_keys(text: &str) -> (Vec<String>, bool) {
    let input = TestInput::with_log(text);
    let results = [None, Some(1000)].map(|split_bytes| {
        let sizes = IoSizes {
            split_bytes,
            ..IoSizes::default()
        };
        let options = RunOptions { threads: 2, sizes };
        let report = run_and_compare(&input.songs_dir(), &input.logs_dir(), options).report;
        let logs = report.logs.input;
        let keys = logs.unknown_keys.into_iter().map(|unknown| unknown.key);
        (keys.collect::<Vec<_>>(), logs.more_unknown_keys)
    });
    let [whole, cut] = results;
    assert_eq!(whole, cut);
    whole
}

#[test]
fn first_hundred_keys_are_listed() {
    let keys = |numbers: std::ops::Range<u64>| -> Vec<String> {
        numbers.map(|n| format!("k{}", n * 7919 % 1000)).collect()
    };
    let records = |numbers: std::ops::Range<u64>| -> Vec<String> {
        let members = keys(numbers)
            .into_iter()
            .map(|key| format!("\"{key}\":1,\"k0\":1"));
        members.map(|members| event_with(1, &members)).collect()
    };
    assert_eq!(
        listed_keys(&records(0..100).join("\n")),
        (keys(0..100), false)
    );
    assert_eq!(
        listed_keys(&records(0..101).join("\n")),
        (keys(0..100), true)
    );
    assert_eq!(
        listed_keys(&records(0..350).join("\n")),
        (keys(0..100), true)
    );
    // The same keys in one record.
    let members: Vec<_> = keys(0..350).iter().map(|k| format!("\"{k}\":1")).collect();
    assert_eq!(
        listed_keys(&event_with(1, &members.join(","))),
        (keys(0..100), true)
    );
    // A key of a broken record is not one more, also if the record has more than a hundred of its own.
    let broken = event_with(1, &members.join(",")).replace('}', "");
    let text = [records(0..60), vec![broken], records(0..100)].concat();
    assert_eq!(listed_keys(&text.join("\n")), (keys(0..100), false));
}

/// A record with unknown keys, which may be filtered, invalid or broken.
#[derive(Debug, Clone)]
struct TestRecord {
    keys: Vec<&'static str>,
    outcome: &'static str,
    space: &'static str,
    separator: &'static str,
}

impl TestRecord {
    fn to_text(&self, n: usize) -> String {
        let space = self.space;
        let members: Vec<_> = self
            .keys
            .iter()
            .map(|key| format!("{space}\"{key}\":{space}1"))
            .collect();
        let members = match members.is_empty() {
            true => "\"auth\":1".to_owned(),
            false => members.join(","),
        };
        let text = match self.outcome {
            "filtered" => filtered_event_with(n as u64, &members),
            "invalid" => event_with(n as u64, &members).replace("\"paid\"", "{}"),
            "broken" => event_with(n as u64, &members).replace(":200,", ":,"),
            "nested" => event_with(n as u64, &format!("\"n\":\n{{\"x\":1}},{members}")),
            _ => event_with(n as u64, &members),
        };
        text + self.separator
    }
}

fn test_record() -> impl Strategy<Value = TestRecord> {
    let keys = [
        "a",
        "b",
        "\\u0061",
        "x",
        "auth",
        "page_",
        "a key that is too long to be predicted",
        "é",
    ];
    (
        vec(select(keys.to_vec()), 0..5),
        select(vec![
            "kept", "kept", "filtered", "invalid", "broken", "nested",
        ]),
        select(vec!["", "", " ", "\n", "\r\n\t"]),
        select(vec!["\n", "\n", "", "\r\n", "\n\n", ","]),
    )
        .prop_map(|(keys, outcome, space, separator)| TestRecord {
            keys,
            outcome,
            space,
            separator,
        })
}

proptest! {
    #![proptest_config(config_with_cases(60))]

    /// The list is that of the reference, which reads all input on one thread with `serde_json`.
    #[test]
    fn keys_do_not_depend_on_threads_or_sizes(
        objects in vec((vec(test_record(), 0..12), any::<bool>()), 1..5),
        (split_bytes, chunk_bytes, row_group_rows) in (1u64..2000, 1usize..600, 1usize..10),
        threads in 1usize..5,
    ) {
        let input = TestInput::new();
        input.write("songs/a.json", SONG);
        // A run fails if no record can be read.
        input.write("logs/z.json", event(1, &[]));
        for (number, (records, is_compressed)) in objects.iter().enumerate() {
            let records = records.iter().enumerate();
            let text: String = records.map(|(n, record)| record.to_text(n)).collect();
            match is_compressed {
                true => input.write(&format!("logs/{number}.json.gz"), gzip(text.as_bytes())),
                false => input.write(&format!("logs/{number}.json"), text),
            }
        }
        let sizes = IoSizes { split_bytes: Some(split_bytes), chunk_bytes, row_group_rows };
        for sizes in [sizes, IoSizes::default()] {
            run_and_compare(&input.songs_dir(), &input.logs_dir(), RunOptions { threads, sizes });
        }
    }
}
