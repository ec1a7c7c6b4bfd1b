//! Runs without kept events are not loaded, unless `--allow-empty` is given.

use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::table_rows::load_history_rows;
use crate::support::test_warehouse::TestWarehouse;

const SONG: &str =
    r#"{"song_id":"S","artist_id":"A","title":"T","artist_name":"N","duration":1.5}"#;
const EVENT: &str =
    r#"{"page":"NextSong","ts":1000,"userId":"1","sessionId":1,"itemInSession":1,"level":"paid"}"#;

/// Returns a warehouse into which `songs` and `logs` are loaded.
fn loaded_warehouse() -> TestWarehouse {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    warehouse.write_file("songs/a.json", SONG);
    warehouse.write_file("logs/a.json", EVENT);
    run_and_load(&warehouse, "logs", "dataset", &[]).assert_success();
    warehouse
}

/// Runs the pipeline and loads the result.
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
        ("dataset", &[][..]),
        ("new", &[]),
        ("new", &["--full-refresh"]),
    ] {
        let output = run_and_load(&warehouse, "songs", out, more);
        let words = [
            "will not load a dataset without events into the warehouse",
            "none of the 1 records in songs is a NextSong event",
            "--allow-empty",
        ];
        let output = output.assert_failure(1, &words);
        assert_eq!(output.json()["logs"]["filtered"], 1);
        assert!(!warehouse.path("new/latest.json").exists());
        assert_eq!(play_and_load_counts(&warehouse), (1, 2));
    }
    let output = run_and_load(&warehouse, "songs", "dataset", &["--allow-empty"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(play_and_load_counts(&warehouse), (1, 3));
}

#[test]
fn run_without_new_logs_still_loads_songs() {
    let warehouse = loaded_warehouse();
    warehouse.write_file("songs/b.json", &SONG.replace("\"S\"", "\"S2\""));
    let output = run_and_load(&warehouse, "logs", "dataset", &[])
        .assert_success()
        .json();
    let logs = &output["logs"];
    assert_eq!(
        (&logs["objects"], &logs["already_loaded_objects"]),
        (&0.into(), &1.into())
    );
    assert_eq!(output["load"]["tables"]["songs"]["added"], 1);
    assert_eq!(play_and_load_counts(&warehouse), (1, 3));
    // New logs without a single event are an error.
    warehouse.write_file("logs/b.json", &EVENT.replace("NextSong", "Home"));
    run_and_load(&warehouse, "logs", "dataset", &[])
        .assert_failure(1, &["will not load a dataset without events"]);
    assert_eq!(play_and_load_counts(&warehouse), (1, 3));
}

/// The limit of rejects applies to it, but it must not stop every night to come.
#[test]
fn an_unreadable_new_song_does_not_stop_the_new_logs() {
    let warehouse = loaded_warehouse();
    warehouse.write_file("songs/b.json", "<html>");
    warehouse.write_file("logs/b.json", &EVENT.replace("1000", "2000"));
    let output = run_and_load(&warehouse, "logs", "dataset", &[]);
    assert_eq!(output.code, Some(3), "{output:?}");
    let words = "rejects exceed --max-rejects 1%: 1 of 1 song records";
    assert!(output.stderr.contains(words), "{output:?}");
    let output = run_and_load(&warehouse, "logs", "dataset", &["--max-rejects", "100%"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let output = output.json();
    assert_eq!(output["load"]["tables"]["songplays"]["added"], 1);
    assert_eq!(output["songs"]["unreadable_objects"], 1);
}

#[test]
fn dataset_without_events_is_not_loaded() {
    let warehouse = loaded_warehouse();
    // A run without events may publish where no dataset exists.
    let arguments = [
        "run", "--quiet", "--songs", "songs", "--logs", "songs", "--out", "empty",
    ];
    let output = CommandOutput::run(&mut warehouse.sparkify(&arguments));
    assert_eq!(output.code, Some(0), "{output:?}");
    let load = ["load", "--quiet", "--from", "empty"];
    for more in [&[][..], &["--full-refresh"], &["--dry-run"]] {
        let words = [
            "will not load empty: its run kept none of 1 log records (1 filtered",
            "--allow-empty",
        ];
        warehouse
            .run_command(&[&load, more].concat())
            .assert_failure(1, &words);
        assert_eq!(play_and_load_counts(&warehouse), (1, 2));
    }
    warehouse
        .run_command(&[&load[..], &["--full-refresh", "--allow-empty"]].concat())
        .assert_success();
    assert_eq!(play_and_load_counts(&warehouse), (0, 2));
}
