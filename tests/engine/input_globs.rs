//! Several locations, globs and `--include`: the engine lists and reads the same objects as the reference.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use sparkify::config::{IoSizes, MaxRejects, RunConfig};
use sparkify::config::{Location, RunInput};
use sparkify::jobs::RunJob;
use tempfile::TempDir;
use testkit::property_tests::config::config_with_cases;
use testkit::reference;

use crate::harness::{
    RunOptions, SONG, TestInput, deterministic_files, event, input_locations, run_and_compare,
    run_pipeline,
};

/// Names of files and directories.
const PATH_COMPONENTS: &[&str] = &[
    "a",
    "ab",
    "b1.json",
    "a.JSON",
    "a.jsonl.gz",
    "x.txt",
    "noend",
    ".h.json",
    "_h.json",
    ".tmp",
    "_tmp",
    "[a].json",
    "e\u{e9}.ldjson",
];

/// Components of a glob.
const GLOB_COMPONENTS: &[&str] = &[
    "*",
    "**",
    "?",
    "a*",
    "*.json",
    "[ab]*",
    "[!a]*",
    "*[0-9].json",
    "[[]a].json",
    ".*",
    "_*",
    "a",
    "ab",
    "??",
    "*.*",
    "[a].json",
    "?\u{e9}*",
    "x.txt",
];

fn reference_input(
    root: &Path,
    patterns: &[Vec<&str>],
    include: &[Vec<&str>],
) -> reference::ReferenceInput {
    reference::ReferenceInput {
        locations: patterns.iter().map(|p| root.join(p.join("/"))).collect(),
        include: include.iter().map(|p| p.join("/")).collect(),
    }
}

/// The names of all objects in input order, the number of ignored objects, and the counts by extension.
type EngineListing = (Vec<String>, u64, std::collections::BTreeMap<String, u64>);

/// Returns what the engine lists: every object is a split of its own.
fn engine_listing(songs: &Path, logs: &reference::ReferenceInput) -> Result<EngineListing, String> {
    let config = RunConfig {
        input: RunInput::Objects {
            songs: Location::Local(songs.to_owned()).into(),
            logs: input_locations(logs.clone()),
        },
        out: Location::Local(songs.with_file_name("dataset")),
        s3: Default::default(),
        threads: 2,
        max_rejects: MaxRejects::default(),
        allow_empty: false,
        engine: sparkify::config::Engine::InProcess,
        load_after_run: false,
        compression: Default::default(),
        loaded_objects: Default::default(),
        sizes: IoSizes {
            split_bytes: Some(1),
            ..IoSizes::default()
        },
    };
    let plan = RunJob { config, load: None }.plan();
    let logs = plan.map_err(|e| e.to_string())?.run.logs;
    let names = logs.splits.into_iter().map(|split| {
        assert_eq!(split.first_object, split.last_object);
        split.first_object
    });
    Ok((
        names.collect(),
        logs.ignored_objects,
        logs.ignored_extensions,
    ))
}

proptest! {
    #![proptest_config(config_with_cases(300))]

    #[test]
    fn globs_list_the_same_objects_as_the_reference(
        files in btree_set(vec(select(PATH_COMPONENTS), 1..4), 1..14),
        globs in vec(vec(select(GLOB_COMPONENTS), 1..4), 1..4),
        include in vec(vec(select(GLOB_COMPONENTS), 1..3), 0..2),
        only_folders in any::<bool>(),
    ) {
        let root = TempDir::new().unwrap();
        let songs = root.path().join("song.json");
        fs::write(&songs, SONG).unwrap();
        let logs = root.path().join("logs");
        for file in &files {
            let path = logs.join(file.join("/"));
            // The path may be that of a directory already, or contain a file as a component.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.exists() {
                fs::write(path, "\n").unwrap();
            }
        }
        let mut input = reference_input(&logs, &globs, &include);
        if only_folders {
            // The whole directory is added too, so that matches of a glob are named twice.
            input.locations.push(logs.clone());
        }
        let holds_none = |location: &PathBuf| {
            let alone = reference::ReferenceInput { locations: vec![location.clone()], ..input.clone() };
            reference::list(&alone).map_or(true, |listing| listing.objects.is_empty())
        };
        match engine_listing(&songs, &input) {
            Err(error) => {
                let none = error.contains("no logs in ") || error.contains("cannot ");
                prop_assert!(none && input.locations.iter().any(holds_none), "{error}");
            }
            Ok((names, ignored, extensions)) => {
                prop_assert!(!input.locations.iter().any(holds_none));
                let reference = reference::list(&input).unwrap();
                let paths = reference.objects.iter().map(|o| o.path.display().to_string());
                prop_assert_eq!(names, paths.collect::<Vec<_>>());
                prop_assert_eq!((ignored, extensions), (reference.ignored_objects, reference.ignored_extensions));
            }
        }
    }
}

