//! Files that are replaced or modified while a run reads them: the run reads the listed version, or it fails.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sparkify::config::{IoSizes, MaxRejects, RunConfig};
use sparkify::config::{Location, RunInput};
use sparkify::internals::storage::{ListMode, ObjectRange, RangeReader, StoreOpener};
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use tempfile::TempDir;

use crate::harness::{SONG, TestInput, event};
use crate::read_output;

/// Opens ranges of the only file in a directory, as it is listed now.
fn open_ranges(folder: &Path, ranges: &[(u64, u64)]) -> Box<dyn RangeReader> {
    let store = StoreOpener::default()
        .open(&Location::Local(folder.to_owned()))
        .unwrap();
    let entry = store
        .list("", ListMode::Delimited)
        .unwrap()
        .objects
        .remove(0);
    let range = |&(from, until): &(u64, u64)| ObjectRange {
        object: entry.clone(),
        start: from,
        expected_end: until,
    };
    store.read_ranges(ranges.iter().map(range).collect())
}

/// Reads a whole range, and verifies that the file is the listed one.
fn read_range(reader: &mut dyn RangeReader) -> Result<usize, String> {
    reader.next_range().map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    reader.check_unchanged().map_err(|e| e.to_string())?;
    Ok(bytes.len())
}

#[track_caller]
fn assert_changed_error(result: Result<usize, String>, path: &Path) {
    let expected = format!(
        "cannot read {}: the file changed while the run read it; run again when nothing writes to it",
        path.display()
    );
    assert_eq!(result.unwrap_err(), expected);
}

/// Sets the modification time of a file to that of another.
fn copy_mtime(path: &Path, other: &fs::Metadata) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(other.modified().unwrap()).unwrap();
}

#[test]
fn file_modified_between_listing_and_reading_is_detected() {
    // A small file, and a file that is large enough to be inspected when it is opened.
    for size in [100, 2 << 20] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.json");
        let full_range = [(0, u64::MAX)];
        for what in [
            "unchanged",
            "written again",
            "longer",
            "shorter",
            "replaced",
        ] {
            fs::write(&path, vec![b'a'; size]).unwrap();
            let mut reader = open_ranges(folder.path(), &full_range);
            let before = fs::metadata(&path).unwrap();
            match what {
                "unchanged" => {
                    assert_eq!(read_range(reader.as_mut()), Ok(size));
                    continue;
                }
                "written again" => {
                    fs::write(&path, vec![b'b'; size]).unwrap();
                    File::open(&path)
                        .unwrap()
                        .set_modified(before.modified().unwrap() + Duration::from_nanos(1))
                        .unwrap();
                }
                "longer" | "shorter" => {
                    let file = File::options().write(true).open(&path).unwrap();
                    let size = size as u64;
                    file.set_len(if what == "longer" { size + 1 } else { size - 1 })
                        .unwrap();
                    // The change is detected although the modification time is the same.
                    copy_mtime(&path, &before);
                }
                _ => {
                    let other = folder.path().join("new");
                    fs::write(&other, vec![b'c'; size]).unwrap();
                    let later = before.modified().unwrap() + Duration::from_secs(1);
                    File::open(&other).unwrap().set_modified(later).unwrap();
                    fs::rename(other, &path).unwrap();
                }
            }
            assert_changed_error(read_range(reader.as_mut()), &path);
        }
    }
}

#[test]
fn file_modified_while_open_is_detected() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.json");
    fs::write(&path, "first").unwrap();
    let mut reader = open_ranges(folder.path(), &[(0, u64::MAX)]);
    reader.next_range().unwrap();
    assert_eq!(reader.read(&mut [0; 2]).unwrap(), 2);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b" and more").unwrap();
    let error = reader.check_unchanged().unwrap_err().to_string();
    assert_changed_error(Err(error), &path);
}

#[test]
fn open_file_is_read_to_the_end_after_being_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.json");
    fs::write(&path, "first").unwrap();
    let mut reader = open_ranges(folder.path(), &[(0, u64::MAX)]);
    reader.next_range().unwrap();
    fs::write(folder.path().join("new"), "other").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "first");
    reader.check_unchanged().unwrap();
}

#[test]
fn ranges_are_read_from_one_version_of_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.json");
    fs::write(&path, "first half, other half").unwrap();
    let mut reader = open_ranges(folder.path(), &[(0, 11), (11, u64::MAX), (11, u64::MAX)]);
    assert_eq!(read_range(reader.as_mut()), Ok(22));
    assert_eq!(read_range(reader.as_mut()), Ok(11));
    // Only the inode number distinguishes this file from the other one.
    let other = folder.path().join("new");
    fs::write(&other, "FIRST HALF, OTHER HALF").unwrap();
    copy_mtime(&other, &fs::metadata(&path).unwrap());
    fs::rename(other, &path).unwrap();
    assert_changed_error(read_range(reader.as_mut()), &path);
}

/// Calls a function when it goes out of scope.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn run_never_mixes_versions_of_a_replaced_file() {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    let versions = ["free", "paid"].map(|level| {
        let level = format!("\"{level}\"");
        let lines: Vec<_> = (0..500).map(|n| event(n, &[("level", &level)])).collect();
        lines.join("\n")
    });
    let path = input.logs_dir().join("a.json");
    fs::write(&path, &versions[0]).unwrap();
    let config = |out: &Path| RunConfig {
        input: RunInput::Objects {
            songs: Location::Local(input.songs_dir()).into(),
            logs: Location::Local(input.logs_dir()).into(),
        },
        out: Location::Local(out.to_owned()),
        s3: Default::default(),
        threads: 2,
        max_rejects: MaxRejects::Percent(100.0),
        allow_empty: false,
        engine: sparkify::config::Engine::InProcess,
        load_after_run: false,
        compression: Default::default(),
        loaded_objects: Default::default(),
        // Every split opens the file.
        sizes: IoSizes {
            split_bytes: Some(2000),
            ..IoSizes::default()
        },
    };
    let stop = AtomicBool::new(false);
    let (mut failed_runs, mut runs) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = input.root.path().join("new");
            for number in (0..2).cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                fs::write(&other, &versions[number]).unwrap();
                fs::rename(&other, &path).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        // The thread is stopped even if an assertion fails.
        let _stop = OnDrop(|| stop.store(true, Ordering::Relaxed));
        let started = Instant::now();
        // A run between two replacements succeeds.
        while failed_runs < 5 && started.elapsed() < Duration::from_secs(20) {
            runs += 1;
            let out = TempDir::new().unwrap();
            let out_dir = out.path().join("dataset");
            let job = RunJob {
                config: config(&out_dir),
                load: None,
            };
            match job.execute(&WarningCollector::default()) {
                Ok(_) => {
                    let plays = read_output::songplays(&out_dir);
                    assert_eq!(plays.len(), 500);
                    assert!(plays.iter().all(|play| play.level == plays[0].level));
                }
                Err(error) => {
                    let error = error.error.to_string();
                    assert!(error.contains("changed while the run read it"), "{error}");
                    assert!(!out_dir.exists());
                    failed_runs += 1;
                }
            }
        }
    });
    assert!(failed_runs > 0, "none of {runs} runs failed");
}
