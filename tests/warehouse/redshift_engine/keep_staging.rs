//! `--keep-staging`: the raw records stay in `staging_events` and `staging_songs`. Without it no table of that name is
//! touched.

use testkit::redshift_simulator::{SimulatorSettings, WarehouseKind};

use super::batches::{LIMIT, permanent_staging_tables, runs_in_output, upload_batch};
use super::support::{RawInput, run_engine};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

const STAGING_TABLES: [&str; 2] = ["staging_events", "staging_songs"];

fn keep() -> Vec<&'static str> {
    [&LIMIT[..], &["--keep-staging"]].concat()
}

fn row_count(warehouse: &TestWarehouse, table: &str) -> i64 {
    let query = format!("SELECT COUNT(*) FROM {table}");
    let row = warehouse.admin_client().query_one(&query, &[]).unwrap();
    row.get(0)
}

#[test]
fn all_records_of_the_last_run_are_kept() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let mut last_events = Vec::new();
    for batch in [1, 2] {
        let input = upload_batch(&warehouse, batch);
        let report = run_engine(&warehouse, "redshift", &input, &keep());
        let report = report.assert_success().json();
        assert_eq!(permanent_staging_tables(&warehouse), STAGING_TABLES);
        // All records that COPY could read, also those that the filter drops or a check rejects.
        let events = report["logs"]["records"].as_i64().unwrap() - 1;
        assert_eq!(row_count(&warehouse, "staging_events"), events);
        let songs = report["songs"]["records"].as_i64().unwrap();
        assert_eq!(row_count(&warehouse, "staging_songs"), songs);
        let session = format!("SELECT COUNT(*) FROM staging_events WHERE sessionid = '{batch}'");
        let row = warehouse.admin_client().query_one(&session, &[]).unwrap();
        last_events.push(row.get::<_, i64>(0));
    }
    assert!(last_events.iter().all(|&events| events > 0));
    // A run without the flag leaves them as they are.
    let events = row_count(&warehouse, "staging_events");
    let input = upload_batch(&warehouse, 3);
    run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    assert_eq!(row_count(&warehouse, "staging_events"), events);
    assert_eq!(permanent_staging_tables(&warehouse), STAGING_TABLES);
}

#[test]
fn tables_of_others_are_never_replaced() {
    for (table, ddl, reason) in [
        (
            "staging_events",
            "CREATE TABLE staging_events (artist VARCHAR(100), n INTEGER)",
            "it has 2 columns, expected 18",
        ),
        (
            "staging_songs",
            "CREATE TABLE staging_songs (num_songs INT, artist_id VARCHAR, artist_latitude FLOAT, artist_longitude FLOAT,
                artist_location VARCHAR, artist_name VARCHAR, song_id VARCHAR, title VARCHAR, duration FLOAT, year INT)",
            "its columns are not those of this version: column 1 is `num_songs integer`, expected `artist_id character varying(65535)`",
        ),
        (
            "staging_events",
            "CREATE VIEW staging_events AS SELECT * FROM songplays",
            "it is not a table",
        ),
    ] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        let input = upload_batch(&warehouse, 1);
        warehouse.admin_client().batch_execute(ddl).unwrap();
        let before = warehouse.warehouse_tables();
        run_engine(&warehouse, "redshift", &input, &keep()).assert_failure(
            1,
            &[
                &format!("cannot replace {table}"),
                reason,
                "leave out --keep-staging",
            ],
        );
        let statements = warehouse.faults().statements();
        assert!(!statements.iter().any(|sql| sql.contains("DROP TABLE")));
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
        assert_eq!(runs_in_output(&warehouse).len(), 0);
        row_count(&warehouse, table);
        // Without the flag it is neither read nor changed.
        run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
        assert_ne!(warehouse.warehouse_tables(), before);
    }
}

#[test]
fn table_of_the_user_is_neither_read_nor_changed() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    run_engine(&warehouse, "redshift", &input, &keep()).assert_success();
    let expected = warehouse.warehouse_tables();
    // The user has the same records, and more.
    let warehouse = TestWarehouse::with_settings(SimulatorSettings::default());
    let input = {
        upload_batch(&warehouse, 1);
        RawInput::below(&warehouse, "input")
    };
    warehouse
        .admin_client()
        .batch_execute(
            "CREATE TABLE staging_events (page TEXT, ts BIGINT); INSERT INTO staging_events VALUES ('NextSong', 1);
             CREATE TABLE staging_objects (n INTEGER); CREATE TABLE copy_rejects (n INTEGER);
             CREATE TABLE valid_events (n INTEGER); CREATE TABLE rejected_songs (n INTEGER)",
        )
        .unwrap();
    run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    assert_eq!(row_count(&warehouse, "staging_events"), 1);
    for table in [
        "staging_objects",
        "copy_rejects",
        "valid_events",
        "rejected_songs",
    ] {
        assert_eq!(row_count(&warehouse, table), 0);
    }
}
