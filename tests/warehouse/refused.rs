//! What a load refuses, and that the warehouse is as before then.

use crate::house::{Ended, House};
use crate::redshift::Mode;
use crate::rows::assert_same;

fn with_star(mode: Mode) -> House {
    let house = House::new(mode);
    let sizes = [
        "--events", "500", "--songs", "50", "--users", "9", "--files", "3", "--seed", "5",
    ];
    house.generate("data", &sizes);
    house.make("data/song_data", "data/log_data", "star");
    house
}

#[test]
fn tables_that_are_missing_or_others() {
    let house = with_star(Mode::Postgres);
    let changes: [(&str, &[&str]); 7] = [
        (
            "ALTER TABLE artists ALTER name TYPE VARCHAR(9)",
            &["table artists", "name character varying(9)"],
        ),
        ("ALTER TABLE artists ALTER name TYPE VARCHAR(2000)", &[]),
        (
            "ALTER TABLE songs ADD extra BIGINT",
            &["table songs", "a column too many, extra bigint"],
        ),
        ("ALTER TABLE songs DROP extra", &[]),
        (
            "ALTER TABLE users ALTER user_id TYPE BIGINT",
            &["table users", "user_id bigint and not user_id integer"],
        ),
        ("ALTER TABLE users ALTER user_id TYPE INTEGER", &[]),
        (
            "ALTER TABLE loads RENAME TO other",
            &["no table loads", "is lost", "--full-refresh"],
        ),
    ];
    for (change, words) in changes {
        house.client().batch_execute(change).unwrap();
        let ended = house.load("star");
        match words {
            [] => drop(ended.succeeds()),
            words => drop(ended.fails(1, words)),
        }
    }
    // A run finds it before it reads anything.
    let run = [
        "run",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        "new",
    ];
    house.job(&run).fails(1, &["no table loads"]);
    assert!(!house.path("new").exists());
}

