//! The ledger, case by case. That it equals the reference for all other inputs is checked wherever a
//! star is.

use std::fs;
use std::path::Path;

use sparkify::config::{LoadedObjects, Sizes};
use sparkify::output::report::Report;

use crate::harness::{
    Checked, Input, SONG, Setting, bytes, check, check_input, event, reconcile, run_without,
};
use crate::reference::Ledger;
use crate::same::gzip;
use crate::tables;

/// Splits of a few bytes: most begin inside an object and inside a record.
const TINY: Setting = Setting {
    threads: 2,
    sizes: Sizes {
        split_bytes: Some(50),
        chunk_bytes: 16,
        row_group_rows: 2,
    },
};

fn ledger(checked: &Checked) -> Ledger {
    tables::ledger(&checked.out.path().join("star"))
}

fn rows(ledger: &Ledger) -> Vec<(&str, i64)> {
    let objects = ledger.objects.iter();
    let name = |object: &str| object.rfind('/').unwrap() + 1;
    let rows = objects.map(|row| (&row.object[name(&row.object)..], row.rows));
    rows.collect()
}

/// Three events, one of them no `NextSong`.
fn three(first: u64) -> String {
    let other = event(first + 1, &[("page", "\"Home\"")]);
    [event(first, &[]), other, event(first + 2, &[])].join("\n")
}

#[test]
fn the_events_of_each_object_are_counted_whatever_the_splits() {
    let input = Input::with_log(three(0));
    input.add("logs/b.json", "");
    // What the object before had too is kept from both.
    input.add("logs/c.json.gz", gzip(three(2).as_bytes()));
    input.add("logs/d/e.json", format!("{{\n{}\n", three(10)));
    input.add("logs/_f.json", three(20));
    // It guesses wrong where a split begins in it.
    let record = event(30, &[("auth", "\n{\"line\":\n{}}\n")]);
    let many: Vec<String> = (40..90).map(|n| event(n, &[])).collect();
    input.add("logs/g.json", format!("{record}\n{}", many.join("\n")));
    for setting in [Setting::default(), TINY] {
        let checked = check(&input.songs(), &input.logs(), setting);
        let expected = [
            ("a.json", 2),
            ("b.json", 0),
            ("c.json.gz", 2),
            ("e.json", 2),
            ("g.json", 51),
        ];
        assert_eq!(rows(&ledger(&checked)), expected);
        assert_eq!(checked.report.logs.duplicates, 1);
    }
}

#[test]
fn an_event_that_is_delivered_twice_has_one_row() {
    let input = Input::with_log([event(1, &[]), event(1, &[]), event(2, &[])].join("\n"));
    input.add("logs/b.json", event(2, &[]));
    input.add("logs/c.json", [event(2, &[]), event(1, &[])].join("\n"));
    for setting in [Setting::default(), TINY] {
        let checked = check(&input.songs(), &input.logs(), setting);
        let ledger = ledger(&checked);
        assert_eq!(ledger.songplays.len(), 2);
        assert_eq!(rows(&ledger), [("a.json", 3), ("b.json", 1), ("c.json", 2)]);
    }
}

#[test]
fn an_event_without_song_artist_or_length_has_no_row() {
    let nothing = ["song", "artist", "length"].map(|key| event(1, &[(key, "null")]));
    // An empty text is a text.
    let empty = event(2, &[("song", "\"\""), ("artist", "\"\"")]);
    let zero = event(
        3,
        &[("song", "\"\""), ("artist", "\"\""), ("length", "-0.0")],
    );
    for event in &nothing {
        let checked = check_input(&Input::with_log(event));
        assert_eq!(ledger(&checked).songplays, []);
        // A reader of the folder wants the columns all the same.
        assert_eq!(checked.report.ledger["ledger_songplays"].files, 1);
    }
    let checked = check_input(&Input::with_log([empty, zero].join("\n")));
    assert_eq!(ledger(&checked).songplays.len(), 2);
}

/// The keys were computed by a few lines of Python. A duration is stored beside them, without the sign of a zero.
#[test]
fn song_keys_are_those_of_redshift() {
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
    let input = Input::with_log(events.join("\n"));
    let songs = [
        song(1, "Title", "Artist", "200.5"),
        song(3, "Café del Mar", "Björk", "218.93179"),
        song(4, "", "", "0"),
        song(2, "", "", "-0.0"),
        song(5, "", "", "1.5"),
    ];
    input.add("songs/a.json", songs.join("\n"));
    let ledger = ledger(&check_input(&input));
    let songs = ledger.songs.iter();
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
    let plays = ledger.songplays.iter();
    let found: Vec<_> = plays
        .map(|play| (play.song_key, play.duration.to_bits()))
        .collect();
    assert_eq!(
        found,
        [(TITLE, 200.5f64.to_bits()), (EMPTY, 0.0f64.to_bits())]
    );
}

