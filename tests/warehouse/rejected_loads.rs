//! Loads that are rejected: the warehouse stays unchanged.

use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

fn warehouse_with_dataset(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = [
        "--events", "500", "--songs", "50", "--users", "9", "--files", "3", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
    warehouse
}

#[test]
fn missing_or_changed_tables_are_rejected() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
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
        let output = warehouse.load_dataset("dataset");
        match words {
            [] => drop(output.assert_success()),
            words => drop(output.assert_failure(1, words)),
        }
    }
    // A run checks the tables before it reads any input.
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
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    warehouse
        .load_dataset("nowhere")
        .assert_failure(1, &["nowhere"]);
    warehouse
        .load_dataset("data")
        .assert_failure(1, &["no dataset in data", "_report.json"]);
    warehouse.load_dataset("dataset").assert_success();
    let before = warehouse.warehouse_tables();
    let part = warehouse.path("dataset/songplays/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    // A corrupt file of the same length, a truncated file, and a missing file.
    let mut other = bytes.clone();
    other[4..bytes.len() / 2].fill(7);
    std::fs::write(&part, other).unwrap();
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["part-00000.parquet"]);
    std::fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["songplays", "files with"]);
    std::fs::remove_file(&part).unwrap();
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["songplays", "0 files"]);
    // A file with fewer rows than the report says.
    std::fs::write(&part, &bytes).unwrap();
    let report = warehouse.path("dataset/_report.json");
    let text = std::fs::read_to_string(&report).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = json["tables"]["songplays"]["rows"].as_u64().unwrap();
    json["tables"]["songplays"]["rows"] = (rows + 1).into();
    std::fs::write(&report, json.to_string()).unwrap();
    warehouse.load_dataset("dataset").assert_failure(
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
        .load_dataset("dataset")
        .assert_failure(1, &["does not list table state_users", "run again"]);
    // A report of an earlier version, and one of a later version.
    for (version, hint) in [(2, "run again"), (4, "with the version of sparkify")] {
        json["report_version"] = version.into();
        std::fs::write(&report, json.to_string()).unwrap();
        let expected = format!("its report has version {version}, expected 3");
        warehouse
            .load_dataset("dataset")
            .assert_failure(1, &[&expected, hint]);
    }
}

#[test]
fn dropping_rows_requires_confirmation() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let create = |more: &[&str]| {
        let mut command = warehouse.warehouse_command(&["create-tables", "--quiet"]);
        CommandOutput::run(command.args(more))
    };
    create(&[]).assert_success();
    create(&["--drop"]).assert_success();
    warehouse.load_dataset("dataset").assert_success();
    let before = warehouse.warehouse_tables();
    create(&[]).assert_success();
    create(&["--drop"]).assert_failure(1, &["nothing was dropped", "10 tables", "--yes"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    create(&["--drop", "--yes"]).assert_success();
    assert!(warehouse.warehouse_tables().values().all(Vec::is_empty));
    // Objects that others created on the tables are not dropped.
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

/// The one-line message quotes the load error views of Redshift.
#[test]
fn copy_error_quotes_load_error_views() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Redshift);
    let folder = warehouse.dataset_dir("dataset");
    let manifest = folder.join("users.manifest");
    let valid_manifest = std::fs::read_to_string(&manifest).unwrap();
    let mut wrong: serde_json::Value = serde_json::from_str(&valid_manifest).unwrap();
    wrong["entries"][0]["meta"]["content_length"] = 1.into();
    std::fs::write(&manifest, wrong.to_string()).unwrap();
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["Status 416", "users/part-00000.parquet"]);
    wrong["entries"][0]["meta"] = serde_json::json!({});
    std::fs::write(&manifest, wrong.to_string()).unwrap();
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["15003"]);
    std::fs::write(&manifest, &valid_manifest).unwrap();
    let part = folder.join("users/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    std::fs::remove_file(&part).unwrap();
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["users/part-00000.parquet"]);
    std::fs::write(&part, bytes).unwrap();
    let mut role =
        warehouse.warehouse_command(&["load", "--from", &warehouse.out_location("dataset")]);
    role.env(
        "SPARKIFY_IAM_ROLE",
        "arn:aws:iam::123456789012:role/another",
    );
    CommandOutput::run(&mut role).assert_failure(1, &["role"]);
    assert!(warehouse.warehouse_tables().values().all(Vec::is_empty));
    warehouse.load_dataset("dataset").assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
}

/// Redshift loads from S3 only, and the URL scheme must match the kind of server.
#[test]
fn wrong_warehouse_kind_is_rejected() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let url = warehouse.url();
    let mut local = warehouse.sparkify(&["load", "--from", "dataset", "--warehouse", &url]);
    CommandOutput::run(&mut local).assert_failure(2, &["COPY reads only from S3"]);
    let url = warehouse.url().replacen("redshift", "postgres", 1);
    let mut wrong = warehouse.sparkify(&["create-tables", "--warehouse", &url]);
    CommandOutput::run(&mut wrong).assert_failure(1, &["the server is Redshift", "redshift://"]);
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    let url = warehouse.url().replacen("postgres", "redshift", 1);
    let mut wrong = warehouse.sparkify(&["create-tables", "--warehouse", &url]);
    wrong.env("PGSSLMODE", "disable");
    CommandOutput::run(&mut wrong).assert_failure(1, &["the server is PostgreSQL", "postgres://"]);
}

/// A config file that should name a warehouse, but does not, fails the command instead of loading nothing.
#[test]
fn config_file_without_cluster_is_rejected() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
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
    CommandOutput::run(&mut warehouse.sparkify(&run)).assert_failure(
        2,
        &["cannot parse dwh.cfg: line 1: unknown section; did you mean [CLUSTER]?"],
    );
    warehouse.write_file(
        "dwh.cfg",
        "[IAM_ROLE]\nARN=arn:aws:iam::123456789012:role/r\n",
    );
    CommandOutput::run(&mut warehouse.sparkify(&run)).assert_failure(2, &["no warehouse is named"]);
    assert!(!warehouse.path("new").exists());
    // An option that concerns only loads fails a run without a warehouse, too.
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
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
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

/// The songs and logs of `[S3]` are the input of the run.
#[test]
fn run_works_from_config_file_alone() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
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
        &warehouse.dataset_tables("dataset"),
    );
}

/// A location that SQL cannot name is refused before the run writes to it, by both engines.
#[test]
fn location_that_sql_cannot_name_is_refused_before_the_work() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let run = [
        "run",
        "--songs",
        "s3://datasets/songs",
        "--logs",
        "s3://datasets/logs",
    ];
    let statements = warehouse.faults().recorded().len();
    for out in ["s3://datasets/a\\b", "s3://datasets/a\nb"] {
        let words = [
            "a backslash or a control character",
            "choose another prefix",
        ];
        for more in [&[][..], &["--engine", "redshift"], &["--dry-run"]] {
            let arguments = [&run[..], &["--out", out], more].concat();
            warehouse.run_command(&arguments).assert_failure(2, &words);
        }
        warehouse
            .run_command(&["load", "--from", out])
            .assert_failure(2, &words);
    }
    assert_eq!(warehouse.faults().recorded().len(), statements);
}
