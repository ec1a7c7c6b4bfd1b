//! The golden cases of `fixtures/edge-cases`: expected outputs, written by hand, are compared with the engine
//! at default and at tiny sizes, and with the reference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sparkify::config::IoSizes;
use testkit::reference;

use crate::harness::{RunOptions, VerifiedRun, read_reject_lines, run_and_compare_with};
use crate::read_output;

fn fixtures_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Returns the songs or logs of a case: a directory, one file, or the song that cases share.
fn case_input(case: &Path, kind: &str) -> PathBuf {
    [case.join(kind), case.join(format!("{kind}.json"))]
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or(fixtures_dir().join("song.json"))
}

fn check_case(name: &str) {
    let case = fixtures_dir().join("edge-cases").join(name);
    let (songs, logs) = (case_input(&case, "songs"), case_input(&case, "logs"));
    let expected = fs::read(case.join("expected.json")).unwrap();
    let expected: Map<String, Value> = serde_json::from_slice(&expected).unwrap();
    let reference = reference::compute(&songs, &logs).unwrap();
    let tiny = IoSizes {
        split_bytes: Some(5),
        chunk_bytes: 1,
        row_group_rows: 1,
    };
    for sizes in [IoSizes::default(), tiny] {
        let setting = RunOptions { threads: 2, sizes };
        let checked = run_and_compare_with(&songs, &logs, setting, reference.clone());
        assert_expected(&checked, &expected);
    }
}

/// Asserts every cell, count and reject that a case names. If a case names rows of a table, or rejects, it
/// must list all of them.
fn assert_expected(checked: &VerifiedRun, expected: &Map<String, Value>) {
    let out_dir = checked.out.path().join("dataset");
    let report = serde_json::to_value(&checked.report).unwrap();
    let rejects = |kind, from: &str| {
        let none = Vec::new();
        let expected = expected.get(from).and_then(Value::as_array);
        assert_same_items(
            from,
            &read_reject_lines(&out_dir, kind),
            expected.unwrap_or(&none),
        );
    };
    if !expected.contains_key("songs") {
        assert_eq!(
            (&report["songs"]["records"], &report["songs"]["rejected"]),
            (&json!(1), &json!(0))
        );
    }
    for (what, expected) in expected {
        match what.as_str() {
            "rule" | "rejects" | "song_rejects" => {}
            "songs" | "logs" => assert_named_cells(what, &report[what], expected),
            "matched_songplays" => assert_eq!(&report[what], expected, "{what}"),
            "tables" => {
                for (table, expected) in expected.as_object().unwrap() {
                    assert_same_items(
                        table,
                        &table_rows(&out_dir, table),
                        expected.as_array().unwrap(),
                    );
                }
            }
            other => panic!("unknown key {other} in expected.json"),
        }
    }
    rejects("logs", "rejects");
    rejects("songs", "song_rejects");
}

fn assert_same_items(what: &str, found: &[Value], expected: &[Value]) {
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_named_cells(&format!("{what} {i}"), found, expected);
    }
    assert_eq!(found.len(), expected.len(), "number of {what}");
}

fn assert_named_cells(what: &str, found: &Value, expected: &Value) {
    for (name, expected) in expected.as_object().unwrap() {
        let found = match name.as_str() {
            // For texts that are too long for the file of a case.
            "text_bytes" => json!(found["text"].as_str().unwrap().len()),
            // Cases name objects by their keys.
            "object"
                if found[name]
                    .as_str()
                    .unwrap()
                    .ends_with(expected.as_str().unwrap()) =>
            {
                continue;
            }
            _ => found[name].clone(),
        };
        let found = match (expected.as_str(), found.as_f64()) {
            // A double, given by its bits.
            (Some(bits), Some(value)) if bits.starts_with("0x") => {
                json!(format!("0x{:016X}", value.to_bits()))
            }
            _ => found,
        };
        assert_eq!(&found, expected, "{what}: {name}");
    }
}

