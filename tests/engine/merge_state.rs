//! The merge state, case by case. Wherever a dataset is compared with the reference, its merge state is
//! compared too.

use std::fs;
use std::path::Path;

use sparkify::config::{IoSizes, LoadedObjects};
use sparkify::report::RunReport;
use testkit::reference::MergeState;

use crate::determinism::gzip;
use crate::harness::{
    RunOptions, SONG, TestInput, VerifiedRun, assert_report_reconciles, deterministic_files, event,
    run_and_compare, run_and_compare_input, run_pipeline_skipping,
};
use crate::read_output;

/// Splits of a few bytes: most start within an object and within a record.
const TINY_SPLITS: RunOptions = RunOptions {
    threads: 2,
    sizes: IoSizes {
        split_bytes: Some(50),
        chunk_bytes: 16,
        row_group_rows: 2,
    },
};

fn merge_state(checked: &VerifiedRun) -> MergeState {
    read_output::merge_state(&checked.out.path().join("dataset"))
}

fn kept_by_object(state: &MergeState) -> Vec<(&str, i64)> {
    let objects = state.source_objects.iter().filter(|o| o.kind == "log");
    let name = |object: &str| object.rfind('/').unwrap() + 1;
    let rows = objects.map(|row| (&row.object[name(&row.object)..], row.rows));
    rows.collect()
}

/// Returns three events, one of which is not a `NextSong` event.
fn log_with_two_kept_events(first: u64) -> String {
    let other = event(first + 1, &[("page", "\"Home\"")]);
    [event(first, &[]), other, event(first + 2, &[])].join("\n")
}

#[test]
fn kept_events_per_object_do_not_depend_on_splits() {
    let input = TestInput::with_log(log_with_two_kept_events(0));
    input.write("logs/b.json", "");
    // An event that the object before contains too counts for both objects.
    input.write(
        "logs/c.json.gz",
        gzip(log_with_two_kept_events(2).as_bytes()),
    );
    input.write(
        "logs/d/e.json",
        format!("{{\n{}\n", log_with_two_kept_events(10)),
    );
    input.write("logs/_f.json", log_with_two_kept_events(20));
    // A split that starts within this record predicts the wrong start.
    let record = event(30, &[("auth", "\n{\"line\":\n{}}\n")]);
    let many: Vec<String> = (40..90).map(|n| event(n, &[])).collect();
    input.write("logs/g.json", format!("{record}\n{}", many.join("\n")));
    for setting in [RunOptions::default(), TINY_SPLITS] {
        let checked = run_and_compare(&input.songs_dir(), &input.logs_dir(), setting);
        let expected = [
            ("a.json", 2),
            ("b.json", 0),
            ("c.json.gz", 2),
            ("e.json", 2),
            ("g.json", 51),
        ];
        assert_eq!(kept_by_object(&merge_state(&checked)), expected);
        assert_eq!(checked.report.logs.duplicates, 1);
    }
}

#[test]
fn duplicate_event_has_one_state_row() {
    let input = TestInput::with_log([event(1, &[]), event(1, &[]), event(2, &[])].join("\n"));
    input.write("logs/b.json", event(2, &[]));
    input.write("logs/c.json", [event(2, &[]), event(1, &[])].join("\n"));
    for setting in [RunOptions::default(), TINY_SPLITS] {
        let checked = run_and_compare(&input.songs_dir(), &input.logs_dir(), setting);
        let state = merge_state(&checked);
        assert_eq!(state.songplays.len(), 2);
        assert_eq!(
            kept_by_object(&state),
            [("a.json", 3), ("b.json", 1), ("c.json", 2)]
        );
    }
}

#[test]
fn event_without_song_artist_or_length_has_no_state_row() {
    let nothing = ["song", "artist", "length"].map(|key| event(1, &[(key, "null")]));
    // An empty string is a value.
    let empty = event(2, &[("song", "\"\""), ("artist", "\"\"")]);
    let zero = event(
        3,
        &[("song", "\"\""), ("artist", "\"\""), ("length", "-0.0")],
    );
    for event in &nothing {
        let checked = run_and_compare_input(&TestInput::with_log(event));
        assert_eq!(merge_state(&checked).songplays, []);
        // Readers of the directory need the columns, so an empty part is written.
        assert_eq!(checked.report.merge_state["state_songplays"].files, 1);
    }
    let checked = run_and_compare_input(&TestInput::with_log([empty, zero].join("\n")));
    assert_eq!(merge_state(&checked).songplays.len(), 2);
}