#[test]
fn a_star_that_is_not_whole() {
    let house = with_star(Mode::Postgres);
    house.load("nowhere").fails(1, &["nowhere"]);
    house
        .load("data")
        .fails(1, &["no star in data", "_report.json"]);
    house.load("star").succeeds();
    let before = house.tables();
    let part = house.path("star/songplays/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    // Another file of the same length, one that is cut, none.
    let mut other = bytes.clone();
    other[4..bytes.len() / 2].fill(7);
    std::fs::write(&part, other).unwrap();
    house.load("star").fails(1, &["part-00000.parquet"]);
    std::fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    house
        .load("star")
        .fails(1, &["songplays", "the report says"]);
    std::fs::remove_file(&part).unwrap();
    house.load("star").fails(1, &["songplays", "0 files"]);
    // One that holds less than the report says.
    std::fs::write(&part, &bytes).unwrap();
    let report = house.path("star/_report.json");
    let text = std::fs::read_to_string(&report).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = json["tables"]["songplays"]["rows"].as_u64().unwrap();
    json["tables"]["songplays"]["rows"] = (rows + 1).into();
    std::fs::write(&report, json.to_string()).unwrap();
    house
        .load("star")
        .fails(1, &["rows arrived", &format!("says {}", rows + 1)]);
    assert_same(&house.tables(), &before);
    // What an earlier version wrote.
    json.as_object_mut().unwrap().remove("ledger");
    std::fs::write(&report, json.to_string()).unwrap();
    house
        .load("star")
        .fails(1, &["an earlier sparkify", "run again"]);
}

#[test]
fn dropping_rows_wants_a_word() {
    let house = with_star(Mode::Postgres);
    let create = |more: &[&str]| {
        let mut command = house.command(&["create-tables", "--quiet"]);
        Ended::of(command.args(more))
    };
    create(&[]).succeeds();
    create(&["--drop"]).succeeds();
    house.load("star").succeeds();
    let before = house.tables();
    create(&[]).succeeds();
    create(&["--drop"]).fails(1, &["nothing was dropped", "10 tables", "--yes"]);
    assert_same(&house.tables(), &before);
    create(&["--drop", "--yes"]).succeeds();
    assert!(house.tables().values().all(Vec::is_empty));
    // What others built on it is not theirs to drop.
    house
        .client()
        .batch_execute("CREATE VIEW mine AS SELECT * FROM users")
        .unwrap();
    create(&["--drop", "--yes"]).fails(1, &["users", "mine"]);
    house
        .client()
        .batch_execute("SELECT * FROM mine, songplays")
        .unwrap();
}

#[test]
fn a_dry_run_prints_the_sql_in_order_and_connects_to_nothing() {
    let house = with_star(Mode::Postgres);
    let nowhere = "postgres://someone@127.0.0.1:1/none";
    let print = |arguments: &[&str]| {
        let mut command = house.sparkify(arguments);
        command.args(["--dry-run", "--warehouse", nowhere]);
        Ended::of(&mut command).succeeds().stdout
    };
    let in_order = |text: &str, words: &[&str]| {
        let mut rest = text;
        for word in words {
            let Some((_, after)) = rest.split_once(word) else {
                panic!("no {word} in its place in {text}");
            };
            rest = after;
        }
    };
    let sql = print(&["create-tables", "--drop"]);
    in_order(
        &sql,
        &[
            "BEGIN;",
            "DROP TABLE IF EXISTS songplays;",
            "CREATE TABLE IF NOT EXISTS artists",
            "COMMIT;",
        ],
    );
    let sql = print(&["load", "--from", "star", "--full-refresh"]);
    in_order(
        &sql,
        &[
            "BEGIN;",
            "LOCK TABLE loads",
            "DELETE FROM songplays;",
            "COPY staged_songplays",
            "COUNT(*)",
            "INSERT INTO songplays",
            "INSERT INTO loads",
            "COMMIT;",
        ],
    );
    let run = [
        "run",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        "new",
    ];
    in_order(&print(&run), &["BEGIN;", "COPY staged_time", "COMMIT;"]);
    assert!(!house.path("new").exists());
}

/// What Redshift's COPY fails for is in its views of load errors, and so in the one line.
#[test]
fn a_copy_that_fails_says_what_the_views_say() {
    let house = with_star(Mode::Redshift);
    let folder = house.folder_of("star");
    let manifest = folder.join("users.manifest");
    let good = std::fs::read_to_string(&manifest).unwrap();
    let mut wrong: serde_json::Value = serde_json::from_str(&good).unwrap();
    wrong["entries"][0]["meta"]["content_length"] = 1.into();
    std::fs::write(&manifest, wrong.to_string()).unwrap();
    house
        .load("star")
        .fails(1, &["Status 416", "users/part-00000.parquet"]);
    wrong["entries"][0]["meta"] = serde_json::json!({});
    std::fs::write(&manifest, wrong.to_string()).unwrap();
    house.load("star").fails(1, &["15003"]);
    std::fs::write(&manifest, &good).unwrap();
    let part = folder.join("users/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    std::fs::remove_file(&part).unwrap();
    house.load("star").fails(1, &["users/part-00000.parquet"]);
    std::fs::write(&part, bytes).unwrap();
    let mut role = house.command(&["load", "--from", &house.out("star")]);
    role.env(
        "SPARKIFY_IAM_ROLE",
        "arn:aws:iam::123456789012:role/another",
    );
    Ended::of(&mut role).fails(1, &["role"]);
    assert!(house.tables().values().all(Vec::is_empty));
    house.load("star").succeeds();
    assert_same(&house.tables(), &house.star("star"));
}

/// Redshift copies from S3 by itself, and it is no PostgreSQL, nor the other way round.
#[test]
fn warehouses_are_not_taken_for_each_other() {
    let house = House::new(Mode::Redshift);
    let url = house.url();
    let mut local = house.sparkify(&["load", "--from", "star", "--warehouse", &url]);
    Ended::of(&mut local).fails(2, &["its COPY reads from S3"]);
    let url = house.url().replacen("redshift", "postgres", 1);
    let mut wrong = house.sparkify(&["create-tables", "--warehouse", &url]);
    Ended::of(&mut wrong).fails(1, &["it is Redshift", "redshift://"]);
    let house = House::new(Mode::Postgres);
    let url = house.url().replacen("postgres", "redshift", 1);
    let mut wrong = house.sparkify(&["create-tables", "--warehouse", &url]);
    wrong.env("PGSSLMODE", "disable");
    Ended::of(&mut wrong).fails(1, &["it is PostgreSQL", "postgres://"]);
}

/// A file that should name a warehouse and does not, by a slip of the pen, is no reason to load nothing in silence.
#[test]
fn a_configuration_without_a_cluster_is_refused() {
    let house = with_star(Mode::Postgres);
    house.write("dwh.cfg", "[CLUSTR]\nHOST=localhost\n");
    let run = [
        "run",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        "new",
        "--config",
        "dwh.cfg",
    ];
    Ended::of(&mut house.sparkify(&run)).fails(2, &["no warehouse is named"]);
    assert!(!house.path("new").exists());
    // Nor is what is only about a load, without one.
    let run = [
        "run",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        "new",
        "--iam-role",
        "default",
    ];
    Ended::of(&mut house.sparkify(&run)).fails(2, &["no warehouse is named"]);
}

#[test]
fn tables_are_created_once_by_whoever_is_first() {
    let house = House::without_tables(Mode::Postgres);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| house.job(&["create-tables", "--quiet"]).succeeds());
        }
    });
    assert!(house.tables().values().all(Vec::is_empty));
}

/// The songs and logs of `[S3]` are those of the run.
#[test]
fn a_run_by_its_configuration_alone() {
    let house = with_star(Mode::Postgres);
    let database = house.database();
    house.write(
        "dwh.cfg",
        &format!(
            "[CLUSTER]\nHOST='{}'\nDB_NAME='{}'\nDB_USER='{}'\nDB_PORT='{}'\n[IAM_ROLE]\nARN=''\n\
             [S3]\nLOG_DATA='data/log_data'\nLOG_JSONPATH='s3://x/y.json'\nSONG_DATA='data/song_data'\n",
            database.host, database.name, database.user, database.port
        ),
    );
    let run = [
        "run",
        "--quiet",
        "--out",
        "new",
        "--config",
        "dwh.cfg",
        "--warehouse",
        "postgres://",
    ];
    Ended::of(&mut house.sparkify(&run)).succeeds();
    assert_same(&house.tables(), &house.star("star"));
}
