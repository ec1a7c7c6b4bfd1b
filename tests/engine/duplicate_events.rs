//! Conflicting deliveries of one event: the smallest by content is kept, wherever the deliveries are in the
//! input.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sparkify::config::IoSizes;
use sparkify::generate::{GenerateOptions, generate};
use tempfile::TempDir;
use testkit::property_tests::config::config_with_cases;
use testkit::reference::{Songplay, SongplayStateRow, Time, User, UserStateRow};

use crate::determinism::gzip;
use crate::harness::{
    RunOptions, SONG, TestInput, VerifiedRun, deterministic_files, event, run_and_compare,
    run_pipeline,
};
use crate::read_output;

/// The differing fields of two deliveries of one event. The first delivery is kept.
type ConflictingFields<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)]);

/// Every column decides, alone and before the columns after it.
const DUPLICATE_PAIRS: [ConflictingFields<'_>; 31] = [
    (&[("level", "\"free\"")], &[("level", "\"paid\"")]),
    (&[("level", "\"\"")], &[("level", "\"free\"")]),
    (&[("level", "\"Paid\"")], &[("level", "\"paid\"")]),
    (&[("location", "\"A\"")], &[("location", "null")]),
    (&[("location", "\"\"")], &[("location", "null")]),
    (&[("location", "\"\"")], &[("location", "\"A\"")]),
    (&[("location", "\"Z\"")], &[("location", "\"a\"")]),
    (&[("location", "\"z\"")], &[("location", "\"é\"")]),
    // In UTF-16 the order is reversed.
    (&[("location", "\"\u{ffff}\"")], &[("location", "\"😀\"")]),
    (&[("userAgent", "\"A\"")], &[("userAgent", "null")]),
    (&[("userAgent", "\"A\"")], &[("userAgent", "\"AB\"")]),
    (&[("userAgent", "\"Z\"")], &[("userAgent", "\"a\"")]),
    (&[], &[("song", "null")]),
    (&[], &[("artist", "null")]),
    (&[], &[("length", "null")]),
    // A song_key of -7.5e18 before one of 1.5e18.
    (&[("song", "\"B\"")], &[("song", "\"Title\"")]),
    (&[("artist", "\"Other\"")], &[("artist", "\"Artist\"")]),
    (&[("length", "1.5")], &[("length", "200.5")]),
    (&[("length", "9.5")], &[("length", "10.5")]),
    (&[("length", "-2")], &[("length", "-1")]),
    (&[("length", "-1")], &[("length", "-0.0")]),
    // Both are equal.
    (&[("length", "0.0")], &[("length", "-0.0")]),
    (&[("length", "2005e-1")], &[("length", "200.5")]),
    (
        &[("level", "\"free\""), ("location", "null")],
        &[("level", "\"paid\""), ("location", "\"A\"")],
    ),
    (
        &[("location", "\"A\""), ("userAgent", "null")],
        &[("location", "\"B\""), ("userAgent", "\"A\"")],
    ),
    (
        &[("userAgent", "\"A\""), ("song", "null")],
        &[("userAgent", "\"B\"")],
    ),
    (
        &[("song", "\"B\""), ("length", "300")],
        &[("song", "\"Title\""), ("length", "200.5")],
    ),
    // For users, other columns decide than for songplays.
    (&[("firstName", "\"A\"")], &[("firstName", "null")]),
    (&[("lastName", "\"A\"")], &[("lastName", "\"B\"")]),
    (&[("gender", "\"F\"")], &[("gender", "null")]),
    (
        &[("firstName", "\"A\""), ("lastName", "\"Z\"")],
        &[("firstName", "\"B\""), ("lastName", "\"A\"")],
    ),
];

/// Returns events of one user for each pair: the deliveries that are kept, and those that are dropped.
fn kept_and_dropped_duplicates() -> (Vec<String>, Vec<String>) {
    let deliveries = |fields_of_pair: fn(
        &ConflictingFields<'static>,
    ) -> &'static [(&'static str, &'static str)]| {
        let pairs = DUPLICATE_PAIRS.iter().zip(1u64..);
        let event = |(pair, n): (&ConflictingFields<'static>, u64)| {
            let user = n.to_string();
            event(n, &[fields_of_pair(pair), &[("userId", &user)]].concat())
        };
        pairs.map(event).collect()
    };
    (deliveries(|pair| pair.0), deliveries(|pair| pair.1))
}

/// The tables of a dataset, with sorted songplays.
#[derive(Debug, PartialEq)]
struct SortedTables {
    songplays: Vec<Songplay>,
    songplay_states: Vec<SongplayStateRow>,
    users: Vec<User>,
    user_states: Vec<UserStateRow>,
    time: Vec<Time>,
    matched_songplays: u64,
}

