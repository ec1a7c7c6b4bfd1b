//! Runs that keep no event are not loaded, unless `--allow-empty`.

use crate::house::{Ended, House};
use crate::redshift::Mode;
use crate::rows::loads;

const SONG: &str =
    r#"{"song_id":"S","artist_id":"A","title":"T","artist_name":"N","duration":1.5}"#;
const EVENT: &str =
    r#"{"page":"NextSong","ts":1000,"userId":"1","sessionId":1,"itemInSession":1,"level":"paid"}"#;

/// A warehouse into which `songs` and `logs` are loaded.
fn loaded() -> House {
    let house = House::new(Mode::Postgres);
    house.write("songs/a.json", SONG);
    house.write("logs/a.json", EVENT);
    run(&house, "logs", "star", &[]).succeeds();
    house
}

/// A run that loads.
fn run(house: &House, logs: &str, out: &str, more: &[&str]) -> Ended {
    let arguments = [
        "run", "--quiet", "--json", "--songs", "songs", "--logs", logs, "--out", out,
    ];
    house.job(&[&arguments, more].concat())
}

fn counts(house: &House) -> (i64, usize) {
    let mut client = house.client();
    let plays = client.query_one("SELECT count(*) FROM songplays", &[]);
    (plays.unwrap().get(0), loads(&mut client).len())
}

#[test]
fn a_wrong_folder_of_logs_is_not_loaded() {
    let house = loaded();
    for (out, more) in [
        ("star", &[][..]),
        ("new", &[]),
        ("new", &["--full-refresh"]),
    ] {
        let ended = run(&house, "songs", out, more);
        let words = [
            "will not load a star without events into the warehouse",
            "none of the 1 records in songs is a NextSong event",
            "--allow-empty",
        ];
        let ended = ended.fails(1, &words);
        assert_eq!(ended.json()["logs"]["filtered"], 1);
        assert!(!house.path("new").exists());
        assert_eq!(counts(&house), (1, 1));
    }
    let ended = run(&house, "songs", "star", &["--allow-empty"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(counts(&house), (1, 2));
}

#[test]
fn a_nightly_run_without_new_logs_loads_the_songs() {
    let house = loaded();
    house.write("songs/b.json", &SONG.replace("\"S\"", "\"S2\""));
    let ended = run(&house, "logs", "star", &[]).succeeds().json();
    let logs = &ended["logs"];
    assert_eq!(
        (&logs["objects"], &logs["loaded_objects"]),
        (&0.into(), &1.into())
    );
    assert_eq!(ended["load"]["tables"]["songs"]["added"], 1);
    assert_eq!(counts(&house), (1, 1));
    // New logs without any event are another matter.
    house.write("logs/b.json", &EVENT.replace("NextSong", "Home"));
    run(&house, "logs", "star", &[]).fails(1, &["will not load a star without events"]);
    assert_eq!(counts(&house), (1, 1));
}

#[test]
fn a_star_without_events_is_not_loaded_later() {
    let house = loaded();
    // Where no star was before it may be made.
    let arguments = [
        "run", "--quiet", "--songs", "songs", "--logs", "songs", "--out", "empty",
    ];
    let ended = Ended::of(&mut house.sparkify(&arguments));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let load = ["load", "--quiet", "--from", "empty"];
    for more in [&[][..], &["--full-refresh"], &["--dry-run"]] {
        let words = [
            "will not load empty: its run kept no event of 1 log records (1 filtered",
            "--allow-empty",
        ];
        house.job(&[&load, more].concat()).fails(1, &words);
        assert_eq!(counts(&house), (1, 1));
    }
    house
        .job(&[&load[..], &["--full-refresh", "--allow-empty"]].concat())
        .succeeds();
    assert_eq!(counts(&house), (0, 1));
}
