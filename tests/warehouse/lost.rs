//! Tables that were lost, or their rows: no load goes on without them, and a full refresh brings them back.

use crate::house::{Ended, House};
use crate::redshift::Mode;
use crate::rows::{assert_same, loads};

/// The tables that a load needs to choose between rows of different batches.
const MERGE_STATE: [&str; 5] = [
    "ledger_users",
    "ledger_artists",
    "ledger_songs",
    "ledger_songplays",
    "loads",
];

const RUN: [&str; 6] = [
    "run",
    "--quiet",
    "--songs",
    "data/song_data",
    "--logs",
    "data/log_data",
];

/// Returns a warehouse in which `star` is loaded, with its input in `data`.
fn with_star(mode: Mode) -> House {
    let house = House::new(mode);
    let sizes = [
        "--events", "500", "--songs", "50", "--users", "9", "--files", "3", "--seed", "5",
    ];
    house.generate("data", &sizes);
    house.make("data/song_data", "data/log_data", "star");
    house.load("star").succeeds();
    house
}

fn run(house: &House, out: &str, more: &[&str]) -> Ended {
    let out = house.out(out);
    let arguments = [&RUN[..], &["--out", &out], more].concat();
    house.job(&arguments)
}

/// A table that is lost is never replaced by an empty one, but a full refresh creates and fills it.
fn a_lost_table_is_not_made_anew(mode: Mode) {
    let house = with_star(mode);
    let before = house.tables();
    for table in MERGE_STATE.into_iter().chain(["time", "artists"]) {
        let drop = format!("DROP TABLE {table} CASCADE");
        house.client().batch_execute(&drop).unwrap();
        let name = format!("no table {table}");
        let words = [&*name, "is lost", "sparkify run --full-refresh"];
        house.job(&["create-tables"]).fails(1, &words);
        house.load("star").fails(1, &words);
        run(&house, "new", &[]).fails(1, &words);
        let query = format!("SELECT to_regclass('{table}') IS NULL");
        let row = house.client().query_one(&query, &[]).unwrap();
        assert!(row.get::<_, bool>(0), "{table} was made");
        run(&house, "new", &["--full-refresh"]).succeeds();
        assert_same(&house.tables(), &before);
        assert_eq!(loads(&mut house.client()).len(), 3);
    }
}

/// A star that holds all of the logs is enough.
fn a_load_that_refreshes_all_creates_what_is_lost(mode: Mode) {
    let house = with_star(mode);
    let before = house.tables();
    let lose = "DROP TABLE loads, ledger_users, songplays CASCADE";
    house.client().batch_execute(lose).unwrap();
    let from = house.out("star");
    let refresh = ["load", "--quiet", "--full-refresh", "--from", &from];
    house.job(&refresh).succeeds();
    assert_same(&house.tables(), &before);
    house.load("star").succeeds();
    assert_same(&house.tables(), &before);
}

fn a_table_without_its_rows_is_not_taken_for_a_new_one(mode: Mode) {
    let house = with_star(mode);
    let before = house.tables();
    for table in MERGE_STATE.into_iter().chain(["songplays"]) {
        let lose = format!("DELETE FROM {table}");
        house.client().batch_execute(&lose).unwrap();
        let name = format!("table {table} is empty");
        let words = [&*name, "are lost", "sparkify run --full-refresh"];
        house.load("star").fails(1, &words);
        run(&house, "new", &[]).fails(1, &words);
        run(&house, "new", &["--full-refresh"]).succeeds();
        assert_same(&house.tables(), &before);
    }
    // Of some rows as well, where they concern the load.
    for (table, key) in [("users", "user_id"), ("artists", "artist_id")] {
        let lose = format!(
            "DELETE FROM ledger_{table} WHERE {key} = (SELECT min({key}) FROM ledger_{table})"
        );
        house.client().batch_execute(&lose).unwrap();
        let name = format!("table ledger_{table} is not complete");
        house.load("star").fails(1, &[&name, "--full-refresh"]);
        run(&house, "new", &["--full-refresh"]).succeeds();
        assert_same(&house.tables(), &before);
    }
}

/// Without rows anywhere nothing is lost.
fn an_empty_warehouse_is_completed(mode: Mode) {
    let house = House::new(mode);
    let lose = "DROP TABLE ledger_songs, loads, users CASCADE";
    house.client().batch_execute(lose).unwrap();
    house.generate("data", &["--events", "100", "--songs", "9", "--seed", "1"]);
    for more in [&[][..], &["--full-refresh"]] {
        let words = ["no table users", "sparkify create-tables"];
        run(&house, "new", more).fails(1, &words);
    }
    house.job(&["create-tables", "--quiet"]).succeeds();
    run(&house, "new", &[]).succeeds();
}

/// Tests that hold for every kind of warehouse.
macro_rules! everywhere {
    ($($test:ident)*) => {
        mod postgres {
            $(#[test] fn $test() { super::$test(super::Mode::Postgres) })*
        }
        mod redshift {
            $(#[test] fn $test() { super::$test(super::Mode::Redshift) })*
        }
    };
}

everywhere! {
    a_lost_table_is_not_made_anew
    a_load_that_refreshes_all_creates_what_is_lost
    a_table_without_its_rows_is_not_taken_for_a_new_one
    an_empty_warehouse_is_completed
}
