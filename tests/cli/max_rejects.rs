//! `--max-rejects` applies to songs and to logs separately, by records, bytes and objects.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::{DatasetSnapshot, deterministic_files, read_report};
use testkit::dir_contents::read_files;
use testkit::sample_data::{MALFORMED_RECORD, event, events, songs};

/// Returns a truncated gzip file with events.
fn truncated_gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(events(0..20).as_bytes()).unwrap();
    let mut compressed = encoder.finish().unwrap();
    compressed.truncate(compressed.len() - 9);
    compressed
}

/// Returns a sandbox with a dataset, and with songs and logs of which 2% are rejects: 1 of 50 and 3 of 150
/// records.
fn sandbox_with_two_percent_rejects() -> (Sandbox, DatasetSnapshot) {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("songs/a.json", songs(1..50) + MALFORMED_RECORD);
    sandbox.write("logs/a.json", events(0..147) + &MALFORMED_RECORD.repeat(3));
    (sandbox, snapshot)
}

#[test]
fn rejects_within_the_limit_are_published() {
    for limit in ["3", "5", "2%", "2.0%", "2.1%", "100%"] {
        let (sandbox, snapshot) = sandbox_with_two_percent_rejects();
        sandbox.run_with(&["--max-rejects", limit]).assert_success();
        snapshot.assert_replaced();
        let report = read_report(&sandbox.path("dataset"));
        assert_eq!(
            (&report["songs"]["rejected"], &report["logs"]["rejected"]),
            (&1.into(), &3.into())
        );
        let lines = |name: &str| {
            deterministic_files(&sandbox.path("dataset"))[name]
                .split(|b| *b == b'\n')
                .count()
                - 1
        };
        assert_eq!(lines("_rejects/songs-00000.jsonl"), 1);
        assert_eq!(lines("_rejects/logs-00000.jsonl"), 3);
        assert!(!sandbox.path("dataset.failed").exists());
    }
}

#[test]
fn one_reject_over_the_limit_publishes_nothing() {
    for limit in ["2", "0", "1.99%", "0%", "0.5%"] {
        let (sandbox, snapshot) = sandbox_with_two_percent_rejects();
        sandbox
            .run_with(&["--max-rejects", limit])
            .assert_failure(3, &[&format!("rejects exceed --max-rejects {limit}: ")])
            .assert_failure(3, &["3 of 150 log records (2.00%)"])
            .assert_failure(3, &[": the first is "])
            .assert_failure(3, &["raise --max-rejects"]);
        snapshot.assert_unchanged();
        sandbox.assert_no_staging_left();
    }
}

#[test]
fn default_reject_limit_is_one_percent() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("logs/a.json", events(0..197) + &MALFORMED_RECORD.repeat(3));
    sandbox
        .run_with(&[])
        .assert_failure(
            3,
            &["rejects exceed --max-rejects 1%: 3 of 200 log records (1.50%): "],
        )
        .assert_failure(3, &["the first is logs/a.json line 198 byte "]);
    snapshot.assert_unchanged();
    sandbox.write("logs/a.json", events(0..198) + &MALFORMED_RECORD.repeat(2));
    sandbox.run_with(&[]).assert_success();
    snapshot.assert_replaced();
}

#[test]
fn songs_and_logs_have_separate_reject_limits() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("songs/a.json", songs(1..10) + MALFORMED_RECORD);
    sandbox.write("logs/a.json", events(0..990));
    // The reject is one of a thousand records in total.
    sandbox
        .run_with(&[])
        .assert_failure(3, &["--max-rejects 1%: 1 of 10 song records (10.00%), "]);
    sandbox.write("songs/a.json", songs(1..990));
    sandbox.write("logs/a.json", events(0..9) + MALFORMED_RECORD);
    sandbox
        .run_with(&[])
        .assert_failure(3, &["--max-rejects 1%: 1 of 10 log records (10.00%), "]);
    snapshot.assert_unchanged();
    // A count applies to songs and logs separately too.
    sandbox.write("songs/a.json", songs(1..10) + MALFORMED_RECORD);
    sandbox.run_with(&["--max-rejects", "0"]).assert_failure(3, &["--max-rejects 0: 1 of 10 song records (10.00%), 1 of 10 log records (10.00%): the first is songs/a.json line 10 "]);
    sandbox.run_with(&["--max-rejects", "1"]).assert_success();
}

