//! Loads into a real PostgreSQL and into the stand-in for Redshift: every table row by row, again, in batches,
//! in any order.

use crate::house::{Ended, House, files};
use crate::postgres::{PASSWORD, shared};
use crate::redshift::Mode;
use crate::rows::{assert_same, loads};

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
    every_table_is_the_parquet_row_by_row
    the_fixtures_and_the_sample
    loaded_twice_nothing_changes
    batches_in_any_order_are_what_one_batch_is
    a_late_batch_leaves_a_newer_level_alone
    a_song_that_comes_later_is_found_by_the_plays_there
    title_and_artist_are_not_one_text
    a_run_takes_only_logs_that_are_new_to_the_warehouse
    a_part_of_the_logs_is_no_full_refresh
    loads_at_once_end_right
}

const SIZES: [&str; 10] = [
    "--events", "4000", "--songs", "300", "--users", "60", "--files", "12", "--seed", "5",
];

/// A house with generated input in `data` and its star in `star`.
fn with_star(mode: Mode) -> House {
    let house = House::new(mode);
    house.generate("data", &SIZES);
    house.make("data/song_data", "data/log_data", "star");
    house
}

fn every_table_is_the_parquet_row_by_row(mode: Mode) {
    let house = with_star(mode);
    let ended = house.job(&["load", "--quiet", "--json", "--from", &house.out("star")]);
    let json = ended.succeeds().json();
    let star = house.star("star");
    assert_same(&house.tables(), &star);
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let rows = star[table].len();
        let told = &json["tables"][table];
        assert_eq!(
            (&told["rows"], &told["added"]),
            (&rows.into(), &rows.into())
        );
        assert_eq!((&told["changed"], &told["removed"]), (&0.into(), &0.into()));
    }
    assert!(star["songplays"].len() > 1000 && star["ledger_songplays"].len() > 1000);
}