/// A run over the input of `input` in which some log objects are loaded.
fn without(input: &Input, loaded: &[(&str, &str)]) -> (Report, Ledger) {
    let out = input.root.path().join("star");
    let owned = loaded.iter().map(|&(o, e)| (o.to_owned(), e.to_owned()));
    let mut loaded = LoadedObjects::default();
    owned.for_each(|(object, etag)| loaded.insert(object, etag));
    let setting = Setting::default();
    let report = run_without(&input.songs(), &input.logs(), &out, setting, loaded);
    reconcile(&report, &out);
    (report, tables::ledger(&out))
}

#[test]
fn objects_that_are_loaded_are_left_out() {
    let input = Input::with_log(three(0));
    input.add("logs/b.json", three(10));
    input.add("logs/c.json", three(20));
    let (report, all) = without(&input, &[]);
    assert_eq!(report.logs.loaded_objects, 0);
    let [a, b, c] = &all.objects[..] else {
        panic!("{all:?}")
    };

    // One of the same name with other contents, or of the same contents with another name, is none.
    let loaded = [
        (a.object.as_str(), a.etag.as_str()),
        (b.object.as_str(), "other"),
        (c.object.as_str(), ""),
        ("", ""),
        ("elsewhere", c.etag.as_str()),
    ];
    let (report, ledger) = without(&input, &loaded);
    assert_eq!(ledger.objects, [b.clone(), c.clone()]);
    assert_eq!(
        (report.logs.loaded_objects, report.logs.input.objects),
        (1, 2)
    );
    assert_eq!(report.logs.input.records, 6);
    let bytes = three(10).len() + three(20).len();
    assert_eq!(report.logs.input.bytes, bytes as u64);

    // Written anew it is another object, though it is as long as before.
    let file = fs::File::options()
        .append(true)
        .open(input.logs().join("a.json"));
    let time = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    file.unwrap().set_modified(time).unwrap();
    let (report, _) = without(&input, &loaded);
    assert_eq!(report.logs.loaded_objects, 0);
}

#[test]
fn a_run_without_a_log_left_still_has_songs() {
    let input = Input::with_log(three(0));
    let (_, all) = without(&input, &[]);
    let objects = all.objects.iter();
    let loaded: Vec<_> = objects
        .map(|o| (o.object.as_str(), o.etag.as_str()))
        .collect();
    let (report, ledger) = without(&input, &loaded);
    assert_eq!(
        (report.logs.loaded_objects, report.logs.input.objects),
        (1, 0)
    );
    assert_eq!(report.logs.input.records, 0);
    let rows = |table: &str| report.tables[table].rows;
    assert_eq!(["songplays", "users", "time"].map(rows), [0; 3]);
    assert_eq!(["songs", "artists"].map(rows), [1; 2]);
    assert!(
        report
            .tables
            .values()
            .chain(report.ledger.values())
            .all(|t| t.files == 1)
    );
    assert_eq!(ledger.songs.len(), 1);
    assert!(ledger.objects.is_empty() && ledger.songplays.is_empty());
}

#[test]
fn an_object_has_one_name_whatever_leads_to_it() {
    let input = Input::with_log(event(1, &[]));
    let root = input.root.path();
    std::os::unix::fs::symlink(input.logs(), root.join("link")).unwrap();
    let logs = fs::canonicalize(input.logs()).unwrap();
    let expected = logs.join("a.json");
    let ways = [
        "logs",
        "link",
        "songs/../logs/",
        "logs/a.json",
        "link/a.json",
    ];
    for (number, logs) in ways.iter().enumerate() {
        let out = root.join(format!("star-{number}"));
        run(&input.songs(), &root.join(logs), &out);
        let ledger = tables::ledger(&out);
        assert_eq!(Path::new(&ledger.objects[0].object), expected, "{logs}");
        assert_eq!(ledger.objects[0].rows, 1);
        assert!(bytes(&out) == bytes(&root.join("star-0")), "{logs}");
    }
}

fn run(songs: &Path, logs: &Path, out: &Path) {
    run_without(
        songs,
        logs,
        out,
        Setting::default(),
        LoadedObjects::default(),
    );
}

#[test]
fn of_songs_that_share_a_key_the_smallest_ids_count() {
    let other = SONG.replace("SO1", "SO0").replace("AR1", "AR9");
    let input = Input::with_log(event(1, &[]));
    input.add("songs/b.json", other.replace("AR9", "AR8"));
    input.add("songs/c.json", other);
    let ledger = ledger(&check_input(&input));
    let [song] = &ledger.songs[..] else {
        panic!("{ledger:?}")
    };
    assert_eq!(
        (song.song_id.as_str(), song.artist_id.as_str()),
        ("SO0", "AR8")
    );
    assert_eq!(ledger.songplays[0].song_key, song.song_key);
}
