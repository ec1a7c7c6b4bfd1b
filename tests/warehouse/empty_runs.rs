//! Runs that keep no event are not loaded, unless `--allow-empty`.

use crate::redshift_simulator::Mode;
use crate::support::table_rows::load_history_rows;
use crate::support::test_warehouse::{CommandOutput, TestWarehouse};

const SONG: &str =
    r#"{"song_id":"S","artist_id":"A","title":"T","artist_name":"N","duration":1.5}"#;
const EVENT: &str =
    r#"{"page":"NextSong","ts":1000,"userId":"1","sessionId":1,"itemInSession":1,"level":"paid"}"#;

/// A warehouse into which `songs` and `logs` are loaded.
fn loaded_warehouse() -> TestWarehouse {
    let warehouse = TestWarehouse::new(Mode::Postgres);
    warehouse.write_file("songs/a.json", SONG);
    warehouse.write_file("logs/a.json", EVENT);
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    warehouse
}

/// A run that loads.
fn run_and_load(warehouse: &TestWarehouse, logs: &str, out: &str, more: &[&str]) -> CommandOutput {
    let arguments = [
        "run", "--quiet", "--json", "--songs", "songs", "--logs", logs, "--out", out,
    ];
    warehouse.run_command(&[&arguments, more].concat())
}

fn play_and_load_counts(warehouse: &TestWarehouse) -> (i64, usize) {
    let mut client = warehouse.admin_client();
    let plays = client.query_one("SELECT count(*) FROM songplays", &[]);
    (plays.unwrap().get(0), load_history_rows(&mut client).len())
}

#[test]
fn run_without_events_is_not_loaded() {
    let warehouse = loaded_warehouse();
    for (out, more) in [
        ("star", &[][..]),
        ("new", &[]),
        ("new", &["--full-refresh"]),
    ] {
        let ended = run_and_load(&warehouse, "songs", out, more);
        let words = [
            "will not load a star without events into the warehouse",
            "none of the 1 records in songs is a NextSong event",
            "--allow-empty",
        ];
        let ended = ended.assert_failure(1, &words);
        assert_eq!(ended.json()["logs"]["filtered"], 1);
        assert!(!warehouse.path("new").exists());
        assert_eq!(play_and_load_counts(&warehouse), (1, 1));
    }
    let ended = run_and_load(&warehouse, "songs", "star", &["--allow-empty"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(play_and_load_counts(&warehouse), (1, 2));
}

#[test]
fn run_without_new_logs_still_loads_songs() {
    let warehouse = loaded_warehouse();
    warehouse.write_file("songs/b.json", &SONG.replace("\"S\"", "\"S2\""));
    let ended = run_and_load(&warehouse, "logs", "star", &[])
        .assert_success()
        .json();
    let logs = &ended["logs"];
    assert_eq!(
        (&logs["objects"], &logs["already_loaded_objects"]),
        (&0.into(), &1.into())
    );
    assert_eq!(ended["load"]["tables"]["songs"]["added"], 1);
    assert_eq!(play_and_load_counts(&warehouse), (1, 1));
    // New logs without any event are another matter.
    warehouse.write_file("logs/b.json", &EVENT.replace("NextSong", "Home"));
    run_and_load(&warehouse, "logs", "star", &[])
        .assert_failure(1, &["will not load a star without events"]);
    assert_eq!(play_and_load_counts(&warehouse), (1, 1));
}

#[test]
fn dataset_without_events_is_not_loaded() {
    let warehouse = loaded_warehouse();
    // Where no star was before it may be made.
    let arguments = [
        "run", "--quiet", "--songs", "songs", "--logs", "songs", "--out", "empty",
    ];
    let ended = CommandOutput::run(&mut warehouse.sparkify(&arguments));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let load = ["load", "--quiet", "--from", "empty"];
    for more in [&[][..], &["--full-refresh"], &["--dry-run"]] {
        let words = [
            "will not load empty: its run kept none of 1 log records (1 filtered",
            "--allow-empty",
        ];
        warehouse
            .run_command(&[&load, more].concat())
            .assert_failure(1, &words);
        assert_eq!(play_and_load_counts(&warehouse), (1, 1));
    }
    warehouse
        .run_command(&[&load[..], &["--full-refresh", "--allow-empty"]].concat())
        .assert_success();
    assert_eq!(play_and_load_counts(&warehouse), (0, 1));
}
