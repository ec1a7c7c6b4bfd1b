//! Inputs in temporary directories, runs over them, and the comparison with the reference.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use sparkify::config::{Glob, InputSpec, IoSizes, LoadedObjects, Location, MaxRejects, RunConfig};
use sparkify::internals::model::TableSchema;
use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use sparkify::report::{InputReport, RunReport};
use tempfile::TempDir;
use testkit::reference::{
    self, DataLoss, ReferenceOutput, Reject, SourceObject, UnknownKey, UnknownKeys,
};

use crate::read_output;

/// A song that every event of [`event`] matches.
pub const SONG: &str = r#"{"num_songs": 1, "artist_id": "AR1", "artist_latitude": null, "artist_longitude": null, "artist_location": "", "artist_name": "Artist", "song_id": "SO1", "title": "Title", "duration": 200.5, "year": 2000}"#;

/// Returns a `NextSong` event at second `n` in which `fields` replace or follow the default fields.
pub fn event(n: u64, fields: &[(&str, &str)]) -> String {
    let ts = (1_541_000_000_000 + n * 1000).to_string();
    let item = n.to_string();
    let defaults = [
        ("artist", "\"Artist\""),
        ("auth", "\"Logged In\""),
        ("firstName", "\"Ada\""),
        ("gender", "\"F\""),
        ("itemInSession", &item),
        ("lastName", "\"Lovelace\""),
        ("length", "200.5"),
        ("level", "\"paid\""),
        ("location", "\"London\""),
        ("method", "\"PUT\""),
        ("page", "\"NextSong\""),
        ("registration", "1540919166796.0"),
        ("sessionId", "7"),
        ("song", "\"Title\""),
        ("status", "200"),
        ("ts", &ts),
        ("userAgent", "\"Mozilla\\/5.0\""),
        ("userId", "\"1\""),
    ];
    let mut members: Vec<(String, String)> = Vec::new();
    for (key, value) in defaults.iter().chain(fields) {
        match members.iter_mut().find(|(k, _)| k == key) {
            Some(member) => member.1 = (*value).to_owned(),
            None => members.push(((*key).to_owned(), (*value).to_owned())),
        }
    }
    let members: Vec<_> = members
        .iter()
        .map(|(k, v)| format!("\"{k}\":{v}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A temporary directory with the subdirectories `songs` and `logs`.
pub struct TestInput {
    pub root: TempDir,
}

impl TestInput {
    pub fn new() -> Self {
        let input = Self {
            root: TempDir::new().unwrap(),
        };
        fs::create_dir(input.songs_dir()).unwrap();
        fs::create_dir(input.logs_dir()).unwrap();
        input
    }

    /// Creates an input with one song object, which contains [`SONG`], and one log object.
    pub fn with_log(bytes: impl AsRef<[u8]>) -> Self {
        let input = Self::new();
        input.write("songs/a.json", SONG);
        input.write("logs/a.json", bytes);
        input
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn songs_dir(&self) -> PathBuf {
        self.root.path().join("songs")
    }

    pub fn logs_dir(&self) -> PathBuf {
        self.root.path().join("logs")
    }
}

/// The output of a run, which was compared with that of the reference.
pub struct VerifiedRun {
    pub out: TempDir,
    pub report: RunReport,
    pub reference: ReferenceOutput,
}

/// The threads and sizes of a run.
#[derive(Clone, Copy)]
pub struct RunOptions {
    pub threads: usize,
    pub sizes: IoSizes,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: 2,
            sizes: IoSizes::default(),
        }
    }
}

pub fn run_pipeline(
    songs: impl Into<reference::ReferenceInput>,
    logs: impl Into<reference::ReferenceInput>,
    out: &Path,
    options: RunOptions,
) -> RunReport {
    run_pipeline_skipping(songs, logs, out, options, LoadedObjects::default())
}

/// Runs the pipeline without the objects in `loaded`.
pub fn run_pipeline_skipping(
    songs: impl Into<reference::ReferenceInput>,
    logs: impl Into<reference::ReferenceInput>,
    out: &Path,
    options: RunOptions,
    loaded: LoadedObjects,
) -> RunReport {
    let config = run_config(songs, logs, out, options, loaded);
    RunJob { config, load: None }
        .execute(&WarningCollector::default())
        .unwrap()
        .report()
        .clone()
}

/// Returns the configuration of a run without the objects in `loaded`.
pub fn run_config(
    songs: impl Into<reference::ReferenceInput>,
    logs: impl Into<reference::ReferenceInput>,
    out: &Path,
    options: RunOptions,
    loaded: LoadedObjects,
) -> RunConfig {
    let (songs, logs) = (input_locations(songs.into()), input_locations(logs.into()));
    RunConfig {
        threads: options.threads,
        max_rejects: MaxRejects::Percent(100.0),
        allow_empty: true,
        loaded_objects: Some(loaded),
        sizes: options.sizes,
        ..RunConfig::new(songs, logs, Location::Local(out.to_owned()))
    }
}

/// Converts an input of the reference into that of the engine.
pub fn input_locations(input: reference::ReferenceInput) -> InputSpec {
    let include = input.include.iter().map(|glob| Glob::parse(glob).unwrap());
    InputSpec {
        include: include.collect(),
        locations: input.locations.into_iter().map(Location::Local).collect(),
    }
}

/// Runs the engine and the reference, and compares all tables, rejects and counts.
pub fn run_and_compare(
    songs: impl Into<reference::ReferenceInput>,
    logs: impl Into<reference::ReferenceInput>,
    options: RunOptions,
) -> VerifiedRun {
    let (songs, logs) = (songs.into(), logs.into());
    let reference = reference::compute(songs.clone(), logs.clone()).unwrap();
    run_and_compare_with(songs, logs, options, reference)
}

pub fn run_and_compare_input(input: &TestInput) -> VerifiedRun {
    run_and_compare(&input.songs_dir(), &input.logs_dir(), RunOptions::default())
}

pub fn run_and_compare_with(
    songs: impl Into<reference::ReferenceInput>,
    logs: impl Into<reference::ReferenceInput>,
    options: RunOptions,
    reference: ReferenceOutput,
) -> VerifiedRun {
    let (songs, logs) = (&songs.into(), &logs.into());
    let out = TempDir::new().unwrap();
    let out_dir = out.path().join("dataset");
    let report = run_pipeline(songs.clone(), logs.clone(), &out_dir, options);

    assert_same_rows(
        "songplays",
        &read_output::songplays(&out_dir),
        &reference.songplays,
    );
    assert_same_rows("users", &read_output::users(&out_dir), &reference.users);
    assert_same_rows("songs", &read_output::songs(&out_dir), &reference.songs);
    assert_same_rows(
        "artists",
        &read_output::artists(&out_dir),
        &reference.artists,
    );
    assert_same_rows("time", &read_output::time(&out_dir), &reference.time);
    let (state, expected_state) = (read_output::merge_state(&out_dir), &reference.merge_state);
    assert_same_rows(
        "source_objects",
        &state.source_objects,
        &expected_state.source_objects,
    );
    assert_same_rows("state_users", &state.users, &expected_state.users);
    assert_same_rows("state_artists", &state.artists, &expected_state.artists);
    assert_same_rows("state_songs", &state.songs, &expected_state.songs);
    assert_same_rows(
        "state_songplays",
        &state.songplays,
        &expected_state.songplays,
    );
    assert_same_rejects(
        &read_rejects(&out_dir, "songs", songs),
        &reference.song_rejects,
    );
    assert_same_rejects(
        &read_rejects(&out_dir, "logs", logs),
        &reference.log_rejects,
    );

    assert_eq!(
        unknown_keys(&report.songs, songs),
        reference.song_counts.unknown_keys
    );
    assert_eq!(
        unknown_keys(&report.logs.input, logs),
        reference.log_counts.unknown_keys
    );

    let (s, l) = (&reference.song_counts, &reference.log_counts);
    let (songs, logs) = (&report.songs, &report.logs);
    assert_eq!(
        (
            songs.objects,
            songs.ignored_objects,
            songs.bytes,
            songs.records,
            songs.rejected
        ),
        (s.objects, s.ignored_objects, s.bytes, s.records, s.rejected)
    );
    assert_eq!(songs.rejected_by_reason, s.rejected_by_reason);
    assert_eq!(songs.ignored_extensions, s.ignored_extensions);
    let input = &logs.input;
    assert_eq!(
        (
            input.objects,
            input.ignored_objects,
            input.bytes,
            input.records,
            input.rejected
        ),
        (l.objects, l.ignored_objects, l.bytes, l.records, l.rejected)
    );
    assert_eq!(input.rejected_by_reason, l.rejected_by_reason);
    for (input, expected) in [(songs, s.data_loss), (input, l.data_loss)] {
        let found = DataLoss {
            decompressed_bytes: input.decompressed_bytes,
            rejected_bytes: input.rejected_bytes,
            unreadable_objects: input.unreadable_objects,
        };
        assert_eq!(found, expected);
    }
    assert_eq!(input.ignored_extensions, l.ignored_extensions);
    assert_eq!(
        (logs.kept, logs.filtered, logs.duplicates),
        (l.kept, l.filtered, l.duplicates)
    );
    assert_eq!(report.matched_songplays, reference.matched_songplays);
    assert_report_reconciles(&report, &out_dir);
    VerifiedRun {
        out,
        report,
        reference,
    }
}

/// Asserts that the counts add up, and that the report matches the files of the dataset.
pub fn assert_report_reconciles(report: &RunReport, out_dir: &Path) {
    let logs = &report.logs;
    assert_eq!(
        logs.input.records,
        logs.kept + logs.filtered + logs.input.rejected + logs.duplicates
    );
    for input in [&report.songs, &logs.input] {
        assert_eq!(
            input.rejected,
            input.rejected_by_reason.values().sum::<u64>()
        );
    }
    assert_eq!(report.tables["songplays"].rows, logs.kept);
    for (tables, reported) in [
        (SPARKIFY.star, &report.tables),
        (SPARKIFY.merge_state, &report.merge_state),
    ] {
        assert_eq!(reported.len(), tables.len());
        for TableSchema {
            name, dir: folder, ..
        } in tables
        {
            let files = read_output::list_dir(&out_dir.join(folder));
            let bytes: u64 = files.iter().map(|f| f.metadata().unwrap().len()).sum();
            assert_eq!(
                (reported[*name].files, reported[*name].bytes),
                (files.len() as u64, bytes),
                "{name}"
            );
        }
    }
    let state = read_output::merge_state(out_dir);
    let sum = |kind, count: fn(&SourceObject) -> i64| {
        let objects = state.source_objects.iter();
        let counts = objects.filter(|object| object.kind == kind).map(count);
        counts.sum::<i64>() as u64
    };
    for (kind, input) in [("song", &report.songs), ("log", &logs.input)] {
        assert_eq!(sum(kind, |o| o.rejected_records), input.rejected, "{kind}");
        assert_eq!(sum(kind, |o| o.rejected_bytes), input.rejected_bytes);
        assert_eq!(sum(kind, |_| 1), input.objects, "{kind}");
        assert_eq!(input.new_objects + input.changed_objects, input.objects);
    }
    assert_eq!(sum("log", |o| o.rows), logs.kept + logs.duplicates);
    assert_eq!(
        report.merge_state["state_users"].rows,
        report.tables["users"].rows
    );
    assert_eq!(
        report.merge_state["state_artists"].rows,
        report.tables["artists"].rows
    );
    let written = fs::read(out_dir.join("_report.json")).unwrap();
    let written = String::from_utf8(written).unwrap();
    assert_eq!(
        written.trim_end(),
        serde_json::to_string_pretty(report).unwrap()
    );
    serde_json::from_str::<RunReport>(&written).unwrap();
}

fn assert_same_rows<T: PartialEq + std::fmt::Debug>(what: &str, actual: &[T], expected: &[T]) {
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_eq!(actual, expected, "{what}, row {i}");
    }
    assert_eq!(actual.len(), expected.len(), "{what}: number of rows");
}

/// Asserts that rejects are equal, and prints their texts as strings.
fn assert_same_rejects(actual: &[Reject], expected: &[Reject]) {
    let truncate = |text: &[u8]| {
        let truncated = &text[..text.len().min(MAX_REJECT_TEXT_BYTES)];
        match std::str::from_utf8(truncated) {
            // A character that the limit would split is left out.
            Err(e) if truncated.len() < text.len() && e.error_len().is_none() => {
                truncated[..e.valid_up_to()].to_vec()
            }
            _ => truncated.to_vec(),
        }
    };
    let readable = |r: &Reject| {
        let text: String = String::from_utf8_lossy(&r.text).chars().take(300).collect();
        (r.reason.clone(), r.object.clone(), r.line, r.offset, text)
    };
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_eq!(readable(actual), readable(expected), "reject {i}");
        assert!(
            actual.text == truncate(&expected.text),
            "text of reject {i}"
        );
    }
    assert_eq!(actual.len(), expected.len(), "number of rejects");
}

