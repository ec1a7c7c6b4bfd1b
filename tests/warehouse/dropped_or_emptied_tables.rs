//! Tables that were dropped or emptied: loads fail, and a full refresh restores them.

use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::table_rows::{assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

/// The tables that a load needs to choose between rows of different batches.
const MERGE_STATE: [&str; 5] = [
    "state_users",
    "state_artists",
    "state_songs",
    "state_songplays",
    "load_history",
];

const RUN_ARGS: [&str; 6] = [
    "run",
    "--quiet",
    "--songs",
    "data/song_data",
    "--logs",
    "data/log_data",
];

/// Returns a warehouse in which `dataset` is loaded, with its input in `data`.
fn loaded_warehouse(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = [
        "--events", "500", "--songs", "50", "--users", "9", "--files", "3", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
    warehouse.load_dataset("dataset").assert_success();
    warehouse
}

fn run_and_load(warehouse: &TestWarehouse, out: &str, more: &[&str]) -> CommandOutput {
    let out = warehouse.out_location(out);
    let arguments = [&RUN_ARGS[..], &["--out", &out], more].concat();
    warehouse.run_command(&arguments)
}

/// A load does not replace a dropped table by an empty one, but a full refresh creates and fills it.
fn lost_table_is_not_recreated(kind: WarehouseKind) {
    let warehouse = loaded_warehouse(kind);
    let before = warehouse.warehouse_tables();
    for table in MERGE_STATE.into_iter().chain(["time", "artists"]) {
        let drop = format!("DROP TABLE {table} CASCADE");
        warehouse.admin_client().batch_execute(&drop).unwrap();
        let name = format!("table {table} does not exist");
        let words = [&*name, "was dropped", "sparkify run --full-refresh"];
        warehouse
            .run_command(&["create-tables"])
            .assert_failure(1, &words);
        warehouse.load_dataset("dataset").assert_failure(1, &words);
        run_and_load(&warehouse, "new", &[]).assert_failure(1, &words);
        let query = format!("SELECT to_regclass('{table}') IS NULL");
        let row = warehouse.admin_client().query_one(&query, &[]).unwrap();
        assert!(row.get::<_, bool>(0), "{table} was made");
        run_and_load(&warehouse, "new", &["--full-refresh"]).assert_success();
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
        assert_eq!(load_history_rows(&mut warehouse.admin_client()).len(), 53);
    }
}

/// A dataset that contains all logs is sufficient.
fn full_refresh_load_recreates_lost_tables(kind: WarehouseKind) {
    let warehouse = loaded_warehouse(kind);
    let before = warehouse.warehouse_tables();
    let lose = "DROP TABLE load_history, state_users, songplays CASCADE";
    warehouse.admin_client().batch_execute(lose).unwrap();
    let from = warehouse.out_location("dataset");
    let refresh = ["load", "--quiet", "--full-refresh", "--from", &from];
    warehouse.run_command(&refresh).assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse.load_dataset("dataset").assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
}

fn emptied_table_is_detected(kind: WarehouseKind) {
    let warehouse = loaded_warehouse(kind);
    let before = warehouse.warehouse_tables();
    for table in MERGE_STATE.into_iter().chain(["songplays"]) {
        let lose = format!("DELETE FROM {table}");
        warehouse.admin_client().batch_execute(&lose).unwrap();
        let name = format!("table {table} is empty");
        let words = [&*name, "were lost", "sparkify run --full-refresh"];
        warehouse.load_dataset("dataset").assert_failure(1, &words);
        run_and_load(&warehouse, "new", &[]).assert_failure(1, &words);
        run_and_load(&warehouse, "new", &["--full-refresh"]).assert_success();
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
    }
    // All tables of the songs, so that no pair of them shows it.
    let songs = "UPDATE songplays SET song_id = NULL, artist_id = NULL;
        DELETE FROM songs; DELETE FROM artists; DELETE FROM state_songs; DELETE FROM state_artists";
    warehouse.admin_client().batch_execute(songs).unwrap();
    let words = ["table songs is empty: load_history has rows"];
    run_and_load(&warehouse, "new", &[]).assert_failure(1, &words);
    run_and_load(&warehouse, "new", &["--full-refresh"]).assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    // Missing rows are detected too, if the load needs them.
    for (table, key) in [("users", "user_id"), ("artists", "artist_id")] {
        let lose = format!(
            "DELETE FROM state_{table} WHERE {key} = (SELECT min({key}) FROM state_{table})"
        );
        warehouse.admin_client().batch_execute(&lose).unwrap();
        let name = format!("table state_{table} is incomplete");
        warehouse
            .load_dataset("dataset")
            .assert_failure(1, &[&name, "--full-refresh"]);
        run_and_load(&warehouse, "new", &["--full-refresh"]).assert_success();
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
    }
}

/// If no table has rows, nothing is lost.
fn create_tables_completes_empty_warehouse(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let lose = "DROP TABLE state_songs, load_history, users CASCADE";
    warehouse.admin_client().batch_execute(lose).unwrap();
    warehouse.generate_input("data", &["--events", "100", "--songs", "9", "--seed", "1"]);
    for more in [&[][..], &["--full-refresh"]] {
        let words = ["table users does not exist", "sparkify create-tables"];
        run_and_load(&warehouse, "new", more).assert_failure(1, &words);
    }
    warehouse
        .run_command(&["create-tables", "--quiet"])
        .assert_success();
    run_and_load(&warehouse, "new", &[]).assert_success();
}

on_both_warehouses! {
    lost_table_is_not_recreated
    full_refresh_load_recreates_lost_tables
    emptied_table_is_detected
    create_tables_completes_empty_warehouse
}
