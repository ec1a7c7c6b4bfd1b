//! Whole inputs: every table equals the reference, whatever the threads, sizes and compression.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sparkify::config::Sizes;
use sparkify::generate::{GenerateOptions, generate};
use tempfile::TempDir;

use crate::harness::{Setting, bytes, check, check_against, run};
use crate::{reference, tables};

fn generated(events: u64, songs: u64, files: u64, seed: u64) -> TempDir {
    let root = TempDir::new().unwrap();
    let users = 1 + events / 40;
    let options = GenerateOptions {
        events,
        songs,
        users,
        files,
        seed,
        edge_cases: true,
    };
    generate(&root.path().join("data"), &options, &mut |_, _| {}).unwrap();
    root
}

fn sample() -> Option<PathBuf> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sparkify_sample");
    sample.is_dir().then_some(sample)
}

#[test]
fn two_hundred_thousand_awkward_events_equal_the_reference() {
    let root = generated(200_000, 2_000, 12, 1);
    let data = root.path().join("data");
    let checked = check(
        &data.join("song_data"),
        &data.join("log_data"),
        Setting::default(),
    );
    assert!(checked.report.logs.duplicates > 0 && checked.report.matched_songplays > 0);
    assert_eq!(checked.report.logs.input.rejected_by_reason.len(), 7);
    // A whole object can be of another format, too.
    assert_eq!(checked.report.songs.rejected_by_reason.len(), 8);
}

#[test]
fn the_generator_foretells_what_a_run_reports() {
    let root = TempDir::new().unwrap();
    let options = GenerateOptions {
        events: 20_000,
        songs: 300,
        users: 500,
        files: 7,
        seed: 42,
        edge_cases: true,
    };
    let data = root.path().join("data");
    let made = generate(&data, &options, &mut |_, _| {}).unwrap();
    let out = root.path().join("out");
    let report = run(
        &data.join("song_data"),
        &data.join("log_data"),
        &out,
        Setting::default(),
    );
    let foretold = serde_json::to_value(&made).unwrap();
    let reported = serde_json::to_value(&report).unwrap();
    for input in ["songs", "logs"] {
        for (name, value) in reported[input].as_object().unwrap() {
            // The generator counts records, and knows nothing of a warehouse.
            let unknown = [
                "loaded_objects",
                "decompressed_bytes",
                "rejected_bytes",
                "unreadable_objects",
            ];
            if !unknown.contains(&name.as_str()) {
                assert_eq!(value, &foretold[input][name], "{input} {name}");
            }
        }
    }
    assert_eq!(report.tables["songs"].rows, made.songs.songs);
    assert_eq!(report.tables["artists"].rows, made.songs.artists);
    assert_eq!(report.tables["users"].rows, made.logs.users);
    assert_eq!(report.matched_songplays, made.logs.matched);
}

#[test]
fn the_sample_gives_the_known_answer() {
    let Some(sample) = sample() else {
        eprintln!("skipped: ../shared is not here");
        return;
    };
    let (songs, logs) = (sample.join("song_data"), sample.join("log_data"));
    let checked = check(&songs, &logs, Setting::default());
    let rows = |table: &str| checked.report.tables[table].rows;
    assert_eq!(checked.report.logs.input.records, 8056);
    assert_eq!(rows("songplays"), 6820);
    assert_eq!(rows("users"), 96);
    assert_eq!(rows("songs"), 71);
    assert_eq!(rows("artists"), 69);
    assert_eq!(rows("time"), 6813);
    assert_eq!(checked.report.matched_songplays, 1);
}

#[test]
fn the_same_bytes_at_any_number_of_threads() {
    let root = generated(20_000, 200, 5, 2);
    let data = root.path().join("data");
    // Many splits, or there is nothing for threads to do.
    let sizes = Sizes {
        split_bytes: Some(100_000),
        ..Sizes::default()
    };
    let output = |threads| {
        let out = root.path().join(format!("out-{threads}"));
        run(
            &data.join("song_data"),
            &data.join("log_data"),
            &out,
            Setting { threads, sizes },
        );
        bytes(&out)
    };
    let one = output(1);
    assert!(one.keys().filter(|k| k.starts_with("songplays")).count() > 20);
    for threads in [2, 7] {
        assert!(output(threads) == one, "{threads} threads");
    }
}

#[test]
fn the_same_tables_whatever_the_sizes() {
    let root = generated(500, 20, 3, 3);
    let data = root.path().join("data");
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let reference = reference::compute(&songs, &logs).unwrap();
    let splits = [Some(7), Some(100), Some(999), Some(20_000), None];
    for split_bytes in splits {
        for (chunk_bytes, row_group_rows) in [(1, 3), (64, 1), (1000, 100), (1 << 20, 1 << 20)] {
            let sizes = Sizes {
                split_bytes,
                chunk_bytes,
                row_group_rows,
            };
            let setting = Setting { threads: 2, sizes };
            check_against(&songs, &logs, setting, reference.clone());
        }
    }
}

/// A file's new name and bytes.
type Change<'a> = &'a dyn Fn(&Path, Vec<u8>) -> (String, Vec<u8>);

/// Copies a folder, each file through `change`.
fn copy(from: &Path, to: &Path, change: Change<'_>) {
    fs::create_dir_all(to).unwrap();
    for path in tables::files(from) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            copy(&path, &to.join(name), change);
        } else if name.ends_with(".json") && !name.starts_with(['.', '_']) {
            let (name, bytes) = change(&path, fs::read(&path).unwrap());
            fs::write(to.join(name), bytes).unwrap();
        }
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz.write_all(bytes).unwrap();
    bz.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn the_same_tables_from_compressed_objects() {
    let root = generated(5_000, 60, 6, 4);
    let data = root.path().join("data");
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let plain = check(&songs, &logs, Setting::default()).reference;
    let packed = root.path().join("packed");
    let names = std::cell::Cell::new(0);
    copy(&logs, &packed, &|path, bytes| {
        names.set(names.get() + 1);
        let name = path.file_name().unwrap().to_str().unwrap();
        match names.get() % 3 {
            0 => (format!("{name}.gz"), gzip(&bytes)),
            1 => (format!("{name}.bz2"), bzip2(&bytes)),
            _ => (format!("{name}.zst"), zstd(&bytes)),
        }
    });
    let packed = check(&songs, &packed, Setting::default()).reference;
    assert!(packed.songplays == plain.songplays && packed.users == plain.users);
    assert!(packed.time == plain.time);
}

#[test]
fn the_same_tables_from_one_file_and_from_many() {
    let root = TempDir::new().unwrap();
    let data = root.path().join("data");
    let options = GenerateOptions {
        events: 3_000,
        songs: 50,
        users: 40,
        files: 9,
        seed: 5,
        edge_cases: false,
    };
    generate(&data, &options, &mut |_, _| {}).unwrap();
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let many = check(&songs, &logs, Setting::default()).reference;
    let one = std::cell::RefCell::new(Vec::new());
    copy(&logs, &root.path().join("unused"), &|path, bytes| {
        one.borrow_mut().extend_from_slice(&bytes);
        one.borrow_mut().push(b'\n');
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            bytes,
        )
    });
    let file = root.path().join("all.json");
    fs::write(&file, one.into_inner()).unwrap();
    let sizes = Sizes {
        split_bytes: Some(30_000),
        ..Sizes::default()
    };
    let one = check(&songs, &file, Setting { threads: 3, sizes }).reference;
    assert!(one.songplays == many.songplays && one.users == many.users && one.time == many.time);
}