fn ordered_tables(checked: &VerifiedRun) -> SortedTables {
    let out_dir = checked.out.path().join("dataset");
    let mut songplays = read_output::songplays(&out_dir);
    songplays.sort_by_key(|row| row.songplay_id);
    let state = read_output::merge_state(&out_dir);
    let mut keys = state.songplays;
    keys.sort_by_key(|row| row.songplay_id);
    SortedTables {
        songplays,
        songplay_states: keys,
        users: read_output::users(&out_dir),
        user_states: state.users,
        time: read_output::time(&out_dir),
        matched_songplays: checked.report.matched_songplays,
    }
}

const fn sizes(split_bytes: Option<u64>, chunk_bytes: usize, row_group_rows: usize) -> IoSizes {
    IoSizes {
        split_bytes,
        chunk_bytes,
        row_group_rows,
    }
}

fn run_and_compare_sizes(input: &TestInput, threads: usize, sizes: IoSizes) -> VerifiedRun {
    run_and_compare(
        &input.songs_dir(),
        &input.logs_dir(),
        RunOptions { threads, sizes },
    )
}

#[test]
fn smallest_duplicate_is_kept_in_any_layout() {
    let (smaller, larger) = kept_and_dropped_duplicates();
    let alone = TestInput::with_log(smaller.join("\n"));
    let expected = ordered_tables(&run_and_compare_sizes(&alone, 2, IoSizes::default()));
    for (first, second) in [(&smaller, &larger), (&larger, &smaller)] {
        let both = [first.join("\n"), second.join("\n")].join("\n");
        let one = TestInput::with_log(&both);
        let objects = TestInput::with_log(first.join("\n"));
        objects.write("logs/b.json", second.join("\n"));
        let packed = TestInput::new();
        packed.write("songs/a.json", SONG);
        packed.write("logs/a.json.gz", gzip(both.as_bytes()));
        let packed_objects = TestInput::new();
        packed_objects.write("songs/a.json", SONG);
        packed_objects.write("logs/a.json.gz", gzip(first.join("\n").as_bytes()));
        packed_objects.write("logs/b.json.gz", gzip(second.join("\n").as_bytes()));
        let layouts = [
            ("one batch", &one, IoSizes::default()),
            ("row groups", &one, sizes(None, 1 << 20, 4)),
            ("row groups of a row", &one, sizes(None, 1 << 20, 1)),
            ("splits", &one, sizes(Some(900), 100, 100)),
            ("splits of a byte", &one, sizes(Some(1), 100, 100)),
            ("objects", &objects, sizes(Some(1), 1 << 20, 100)),
            ("a compressed object", &packed, sizes(None, 1 << 20, 7)),
            (
                "compressed objects",
                &packed_objects,
                sizes(Some(1), 100, 5),
            ),
        ];
        for (layout, input, sizes) in layouts {
            let checked = run_and_compare_sizes(input, 2, sizes);
            assert_eq!(ordered_tables(&checked), expected, "{layout}");
            assert_eq!(
                checked.report.logs.duplicates,
                DUPLICATE_PAIRS.len() as u64,
                "{layout}"
            );
        }
    }
}

/// The events of `fixtures/edge-cases/hash-collision` differ in user, time and session, but have the same
/// songplay_id.
#[test]
fn hash_collisions_do_not_depend_on_order() {
    let event = |ts, user, session, item| {
        event(
            1,
            &[
                ("ts", ts),
                ("userId", user),
                ("sessionId", session),
                ("itemInSession", item),
            ],
        )
    };
    let first = event("1544060307543", "18617", "849403", "-352302569");
    let second = event("1551728815064", "17349", "219768", "45249");
    for (a, b) in [(&first, &second), (&second, &first)] {
        for row_group_rows in [1, 2] {
            let input = TestInput::with_log([a.as_str(), b].join("\n"));
            let checked = run_and_compare_sizes(&input, 2, sizes(None, 1 << 20, row_group_rows));
            let tables = ordered_tables(&checked);
            let [songplay] = &tables.songplays[..] else {
                panic!("{tables:?}")
            };
            assert_eq!(songplay.user_id, 18617);
            assert_eq!((tables.users.len(), tables.time.len()), (2, 2));
        }
    }
}

