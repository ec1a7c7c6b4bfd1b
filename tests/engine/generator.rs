//! The generator, compared with independent readings of its output.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;
use sparkify::generate::{GenerateOptions, GenerateSummary, generate};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn options(events: u64, songs: u64, users: u64, files: u64) -> GenerateOptions {
    GenerateOptions {
        events,
        songs,
        users,
        files,
        seed: 7,
        edge_cases: false,
    }
}

/// Generates data in a temporary directory, which exists as long as the returned [`TempDir`].
fn generate_in_temp_dir(
    options: &GenerateOptions,
) -> std::io::Result<(tempfile::TempDir, GenerateSummary)> {
    let folder = tempfile::tempdir()?;
    let summary = generate(folder.path(), options, &mut |_, _| {})?;
    Ok((folder, summary))
}

/// Returns every file below `root` by path, in byte order.
fn read_all(root: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.to_string_lossy().into_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// Returns every file below `root` by relative path, to compare two directories.
fn files_below(root: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let prefix = root.to_string_lossy().into_owned();
    Ok(read_all(root)?
        .into_iter()
        .map(|(name, text)| (name.replacen(&prefix, "", 1), text))
        .collect())
}

fn fnv1a(files: &[(String, Vec<u8>)]) -> u64 {
    let bytes = files
        .iter()
        .flat_map(|(name, text)| name.as_bytes().iter().chain(text));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn song_key(record: &Value, keys: [&str; 3]) -> String {
    keys.map(|key| record[key].to_string()).join("|")
}

#[test]
fn summary_counts_match_the_files() -> TestResult {
    let (folder, summary) = generate_in_temp_dir(&options(20_000, 700, 90, 13))?;
    let (mut ids, mut artists, mut songs) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let files = read_all(&folder.path().join("song_data"))?;
    for text in files.values() {
        let record: Value = serde_json::from_slice(text)?;
        ids.insert(record["song_id"].to_string());
        artists.insert(record["artist_id"].to_string());
        songs.insert(song_key(&record, ["title", "artist_name", "duration"]));
    }
    let expected = &summary.songs;
    assert_eq!(
        (files.len() as u64, ids.len() as u64),
        (expected.input.objects, expected.songs)
    );
    assert_eq!(
        (artists.len() as u64, 700),
        (expected.artists, expected.input.records)
    );
    assert_eq!(
        files.values().map(Vec::len).sum::<usize>() as u64,
        expected.input.bytes
    );
    assert!(artists.len() < ids.len(), "no two songs share an artist");

    let (mut kept, mut filtered, mut matched) = (0, 0, 0);
    let (mut keys, mut users) = (BTreeSet::new(), BTreeSet::new());
    let mut items: BTreeMap<String, u64> = BTreeMap::new();
    let files = read_all(&folder.path().join("log_data"))?;
    let mut last = 0;
    for line in files
        .values()
        .flat_map(|text| text.split(|byte| *byte == b'\n'))
        .filter(|line| !line.is_empty())
    {
        let record: Value = serde_json::from_slice(line)?;
        let item = items.entry(record["sessionId"].to_string()).or_default();
        assert_eq!(
            record["itemInSession"].as_u64(),
            Some(*item),
            "items of a session are not consecutive"
        );
        *item += 1;
        let ts = record["ts"].as_u64().ok_or("ts")?;
        assert!(ts >= last, "times are not ascending");
        last = ts;
        assert!(keys.insert(
            ["userId", "ts", "sessionId", "itemInSession"].map(|key| record[key].to_string())
        ));
        if record["page"] == "NextSong" {
            kept += 1;
            users.insert(record["userId"].to_string());
            matched += u64::from(songs.contains(&song_key(&record, ["song", "artist", "length"])));
        } else {
            filtered += 1;
        }
    }
    let expected = &summary.logs;
    assert_eq!(
        (kept, filtered, matched),
        (expected.kept, expected.filtered, expected.matched)
    );
    assert_eq!(
        (files.len() as u64, users.len() as u64),
        (expected.input.objects, expected.users)
    );
    assert_eq!(
        (
            expected.input.records,
            expected.duplicates,
            expected.input.rejected
        ),
        (20_000, 0, 0)
    );
    assert!((80..90).contains(&(100 * kept / 20_000)), "page mix");
    assert!(
        (20..30).contains(&(100 * matched / kept)),
        "share of matches"
    );
    Ok(())
}

#[test]
fn same_options_give_the_same_bytes() -> TestResult {
    for edge_cases in [false, true] {
        let options = GenerateOptions {
            edge_cases,
            ..options(1_500, 60, 12, 4)
        };
        let (first, first_summary) = generate_in_temp_dir(&options)?;
        let (second, second_summary) = generate_in_temp_dir(&options)?;
        let (other, _) = generate_in_temp_dir(&GenerateOptions {
            seed: 8,
            ..options.clone()
        })?;
        assert_eq!(first_summary, second_summary);
        let first = files_below(first.path())?;
        assert_eq!(first, files_below(second.path())?);
        assert_ne!(first, files_below(other.path())?);
        // Pinned hashes: the output is the same on every machine, and changes only on purpose.
        let pinned = if edge_cases {
            8_291_798_881_196_473_632
        } else {
            2_432_935_844_435_170_415
        };
        assert_eq!(fnv1a(&first), pinned);
    }
    Ok(())
}

#[test]
fn edge_case_counts_reconcile_at_any_size() -> TestResult {
    for (events, songs, users, files) in [
        (0, 0, 1, 1),
        (1, 0, 1, 3),
        (3, 5, 2, 9),
        (40_000, 2_000, 50, 5),
    ] {
        let (folder, summary) = generate_in_temp_dir(&GenerateOptions {
            edge_cases: true,
            ..options(events, songs, users, files)
        })?;
        for input in [&summary.songs.input, &summary.logs.input] {
            let reasons: Vec<_> = input.rejected_by_reason.keys().copied().collect();
            // Only a song has an object of its own, so only songs are written in other formats.
            let reasons = reasons.into_iter().filter(|&reason| reason != "not_json");
            assert_eq!(
                reasons.collect::<Vec<_>>(),
                [
                    "encoding", "missing", "nul", "range", "syntax", "too_long", "type"
                ]
            );
            assert_eq!(
                input.rejected,
                input.rejected_by_reason.values().sum::<u64>()
            );
        }
        let logs = &summary.logs;
        assert_eq!(
            logs.input.records,
            logs.kept + logs.filtered + logs.input.rejected + logs.duplicates
        );
        assert!(logs.duplicates > 0 && logs.kept + logs.filtered >= events);
        assert!(
            events < 40_000 || logs.input.rejected * 200 < logs.input.records,
            "share of rejects"
        );
        let files = read_all(folder.path())?;
        let objects =
            [&summary.songs.input, &logs.input].map(|input| input.objects + input.ignored_objects);
        assert_eq!(files.len() as u64, objects.iter().sum::<u64>());
    }
    Ok(())
}

#[test]
fn tiny_sizes_work() -> TestResult {
    for (events, songs, users, files) in
        [(0, 0, 1, 1), (1, 1, 1, 1), (2, 0, 1, 5), (5, 1, 1, 1_000)]
    {
        let (folder, summary) = generate_in_temp_dir(&options(events, songs, users, files))?;
        assert_eq!(
            (summary.logs.input.records, summary.songs.songs),
            (events, songs)
        );
        assert_eq!(
            read_all(&folder.path().join("log_data"))?.len() as u64,
            files
        );
        assert!(songs > 0 || summary.logs.matched == 0);
    }
    Ok(())
}

#[test]
fn progress_ends_with_the_totals() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut calls = Vec::new();
    let summary = generate(
        folder.path(),
        &options(30_000, 10, 9, 2),
        &mut |bytes, events| calls.push((bytes, events)),
    )?;
    assert!(calls.len() > 2 && calls.is_sorted());
    assert_eq!(
        calls.last(),
        Some(&(summary.songs.input.bytes + summary.logs.input.bytes, 30_000))
    );
    Ok(())
}

#[test]
fn invalid_options_and_existing_paths_are_rejected() -> TestResult {
    let folder = tempfile::tempdir()?;
    for bad in [options(1, 1, 0, 1), options(1, 1, 1, 0)] {
        let error = generate(folder.path(), &bad, &mut |_, _| {})
            .err()
            .ok_or("accepted")?;
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let file = folder.path().join("something");
    fs::write(&file, "")?;
    for existing in [folder.path(), file.as_path()] {
        let error = generate(existing, &options(1, 1, 1, 1), &mut |_, _| {})
            .err()
            .ok_or("accepted")?;
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(
            error.to_string().contains(&existing.display().to_string()),
            "{error}"
        );
    }
    assert_eq!(read_all(folder.path())?.len(), 1, "output was written");
    Ok(())
}

/// `cargo test --release -- --ignored --nocapture throughput`
#[test]
#[ignore = "a measurement"]
fn throughput() -> TestResult {
    let start = std::time::Instant::now();
    let (_folder, summary) = generate_in_temp_dir(&options(2_000_000, 1_000, 10_000, 30))?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{summary}\n{:.0} MB/s",
        summary.logs.input.bytes as f64 / 1e6 / seconds
    );
    Ok(())
}