/// The expected keys were computed by an independent Python script. The duration next to a key has no
/// negative zero.
#[test]
fn song_keys_match_redshift_fnv_hash() {
    const TITLE: i64 = 1_465_977_823_591_457_354;
    const EMPTY: i64 = 590_684_067_820_433_389;
    const CAFE: i64 = 6_237_502_759_999_602_554;
    let song = |n: u8, title: &str, artist: &str, duration: &str| {
        format!(
            r#"{{"song_id":"SO{n}","title":"{title}","artist_id":"AR{n}","artist_name":"{artist}","duration":{duration}}}"#
        )
    };
    let events = [
        event(1, &[("length", "2005e-1")]),
        event(
            2,
            &[("song", "\"\""), ("artist", "\"\""), ("length", "-0.0")],
        ),
    ];
    let input = TestInput::with_log(events.join("\n"));
    let songs = [
        song(1, "Title", "Artist", "200.5"),
        song(3, "Café del Mar", "Björk", "218.93179"),
        song(4, "", "", "0"),
        song(2, "", "", "-0.0"),
        song(5, "", "", "1.5"),
    ];
    input.write("songs/a.json", songs.join("\n"));
    let state = merge_state(&run_and_compare_input(&input));
    let songs = state.songs.iter();
    let found: Vec<_> = songs
        .map(|s| (s.song_key, s.duration.to_bits(), &*s.song_id, &*s.artist_id))
        .collect();
    let expected = [
        (EMPTY, 0.0f64.to_bits(), "SO2", "AR2"),
        (EMPTY, 1.5f64.to_bits(), "SO5", "AR5"),
        (TITLE, 200.5f64.to_bits(), "SO1", "AR1"),
        (CAFE, 218.93179f64.to_bits(), "SO3", "AR3"),
    ];
    assert_eq!(found, expected);
    let plays = state.songplays.iter();
    let found: Vec<_> = plays
        .map(|play| (play.song_key, play.duration.to_bits()))
        .collect();
    assert_eq!(
        found,
        [(TITLE, 200.5f64.to_bits()), (EMPTY, 0.0f64.to_bits())]
    );
}

/// Runs over an input without the log objects in `loaded`, and checks the counts of the report.
fn run_and_reconcile_skipping(
    input: &TestInput,
    loaded: &[(&str, &str, &str)],
) -> (RunReport, MergeState) {
    let out = input.root.path().join("dataset");
    let mut objects = LoadedObjects::default();
    for (kind, object, etag) in loaded {
        objects.insert(kind, object, etag);
    }
    let setting = RunOptions::default();
    let report = run_pipeline_skipping(
        &input.songs_dir(),
        &input.logs_dir(),
        &out,
        setting,
        objects,
    );
    assert_report_reconciles(&report, &out);
    (report, read_output::merge_state(&out))
}

#[test]
fn loaded_objects_are_skipped() {
    let input = TestInput::with_log(log_with_two_kept_events(0));
    input.write("logs/b.json", log_with_two_kept_events(10));
    input.write("logs/c.json", log_with_two_kept_events(20));
    let (report, all) = run_and_reconcile_skipping(&input, &[]);
    assert_eq!(report.logs.input.already_loaded_objects, 0);
    let [_, a, b, c] = &all.source_objects[..] else {
        panic!("{all:?}")
    };

    // An object counts as loaded only if both its name and its ETag are the same.
    let loaded = [
        ("log", a.object.as_str(), a.etag.as_str()),
        ("log", b.object.as_str(), "other"),
        ("log", c.object.as_str(), ""),
        ("log", "", ""),
        ("log", "elsewhere", c.etag.as_str()),
        ("song", c.object.as_str(), c.etag.as_str()),
    ];
    let (report, state) = run_and_reconcile_skipping(&input, &loaded);
    assert_eq!(state.source_objects[1..], [b.clone(), c.clone()]);
    let input_report = &report.logs.input;
    let counts = [
        input_report.objects,
        input_report.new_objects,
        input_report.changed_objects,
        input_report.already_loaded_objects,
    ];
    assert_eq!(counts, [2, 0, 2, 1]);
    assert_eq!(report.logs.input.records, 6);
    let bytes = log_with_two_kept_events(10).len() + log_with_two_kept_events(20).len();
    assert_eq!(report.logs.input.bytes, bytes as u64);

    // A rewritten object is a new one, even if its size is the same.
    let file = fs::File::options()
        .append(true)
        .open(input.logs_dir().join("a.json"));
    let time = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    file.unwrap().set_modified(time).unwrap();
    let (report, _) = run_and_reconcile_skipping(&input, &loaded);
    assert_eq!(report.logs.input.already_loaded_objects, 0);
}