/// Returns an input with six log objects in three directories, and a file that is not input.
fn input_by_day() -> TestInput {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    for (number, name) in [
        "2018-11-01/a.json",
        "2018-11-01/b.json",
        "2018-11-02/a.json",
        "2018-12-01/a.json",
        "b.json",
        "B.json",
        "firehose-1-2018-11-29-uuid",
    ]
    .iter()
    .enumerate()
    {
        let level = format!("\"{number}\"");
        // The first event is the same in all objects.
        let events = [0, number as u64 + 1].map(|n| event(n, &[("level", &level)]));
        input.write(&format!("logs/{name}"), events.join("\n"));
    }
    input
}

#[test]
fn multiple_locations_match_the_reference() {
    let root = input_by_day();
    let logs = |names: &[&str], include: &[&str]| reference::ReferenceInput {
        locations: names
            .iter()
            .map(|name| root.logs_dir().join(name))
            .collect(),
        include: include.iter().map(|&glob| glob.to_owned()).collect(),
    };
    for (names, include, objects) in [
        (&["2018-11-0*"][..], &[][..], 3),
        (&["2018-*/"], &[], 4),
        (&["b.json", "2018-12-01", "B.json"], &[], 3),
        (&["*.json"], &[], 2),
        (&["**/a.json", "2018-11-0[12]/b.json"], &[], 4),
        (&["2018-11-??/*", "2018-11-01", "2018-11-01/a.json"], &[], 3),
        (&["", "2018-*"], &["firehose-*"], 7),
        (&["firehose-*", "b.json"], &["firehose-*"], 2),
        (&[""], &["*/firehose-*"], 6),
        (&["2018-11-*"], &["2018-11-01/*"], 3),
    ] {
        for split_bytes in [None, Some(100)] {
            let sizes = IoSizes {
                split_bytes,
                ..IoSizes::default()
            };
            let setting = RunOptions { threads: 2, sizes };
            let checked = run_and_compare(&root.songs_dir(), logs(names, include), setting);
            assert_eq!(checked.report.logs.input.objects, objects, "{names:?}");
        }
    }
}

#[test]
fn overlapping_locations_are_read_once() {
    let root = input_by_day();
    let build = |locations: Vec<PathBuf>| {
        let logs = reference::ReferenceInput {
            locations,
            include: Vec::new(),
        };
        let out = TempDir::new().unwrap();
        let out_dir = out.path().join("dataset");
        run_pipeline(&root.songs_dir(), logs, &out_dir, RunOptions::default());
        deterministic_files(&out_dir)
    };
    let at = |name: &str| root.logs_dir().join(name);
    symlink(root.logs_dir(), root.root.path().join("link")).unwrap();
    fs::create_dir(root.root.path().join("linked")).unwrap();
    symlink(at("2018-11-02"), root.root.path().join("linked/day")).unwrap();
    symlink(at("b.json"), root.root.path().join("linked/c.json")).unwrap();
    let one = build(vec![root.logs_dir()]);
    for locations in [
        vec![at(""), at("")],
        vec![at("2018-*"), at("*.json")],
        vec![at("b.json"), at("2018-*"), at("**/*.json")],
        vec![root.root.path().join("link"), at("")],
        // Links below the locations are other names of the same files.
        vec![at(""), root.root.path().join("linked")],
    ] {
        assert!(build(locations.clone()) == one, "{locations:?}");
    }
}

#[test]
fn symlinks_within_one_location_are_all_read() {
    let root = input_by_day();
    symlink(
        root.logs_dir().join("b.json"),
        root.logs_dir().join("c.json"),
    )
    .unwrap();
    let checked = run_and_compare(&root.songs_dir(), &root.logs_dir(), RunOptions::default());
    assert_eq!(checked.report.logs.input.objects, 7);
    assert_eq!(checked.report.logs.duplicates, 7);
}

#[test]
fn existing_path_is_not_a_glob() {
    let root = TestInput::new();
    root.write("songs/a.json", SONG);
    root.write("logs/[ab]/a.json", event(1, &[]));
    root.write("logs/a/a.json", event(2, &[]));
    root.write("logs/b/a.json", event(3, &[]));
    root.write("logs/*.json", event(4, &[]));
    root.write("logs/c.json", event(5, &[]));
    for (name, objects) in [
        ("[ab]", 1),
        ("[[]ab]", 1),
        ("[ba]", 2),
        ("*.json", 1),
        ("?.json", 2),
    ] {
        let logs = root.logs_dir().join(name);
        let checked = run_and_compare(&root.songs_dir(), &logs, RunOptions::default());
        assert_eq!(checked.report.logs.input.objects, objects, "{name}");
    }
}
