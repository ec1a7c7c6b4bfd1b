//! `--max-rejects`: songs and logs are each held against it, by records, bytes and objects.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::data::{MALFORMED_RECORD, event, events, songs};
use crate::harness::Sandbox;
use crate::star::{DatasetSnapshot, all_files, deterministic_files, read_report};

/// A compressed log that is cut short.
fn truncated_gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(events(0..20).as_bytes()).unwrap();
    let mut compressed = encoder.finish().unwrap();
    compressed.truncate(compressed.len() - 9);
    compressed
}

/// A place with an earlier star, and songs and logs of which 2% are rejects: 1 of 50 and 3 of 150 records.
fn sandbox_with_two_percent_rejects() -> (Sandbox, DatasetSnapshot) {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("songs/a.json", songs(1..50) + MALFORMED_RECORD);
    place.write("logs/a.json", events(0..147) + &MALFORMED_RECORD.repeat(3));
    (place, earlier)
}

#[test]
fn rejects_within_the_limit_are_published() {
    for limit in ["3", "5", "2%", "2.0%", "2.1%", "100%"] {
        let (place, earlier) = sandbox_with_two_percent_rejects();
        place.run_with(&["--max-rejects", limit]).assert_success();
        earlier.assert_replaced();
        let report = read_report(&place.path("star"));
        assert_eq!(
            (&report["songs"]["rejected"], &report["logs"]["rejected"]),
            (&1.into(), &3.into())
        );
        let lines = |name: &str| {
            deterministic_files(&place.path("star"))[name]
                .split(|b| *b == b'\n')
                .count()
                - 1
        };
        assert_eq!(lines("_rejects/songs-00000.jsonl"), 1);
        assert_eq!(lines("_rejects/logs-00000.jsonl"), 3);
        assert!(!place.path("star.failed").exists());
    }
}

#[test]
fn one_reject_over_the_limit_publishes_nothing() {
    for limit in ["2", "0", "1.99%", "0%", "0.5%"] {
        let (place, earlier) = sandbox_with_two_percent_rejects();
        place
            .run_with(&["--max-rejects", limit])
            .assert_failure(3, &format!("more than --max-rejects {limit} tolerates: "))
            .assert_failure(3, "3 of 150 log records (2.00%)")
            .assert_failure(3, ": the first is ")
            .assert_failure(3, "raise --max-rejects");
        earlier.assert_unchanged();
        place.assert_no_staging_left();
    }
}

#[test]
fn default_reject_limit_is_one_percent() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("logs/a.json", events(0..197) + &MALFORMED_RECORD.repeat(3));
    place
        .run_with(&[])
        .assert_failure(
            3,
            "more than --max-rejects 1% tolerates: 3 of 200 log records (1.50%): ",
        )
        .assert_failure(3, "the first is logs/a.json line 198 byte ");
    earlier.assert_unchanged();
    place.write("logs/a.json", events(0..198) + &MALFORMED_RECORD.repeat(2));
    place.run_with(&[]).assert_success();
    earlier.assert_replaced();
}

#[test]
fn songs_and_logs_have_separate_reject_limits() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("songs/a.json", songs(1..10) + MALFORMED_RECORD);
    place.write("logs/a.json", events(0..990));
    // It is one of a thousand records in all.
    place
        .run_with(&[])
        .assert_failure(3, "tolerates: 1 of 10 song records (10.00%), ");
    place.write("songs/a.json", songs(1..990));
    place.write("logs/a.json", events(0..9) + MALFORMED_RECORD);
    place
        .run_with(&[])
        .assert_failure(3, "tolerates: 1 of 10 log records (10.00%), ");
    earlier.assert_unchanged();
    // A count is of each of them too.
    place.write("songs/a.json", songs(1..10) + MALFORMED_RECORD);
    place.run_with(&["--max-rejects", "0"]).assert_failure(
        3,
        "tolerates: 1 of 10 song records (10.00%), 1 of 10 log records (10.00%): the first is songs/a.json line 10 ",
    );
    place.run_with(&["--max-rejects", "1"]).assert_success();
}