/// The maximum length of a text in a reject file.
const MAX_REJECT_TEXT_BYTES: usize = 64 * 1024;

/// Returns the lines of the reject files of songs or logs, in input order.
pub fn read_reject_lines(out_dir: &Path, kind: &str) -> Vec<serde_json::Value> {
    let is_of_kind = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with(kind)
    };
    read_output::list_dir(&out_dir.join("_rejects"))
        .into_iter()
        .filter(is_of_kind)
        .map(|file| fs::read_to_string(file).unwrap())
        .flat_map(|text| {
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the unknown keys of a report in the form of the reference.
fn unknown_keys(report: &InputReport, input: &reference::ReferenceInput) -> UnknownKeys {
    let first = report.unknown_keys.iter().map(|unknown| UnknownKey {
        key: unknown.key.clone(),
        object: relative_object(&unknown.object, input),
        line: unknown.line,
    });
    UnknownKeys {
        first: first.collect(),
        has_more: report.more_unknown_keys,
    }
}

/// Returns the name of an object as the reference names it: the path below the only location.
fn relative_object(object: &str, input: &reference::ReferenceInput) -> String {
    let object = Path::new(object);
    let object = match input
        .single_location()
        .map(|only| object.strip_prefix(only))
    {
        None => object,
        // The location is the object itself.
        Some(Ok(rest)) if rest.as_os_str().is_empty() => object.file_name().unwrap().as_ref(),
        Some(rest) => rest.unwrap(),
    };
    object.to_str().unwrap().to_owned()
}

/// Returns the rejects of a dataset in the form of the reference, in input order. Truncated texts stay
/// truncated.
fn read_rejects(out_dir: &Path, kind: &str, input: &reference::ReferenceInput) -> Vec<Reject> {
    let mut all = Vec::new();
    for line in read_reject_lines(out_dir, kind) {
        let object = relative_object(line["object"].as_str().unwrap(), input);
        let text = match line["text"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => {
                let text = line["text_base64"].as_str().unwrap();
                base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .unwrap()
            }
        };
        assert!(
            text.len() <= MAX_REJECT_TEXT_BYTES && !line["detail"].as_str().unwrap().is_empty()
        );
        let bytes = line["bytes"].as_u64().unwrap() as usize;
        assert!(bytes == text.len() || (bytes > text.len() && line["truncated"] == true));
        all.push(Reject {
            reason: line["reason"].as_str().unwrap().to_owned(),
            object,
            line: line["line"].as_u64().unwrap(),
            offset: line["offset"].as_u64().unwrap(),
            text,
        });
    }
    all
}

/// Returns all files of a dataset except for the report, which contains times; rejects are returned without
/// their run id.
pub fn deterministic_files(out_dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders: Vec<_> = read_output::list_dir(out_dir)
        .into_iter()
        .filter(|f| f.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        for file in read_output::list_dir(&folder) {
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let mut bytes = fs::read(&file).unwrap();
            if file
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                let lines = String::from_utf8(bytes).unwrap();
                let lines = lines.lines().map(|line| {
                    let mut reject: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert!(reject["run"].take().is_string());
                    reject.to_string() + "\n"
                });
                bytes = lines.collect::<String>().into_bytes();
            }
            all.insert(file.strip_prefix(out_dir).unwrap().to_owned(), bytes);
        }
    }
    all
}
