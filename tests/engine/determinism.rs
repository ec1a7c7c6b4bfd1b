//! Complete inputs: every table equals the reference, whatever the threads, sizes and compression.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sparkify::config::IoSizes;
use sparkify::generate::{GenerateOptions, generate};
use tempfile::TempDir;
use testkit::reference;

use crate::harness::{
    RunOptions, deterministic_files, run_and_compare, run_and_compare_with, run_pipeline,
};
use crate::read_output;

fn generate_edge_cases(events: u64, songs: u64, files: u64, seed: u64) -> TempDir {
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

fn sample_dir() -> Option<PathBuf> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sparkify_sample");
    sample.is_dir().then_some(sample)
}

#[test]
fn generated_edge_cases_match_the_reference() {
    let root = generate_edge_cases(200_000, 2_000, 12, 1);
    let data = root.path().join("data");
    let checked = run_and_compare(
        &data.join("song_data"),
        &data.join("log_data"),
        RunOptions::default(),
    );
    assert!(checked.report.logs.duplicates > 0 && checked.report.matched_songplays > 0);
    assert_eq!(checked.report.logs.input.rejected_by_reason.len(), 7);
    // For songs, a whole object may have an unsupported format too.
    assert_eq!(checked.report.songs.rejected_by_reason.len(), 8);
}

#[test]
fn generator_summary_matches_the_run_report() {
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
    let summary = generate(&data, &options, &mut |_, _| {}).unwrap();
    let out = root.path().join("out");
    let report = run_pipeline(
        &data.join("song_data"),
        &data.join("log_data"),
        &out,
        RunOptions::default(),
    );
    let predicted = serde_json::to_value(&summary).unwrap();
    let reported = serde_json::to_value(&report).unwrap();
    for input in ["songs", "logs"] {
        for (name, value) in reported[input].as_object().unwrap() {
            // The generator counts records, but does not know what a warehouse has loaded.
            let unknown = [
                "locations",
                "new_objects",
                "changed_objects",
                "already_loaded_objects",
                "oldest_event",
                "newest_event",
                "decompressed_bytes",
                "more_unknown_keys",
                "rejected_bytes",
                "unknown_keys",
                "unreadable_objects",
            ];
            if !unknown.contains(&name.as_str()) {
                assert_eq!(value, &predicted[input][name], "{input} {name}");
            }
        }
    }
    assert_eq!(report.tables["songs"].rows, summary.songs.songs);
    assert_eq!(report.tables["artists"].rows, summary.songs.artists);
    assert_eq!(report.tables["users"].rows, summary.logs.users);
    assert_eq!(report.matched_songplays, summary.logs.matched);
}

#[test]
fn sample_data_has_known_counts() {
    let Some(sample) = sample_dir() else {
        eprintln!("skipped: ../shared is not here");
        return;
    };
    let (songs, logs) = (sample.join("song_data"), sample.join("log_data"));
    let checked = run_and_compare(&songs, &logs, RunOptions::default());
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
fn output_bytes_do_not_depend_on_thread_count() {
    let root = generate_edge_cases(20_000, 200, 5, 2);
    let data = root.path().join("data");
    // Many splits, so that there is work for several threads.
    let sizes = IoSizes {
        split_bytes: Some(100_000),
        ..IoSizes::default()
    };
    let output = |threads| {
        let out = root.path().join(format!("out-{threads}"));
        run_pipeline(
            &data.join("song_data"),
            &data.join("log_data"),
            &out,
            RunOptions { threads, sizes },
        );
        deterministic_files(&out)
    };
    let one = output(1);
    assert!(one.keys().filter(|k| k.starts_with("songplays")).count() > 20);
    for threads in [2, 7] {
        assert!(output(threads) == one, "{threads} threads");
    }
}

#[test]
fn tables_do_not_depend_on_split_chunk_or_row_group_size() {
    let root = generate_edge_cases(500, 20, 3, 3);
    let data = root.path().join("data");
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let reference = reference::compute(&songs, &logs).unwrap();
    let splits = [Some(7), Some(100), Some(999), Some(20_000), None];
    for split_bytes in splits {
        for (chunk_bytes, row_group_rows) in [(1, 3), (64, 1), (1000, 100), (1 << 20, 1 << 20)] {
            let sizes = IoSizes {
                split_bytes,
                chunk_bytes,
                row_group_rows,
            };
            let setting = RunOptions { threads: 2, sizes };
            run_and_compare_with(&songs, &logs, setting, reference.clone());
        }
    }
}

/// Returns the new name and bytes of a file.
type FileTransform<'a> = &'a dyn Fn(&Path, Vec<u8>) -> (String, Vec<u8>);

/// Copies a directory, applying `transform` to each file.
fn copy_transformed(from: &Path, to: &Path, transform: FileTransform<'_>) {
    fs::create_dir_all(to).unwrap();
    for path in read_output::list_dir(from) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            copy_transformed(&path, &to.join(name), transform);
        } else if name.ends_with(".json") && !name.starts_with(['.', '_']) {
            let (name, bytes) = transform(&path, fs::read(&path).unwrap());
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
fn compressed_input_gives_the_same_tables() {
    let root = generate_edge_cases(5_000, 60, 6, 4);
    let data = root.path().join("data");
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let plain = run_and_compare(&songs, &logs, RunOptions::default()).reference;
    let compressed_logs = root.path().join("packed");
    let names = std::cell::Cell::new(0);
    copy_transformed(&logs, &compressed_logs, &|path, bytes| {
        names.set(names.get() + 1);
        let name = path.file_name().unwrap().to_str().unwrap();
        match names.get() % 3 {
            0 => (format!("{name}.gz"), gzip(&bytes)),
            1 => (format!("{name}.bz2"), bzip2(&bytes)),
            _ => (format!("{name}.zst"), zstd(&bytes)),
        }
    });
    let packed = run_and_compare(&songs, &compressed_logs, RunOptions::default()).reference;
    assert!(packed.songplays == plain.songplays && packed.users == plain.users);
    assert!(packed.time == plain.time);
}

#[test]
fn one_file_and_many_files_give_the_same_tables() {
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
    let many = run_and_compare(&songs, &logs, RunOptions::default()).reference;
    let one = std::cell::RefCell::new(Vec::new());
    copy_transformed(&logs, &root.path().join("unused"), &|path, bytes| {
        one.borrow_mut().extend_from_slice(&bytes);
        one.borrow_mut().push(b'\n');
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            bytes,
        )
    });
    let file = root.path().join("all.json");
    fs::write(&file, one.into_inner()).unwrap();
    let sizes = IoSizes {
        split_bytes: Some(30_000),
        ..IoSizes::default()
    };
    let one = run_and_compare(&songs, &file, RunOptions { threads: 3, sizes }).reference;
    assert!(one.songplays == many.songplays && one.users == many.users && one.time == many.time);
}
