//! Conflicting deliveries of one event in batches that are loaded in any order: their content decides which
//! one is kept, on PostgreSQL and on the Redshift simulator.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::table_rows::{TableRows, assert_tables_eq};
use crate::support::test_warehouse::TestWarehouse;

/// Builds an event from default values and some changed keys; a null value removes a key.
fn event(changes: &Value) -> Value {
    merge_fields(
        json!({
            "page": "NextSong", "ts": 1000, "userId": 1, "sessionId": 1, "itemInSession": 1, "level": "free",
            "location": "L", "userAgent": "U", "firstName": "F", "lastName": "L", "gender": "G",
            "song": "T", "artist": "N", "length": 1.5,
        }),
        changes,
    )
}

/// Builds a song from default values and some changed keys; a null value removes a key.
fn song(changes: &Value) -> Value {
    merge_fields(
        json!({
            "song_id": "S1", "title": "T", "artist_id": "A1", "artist_name": "N", "duration": 1.5, "year": 1999,
            "artist_location": "P", "artist_latitude": 1.0, "artist_longitude": 2.0,
        }),
        changes,
    )
}

fn merge_fields(mut record: Value, changes: &Value) -> Value {
    let fields = record.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    record
}

/// Builds a dataset from some records.
fn build_dataset(warehouse: &TestWarehouse, name: &str, songs: &[Value], events: &[Value]) {
    for (kind, records) in [("songs", songs), ("logs", events)] {
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        warehouse.write_file(&format!("{name}/{kind}/a.json"), &lines.join("\n"));
    }
    let folder = |kind| format!("{name}/{kind}");
    warehouse.build_dataset(
        &folder("songs"),
        &folder("logs"),
        dataset_name(name).as_str(),
    );
}

fn dataset_name(name: &str) -> String {
    format!("dataset-{name}")
}

fn truncate_tables(warehouse: &TestWarehouse) {
    let tables: Vec<_> = warehouse.warehouse_tables().into_keys().collect();
    let sql = format!("TRUNCATE load_history, {}", tables.join(", "));
    warehouse.admin_client().batch_execute(&sql).unwrap();
}

/// Loads datasets in this order into empty tables, and returns the counts of added and changed rows of a
/// table for each load, and the tables after the last one.
fn load_in_order(
    warehouse: &TestWarehouse,
    order: &[&str],
    table: &str,
) -> (Vec<(u64, u64)>, TableRows) {
    truncate_tables(warehouse);
    let loaded = order.iter().map(|name| {
        let from = warehouse.out_location(&dataset_name(name));
        let output = warehouse.run_command(&["load", "--quiet", "--json", "--from", &from]);
        let json = output.assert_success().json();
        let counts = &json["tables"][table];
        assert_eq!(counts["removed"], 0);
        (
            counts["added"].as_u64().unwrap(),
            counts["changed"].as_u64().unwrap(),
        )
    });
    (loaded.collect(), warehouse.warehouse_tables())
}

/// Loads two deliveries in both orders: the smaller one must be kept, and replacing the larger one counts as
/// `changed` changed rows.
#[track_caller]
fn assert_smaller_delivery_wins(
    warehouse: &TestWarehouse,
    table: &str,
    smaller: &Value,
    larger: &Value,
    changed: u64,
) {
    let songs = [
        song(&json!({})),
        song(&json!({"song_id": "S2", "title": "V"})),
        song(&json!({"song_id": "S3", "duration": 2.5})),
    ];
    build_dataset(warehouse, "smaller", &songs, &[event(smaller)]);
    build_dataset(warehouse, "larger", &songs, &[event(larger)]);
    let expected = warehouse.dataset_tables("dataset-smaller");
    let (effects, found) = load_in_order(warehouse, &["smaller", "larger", "smaller"], table);
    assert_tables_eq(&found, &expected);
    assert_eq!(effects, [(1, 0), (0, 0), (0, 0)], "{smaller} {larger}");
    let (effects, found) = load_in_order(warehouse, &["larger", "smaller", "larger"], table);
    assert_tables_eq(&found, &expected);
    assert_eq!(
        effects,
        [(1, 0), (0, changed), (0, 0)],
        "{smaller} {larger}"
    );
}