#[test]
fn run_with_all_logs_loaded_still_writes_songs() {
    let input = TestInput::with_log(log_with_two_kept_events(0));
    let (_, all) = run_and_reconcile_skipping(&input, &[]);
    let objects = all.source_objects.iter();
    let loaded: Vec<_> = objects
        .filter(|o| o.kind == "log")
        .map(|o| (o.kind.as_str(), o.object.as_str(), o.etag.as_str()))
        .collect();
    let (report, state) = run_and_reconcile_skipping(&input, &loaded);
    let logs = &report.logs.input;
    assert_eq!((logs.already_loaded_objects, logs.objects), (1, 0));
    assert_eq!(report.logs.input.records, 0);
    let rows = |table: &str| report.tables[table].rows;
    assert_eq!(["songplays", "users", "time"].map(rows), [0; 3]);
    assert_eq!(["songs", "artists"].map(rows), [1; 2]);
    assert!(
        report
            .tables
            .values()
            .chain(report.merge_state.values())
            .all(|t| t.files == 1)
    );
    assert_eq!(state.songs.len(), 1);
    assert_eq!(state.source_objects.len(), 1, "the song object");
    assert!(state.songplays.is_empty());
}

#[test]
fn loaded_songs_are_left_out() {
    let input = TestInput::with_log(log_with_two_kept_events(0));
    let (_, all) = run_and_reconcile_skipping(&input, &[]);
    let [song, log] = &all.source_objects[..] else {
        panic!("{all:?}")
    };
    let loaded = [("song", song.object.as_str(), song.etag.as_str())];
    let (report, state) = run_and_reconcile_skipping(&input, &loaded);
    assert_eq!(state.source_objects, std::slice::from_ref(log));
    let songs = &report.songs;
    assert_eq!((songs.already_loaded_objects, songs.objects), (1, 0));
    assert_eq!(report.tables["songs"].rows, 0);
    assert_eq!(report.logs.kept, 2);
}

#[test]
fn object_has_one_path_through_any_symlink() {
    let input = TestInput::with_log(event(1, &[]));
    let root = input.root.path();
    std::os::unix::fs::symlink(input.logs_dir(), root.join("link")).unwrap();
    let logs = fs::canonicalize(input.logs_dir()).unwrap();
    let expected = logs.join("a.json");
    let inputs = [
        "logs",
        "link",
        "songs/../logs/",
        "logs/a.json",
        "link/a.json",
    ];
    for (number, logs) in inputs.iter().enumerate() {
        let out = root.join(format!("dataset-{number}"));
        run_with_defaults(&input.songs_dir(), &root.join(logs), &out);
        let state = read_output::merge_state(&out);
        let [_, log] = &state.source_objects[..] else {
            panic!("one song and one log: {state:?}")
        };
        assert_eq!(Path::new(&log.object), expected, "{logs}");
        assert_eq!(log.rows, 1);
        assert!(
            deterministic_files(&out) == deterministic_files(&root.join("dataset-0")),
            "{logs}"
        );
    }
}

fn run_with_defaults(songs: &Path, logs: &Path, out: &Path) {
    run_pipeline_skipping(
        songs,
        logs,
        out,
        RunOptions::default(),
        LoadedObjects::default(),
    );
}

#[test]
fn smallest_ids_win_among_songs_with_one_key() {
    let other = SONG.replace("SO1", "SO0").replace("AR1", "AR9");
    let input = TestInput::with_log(event(1, &[]));
    input.write("songs/b.json", other.replace("AR9", "AR8"));
    input.write("songs/c.json", other);
    let state = merge_state(&run_and_compare_input(&input));
    let [song] = &state.songs[..] else {
        panic!("{state:?}")
    };
    assert_eq!(
        (song.song_id.as_str(), song.artist_id.as_str()),
        ("SO0", "AR8")
    );
    assert_eq!(state.songplays[0].song_key, song.song_key);
}