/// Returns a delivery of one of few events, with few distinct values in each column.
fn colliding_event() -> impl Strategy<Value = String> {
    let text = || select(&["null", "\"\"", "\"A\"", "\"a\""][..]);
    let level = select(&["\"free\"", "\"paid\""][..]);
    let song = (
        select(&["null", "\"Title\"", "\"B\""][..]),
        select(&["\"Artist\"", "\"Artist\"", "null", "\"Other\""][..]),
        select(&["200.5", "200.5", "0.0", "-0.0", "null"][..]),
    );
    let texts = (level, text(), text(), text(), text(), text());
    (0u64..6, 1u8..3, texts, song).prop_map(|(n, user, texts, song)| {
        let user = user.to_string();
        let (level, location, user_agent, first_name, last_name, gender) = texts;
        event(
            n,
            &[
                ("userId", &user),
                ("level", level),
                ("location", location),
                ("userAgent", user_agent),
                ("firstName", first_name),
                ("lastName", last_name),
                ("gender", gender),
                ("song", song.0),
                ("artist", song.1),
                ("length", song.2),
            ],
        )
    })
}

fn any_sizes() -> impl Strategy<Value = (usize, IoSizes)> {
    let split_bytes = prop_oneof![Just(None), (1u64..3000).prop_map(Some)];
    (1usize..5, split_bytes, 1usize..2000, 1usize..9)
        .prop_map(|(threads, split, chunk, rows)| (threads, sizes(split, chunk, rows)))
}

/// Returns an input in which deliveries are distributed over objects, every other one of which is compressed.
fn input_with_objects(deliveries: &[(String, usize)]) -> TestInput {
    let mut objects: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (delivery, object) in deliveries {
        objects.entry(*object).or_default().push(delivery);
    }
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    for (number, lines) in objects {
        let log = lines.join("\n");
        match number % 2 {
            0 => input.write(&format!("logs/{number}.json"), log),
            _ => input.write(&format!("logs/{number}.json.gz"), gzip(log.as_bytes())),
        }
    }
    input
}

fn events_with_object_numbers() -> impl Strategy<Value = Vec<(String, usize)>> {
    vec((colliding_event(), 0usize..5), 1..40)
}

proptest! {
    #![proptest_config(config_with_cases(60))]

    #[test]
    fn duplicates_in_any_order_give_the_same_tables(
        (deliveries, shuffled) in events_with_object_numbers().prop_flat_map(|all| {
            let shuffled = Just(all.iter().map(|(event, _)| event.clone()).collect::<Vec<_>>());
            (Just(all), shuffled.prop_shuffle())
        }),
        objects in vec(0usize..5, 40),
        one in any_sizes(),
        other in any_sizes(),
    ) {
        let first = run_and_compare_sizes(&input_with_objects(&deliveries), one.0, one.1);
        let shuffled: Vec<_> = shuffled.into_iter().zip(objects).collect();
        let second = run_and_compare_sizes(&input_with_objects(&shuffled), other.0, other.1);
        prop_assert_eq!(ordered_tables(&first), ordered_tables(&second));
        let counts = |checked: &VerifiedRun| {
            let logs = &checked.report.logs;
            (logs.kept, logs.duplicates)
        };
        prop_assert_eq!(counts(&first), counts(&second));
    }
}

/// Generates events, and delivers a tenth of them once or twice again in another object, some of them with
/// another level.
fn generate_with_duplicates(root: &Path) {
    let options = GenerateOptions {
        events: 12_000,
        songs: 100,
        users: 300,
        files: 5,
        seed: 11,
        edge_cases: false,
    };
    generate(root, &options, &mut |_, _| {}).unwrap();
    let logs = root.join("log_data");
    let mut folders = vec![logs.clone()];
    let mut copies: Vec<Vec<String>> = vec![Vec::new(); 3];
    while let Some(folder) = folders.pop() {
        for path in read_output::list_dir(&folder) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                if number % 10 == 0 {
                    copies[number % 3].push(line.to_owned());
                }
                if number % 70 == 0 {
                    copies[number % 2].push(line.replace("\"paid\"", "\"free\""));
                }
            }
        }
    }
    for (number, mut lines) in copies.into_iter().enumerate() {
        // Reorders the lines, so that duplicates are far from each other.
        lines.sort_unstable_by_key(|line| line.bytes().rev().collect::<Vec<_>>());
        fs::write(logs.join(format!("{number}.json")), lines.join("\n")).unwrap();
    }
}

#[test]
fn dedup_output_bytes_do_not_depend_on_thread_count() {
    let root = TempDir::new().unwrap();
    let data = root.path().join("data");
    generate_with_duplicates(&data);
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let sizes = sizes(Some(60_000), 1 << 20, 50);
    let output = |threads| {
        let out = root.path().join(format!("dataset-{threads}"));
        let report = run_pipeline(&songs, &logs, &out, RunOptions { threads, sizes });
        assert!(report.logs.duplicates > 1000);
        deterministic_files(&out)
    };
    let one = output(1);
    assert!(
        one.keys()
            .filter(|key| key.starts_with("songplays"))
            .count()
            > 20
    );
    for threads in [2, 7] {
        assert!(output(threads) == one, "{threads} threads");
    }
    run_and_compare(&songs, &logs, RunOptions { threads: 2, sizes });
}