fn smallest_delivery_of_event_wins(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    // Computed by FNV_HASH, the key of ("T", "N") is smaller than that of ("V", "N").
    let pairs = [
        (json!({"level": "free"}), json!({"level": "paid"}), 1),
        (json!({"level": "free"}), json!({"level": "free "}), 1),
        (json!({"location": "K"}), json!({"location": "L"}), 1),
        (json!({"location": ""}), json!({"location": "\u{1}"}), 1),
        (json!({"location": "Z"}), json!({"location": "é"}), 1),
        (json!({"location": "L"}), json!({"location": null}), 1),
        (json!({"userAgent": "U"}), json!({"userAgent": "U\u{1}"}), 1),
        (json!({"userAgent": "U"}), json!({"userAgent": null}), 1),
        (json!({"song": "T"}), json!({"song": "V"}), 1),
        (json!({"length": 1.5}), json!({"length": 2.5}), 1),
        (json!({"length": 1.5}), json!({"length": null}), 1),
        // Neither delivery matches a song, so the rows are equal.
        (json!({"length": 7.5}), json!({"artist": null}), 0),
        (json!({"length": 7.5}), json!({"length": 8.5}), 0),
        // The first column that differs decides.
        (
            json!({"level": "free", "location": null, "song": null}),
            json!({"level": "paid"}),
            1,
        ),
        (
            json!({"location": "K", "userAgent": null, "length": 2.5}),
            json!({"location": "L", "userAgent": "A", "length": 1.5}),
            1,
        ),
    ];
    for (smaller, larger, changed) in pairs {
        assert_smaller_delivery_wins(&warehouse, "songplays", &smaller, &larger, changed);
    }
}

fn user_is_smallest_delivery_of_latest_event(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let pairs = [
        (json!({"level": "free"}), json!({"level": "paid"})),
        (json!({"firstName": "E"}), json!({"firstName": "F"})),
        (json!({"firstName": "F"}), json!({"firstName": null})),
        (json!({"lastName": ""}), json!({"lastName": "A"})),
        (json!({"lastName": "L"}), json!({"lastName": null})),
        (json!({"gender": "F"}), json!({"gender": "M"})),
        (json!({"gender": "F"}), json!({"gender": null})),
        (
            json!({"firstName": "A", "lastName": null}),
            json!({"firstName": "B", "lastName": "A"}),
        ),
    ];
    for (smaller, larger) in pairs {
        assert_smaller_delivery_wins(&warehouse, "users", &smaller, &larger, 1);
    }
}

/// A play that is replaced by a smaller delivery gets the song of that delivery, whenever the song was
/// loaded, and loses the song of the replaced delivery.
fn replaced_play_has_song_of_its_own_delivery(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let other = song(&json!({"song_id": "S9", "title": "other"}));
    let larger = event(&json!({"level": "paid", "song": "V"}));
    let smaller = event(&json!({"level": "free"}));
    let songs = [
        song(&json!({"song_id": "S2", "title": "V"})),
        song(&json!({"song_id": "S1"})),
    ];
    build_dataset(
        &warehouse,
        "larger",
        std::slice::from_ref(&other),
        &[larger],
    );
    build_dataset(
        &warehouse,
        "smaller",
        std::slice::from_ref(&other),
        &[smaller],
    );
    let unrelated = event(&json!({"ts": 9000, "song": null}));
    build_dataset(
        &warehouse,
        "song-of-larger",
        &songs[..1],
        std::slice::from_ref(&unrelated),
    );
    build_dataset(&warehouse, "song-of-smaller", &songs[1..], &[unrelated]);
    let names = ["larger", "smaller", "song-of-larger", "song-of-smaller"];
    let mut expected = None;
    for order in permutations(&names) {
        let (_, found) = load_in_order(&warehouse, &order, "songplays");
        let plays = &found["songplays"];
        let play = plays.iter().find(|play| play.contains("\"free\"")).unwrap();
        assert!(play.contains("\"S1\""), "{order:?}: {play}");
        assert_tables_eq(&found, expected.get_or_insert_with(|| found.clone()));
    }
}

fn permutations<'a>(names: &[&'a str]) -> Vec<Vec<&'a str>> {
    if names.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let rest = [&names[..at], &names[at + 1..]].concat();
        for mut order in permutations(&rest) {
            order.push(name);
            all.push(order);
        }
    }
    all
}

