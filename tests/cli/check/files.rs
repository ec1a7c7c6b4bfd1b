//! Files that are missing, surplus or of another length, and files with other bytes.

use std::fs;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::broken_dataset::{Dataset, read_part};

#[test]
fn surplus_part_is_found() {
    let dataset = Dataset::new();
    let more = dataset.sandbox.path("dataset/songs/part-00001.parquet");
    fs::copy(dataset.part("songs"), &more).unwrap();
    dataset.assert_check_fails(&[
        "check of dataset/songs failed: it contains 2 files, the report counts 1",
        "run again, or restore the dataset",
    ]);
}

#[test]
fn file_that_no_run_wrote_is_found_if_readers_read_it() {
    let dataset = Dataset::new();
    for name in ["songs/old.parquet", "time/year=2018/part-00000.parquet"] {
        let path = format!("dataset/{name}");
        dataset.sandbox.write(&path, "");
        let table = name.split('/').next().unwrap();
        let reason = format!("{path} failed: a reader of {table} would read it");
        dataset.assert_check_fails(&[&reason, "move it elsewhere"]);
        fs::remove_file(dataset.sandbox.path(&path)).unwrap();
    }
    for name in [
        "songs/_SUCCESS",
        "songs/.part-00000.parquet.crc",
        "notes.txt",
    ] {
        dataset.sandbox.write(&format!("dataset/{name}"), "");
    }
    dataset.assert_check_passes();
}

#[test]
fn missing_part_is_found() {
    let dataset = Dataset::new();
    fs::remove_file(dataset.part("merge_state/users")).unwrap();
    dataset.assert_check_fails(&[
        "check of dataset/merge_state/users failed",
        "it contains 0 files, the report counts 1",
    ]);
}

#[test]
fn part_that_lacks_a_byte_is_found() {
    let dataset = Dataset::new();
    let bytes = fs::read(dataset.part("songplays")).unwrap();
    let path = dataset.part("songplays");
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (found, expected) = (bytes.len() - 1, bytes.len());
    let reason = format!("it contains {found} bytes, the report counts {expected}");
    dataset.assert_check_fails(&["check of dataset/songplays failed", &reason]);
    // Also if the length fits.
    fs::write(&path, [&bytes[1..], b"1"].concat()).unwrap();
    dataset
        .assert_check_fails(&["dataset/songplays/part-00000.parquet failed: it cannot be decoded"]);
}

/// No byte of a file ends the check other than with one line. Most changes are seen; a text has no checksum.
#[test]
fn changed_byte_is_found_or_cannot_be_seen() {
    let dataset = Dataset::new();
    let (mut found, mut changes) = (0, 0);
    for dir in ["songplays", "songs", "time", "merge_state/users"] {
        let path = dataset.part(dir);
        let bytes = fs::read(&path).unwrap();
        for position in (0..bytes.len()).step_by(41) {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << (position % 8);
            fs::write(&path, changed).unwrap();
            let output = dataset.sandbox.exec(&["check", "--from", "dataset"]);
            changes += 1;
            match output.code {
                Some(0) => {}
                _ => {
                    output.assert_failure(1, &["failed: "]);
                    found += 1;
                }
            }
        }
        fs::write(&path, bytes).unwrap();
    }
    assert!(found * 2 > changes, "{found} of {changes} were found");
}

/// The reader of Parquet panics where a footer places columns before the file.
#[test]
fn changed_footer_does_not_end_the_check_otherwise() {
    let dataset = Dataset::new();
    let path = dataset.part("artists");
    let bytes = fs::read(&path).unwrap();
    let (body, length_and_magic) = bytes.split_at(bytes.len() - 8);
    let footer_bytes = u32::from_le_bytes(length_and_magic[..4].try_into().unwrap());
    let footer_start = body.len() - footer_bytes as usize;
    let mut misplaced = 0;
    for position in (footer_start..body.len()).step_by(2) {
        let mut changed = bytes.clone();
        // The sign of an integer is its lowest bit.
        changed[position] ^= 1;
        fs::write(&path, changed).unwrap();
        let output = dataset.sandbox.exec(&["check", "--from", "dataset"]);
        if output.code != Some(0) {
            let output = output.assert_failure(1, &["failed: "]);
            misplaced += u32::from(output.stderr.contains("outside the file"));
        }
    }
    assert!(misplaced > 0);
}

#[test]
fn changed_text_is_found_by_the_statistics() {
    let dataset = Dataset::with_compression("none");
    let path = dataset.part("users");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|text| text == b"Lily").unwrap();
    bytes[at] = b'B';
    fs::write(&path, bytes).unwrap();
    dataset.assert_check_fails(&[
        "dataset/users/part-00000.parquet",
        "values of column \"first_name\" are not those that the footer describes",
    ]);
}

#[test]
fn changed_key_is_found() {
    let dataset = Dataset::new();
    let path = dataset.part("songplays");
    let rows = read_part(&path);
    let mut keys = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    keys.sort_unstable();
    // Statistics have the smallest and the largest key.
    let key = keys[2].to_le_bytes();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|bytes| bytes == key).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let reason = format!("songplay_id {} is not in songplays", keys[2]);
    dataset.assert_check_fails(&["check of dataset/merge_state/songplays/", &reason]);
}

#[test]
fn run_that_is_being_removed_is_named() {
    let dataset = Dataset::new();
    dataset.sandbox.write("dataset/_removing", "");
    dataset.assert_check_fails(&["_removing failed: sparkify clean is removing the run"]);
}

#[test]
fn rejects_are_counted() {
    let dataset = Dataset::new();
    let file = dataset.sandbox.path("dataset/_rejects/logs-00000.jsonl");
    let rejects = fs::read_to_string(&file).unwrap();
    fs::write(&file, "").unwrap();
    dataset.assert_check_fails(&[
        "check of dataset/_rejects failed: it has 0 rejects of logs, the report counts 1",
    ]);
    fs::write(&file, rejects.replace('{', "")).unwrap();
    dataset.assert_check_fails(&["cannot use dataset/_rejects/logs-00000.jsonl line 1"]);
}
