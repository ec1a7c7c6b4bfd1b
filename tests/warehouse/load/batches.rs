//! Batches: in any order, with songs and events that come late, and at the same time.

use testkit::dir_contents::{list_files, read_files};
use testkit::redshift_simulator::WarehouseKind;

use crate::load::fixture::{GENERATE_ARGS, event, song, warehouse_with_dataset};
use crate::support::on_both_warehouses;
use crate::support::table_rows::{assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    batches_in_any_order_are_what_one_batch_is
    late_batch_keeps_newer_level
    later_song_matches_existing_plays
    run_reads_only_logs_not_yet_loaded
    run_without_new_objects_writes_and_loads_nothing
    full_refresh_from_partial_dataset_is_rejected
    concurrent_loads_give_correct_tables
}

/// Distributes the files of `data` pseudo-randomly over the directories `batch-0`, `batch-1`, …
fn split_into_batches(warehouse: &TestWarehouse, batches: u64, seed: u64) {
    for kind in ["song_data", "log_data"] {
        let from = warehouse.path("data").join(kind);
        for (number, file) in list_files(&from).into_iter().enumerate() {
            let hash =
                (number as u64 + 1).wrapping_mul(seed.wrapping_mul(2) + 0x9e37_79b9_7f4a_7c15);
            let batch = (hash >> 40) % batches;
            let to = warehouse
                .path(&format!("batch-{batch}"))
                .join(kind)
                .join(&file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from.join(&file), to).unwrap();
        }
    }
}

/// Splits the input into batches, and builds a dataset of each: `dataset-0` and so on.
fn build_batches(warehouse: &TestWarehouse, batches: u64, seed: u64) {
    split_into_batches(warehouse, batches, seed);
    for batch in 0..batches {
        let data = |kind| format!("batch-{batch}/{kind}");
        warehouse.build_dataset(
            &data("song_data"),
            &data("log_data"),
            &format!("dataset-{batch}"),
        );
    }
}

/// The batches are pseudo-random: songs come later than their plays, and several batches contain the same
/// artists, users and events.
fn batches_in_any_order_are_what_one_batch_is(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let all_at_once = warehouse.dataset_tables("dataset");
    build_batches(&warehouse, 3, 1);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        warehouse
            .run_command(&["create-tables", "--quiet", "--drop", "--yes"])
            .assert_success();
        for batch in order {
            warehouse
                .load_dataset(&format!("dataset-{batch}"))
                .assert_success();
        }
        assert_tables_eq(&warehouse.warehouse_tables(), &all_at_once);
        // Loading an old batch again changes nothing.
        warehouse
            .load_dataset(&format!("dataset-{}", order[0]))
            .assert_success();
        assert_tables_eq(&warehouse.warehouse_tables(), &all_at_once);
    }
    // The test is only meaningful if some plays found their song in another batch.
    let matched = |tables: &crate::support::table_rows::TableRows| {
        let plays = tables["songplays"].iter();
        plays
            .filter(|play| play.split('|').nth(4) != Some("null"))
            .count()
    };
    let apart: usize = (0..3)
        .map(|batch| matched(&warehouse.dataset_tables(&format!("dataset-{batch}"))))
        .sum();
    assert!(apart < matched(&all_at_once), "{apart}");
}

fn late_batch_keeps_newer_level(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    warehouse.write_file("songs/a.json", &song("S", "A"));
    warehouse.write_file("new/a.json", &event(1, 2000, "paid", 1, 1));
    warehouse.write_file("old/a.json", &event(1, 1000, "free", 9, 9));
    // At the same time, session and item decide.
    warehouse.write_file("tie/a.json", &event(1, 2000, "tie", 1, 0));
    warehouse.write_file("later/a.json", &event(1, 2000, "later", 1, 2));
    let mut client = warehouse.admin_client();
    let mut level = |logs: &str| -> String {
        warehouse.build_dataset("songs", logs, logs.to_uppercase().as_str());
        warehouse
            .load_dataset(&logs.to_uppercase())
            .assert_success();
        client
            .query_one("SELECT level FROM users", &[])
            .unwrap()
            .get(0)
    };
    assert_eq!(
        ["new", "old", "tie", "later"].map(&mut level),
        ["paid", "paid", "paid", "later"]
    );
}

