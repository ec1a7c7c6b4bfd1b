//! Loads into PostgreSQL and into the Redshift simulator, compared row by row: repeated, in batches and in
//! any order.

use testkit::cli::output::CommandOutput;
use testkit::dir_contents::list_files;
use testkit::postgres_server::{SUPERUSER_PASSWORD, shared_server};
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::table_rows::{assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

const GENERATE_ARGS: [&str; 10] = [
    "--events", "4000", "--songs", "300", "--users", "60", "--files", "12", "--seed", "5",
];

/// Returns a warehouse with generated input in `data` and its dataset in `star`.
fn warehouse_with_dataset(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    warehouse.generate_input("data", &GENERATE_ARGS);
    warehouse.build_dataset("data/song_data", "data/log_data", "star");
    warehouse
}

fn loaded_tables_equal_parquet(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let output = warehouse.run_command(&[
        "load",
        "--quiet",
        "--json",
        "--from",
        &warehouse.out_location("star"),
    ]);
    let json = output.assert_success().json();
    let expected = warehouse.dataset_tables("star");
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
            "star",
        );
        warehouse.load_dataset("star").assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("star"),
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
    warehouse.load_dataset("star").assert_success();
    let before = (
        warehouse.warehouse_tables(),
        load_history_rows(&mut warehouse.admin_client()),
    );
    let output = warehouse.run_command(&[
        "load",
        "--quiet",
        "--json",
        "--from",
        &warehouse.out_location("star"),
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

/// The batches are pseudo-random: songs come later than their plays, and several batches contain the same
/// artists, users and events.
fn batches_in_any_order_are_what_one_batch_is(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let all_at_once = warehouse.dataset_tables("star");
    split_into_batches(&warehouse, 3, 1);
    for batch in 0..3 {
        let data = |kind| format!("batch-{batch}/{kind}");
        warehouse.build_dataset(
            &data("song_data"),
            &data("log_data"),
            &format!("star-{batch}"),
        );
    }
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        warehouse
            .run_command(&["create-tables", "--quiet", "--drop", "--yes"])
            .assert_success();
        for batch in order {
            warehouse
                .load_dataset(&format!("star-{batch}"))
                .assert_success();
        }
        assert_tables_eq(&warehouse.warehouse_tables(), &all_at_once);
        // Loading an old batch again changes nothing.
        warehouse
            .load_dataset(&format!("star-{}", order[0]))
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
        .map(|batch| matched(&warehouse.dataset_tables(&format!("star-{batch}"))))
        .sum();
    assert!(apart < matched(&all_at_once), "{apart}");
}

fn event(user: u32, ts: u64, level: &str, session: u32, item: u32) -> String {
    format!(
        r#"{{"page":"NextSong","ts":{ts},"userId":"{user}","sessionId":{session},"itemInSession":{item},"level":"{level}","song":"T","artist":"N","length":1.5}}"#
    )
}

fn song(id: &str, artist: &str) -> String {
    format!(
        r#"{{"song_id":"{id}","artist_id":"{artist}","title":"T","artist_name":"N","duration":1.5}}"#
    )
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
        warehouse.build_dataset(songs, logs, "star");
        warehouse.load_dataset("star").assert_success();
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
    warehouse.build_dataset("data/song_data", "data/log_data", "star");
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
    assert_eq!(second["load"]["tables"]["songplays"]["added"], 0);
    std::fs::rename(&moved_path, &log_path).unwrap();
    let last = warehouse.run_command(&arguments).assert_success().json();
    assert_eq!(last["logs"]["objects"], 1);
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
    // A rewritten file counts as new, and its events as duplicates.
    std::fs::copy(&log_path, &moved_path).unwrap();
    std::fs::copy(&moved_path, &log_path).unwrap();
    let rewritten = warehouse.run_command(&arguments).assert_success().json();
    assert_eq!(rewritten["logs"]["objects"], 1);
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
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
        warehouse.dataset_tables("star")["songplays"].len()
    );
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
    assert_eq!(
        load_history_rows(&mut warehouse.admin_client()).len(),
        logs.len()
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

#[test]
fn constraints_are_enforced_after_every_load() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let constraints = |warehouse: &TestWarehouse| -> i64 {
        let query = "SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f') AND convalidated \
                     AND connamespace = 'public'::regnamespace";
        warehouse
            .admin_client()
            .query_one(query, &[])
            .unwrap()
            .get(0)
    };
    let before = constraints(&warehouse);
    assert_eq!(before, 13);
    for arguments in [
        &["load", "--quiet", "--from", &warehouse.out_location("star")][..],
        &["load", "--quiet", "--from", &warehouse.out_location("star")],
        &[
            "load",
            "--quiet",
            "--from",
            &warehouse.out_location("star"),
            "--full-refresh",
        ],
    ] {
        warehouse.run_command(arguments).assert_success();
        assert_eq!(constraints(&warehouse), before);
    }
    let wrong = "UPDATE songplays SET user_id = -1";
    let error = warehouse.admin_client().execute(wrong, &[]).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23503");
}

/// Only the owner of a table may drop its keys; for other users the rows are checked one by one.
#[test]
fn non_owner_can_load() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut client = warehouse.admin_client();
    let name = format!("loader_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
             GRANT TEMPORARY ON DATABASE {} TO {name}",
            SUPERUSER_PASSWORD,
            warehouse.database().name,
        ))
        .unwrap();
    let port = shared_server().port;
    let url = format!(
        "postgres://{name}@127.0.0.1:{port}/{}",
        warehouse.database().name
    );
    let mut command =
        warehouse.sparkify(&["load", "--quiet", "--from", "star", "--warehouse", &url]);
    command.env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(&mut command).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
    let mut refresh = warehouse.sparkify(&["load", "--from", "star", "--full-refresh"]);
    let refresh = refresh
        .args(["--warehouse", &url])
        .env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(refresh).assert_failure(1, &["needs the owner of songplays and songs"]);
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
    client
        .batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"))
        .unwrap();
}

fn concurrent_loads_give_correct_tables(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    split_into_batches(&warehouse, 2, 3);
    for batch in 0..2 {
        let data = |kind| format!("batch-{batch}/{kind}");
        warehouse.build_dataset(
            &data("song_data"),
            &data("log_data"),
            &format!("star-{batch}"),
        );
    }
    std::thread::scope(|scope| {
        for out in ["star-0", "star-1", "star", "star-0"] {
            let warehouse = &warehouse;
            scope.spawn(move || warehouse.load_dataset(out).assert_success());
        }
    });
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
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
    warehouse.build_dataset("songs", "logs", "star");
    warehouse.load_dataset("star").assert_success();
    let query = "SELECT song_key, duration FROM state_songs
         WHERE song_key = fnv_hash('Björk'::TEXT, fnv_hash(0::SMALLINT, fnv_hash('Café '::TEXT)))";
    let row = warehouse.admin_client().query_one(query, &[]).unwrap();
    assert_eq!(row.get::<_, f64>(1).to_bits(), 0.0_f64.to_bits());
}

/// Constraints that were dropped, added or changed by an administrator stay as they are.
#[test]
fn constraints_are_restored_unchanged() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut client = warehouse.admin_client();
    client
        .batch_execute(
            "ALTER TABLE songplays DROP CONSTRAINT songplays_time, DROP CONSTRAINT songplays_user;
             ALTER TABLE songplays ADD CONSTRAINT mine FOREIGN KEY (user_id) REFERENCES users
                 ON DELETE CASCADE DEFERRABLE;
             CREATE TABLE favourites (songplay_id BIGINT REFERENCES songplays);
             CREATE PUBLICATION everything FOR ALL TABLES",
        )
        .unwrap();
    let mut constraints = || -> Vec<String> {
        let query =
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1";
        let rows = client.query(query, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = constraints();
    for more in [&[][..], &[], &["--full-refresh"]] {
        let mut command = warehouse.warehouse_command(&["load", "--quiet", "--from", "star"]);
        CommandOutput::run(command.args(more)).assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("star"),
        );
        assert_eq!(constraints(), before);
    }
}

/// A table in another schema of the search path counts as existing, and no empty table hides it.
#[test]
fn create_tables_does_not_shadow_existing_tables() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    warehouse.load_dataset("star").assert_success();
    let name = testkit::postgres_server::SUPERUSER;
    warehouse
        .admin_client()
        .batch_execute(&format!("CREATE SCHEMA {name}"))
        .unwrap();
    warehouse
        .run_command(&["create-tables", "--quiet"])
        .assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
}

