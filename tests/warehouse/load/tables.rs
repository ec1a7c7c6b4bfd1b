//! What a load writes: the rows of the dataset, and matches of songs and plays.

use testkit::redshift_simulator::WarehouseKind;

use crate::load::fixture::{event, song, warehouse_with_dataset};
use crate::support::on_both_warehouses;
use crate::support::table_rows::{assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    summaries_of_create_tables_and_load
    loaded_tables_equal_parquet
    fixtures_and_sample_load
    second_load_changes_nothing
    title_and_artist_are_matched_separately
}

fn loaded_tables_equal_parquet(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let output = warehouse.run_command(&[
        "load",
        "--quiet",
        "--json",
        "--from",
        &warehouse.out_location("dataset"),
    ]);
    let json = output.assert_success().json();
    let expected = warehouse.dataset_tables("dataset");
    assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let rows = expected[table].len();
        let counts = &json["tables"][table];
        assert_eq!(
            (&counts["rows"], &counts["added"]),
            (&rows.into(), &rows.into())
        );
        assert_eq!(
            (&counts["changed"], &counts["removed"]),
            (&0.into(), &0.into())
        );
    }
    assert!(expected["songplays"].len() > 1000 && expected["state_songplays"].len() > 1000);
}

fn summaries_of_create_tables_and_load(kind: WarehouseKind) {
    let warehouse = TestWarehouse::without_tables(kind);
    let name = format!("{kind:?}").to_lowercase();
    warehouse
        .run_command(&["create-tables"])
        .assert_snapshot(&format!("create-tables/summary-{name}.txt"));
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    warehouse.build_dataset(
        &format!("{fixtures}/song_data"),
        &format!("{fixtures}/log_data"),
        "dataset",
    );
    warehouse
        .run_command(&["load", "--from", &warehouse.out_location("dataset")])
        .assert_snapshot(&format!("load/summary-{name}.txt"));
}

fn fixtures_and_sample_load(kind: WarehouseKind) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/sparkify_sample"
    );
    for data in [fixtures, sample] {
        if !std::path::Path::new(data).is_dir() {
            continue;
        }
        let warehouse = TestWarehouse::new(kind);
        warehouse.build_dataset(
            &format!("{data}/song_data"),
            &format!("{data}/log_data"),
            "dataset",
        );
        warehouse.load_dataset("dataset").assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("dataset"),
        );
        if data == sample {
            let mut client = warehouse.admin_client();
            let mut count = |what: &str| -> i64 {
                client
                    .query_one(&format!("SELECT count(*) FROM {what}"), &[])
                    .unwrap()
                    .get(0)
            };
            let counts = [
                "songplays",
                "users",
                "songs",
                "artists",
                "time",
                "songplays WHERE song_id IS NOT NULL",
            ];
            assert_eq!(counts.map(&mut count), [6820, 96, 71, 69, 6813, 1]);
        }
    }
}

fn second_load_changes_nothing(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    warehouse.load_dataset("dataset").assert_success();
    let before = (
        warehouse.warehouse_tables(),
        load_history_rows(&mut warehouse.admin_client()),
    );
    let output = warehouse.run_command(&[
        "load",
        "--quiet",
        "--json",
        "--from",
        &warehouse.out_location("dataset"),
    ]);
    let json = output.assert_success().json();
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let counts = &json["tables"][table];
        assert_eq!(
            (&counts["added"], &counts["changed"]),
            (&0.into(), &0.into()),
            "{table}"
        );
    }
    assert_tables_eq(&warehouse.warehouse_tables(), &before.0);
    assert_eq!(load_history_rows(&mut warehouse.admin_client()), before.1);
}

/// `("ab", "c")` does not match `("a", "bc")`, whether the song or the play comes first.
fn title_and_artist_are_matched_separately(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let event = event(1, 1000, "paid", 1, 1)
        .replace(r#""song":"T","artist":"N""#, r#""song":"a","artist":"bc""#);
    let song = song("S", "A").replace(
        r#""title":"T","artist_name":"N""#,
        r#""title":"ab","artist_name":"c""#,
    );
    warehouse.write_file("songs/a.json", &song);
    warehouse.write_file(
        "others/a.json",
        &song.replace("1.5", "2.5").replace("\"S\"", "\"O\""),
    );
    warehouse.write_file("logs/a.json", &event);
    for (songs, out) in [
        ("others", "first"),
        ("songs", "second"),
        ("others", "third"),
    ] {
        warehouse.build_dataset(songs, "logs", out);
        warehouse.load_dataset(out).assert_success();
        let query = "SELECT song_id FROM songplays";
        let found: Option<String> = warehouse
            .admin_client()
            .query_one(query, &[])
            .unwrap()
            .get(0);
        assert_eq!(found, None, "{out}");
    }
}

/// The song key that a run writes equals the one that Redshift computes from the texts.
#[test]
fn redshift_computes_the_same_song_key() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let texts = song("S", "A").replace(
        r#""title":"T","artist_name":"N""#,
        r#""title":"Café ","artist_name":"Björk""#,
    );
    warehouse.write_file("songs/a.json", &texts.replace("1.5", "-0.0"));
    warehouse.write_file("logs/a.json", &event(1, 1000, "paid", 1, 1));
    warehouse.build_dataset("songs", "logs", "dataset");
    warehouse.load_dataset("dataset").assert_success();
    let query = "SELECT song_key, duration FROM state_songs
         WHERE song_key = fnv_hash('Björk'::TEXT, fnv_hash(0::SMALLINT, fnv_hash('Café '::TEXT)))";
    let row = warehouse.admin_client().query_one(query, &[]).unwrap();
    assert_eq!(row.get::<_, f64>(1).to_bits(), 0.0_f64.to_bits());
}
