//! Several places, globs and `--include`: what the engine lists and reads is what the reference does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use sparkify::config::{MaxRejects, RunConfig, Sizes};
use sparkify::pipeline::plan_run;
use sparkify::storage::Location;
use tempfile::TempDir;

use crate::grammar::cases;
use crate::harness::{Input, SONG, Setting, bytes, check, event, places, run};
use crate::reference;

/// Names of files and folders.
const NAMES: &[&str] = &[
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

/// Names of a glob.
const PATTERNS: &[&str] = &[
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

fn input(root: &Path, patterns: &[Vec<&str>], include: &[Vec<&str>]) -> reference::Input {
    reference::Input {
        places: patterns.iter().map(|p| root.join(p.join("/"))).collect(),
        include: include.iter().map(|p| p.join("/")).collect(),
    }
}

/// The names of all objects in the order in which they are taken, and what is ignored.
type Listed = (Vec<String>, u64, std::collections::BTreeMap<String, u64>);

/// What the engine lists: every object is a split of its own.
fn listed(songs: &Path, logs: &reference::Input) -> Result<Listed, String> {
    let config = RunConfig {
        songs: Location::Local(songs.to_owned()).into(),
        logs: places(logs.clone()),
        out: Location::Local(songs.with_file_name("star")),
        s3: Default::default(),
        threads: 2,
        max_rejects: MaxRejects::default(),
        allow_empty: false,
        load_after_run: false,
        compression: Default::default(),
        loaded_objects: Default::default(),
        sizes: Sizes {
            split_bytes: Some(1),
            ..Sizes::default()
        },
    };
    let logs = plan_run(&config).map_err(|e| e.to_string())?.logs;
    let names = logs.splits.into_iter().map(|split| {
        assert_eq!(split.first, split.last);
        split.first
    });
    Ok((names.collect(), logs.ignored_objects, logs.ignored_endings))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn globs_name_what_the_reference_says(
        files in btree_set(vec(select(NAMES), 1..4), 1..14),
        globs in vec(vec(select(PATTERNS), 1..4), 1..4),
        include in vec(vec(select(PATTERNS), 1..3), 0..2),
        only_folders in any::<bool>(),
    ) {
        let root = TempDir::new().unwrap();
        let songs = root.path().join("song.json");
        fs::write(&songs, SONG).unwrap();
        let logs = root.path().join("logs");
        for file in &files {
            let path = logs.join(file.join("/"));
            // A name may be that of a folder already, or of a file on the way.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.exists() {
                fs::write(path, "\n").unwrap();
            }
        }
        let mut input = input(&logs, &globs, &include);
        if only_folders {
            // The whole folder, too: what a glob names is named twice.
            input.places.push(logs.clone());
        }
        let holds_none = |place: &PathBuf| {
            let alone = reference::Input { places: vec![place.clone()], ..input.clone() };
            reference::list(&alone).map_or(true, |listing| listing.objects.is_empty())
        };
        match listed(&songs, &input) {
            Err(error) => {
                let none = error.contains("no logs in ") || error.contains("cannot ");
                prop_assert!(none && input.places.iter().any(holds_none), "{error}");
            }
            Ok((names, ignored, endings)) => {
                prop_assert!(!input.places.iter().any(holds_none));
                let reference = reference::list(&input).unwrap();
                let paths = reference.objects.iter().map(|o| o.path.display().to_string());
                prop_assert_eq!(names, paths.collect::<Vec<_>>());
                prop_assert_eq!((ignored, endings), (reference.ignored, reference.ignored_endings));
            }
        }
    }
}

/// Six log objects in three folders, and one with a name that is not input.
fn input_of_days() -> Input {
    let input = Input::new();
    input.add("songs/a.json", SONG);
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
        // The first event is the same everywhere.
        let events = [0, number as u64 + 1].map(|n| event(n, &[("level", &level)]));
        input.add(&format!("logs/{name}"), events.join("\n"));
    }
    input
}

#[test]
fn several_places_are_read_as_the_reference_does() {
    let root = input_of_days();
    let logs = |names: &[&str], include: &[&str]| reference::Input {
        places: names.iter().map(|name| root.logs().join(name)).collect(),
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
            let sizes = Sizes {
                split_bytes,
                ..Sizes::default()
            };
            let setting = Setting { threads: 2, sizes };
            let checked = check(&root.songs(), logs(names, include), setting);
            assert_eq!(checked.report.logs.input.objects, objects, "{names:?}");
        }
    }
}

#[test]
fn what_several_places_name_is_read_once_and_gives_the_same_bytes() {
    let root = input_of_days();
    let star = |places: Vec<PathBuf>| {
        let logs = reference::Input {
            places,
            include: Vec::new(),
        };
        let out = TempDir::new().unwrap();
        let star = out.path().join("star");
        run(&root.songs(), logs, &star, Setting::default());
        bytes(&star)
    };
    let at = |name: &str| root.logs().join(name);
    symlink(root.logs(), root.root.path().join("link")).unwrap();
    fs::create_dir(root.root.path().join("linked")).unwrap();
    symlink(at("2018-11-02"), root.root.path().join("linked/day")).unwrap();
    symlink(at("b.json"), root.root.path().join("linked/c.json")).unwrap();
    let one = star(vec![root.logs()]);
    for places in [
        vec![at(""), at("")],
        vec![at("2018-*"), at("*.json")],
        vec![at("b.json"), at("2018-*"), at("**/*.json")],
        vec![root.root.path().join("link"), at("")],
        // By links below the places, which are other names of the same files.
        vec![at(""), root.root.path().join("linked")],
    ] {
        assert!(star(places.clone()) == one, "{places:?}");
    }
}

#[test]
fn names_in_one_place_are_all_read_whatever_they_link_to() {
    let root = input_of_days();
    symlink(root.logs().join("b.json"), root.logs().join("c.json")).unwrap();
    let checked = check(&root.songs(), &root.logs(), Setting::default());
    assert_eq!(checked.report.logs.input.objects, 7);
    assert_eq!(checked.report.logs.duplicates, 7);
}

#[test]
fn a_path_that_exists_is_no_glob() {
    let root = Input::new();
    root.add("songs/a.json", SONG);
    root.add("logs/[ab]/a.json", event(1, &[]));
    root.add("logs/a/a.json", event(2, &[]));
    root.add("logs/b/a.json", event(3, &[]));
    root.add("logs/*.json", event(4, &[]));
    root.add("logs/c.json", event(5, &[]));
    for (name, objects) in [
        ("[ab]", 1),
        ("[[]ab]", 1),
        ("[ba]", 2),
        ("*.json", 1),
        ("?.json", 2),
    ] {
        let logs = root.logs().join(name);
        let checked = check(&root.songs(), &logs, Setting::default());
        assert_eq!(checked.report.logs.input.objects, objects, "{name}");
    }
}