/// Returns the rows of a table, with times in microseconds since 1970.
fn table_rows(out_dir: &Path, table: &str) -> Vec<Value> {
    fn all<T>(rows: Vec<T>, row: impl Fn(&T) -> Value) -> Vec<Value> {
        rows.iter().map(row).collect()
    }
    match table {
        "songplays" => all(read_output::songplays(out_dir), |r| {
            json!({
                "songplay_id": r.songplay_id, "start_time": r.start_time, "user_id": r.user_id,
                "level": r.level, "song_id": r.song_id, "artist_id": r.artist_id,
                "session_id": r.session_id, "location": r.location, "user_agent": r.user_agent,
            })
        }),
        "users" => all(read_output::users(out_dir), |r| {
            json!({
                "user_id": r.user_id, "first_name": r.first_name, "last_name": r.last_name,
                "gender": r.gender, "level": r.level,
            })
        }),
        "songs" => all(read_output::songs(out_dir), |r| {
            json!({
                "song_id": r.song_id, "title": r.title, "artist_id": r.artist_id,
                "year": r.year, "duration": r.duration,
            })
        }),
        "artists" => all(read_output::artists(out_dir), |r| {
            json!({
                "artist_id": r.artist_id, "name": r.name, "location": r.location,
                "latitude": r.latitude, "longitude": r.longitude,
            })
        }),
        "time" => all(read_output::time(out_dir), |r| {
            json!({
                "start_time": r.start_time, "hour": r.hour, "day": r.day, "week": r.week,
                "month": r.month, "year": r.year, "weekday": r.weekday,
            })
        }),
        other => panic!("unknown table {other}"),
    }
}

/// Defines one test function for each case.
macro_rules! cases {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check_case(&stringify!($name).replace('_', "-"));
            }
        )*

        #[test]
        fn every_case_has_a_test() {
            let tested = [$(stringify!($name).replace('_', "-")),*];
            let tested: BTreeSet<_> = tested.into_iter().collect();
            let folders: BTreeSet<_> = read_output::list_dir(&fixtures_dir().join("edge-cases"))
                .iter()
                .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
                .collect();
            assert_eq!(folders, tested);
        }
    };
}

cases! {
    top_level_array
    pretty_printed_array
    array_extra_commas
    truncated_array
    array_with_bad_records
    artist_tie_break
    blank_lines
    brace_at_line_start_in_record
    bom
    bom_only
    bom_truncated
    bom_mid_file
    bom_repeated
    bom_between_records
    bzip2
    bzip2_truncated
    bzip2_wrong_checksum
    resync_requires_known_key
    cr_line_endings
    comma_between_records
    bom_compressed
    format_by_content
    crlf_line_endings
    truncated_line
    truncated_line_before_value
    doubles
    duplicates
    duplicates_across_objects
    conflicting_duplicates
    empty_object
    empty_string
    escapes
    filter
    garbage_between_lines
    trailing_garbage
    hash_collision
    gzip
    gzip_corrupt
    gzip_zero_padding
    not_gzip
    gzip_truncated
    gzip_truncated_between_records
    gzip_multiple_members
    hidden_directory
    huge_exponents
    ignored_files
    integer_out_of_range
    integers_with_fraction_or_exponent
    any_key_order
    exact_key_match
    lf_line_endings
    lone_surrogate_filtered
    lone_surrogate_ignored
    lone_surrogate_in_column
    truncated_reject_text
    song_match
    missing_required_key
    missing_optional_key
    nested_128
    nested_129
    no_final_newline
    no_separator
    not_an_object
    not_json
    not_utf8
    no_kept_events
    nul
    numbers_as_strings
    single_file
    single_line_with_bad_records
    whitespace_only
    object_order
    unsupported_formats
    pretty_printed
    record_larger_than_chunk
    reject_reasons
    duplicate_key
    multiple_errors
    multiple_records_per_line
    songplay_id
    song_tie_break
    strings_as_numbers
    time_dimension
    length_limit_in_bytes
    truncated_at_every_byte
    truncated_record
    timestamp_out_of_range
    unknown_keys
    user_tie_break
    utf16
    whitespace_in_record
    unicode_whitespace
    wrong_types
    year_zero
    zstd
    zstd_truncated
    zstd_corrupt
    zstd_multiple_frames
}