/// A user who owns only some of the tables, or cannot create tables in the schema, could not restore
/// constraints that a load drops.
#[test]
fn non_owner_keeps_constraints() {
    for (number, owned) in ["songplays", "artists, songs, users, time, songplays"]
        .iter()
        .enumerate()
    {
        let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
        let mut client = warehouse.admin_client();
        let name = format!("owner_{number}_{}", std::process::id());
        let all = "artists, songs, users, time, songplays, state_users, state_artists, \
                   state_songs, state_songplays, load_history";
        client
            .batch_execute(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{SUPERUSER_PASSWORD}';
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {all} TO {name};
                 REVOKE CREATE ON SCHEMA public FROM PUBLIC"
            ))
            .unwrap();
        for table in owned.split(", ") {
            client
                .batch_execute(&format!("ALTER TABLE {table} OWNER TO {name}"))
                .unwrap();
        }
        let port = shared_server().port;
        let url = format!(
            "postgres://{name}@127.0.0.1:{port}/{}",
            warehouse.database().name
        );
        let mut command =
            warehouse.sparkify(&["load", "--quiet", "--from", "star", "--warehouse", &url]);
        CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD)).assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("star"),
        );
        let user = testkit::postgres_server::SUPERUSER;
        client
            .batch_execute(&format!(
                "REASSIGN OWNED BY {name} TO {user}; DROP OWNED BY {name}; DROP ROLE {name}"
            ))
            .unwrap();
    }
}

/// A full refresh handles deferred references from other tables, and a partitioned table.
#[test]
fn full_refresh_handles_foreign_references_and_partitions() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    warehouse.load_dataset("star").assert_success();
    let refresh = ["load", "--quiet", "--from", "star", "--full-refresh"];
    warehouse
        .admin_client()
        .batch_execute(
            "CREATE TABLE mine (songplay_id BIGINT REFERENCES songplays DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO mine SELECT min(songplay_id) FROM songplays",
        )
        .unwrap();
    warehouse.run_command(&refresh).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
    warehouse
        .admin_client()
        .batch_execute(
            "DROP TABLE mine;
             ALTER TABLE songplays RENAME TO old;
             CREATE TABLE songplays (LIKE old, FOREIGN KEY (user_id) REFERENCES users)
                 PARTITION BY RANGE (start_time);
             CREATE TABLE all_of_them PARTITION OF songplays DEFAULT;
             INSERT INTO songplays SELECT * FROM old;
             DROP TABLE old",
        )
        .unwrap();
    warehouse.run_command(&refresh).assert_success();
    warehouse.load_dataset("star").assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
}