#[test]
fn reject_limit_counts_bytes() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let valid_events = events(0..200);
    let bad = format!("{{\"ts\": {}\n", "x".repeat(valid_events.len()));
    sandbox.write("logs/a.json", valid_events.clone() + &bad);
    let all = valid_events.len() + bad.len();
    sandbox
        .run_with(&[])
        .assert_failure(3, &["rejects exceed --max-rejects "])
        .assert_failure(3, &[&format!(" of {all} log bytes (50.")]);
    snapshot.assert_unchanged();
    // A count limits records; a reject that is half of the input causes a warning.
    let output = sandbox.run_with(&["--max-rejects", "1"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let warning = "sparkify: warning: rejects cover ";
    assert!(output.stderr.starts_with(warning), "{output:?}");
    assert!(
        output.stderr.contains("bytes of log records (50."),
        "{output:?}"
    );
    let logs = &read_report(&sandbox.path("dataset"))["logs"];
    assert_eq!(logs["rejected"], 1);
    assert_eq!(logs["decompressed_bytes"], all);
    assert!(logs["rejected_bytes"].as_u64().unwrap() as usize >= valid_events.len());
}

#[test]
fn reject_limit_counts_unreadable_objects() {
    for (name, bytes) in [
        ("logs/x.json", b"not JSON\n".to_vec()),
        ("logs/x.json.gz", truncated_gzip()),
    ] {
        let (sandbox, snapshot) = Sandbox::with_dataset();
        sandbox.write("logs/a.json", events(0..3000));
        for n in 1..49 {
            sandbox.write(&format!("logs/{n}.json"), event(3000 + n));
        }
        sandbox.write(name, bytes);
        sandbox
            .run_with(&[])
            .assert_failure_with_warnings(3, "--max-rejects 1%: 1 of 50 log objects (2.00%): ");
        snapshot.assert_unchanged();
        for limit in ["1", "2%"] {
            let output = sandbox.run_with(&["--max-rejects", limit]);
            assert_eq!(output.code, Some(0), "{output:?}");
            assert_eq!(
                read_report(&sandbox.path("dataset"))["logs"]["unreadable_objects"],
                1
            );
        }
    }
}

#[test]
fn unreadable_objects_are_named_up_to_a_cap() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/e.json", "");
    sandbox.write("logs/f.json", " \n");
    for n in 100..205 {
        sandbox.write(&format!("logs/x{n}.json"), "not JSON\n");
    }
    let output = sandbox.run_with(&["--max-rejects", "100%"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 101, "{output:?}");
    for (n, line) in (100..200).zip(&lines) {
        let words = format!(
            "sparkify: warning: no record in logs/x{n}.json could be read: line 1 byte 0: "
        );
        assert!(line.starts_with(&words), "{line}");
    }
    let last = "sparkify: warning: 5 more log objects could not be read completely: see _rejects";
    assert_eq!(lines[100], last);
    assert_eq!(
        read_report(&sandbox.path("dataset"))["logs"]["unreadable_objects"],
        105
    );
}

#[test]
fn object_with_one_readable_record_is_not_unreadable() {
    let sandbox = Sandbox::with_input();
    // The record is well-formed, but one of its values is rejected.
    sandbox.write(
        "logs/b.json",
        MALFORMED_RECORD.repeat(3) + r#"{"page":"NextSong"}"#,
    );
    sandbox
        .run_with(&["--max-rejects", "100%"])
        .assert_success();
    assert_eq!(
        read_report(&sandbox.path("dataset"))["logs"]["unreadable_objects"],
        0
    );
}

#[test]
fn input_without_readable_records_fails_at_any_limit() {
    for (name, words) in [
        (
            "logs/a.json",
            "no log record in logs could be read: logs/a.json line 1 byte 0: syntax: ",
        ),
        (
            "songs/a.json",
            "no song record in songs could be read: songs/a.json line 1 byte 0: syntax: ",
        ),
    ] {
        let (sandbox, snapshot) = Sandbox::with_dataset();
        sandbox.write(name, MALFORMED_RECORD.repeat(3));
        for limit in ["3", "100%"] {
            sandbox
                .run_with(&["--max-rejects", limit])
                .assert_failure_with_warnings(3, words);
        }
        snapshot.assert_unchanged();
        sandbox.assert_no_staging_left();
    }
}

#[test]
fn run_over_the_limit_creates_no_output_directory() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a.json", events(0..1) + MALFORMED_RECORD);
    sandbox
        .run_with(&["--max-rejects", "0"])
        .assert_failure(3, &["1 of 2 log records"]);
    assert!(!sandbox.path("dataset").exists());
    sandbox.assert_no_staging_left();
}

#[test]
fn high_limit_allows_all_songs_rejected() {
    let sandbox = Sandbox::with_input();
    sandbox.write("songs/a.json", r#"{"song_id":"SO1"}"#);
    sandbox.run_with(&[]).assert_failure(
        3,
        &["no record in songs is a song: songs/a.json line 1 byte 0: missing: "],
    );
    let output = sandbox.run_with(&["--max-rejects", "100%"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let warning = "sparkify: warning: no record in songs is a song: ";
    assert!(output.stderr.starts_with(warning), "{output:?}");
    assert!(
        sandbox
            .path("dataset/songplays/part-00000.parquet")
            .is_file()
    );
}

#[test]
fn reject_lines_have_run_id_and_byte_length() {
    let sandbox = Sandbox::with_input();
    let long = format!("{{\"ts\": {}\n", "x".repeat(100_000));
    sandbox.write("logs/a.json", events(0..3) + &long + &event(3));
    let output = sandbox.run_with(&["--max-rejects", "1"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let report = read_report(&sandbox.path("dataset"));
    let files = read_files(&sandbox.path("dataset"));
    let reject = &files["_rejects/logs-00000.jsonl"];
    let reject: serde_json::Value = serde_json::from_slice(reject).unwrap();
    assert!(report["run"].is_string() && reject["run"] == report["run"]);
    let bytes = reject["bytes"].as_u64().unwrap();
    assert!((100_000..=long.len() as u64).contains(&bytes), "{bytes}");
    assert_eq!(
        (&reject["truncated"], &report["logs"]["rejected_bytes"]),
        (&true.into(), &bytes.into())
    );
    assert_eq!(reject["text"].as_str().unwrap().len(), 64 * 1024);
}

#[test]
fn unreadable_songs_and_logs_are_reported_separately() {
    let sandbox = Sandbox::with_input();
    sandbox.write("songs/b.json", "x");
    sandbox.write("logs/b.json", "x");
    let output = sandbox.run_with(&["--max-rejects", "100%"]);
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!((output.code, lines.len()), (Some(0), 2), "{output:?}");
    for (kind, line) in ["songs", "logs"].iter().zip(lines) {
        let words = format!("no record in {kind}/b.json could be read");
        assert!(line.contains(&words), "{line}");
    }
}
