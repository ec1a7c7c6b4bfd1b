//! What a load refuses, and that the warehouse is as before then.

use crate::redshift_simulator::Mode;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::{CommandOutput, TestWarehouse};

fn warehouse_with_dataset(mode: Mode) -> TestWarehouse {
    let warehouse = TestWarehouse::new(mode);
    let sizes = [
        "--events", "500", "--songs", "50", "--users", "9", "--files", "3", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse.build_dataset("data/song_data", "data/log_data", "star");
    warehouse
}

#[test]
fn missing_or_changed_tables_are_rejected() {
    let warehouse = warehouse_with_dataset(Mode::Postgres);
    let changes: [(&str, &[&str]); 7] = [
        (
            "ALTER TABLE artists ALTER name TYPE VARCHAR(9)",
            &["table artists", "name character varying(9)"],
        ),
        ("ALTER TABLE artists ALTER name TYPE VARCHAR(2000)", &[]),
        (
            "ALTER TABLE songs ADD extra BIGINT",
            &["table songs", "unexpected column `extra bigint`"],
        ),
        ("ALTER TABLE songs DROP extra", &[]),
        (
            "ALTER TABLE users ALTER user_id TYPE BIGINT",
            &[
                "table users",
                "`user_id bigint`, expected `user_id integer`",
            ],
        ),
        ("ALTER TABLE users ALTER user_id TYPE INTEGER", &[]),
        (
            "ALTER TABLE load_history RENAME TO other",
            &[
                "table load_history does not exist",
                "was dropped",
                "--full-refresh",
            ],
        ),
    ];
    for (change, words) in changes {
        warehouse.admin_client().batch_execute(change).unwrap();
        let ended = warehouse.load_dataset("star");
        match words {
            [] => drop(ended.assert_success()),
            words => drop(ended.assert_failure(1, words)),
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
    warehouse
        .run_command(&run)
        .assert_failure(1, &["table load_history does not exist"]);
    assert!(!warehouse.path("new").exists());
}

#[test]
fn incomplete_dataset_is_rejected() {
    let warehouse = warehouse_with_dataset(Mode::Postgres);
    warehouse
        .load_dataset("nowhere")
        .assert_failure(1, &["nowhere"]);
    warehouse
        .load_dataset("data")
        .assert_failure(1, &["no star in data", "_report.json"]);
    warehouse.load_dataset("star").assert_success();
    let before = warehouse.warehouse_tables();
    let part = warehouse.path("star/songplays/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    // Another file of the same length, one that is cut, none.
    let mut other = bytes.clone();
    other[4..bytes.len() / 2].fill(7);
    std::fs::write(&part, other).unwrap();
    warehouse
        .load_dataset("star")
        .assert_failure(1, &["part-00000.parquet"]);
    std::fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    warehouse
        .load_dataset("star")
        .assert_failure(1, &["songplays", "the report says"]);
    std::fs::remove_file(&part).unwrap();
    warehouse
        .load_dataset("star")
        .assert_failure(1, &["songplays", "0 files"]);
    // One that holds less than the report says.
    std::fs::write(&part, &bytes).unwrap();
    let report = warehouse.path("star/_report.json");
    let text = std::fs::read_to_string(&report).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = json["tables"]["songplays"]["rows"].as_u64().unwrap();
    json["tables"]["songplays"]["rows"] = (rows + 1).into();
    std::fs::write(&report, json.to_string()).unwrap();
    warehouse.load_dataset("star").assert_failure(
        1,
        &["rows arrived", &format!("the report has {}", rows + 1)],
    );
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    json["merge_state"]
        .as_object_mut()
        .unwrap()
        .remove("state_users");
    std::fs::write(&report, json.to_string()).unwrap();
    warehouse
        .load_dataset("star")
        .assert_failure(1, &["does not list table state_users", "run again"]);
    // A report of an earlier and of a later version.
    for (version, hint) in [(1, "run again"), (3, "with the version of sparkify")] {
        json["report_version"] = version.into();
        std::fs::write(&report, json.to_string()).unwrap();
        let expected = format!("its report has version {version}, expected 2");
        warehouse
            .load_dataset("star")
            .assert_failure(1, &[&expected, hint]);
    }
}

#[test]
fn dropping_rows_requires_confirmation() {
    let warehouse = warehouse_with_dataset(Mode::Postgres);
    let create = |more: &[&str]| {
        let mut command = warehouse.warehouse_command(&["create-tables", "--quiet"]);
        CommandOutput::run(command.args(more))
    };
    create(&[]).assert_success();
    create(&["--drop"]).assert_success();
    warehouse.load_dataset("star").assert_success();
    let before = warehouse.warehouse_tables();
    create(&[]).assert_success();
    create(&["--drop"]).assert_failure(1, &["nothing was dropped", "10 tables", "--yes"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    create(&["--drop", "--yes"]).assert_success();
    assert!(warehouse.warehouse_tables().values().all(Vec::is_empty));
    // What others built on it is not theirs to drop.
    warehouse
        .admin_client()
        .batch_execute("CREATE VIEW mine AS SELECT * FROM users")
        .unwrap();
    create(&["--drop", "--yes"]).assert_failure(1, &["users", "mine"]);
    warehouse
        .admin_client()
        .batch_execute("SELECT * FROM mine, songplays")
        .unwrap();
}

#[test]
fn dry_run_prints_sql_in_order_without_connecting() {
    let warehouse = warehouse_with_dataset(Mode::Postgres);
    let nowhere = "postgres://someone@127.0.0.1:1/none";
    let print = |arguments: &[&str]| {
        let mut command = warehouse.sparkify(arguments);
        command.args(["--dry-run", "--warehouse", nowhere]);
        CommandOutput::run(&mut command).assert_success().stdout
    };
    let assert_in_order = |text: &str, words: &[&str]| {
        let mut rest = text;
        for word in words {
            let Some((_, after)) = rest.split_once(word) else {
                panic!("no {word} in its place in {text}");
            };
            rest = after;
        }
    };
    let sql = print(&["create-tables", "--drop"]);
    assert_in_order(
        &sql,
        &[
            "BEGIN;",
            "DROP TABLE IF EXISTS songplays;",
            "CREATE TABLE IF NOT EXISTS artists",
            "COMMIT;",
        ],
    );
    let sql = print(&["load", "--from", "star", "--full-refresh"]);
    assert_in_order(
        &sql,
        &[
            "BEGIN;",
            "LOCK TABLE load_history",
            "DELETE FROM songplays;",
            "COPY staged_songplays",
            "COUNT(*)",
            "INSERT INTO songplays",
            "INSERT INTO load_history",
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
    assert_in_order(&print(&run), &["BEGIN;", "COPY staged_time", "COMMIT;"]);
    assert!(!warehouse.path("new").exists());
}

/// What Redshift's COPY fails for is in its views of load errors, and so in the one line.
#[test]
fn copy_error_quotes_load_error_views() {
    let warehouse = warehouse_with_dataset(Mode::Redshift);
    let folder = warehouse.dataset_dir("star");
    let manifest = folder.join("users.manifest");
    let good = std::fs::read_to_string(&manifest).unwrap();
    let mut wrong: serde_json::Value = serde_json::from_str(&good).unwrap();
    wrong["entries"][0]["meta"]["content_length"] = 1.into();
    std::fs::write(&manifest, wrong.to_string()).unwrap();
    warehouse
        .load_dataset("star")
        .assert_failure(1, &["Status 416", "users/part-00000.parquet"]);
    wrong["entries"][0]["meta"] = serde_json::json!({});
    std::fs::write(&manifest, wrong.to_string()).unwrap();
    warehouse.load_dataset("star").assert_failure(1, &["15003"]);
    std::fs::write(&manifest, &good).unwrap();
    let part = folder.join("users/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    std::fs::remove_file(&part).unwrap();
    warehouse
        .load_dataset("star")
        .assert_failure(1, &["users/part-00000.parquet"]);
    std::fs::write(&part, bytes).unwrap();
    let mut role =
        warehouse.warehouse_command(&["load", "--from", &warehouse.out_location("star")]);
    role.env(
        "SPARKIFY_IAM_ROLE",
        "arn:aws:iam::123456789012:role/another",
    );
    CommandOutput::run(&mut role).assert_failure(1, &["role"]);
    assert!(warehouse.warehouse_tables().values().all(Vec::is_empty));
    warehouse.load_dataset("star").assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
}

/// Redshift copies from S3 by itself, and it is no PostgreSQL, nor the other way round.
#[test]
fn wrong_warehouse_kind_is_rejected() {
    let warehouse = TestWarehouse::new(Mode::Redshift);
    let url = warehouse.url();
    let mut local = warehouse.sparkify(&["load", "--from", "star", "--warehouse", &url]);
    CommandOutput::run(&mut local).assert_failure(2, &["COPY reads only from S3"]);
    let url = warehouse.url().replacen("redshift", "postgres", 1);
    let mut wrong = warehouse.sparkify(&["create-tables", "--warehouse", &url]);
    CommandOutput::run(&mut wrong).assert_failure(1, &["the server is Redshift", "redshift://"]);
    let warehouse = TestWarehouse::new(Mode::Postgres);
    let url = warehouse.url().replacen("postgres", "redshift", 1);
    let mut wrong = warehouse.sparkify(&["create-tables", "--warehouse", &url]);
    wrong.env("PGSSLMODE", "disable");
    CommandOutput::run(&mut wrong).assert_failure(1, &["the server is PostgreSQL", "postgres://"]);
}

/// A file that should name a warehouse and does not, by a slip of the pen, is no reason to load nothing in silence.
#[test]
fn config_file_without_cluster_is_rejected() {
    let warehouse = warehouse_with_dataset(Mode::Postgres);
    warehouse.write_file("dwh.cfg", "[CLUSTR]\nHOST=localhost\n");
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
    CommandOutput::run(&mut warehouse.sparkify(&run)).assert_failure(2, &["no warehouse is named"]);
    assert!(!warehouse.path("new").exists());
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
    CommandOutput::run(&mut warehouse.sparkify(&run)).assert_failure(2, &["no warehouse is named"]);
}

#[test]
fn concurrent_create_tables_succeed() {
    let warehouse = TestWarehouse::without_tables(Mode::Postgres);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                warehouse
                    .run_command(&["create-tables", "--quiet"])
                    .assert_success()
            });
        }
    });
    assert!(warehouse.warehouse_tables().values().all(Vec::is_empty));
}

/// The songs and logs of `[S3]` are those of the run.
#[test]
fn run_works_from_config_file_alone() {
    let warehouse = warehouse_with_dataset(Mode::Postgres);
    let database = warehouse.database();
    warehouse.write_file(
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
    CommandOutput::run(&mut warehouse.sparkify(&run)).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("star"),
    );
}