fn later_song_matches_existing_plays(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    warehouse.write_file("none/a.json", &song("OTHER", "A").replace("1.5", "9.0"));
    warehouse.write_file("big/a.json", &song("S2", "A2"));
    warehouse.write_file("small/a.json", &song("S1", "A1"));
    warehouse.write_file("logs/a.json", &event(1, 1000, "paid", 1, 1));
    warehouse.write_file("more/a.json", &event(1, 2000, "paid", 1, 2));
    let mut client = warehouse.admin_client();
    let mut songs_after = |songs: &str, logs: &str| -> Vec<Option<String>> {
        warehouse.build_dataset(songs, logs, "dataset");
        warehouse.load_dataset("dataset").assert_success();
        let rows = client.query("SELECT song_id FROM songplays ORDER BY start_time", &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(songs_after("none", "logs"), [None]);
    assert_eq!(songs_after("big", "logs"), [some("S2")]);
    assert_eq!(songs_after("small", "logs"), [some("S1")]);
    assert_eq!(songs_after("big", "logs"), [some("S1")]);
    // The song came with an earlier batch.
    assert_eq!(songs_after("none", "more"), [some("S1"), some("S1")]);
}

fn run_reads_only_logs_not_yet_loaded(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    warehouse.generate_input("data", &GENERATE_ARGS);
    warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
    let logs = list_files(&warehouse.path("data/log_data"));
    let moved = logs.last().unwrap();
    let (log_path, moved_path) = (
        warehouse.path("data/log_data").join(moved),
        warehouse.path("aside"),
    );
    std::fs::rename(&log_path, &moved_path).unwrap();
    let arguments = [
        "run",
        "--quiet",
        "--json",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        &warehouse.out_location("out"),
    ];
    let first = warehouse.run_command(&arguments).assert_success().json();
    assert_eq!(first["logs"]["already_loaded_objects"], 0);
    let second = warehouse.run_command(&arguments).assert_success().json();
    assert_eq!(second["logs"]["objects"], 0);
    assert_eq!(second["logs"]["already_loaded_objects"], logs.len() - 1);
    assert_eq!(second["status"], "nothing_new");
    std::fs::rename(&moved_path, &log_path).unwrap();
    let last = warehouse.run_command(&arguments).assert_success().json();
    assert_eq!(last["logs"]["objects"], 1);
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    // A rewritten file counts as new, and its events as duplicates.
    std::fs::copy(&log_path, &moved_path).unwrap();
    std::fs::copy(&moved_path, &log_path).unwrap();
    let rewritten = warehouse.run_command(&arguments);
    assert_eq!(rewritten.code, Some(0), "{rewritten:?}");
    assert!(rewritten.warnings()[0].starts_with("1 log object changed after it was loaded: "));
    let rewritten = rewritten.json();
    assert_eq!(rewritten["logs"]["objects"], 1);
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    // A full refresh reads all logs again.
    warehouse
        .admin_client()
        .execute("UPDATE songplays SET level = 'wrong'", &[])
        .unwrap();
    let arguments: Vec<&str> = arguments.into_iter().chain(["--full-refresh"]).collect();
    let refreshed = warehouse.run_command(&arguments).assert_success().json();
    assert_eq!(refreshed["logs"]["objects"], logs.len());
    assert_eq!(
        refreshed["load"]["tables"]["songplays"]["removed"],
        warehouse.dataset_tables("dataset")["songplays"].len()
    );
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    let songs = list_files(&warehouse.path("data/song_data"));
    assert_eq!(
        load_history_rows(&mut warehouse.admin_client()).len(),
        songs.len() + logs.len()
    );
}

/// Nothing is written, not even to an output that does not exist, and the output says since when nothing is new.
fn run_without_new_objects_writes_and_loads_nothing(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    warehouse.write_file("songs/a.json", &song("S", "A"));
    warehouse.write_file("logs/a.json", &event(1, 1000, "paid", 1, 1));
    let out = warehouse.out_location("out");
    let run = ["run", "--songs", "songs", "--logs", "logs", "--out", &out];
    let run_with = |more: &[&str]| warehouse.run_command(&[&run[..], more].concat());
    let first = run_with(&["--quiet", "--json"]).assert_success().json();
    let output_files = || read_files(warehouse.dataset_dir("out").parent().unwrap());
    let (before, loaded) = (output_files(), warehouse.warehouse_tables());
    let statements = warehouse.faults().recorded().len();

    let nothing_new = run_with(&["--quiet", "--json"]).assert_success().json();
    assert_eq!(nothing_new["status"], "nothing_new");
    let counts = |kind: &str| {
        let keys = ["objects", "already_loaded_objects", "records"];
        keys.map(|key| nothing_new[kind][key].as_u64().unwrap())
    };
    assert_eq!((counts("songs"), counts("logs")), ([0, 1, 0], [0, 1, 0]));
    assert_eq!(nothing_new["tables"]["songplays"]["rows"], 0);
    assert_eq!(nothing_new.get("load"), None);
    let since = &nothing_new["since"];
    assert_eq!(since["run"], first["run"]);
    let query = "SELECT to_char(max(loaded_at), 'YYYY-MM-DD HH24:MI:SS') FROM load_history";
    let row = warehouse.admin_client().query_one(query, &[]).unwrap();
    let loaded_at: String = row.get(0);
    assert_eq!(since["loaded_at"], loaded_at.replace(' ', "T") + "Z");

    let told = run_with(&[]);
    let line = format!(
        "nothing new since {loaded_at} UTC (run {})\n",
        first["run"].as_str().unwrap()
    );
    assert_eq!(
        (told.code, &*told.stdout, &*told.stderr),
        (Some(0), "", &*line)
    );
    let quiet = run_with(&["--quiet"]).assert_success();
    assert_eq!(quiet.stdout, "");
    let elsewhere = warehouse.out_location("elsewhere");
    let other = [
        "run", "--songs", "songs", "--logs", "logs", "--quiet", "--out", &elsewhere,
    ];
    warehouse.run_command(&other).assert_success();
    assert!(!warehouse.path("elsewhere").exists());
    assert!(output_files() == before);
    let sent = warehouse.faults().recorded();
    let writes = sent[statements..].iter().filter(|statement| {
        ["INSERT", "CREATE", "COPY", "LOCK"]
            .iter()
            .any(|word| statement.sql.starts_with(word))
    });
    assert_eq!(writes.count(), 0);
    assert_tables_eq(&warehouse.warehouse_tables(), &loaded);

    // A full refresh always runs, and so does a run with one new song or one new log.
    let refreshed = run_with(&["--quiet", "--json", "--full-refresh"]).assert_success();
    assert_eq!(refreshed.json()["load"]["tables"]["songplays"]["rows"], 1);
    warehouse.write_file("songs/b.json", &song("S2", "A2"));
    let new_song = run_with(&["--quiet", "--json"]).assert_success().json();
    assert_eq!(
        (&new_song["songs"]["objects"], &new_song["logs"]["objects"]),
        (&1.into(), &0.into())
    );
    assert_eq!(new_song["load"]["tables"]["songs"]["added"], 1);
    warehouse.write_file("logs/b.json", &event(1, 2000, "paid", 1, 2));
    let new_log = run_with(&["--quiet", "--json"]).assert_success().json();
    assert_eq!(new_log["load"]["tables"]["songplays"]["added"], 1);
    assert_eq!(
        run_with(&["--quiet", "--json"]).json()["since"]["run"],
        new_log["run"]
    );
}

/// The dataset contains only the new logs: a full refresh from it would lose all others.
fn full_refresh_from_partial_dataset_is_rejected(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    warehouse.generate_input("data", &GENERATE_ARGS);
    let arguments = [
        "run",
        "--quiet",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        &warehouse.out_location("out"),
    ];
    warehouse.run_command(&arguments).assert_success();
    warehouse.write_file("data/log_data/more.json", &event(1, 1000, "paid", 1, 1));
    warehouse.run_command(&arguments).assert_success();
    let before = warehouse.warehouse_tables();
    let arguments = [
        "load",
        "--from",
        &warehouse.out_location("out"),
        "--full-refresh",
    ];
    warehouse
        .run_command(&arguments)
        .assert_failure(2, &["would be lost", "sparkify run --full-refresh"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

fn concurrent_loads_give_correct_tables(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    build_batches(&warehouse, 2, 3);
    std::thread::scope(|scope| {
        for out in ["dataset-0", "dataset-1", "dataset", "dataset-0"] {
            let warehouse = &warehouse;
            scope.spawn(move || warehouse.load_dataset(out).assert_success());
        }
    });
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
}