#[test]
fn reject_limit_counts_bytes() {
    let (place, earlier) = Sandbox::with_dataset();
    let good = events(0..200);
    let bad = format!("{{\"ts\": {}\n", "x".repeat(good.len()));
    place.write("logs/a.json", good.clone() + &bad);
    let all = good.len() + bad.len();
    place
        .run_with(&[])
        .assert_failure(3, "tolerates: ")
        .assert_failure(3, &format!(" of {all} log bytes (50."));
    earlier.assert_unchanged();
    // A count is a count of records; that one of them is half of the input is worth a warning.
    let ended = place.run_with(&["--max-rejects", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "sparkify: warning: rejects cover ";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
    assert!(
        ended.stderr.contains("bytes of log records (50."),
        "{ended:?}"
    );
    let logs = &read_report(&place.path("star"))["logs"];
    assert_eq!(logs["rejected"], 1);
    assert_eq!(logs["decompressed_bytes"], all);
    assert!(logs["rejected_bytes"].as_u64().unwrap() as usize >= good.len());
}

#[test]
fn reject_limit_counts_unreadable_objects() {
    for (name, bytes) in [
        ("logs/x.json", b"not JSON\n".to_vec()),
        ("logs/x.json.gz", truncated_gzip()),
    ] {
        let (place, earlier) = Sandbox::with_dataset();
        place.write("logs/a.json", events(0..3000));
        for n in 1..49 {
            place.write(&format!("logs/{n}.json"), event(3000 + n));
        }
        place.write(name, bytes);
        place
            .run_with(&[])
            .assert_failure_with_warnings(3, "tolerates: 1 of 50 log objects (2.00%): ");
        earlier.assert_unchanged();
        for limit in ["1", "2%"] {
            let ended = place.run_with(&["--max-rejects", limit]);
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert_eq!(
                read_report(&place.path("star"))["logs"]["unreadable_objects"],
                1
            );
        }
    }
}

#[test]
fn unreadable_objects_are_named_up_to_a_cap() {
    let place = Sandbox::with_input();
    place.write("logs/e.json", "");
    place.write("logs/f.json", " \n");
    for n in 100..205 {
        place.write(&format!("logs/x{n}.json"), "not JSON\n");
    }
    let ended = place.run_with(&["--max-rejects", "100%"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 101, "{ended:?}");
    for (n, line) in (100..200).zip(&lines) {
        let words =
            format!("sparkify: warning: nothing of logs/x{n}.json could be read: line 1 byte 0: ");
        assert!(line.starts_with(&words), "{line}");
    }
    let last = "sparkify: warning: 5 more log objects could not be read, or not to their end: see _rejects";
    assert_eq!(lines[100], last);
    assert_eq!(
        read_report(&place.path("star"))["logs"]["unreadable_objects"],
        105
    );
}

#[test]
fn object_with_one_readable_record_is_not_unreadable() {
    let place = Sandbox::with_input();
    // Well-formed, but rejected for what it holds.
    place.write(
        "logs/b.json",
        MALFORMED_RECORD.repeat(3) + r#"{"page":"NextSong"}"#,
    );
    place.run_with(&["--max-rejects", "100%"]).assert_success();
    assert_eq!(
        read_report(&place.path("star"))["logs"]["unreadable_objects"],
        0
    );
}

#[test]
fn input_without_readable_records_fails_at_any_limit() {
    for (name, words) in [
        (
            "logs/a.json",
            "no record of the logs in logs could be read: logs/a.json line 1 byte 0: syntax: ",
        ),
        (
            "songs/a.json",
            "no record of the songs in songs could be read: songs/a.json line 1 byte 0: syntax: ",
        ),
    ] {
        let (place, earlier) = Sandbox::with_dataset();
        place.write(name, MALFORMED_RECORD.repeat(3));
        for limit in ["3", "100%"] {
            place
                .run_with(&["--max-rejects", limit])
                .assert_failure_with_warnings(3, words);
        }
        earlier.assert_unchanged();
        place.assert_no_staging_left();
    }
}

#[test]
fn run_over_the_limit_creates_no_output_directory() {
    let place = Sandbox::with_input();
    place.write("logs/a.json", events(0..1) + MALFORMED_RECORD);
    place
        .run_with(&["--max-rejects", "0"])
        .assert_failure(3, "1 of 2 log records");
    assert!(!place.path("star").exists());
    place.assert_no_staging_left();
}

#[test]
fn high_limit_allows_all_songs_rejected() {
    let place = Sandbox::with_input();
    place.write("songs/a.json", r#"{"song_id":"SO1"}"#);
    place.run_with(&[]).assert_failure(
        3,
        "no record in songs is a song: songs/a.json line 1 byte 0: missing: ",
    );
    let ended = place.run_with(&["--max-rejects", "100%"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "sparkify: warning: no record in songs is a song: ";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
    assert!(place.path("star/songplays/part-00000.parquet").is_file());
}

#[test]
fn reject_lines_have_run_id_and_byte_length() {
    let place = Sandbox::with_input();
    let long = format!("{{\"ts\": {}\n", "x".repeat(100_000));
    place.write("logs/a.json", events(0..3) + &long + &event(3));
    let ended = place.run_with(&["--max-rejects", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = read_report(&place.path("star"));
    let files = all_files(&place.path("star"));
    let reject = &files["_rejects/logs-00000.jsonl"];
    let reject: serde_json::Value = serde_json::from_slice(reject).unwrap();
    assert!(report["run"].is_string() && reject["run"] == report["run"]);
    let bytes = reject["bytes"].as_u64().unwrap();
    assert!((100_000..=long.len() as u64).contains(&bytes), "{bytes}");
    assert_eq!(
        (&reject["cut"], &report["logs"]["rejected_bytes"]),
        (&true.into(), &bytes.into())
    );
    assert_eq!(reject["text"].as_str().unwrap().len(), 64 * 1024);
}

#[test]
fn unreadable_songs_and_logs_are_reported_separately() {
    let place = Sandbox::with_input();
    place.write("songs/b.json", "x");
    place.write("logs/b.json", "x");
    let ended = place.run_with(&["--max-rejects", "100%"]);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!((ended.code, lines.len()), (Some(0), 2), "{ended:?}");
    for (kind, line) in ["songs", "logs"].iter().zip(lines) {
        let words = format!("nothing of {kind}/b.json could be read");
        assert!(line.contains(&words), "{line}");
    }
}