/// Returns records with a random value for each of some keys.
fn choose_fields(keys: &[(&'static str, &[Value])]) -> impl Strategy<Value = Value> + use<> {
    let keys = keys.iter().map(|&(key, values)| {
        let value = select(values.to_vec());
        value.prop_map(move |value| (key.to_owned(), value))
    });
    let keys: Vec<_> = keys.collect();
    keys.prop_map(|fields| Value::Object(Map::from_iter(fields)))
}

/// Returns events with few distinct ids, most of them delivered several times with other contents.
fn events() -> impl Strategy<Value = Vec<Value>> {
    let texts = [json!("a"), json!("b"), json!("b "), json!(""), Value::Null];
    let event = choose_fields(&[
        ("userId", &[json!(1), json!(2)]),
        ("ts", &[json!(1000), json!(2000)]),
        ("itemInSession", &[json!(0), json!(1)]),
        ("level", &[json!("free"), json!("paid")]),
        ("location", &texts),
        ("userAgent", &texts[1..]),
        ("firstName", &texts),
        ("lastName", &texts[1..]),
        ("gender", &texts[2..]),
        ("song", &[json!("T"), json!("V"), Value::Null]),
        ("artist", &[json!("N"), json!("M")]),
        (
            "length",
            &[json!(1.5), json!(0.0), json!(-0.0), json!(9.5), Value::Null],
        ),
    ])
    .prop_map(|changes| self::event(&changes));
    vec(event, 1..16)
}

/// Returns songs with few distinct ids, most of them in several records that differ.
fn songs() -> impl Strategy<Value = Vec<Value>> {
    let coordinates = [json!(1.5), json!(0.0), json!(-0.0), Value::Null];
    let song = choose_fields(&[
        ("song_id", &[json!("S1"), json!("S2"), json!("S3")]),
        ("title", &[json!("T"), json!("V")]),
        ("artist_id", &[json!("A1"), json!("A2")]),
        ("artist_name", &[json!("N"), json!("M")]),
        ("duration", &[json!(1.5), json!(0.0), json!(-0.0)]),
        ("year", &[json!(0), json!(1999), Value::Null]),
        (
            "artist_location",
            &[json!("P"), json!("Q"), json!(""), Value::Null],
        ),
        ("artist_latitude", &coordinates),
        ("artist_longitude", &coordinates),
    ])
    .prop_map(|changes| self::song(&changes));
    vec(song, 1..8)
}

/// The number of runs that records are distributed over.
const RUN_COUNT: usize = 4;

/// Returns records with the runs that contain them: one run or two.
fn assign_to_runs(
    records: impl Strategy<Value = Vec<Value>>,
) -> impl Strategy<Value = Vec<(Value, usize, usize)>> {
    records.prop_flat_map(|records| {
        let runs = vec((0..RUN_COUNT, 0..RUN_COUNT), records.len());
        runs.prop_map(move |runs| {
            let records = records.iter().cloned().zip(runs);
            records.map(|(record, (a, b))| (record, a, b)).collect()
        })
    })
}

fn proptest_config(default_cases: u32) -> Config {
    let mut config = Config {
        source_file: Some(file!()),
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = default_cases;
    }
    config
}

fn runs_in_any_order_equal_one_run(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let order = Just(["0", "1", "2", "3"]).prop_shuffle();
    let cases = (assign_to_runs(songs()), assign_to_runs(events()), order);
    let result = TestRunner::new(proptest_config(4)).run(&cases, |(songs, events, order)| {
        // Every run has at least one song and one event.
        let songs_of =
            |run| records_of_run(&songs, run, song(&json!({"song_id": "S0", "title": "O"})));
        let events_of =
            |run| records_of_run(&events, run, event(&json!({"userId": 9, "song": null})));
        build_dataset(&warehouse, "all", &songs_of(None), &events_of(None));
        for (run, name) in ["0", "1", "2", "3"].into_iter().enumerate() {
            build_dataset(
                &warehouse,
                name,
                &songs_of(Some(run)),
                &events_of(Some(run)),
            );
        }
        let (_, found) = load_in_order(&warehouse, &order, "songplays");
        assert_tables_eq(&found, &warehouse.dataset_tables(&dataset_name("all")));
        Ok(())
    });
    result.unwrap();
}

/// Returns one fixed record and the records of one run, or of all runs.
fn records_of_run(
    assigned: &[(Value, usize, usize)],
    run: Option<usize>,
    more: Value,
) -> Vec<Value> {
    let is_in_run =
        |(_, a, b): &&(Value, usize, usize)| run.is_none_or(|run| run == *a || run == *b);
    let records = assigned
        .iter()
        .filter(is_in_run)
        .map(|(record, ..)| record.clone());
    records.chain([more]).collect()
}

on_both_warehouses! {
    smallest_delivery_of_event_wins
    user_is_smallest_delivery_of_latest_event
    replaced_play_has_song_of_its_own_delivery
    runs_in_any_order_equal_one_run
}