fn the_fixtures_and_the_sample(mode: Mode) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/sparkify_sample"
    );
    for data in [fixtures, sample] {
        if !std::path::Path::new(data).is_dir() {
            continue;
        }
        let house = House::new(mode);
        house.make(
            &format!("{data}/song_data"),
            &format!("{data}/log_data"),
            "star",
        );
        house.load("star").succeeds();
        assert_same(&house.tables(), &house.star("star"));
        if data == sample {
            let mut client = house.client();
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

fn loaded_twice_nothing_changes(mode: Mode) {
    let house = with_star(mode);
    house.load("star").succeeds();
    let before = (house.tables(), loads(&mut house.client()));
    let ended = house.job(&["load", "--quiet", "--json", "--from", &house.out("star")]);
    let json = ended.succeeds().json();
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let told = &json["tables"][table];
        assert_eq!(
            (&told["added"], &told["changed"]),
            (&0.into(), &0.into()),
            "{table}"
        );
    }
    assert_same(&house.tables(), &before.0);
    assert_eq!(loads(&mut house.client()), before.1);
}

/// Deals the files of `data` out to so many folders `batch-0`, `batch-1`, … by chance.
fn deal(house: &House, batches: u64, seed: u64) {
    for kind in ["song_data", "log_data"] {
        let from = house.path("data").join(kind);
        for (number, file) in files(&from).into_iter().enumerate() {
            let chance =
                (number as u64 + 1).wrapping_mul(seed.wrapping_mul(2) + 0x9e37_79b9_7f4a_7c15);
            let batch = (chance >> 40) % batches;
            let to = house.path(&format!("batch-{batch}")).join(kind).join(&file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from.join(&file), to).unwrap();
        }
    }
}

/// Songs and logs are dealt out by chance: songs come later than their plays, artists and users are in
/// several batches, and so are events that are delivered twice.
fn batches_in_any_order_are_what_one_batch_is(mode: Mode) {
    let house = with_star(mode);
    let whole = house.star("star");
    deal(&house, 3, 1);
    for batch in 0..3 {
        let data = |kind| format!("batch-{batch}/{kind}");
        house.make(
            &data("song_data"),
            &data("log_data"),
            &format!("star-{batch}"),
        );
    }
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        house
            .job(&["create-tables", "--quiet", "--drop", "--yes"])
            .succeeds();
        for batch in order {
            house.load(&format!("star-{batch}")).succeeds();
        }
        assert_same(&house.tables(), &whole);
        // An old one once more changes nothing.
        house.load(&format!("star-{}", order[0])).succeeds();
        assert_same(&house.tables(), &whole);
    }
    // Some plays found their song in another batch, or this showed nothing.
    let matched = |tables: &crate::rows::Tables| {
        let plays = tables["songplays"].iter();
        plays
            .filter(|play| play.split('|').nth(4) != Some("null"))
            .count()
    };
    let apart: usize = (0..3)
        .map(|batch| matched(&house.star(&format!("star-{batch}"))))
        .sum();
    assert!(apart < matched(&whole), "{apart}");
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

fn a_late_batch_leaves_a_newer_level_alone(mode: Mode) {
    let house = House::new(mode);
    house.write("songs/a.json", &song("S", "A"));
    house.write("new/a.json", &event(1, 2000, "paid", 1, 1));
    house.write("old/a.json", &event(1, 1000, "free", 9, 9));
    // The same moment: session and item decide.
    house.write("tie/a.json", &event(1, 2000, "tie", 1, 0));
    house.write("later/a.json", &event(1, 2000, "later", 1, 2));
    let mut client = house.client();
    let mut level = |logs: &str| -> String {
        house.make("songs", logs, logs.to_uppercase().as_str());
        house.load(&logs.to_uppercase()).succeeds();
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

fn a_song_that_comes_later_is_found_by_the_plays_there(mode: Mode) {
    let house = House::new(mode);
    house.write("none/a.json", &song("OTHER", "A").replace("1.5", "9.0"));
    house.write("big/a.json", &song("S2", "A2"));
    house.write("small/a.json", &song("S1", "A1"));
    house.write("logs/a.json", &event(1, 1000, "paid", 1, 1));
    house.write("more/a.json", &event(1, 2000, "paid", 1, 2));
    let mut client = house.client();
    let mut songs_after = |songs: &str, logs: &str| -> Vec<Option<String>> {
        house.make(songs, logs, "star");
        house.load("star").succeeds();
        let rows = client.query("SELECT song_id FROM songplays ORDER BY start_time", &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(songs_after("none", "logs"), [None]);
    assert_eq!(songs_after("big", "logs"), [some("S2")]);
    assert_eq!(songs_after("small", "logs"), [some("S1")]);
    assert_eq!(songs_after("big", "logs"), [some("S1")]);
    // Its song came with an earlier batch.
    assert_eq!(songs_after("none", "more"), [some("S1"), some("S1")]);
}

fn a_run_takes_only_logs_that_are_new_to_the_warehouse(mode: Mode) {
    let house = House::new(mode);
    house.generate("data", &SIZES);
    house.make("data/song_data", "data/log_data", "star");
    let logs = files(&house.path("data/log_data"));
    let moved = logs.last().unwrap();
    let (kept, aside) = (house.path("data/log_data").join(moved), house.path("aside"));
    std::fs::rename(&kept, &aside).unwrap();
    let arguments = [
        "run",
        "--quiet",
        "--json",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        &house.out("out"),
    ];
    let first = house.job(&arguments).succeeds().json();
    assert_eq!(first["logs"]["loaded_objects"], 0);
    let again = house.job(&arguments).succeeds().json();
    assert_eq!(again["logs"]["objects"], 0);
    assert_eq!(again["logs"]["loaded_objects"], logs.len() - 1);
    assert_eq!(again["load"]["tables"]["songplays"]["added"], 0);
    std::fs::rename(&aside, &kept).unwrap();
    let last = house.job(&arguments).succeeds().json();
    assert_eq!(last["logs"]["objects"], 1);
    assert_same(&house.tables(), &house.star("star"));
    // What was written again counts as new, and its events as delivered twice.
    std::fs::copy(&kept, &aside).unwrap();
    std::fs::copy(&aside, &kept).unwrap();
    let touched = house.job(&arguments).succeeds().json();
    assert_eq!(touched["logs"]["objects"], 1);
    assert_same(&house.tables(), &house.star("star"));
    // All of it anew.
    house
        .client()
        .execute("UPDATE songplays SET level = 'wrong'", &[])
        .unwrap();
    let arguments: Vec<&str> = arguments.into_iter().chain(["--full-refresh"]).collect();
    let anew = house.job(&arguments).succeeds().json();
    assert_eq!(anew["logs"]["objects"], logs.len());
    assert_eq!(
        anew["load"]["tables"]["songplays"]["removed"],
        house.star("star")["songplays"].len()
    );
    assert_same(&house.tables(), &house.star("star"));
    assert_eq!(loads(&mut house.client()).len(), logs.len());
}

/// What is in OUT is only what was new: emptying the warehouse for it would lose the rest.
fn a_part_of_the_logs_is_no_full_refresh(mode: Mode) {
    let house = House::new(mode);
    house.generate("data", &SIZES);
    let arguments = [
        "run",
        "--quiet",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        &house.out("out"),
    ];
    house.job(&arguments).succeeds();
    house.job(&arguments).succeeds();
    let before = house.tables();
    let arguments = ["load", "--from", &house.out("out"), "--full-refresh"];
    house
        .job(&arguments)
        .fails(2, &["would be lost", "sparkify run --full-refresh"]);
    assert_same(&house.tables(), &before);
}

#[test]
fn keys_and_references_are_enforced_after_every_load() {
    let house = with_star(Mode::Postgres);
    let constraints = |house: &House| -> i64 {
        let query = "SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f') AND convalidated \
                     AND connamespace = 'public'::regnamespace";
        house.client().query_one(query, &[]).unwrap().get(0)
    };
    let before = constraints(&house);
    assert_eq!(before, 13);
    for arguments in [
        &["load", "--quiet", "--from", &house.out("star")][..],
        &["load", "--quiet", "--from", &house.out("star")],
        &[
            "load",
            "--quiet",
            "--from",
            &house.out("star"),
            "--full-refresh",
        ],
    ] {
        house.job(arguments).succeeds();
        assert_eq!(constraints(&house), before);
    }
    let wrong = "UPDATE songplays SET user_id = -1";
    let error = house.client().execute(wrong, &[]).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23503");
}

/// Nobody else may take keys off a table: then rows are checked one by one.
#[test]
fn a_user_who_owns_no_table_can_load() {
    let house = with_star(Mode::Postgres);
    let mut client = house.client();
    let name = format!("loader_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
             GRANT TEMPORARY ON DATABASE {} TO {name}",
            PASSWORD,
            house.database().name,
        ))
        .unwrap();
    let port = shared().port;
    let url = format!(
        "postgres://{name}@127.0.0.1:{port}/{}",
        house.database().name
    );
    let mut command = house.sparkify(&["load", "--quiet", "--from", "star", "--warehouse", &url]);
    command.env("PGPASSWORD", PASSWORD);
    Ended::of(&mut command).succeeds();
    assert_same(&house.tables(), &house.star("star"));
    let mut refresh = house.sparkify(&["load", "--from", "star", "--full-refresh"]);
    let refresh = refresh
        .args(["--warehouse", &url])
        .env("PGPASSWORD", PASSWORD);
    Ended::of(refresh).fails(1, &["only who owns songplays and songs"]);
    assert_same(&house.tables(), &house.star("star"));
    client
        .batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"))
        .unwrap();
}

fn loads_at_once_end_right(mode: Mode) {
    let house = with_star(mode);
    deal(&house, 2, 3);
    for batch in 0..2 {
        let data = |kind| format!("batch-{batch}/{kind}");
        house.make(
            &data("song_data"),
            &data("log_data"),
            &format!("star-{batch}"),
        );
    }
    std::thread::scope(|scope| {
        for out in ["star-0", "star-1", "star", "star-0"] {
            let house = &house;
            scope.spawn(move || house.load(out).succeeds());
        }
    });
    assert_same(&house.tables(), &house.star("star"));
}

/// `("ab", "c")` is not `("a", "bc")`, in whichever order song and play come.
fn title_and_artist_are_not_one_text(mode: Mode) {
    let house = House::new(mode);
    let event = event(1, 1000, "paid", 1, 1)
        .replace(r#""song":"T","artist":"N""#, r#""song":"a","artist":"bc""#);
    let song = song("S", "A").replace(
        r#""title":"T","artist_name":"N""#,
        r#""title":"ab","artist_name":"c""#,
    );
    house.write("songs/a.json", &song);
    house.write(
        "others/a.json",
        &song.replace("1.5", "2.5").replace("\"S\"", "\"O\""),
    );
    house.write("logs/a.json", &event);
    for (songs, out) in [
        ("others", "first"),
        ("songs", "second"),
        ("others", "third"),
    ] {
        house.make(songs, "logs", out);
        house.load(out).succeeds();
        let query = "SELECT song_id FROM songplays";
        let found: Option<String> = house.client().query_one(query, &[]).unwrap().get(0);
        assert_eq!(found, None, "{out}");
    }
}

/// The song key that a run writes is the one that Redshift computes from the texts.
#[test]
fn redshift_computes_the_same_song_key() {
    let house = House::new(Mode::Redshift);
    let texts = song("S", "A").replace(
        r#""title":"T","artist_name":"N""#,
        r#""title":"Café ","artist_name":"Björk""#,
    );
    house.write("songs/a.json", &texts.replace("1.5", "-0.0"));
    house.write("logs/a.json", &event(1, 1000, "paid", 1, 1));
    house.make("songs", "logs", "star");
    house.load("star").succeeds();
    let query = "SELECT song_key, duration FROM ledger_songs
         WHERE song_key = fnv_hash('Björk'::TEXT, fnv_hash(0::SMALLINT, fnv_hash('Café '::TEXT)))";
    let row = house.client().query_one(query, &[]).unwrap();
    assert_eq!(row.get::<_, f64>(1).to_bits(), 0.0_f64.to_bits());
}

/// Constraints as the DBA made them: one that is gone stays gone, one that is another stays that.
#[test]
fn constraints_stay_as_they_were() {
    let house = with_star(Mode::Postgres);
    let mut client = house.client();
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
        let mut command = house.command(&["load", "--quiet", "--from", "star"]);
        Ended::of(command.args(more)).succeeds();
        assert_same(&house.tables(), &house.star("star"));
        assert_eq!(constraints(), before);
    }
}

/// A table in another schema of the search path is there, and not to be hidden by an empty one.
#[test]
fn tables_are_not_hidden_by_new_ones() {
    let house = with_star(Mode::Postgres);
    house.load("star").succeeds();
    let name = crate::postgres::USER;
    house
        .client()
        .batch_execute(&format!("CREATE SCHEMA {name}"))
        .unwrap();
    house.job(&["create-tables", "--quiet"]).succeeds();
    assert_same(&house.tables(), &house.star("star"));
}

/// Who owns some of the tables, or may make none in their schema, could not put back what is taken off.
#[test]
fn who_may_not_put_back_takes_nothing_off() {
    for (number, owned) in ["songplays", "artists, songs, users, time, songplays"]
        .iter()
        .enumerate()
    {
        let house = with_star(Mode::Postgres);
        let mut client = house.client();
        let name = format!("owner_{number}_{}", std::process::id());
        let all = "artists, songs, users, time, songplays, ledger_users, ledger_artists, \
                   ledger_songs, ledger_songplays, loads";
        client
            .batch_execute(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}';
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {all} TO {name};
                 REVOKE CREATE ON SCHEMA public FROM PUBLIC"
            ))
            .unwrap();
        for table in owned.split(", ") {
            client
                .batch_execute(&format!("ALTER TABLE {table} OWNER TO {name}"))
                .unwrap();
        }
        let port = shared().port;
        let url = format!(
            "postgres://{name}@127.0.0.1:{port}/{}",
            house.database().name
        );
        let mut command =
            house.sparkify(&["load", "--quiet", "--from", "star", "--warehouse", &url]);
        Ended::of(command.env("PGPASSWORD", PASSWORD)).succeeds();
        assert_same(&house.tables(), &house.star("star"));
        let user = crate::postgres::USER;
        client
            .batch_execute(&format!(
                "REASSIGN OWNED BY {name} TO {user}; DROP OWNED BY {name}; DROP ROLE {name}"
            ))
            .unwrap();
    }
}

/// References from elsewhere that wait for COMMIT, and a table in partitions: a refresh goes through.
#[test]
fn a_refresh_of_what_others_refer_to_and_of_partitions() {
    let house = with_star(Mode::Postgres);
    house.load("star").succeeds();
    let refresh = ["load", "--quiet", "--from", "star", "--full-refresh"];
    house
        .client()
        .batch_execute(
            "CREATE TABLE mine (songplay_id BIGINT REFERENCES songplays DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO mine SELECT min(songplay_id) FROM songplays",
        )
        .unwrap();
    house.job(&refresh).succeeds();
    assert_same(&house.tables(), &house.star("star"));
    house
        .client()
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
    house.job(&refresh).succeeds();
    house.load("star").succeeds();
    assert_same(&house.tables(), &house.star("star"));
}
