//! `--log-jsonpath` and `LOG_JSONPATH` of dwh.cfg: paths in any order, and files that COPY would refuse.

use serde_json::json;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{PASSWORD, WarehouseKind};

use super::batches::{LIMIT, runs_in_output, tables_of_one_run, upload_batch};
use super::support::run_engine;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

/// The keys of the public `log_json_path.json`, in its order.
const KEYS: [&str; 18] = [
    "artist",
    "auth",
    "firstName",
    "gender",
    "itemInSession",
    "lastName",
    "length",
    "level",
    "location",
    "method",
    "page",
    "registration",
    "sessionId",
    "song",
    "status",
    "ts",
    "userAgent",
    "userId",
];

/// Returns a JSONPaths file.
fn jsonpaths(keys: &[&str], path: impl Fn(&str) -> String) -> String {
    let paths: Vec<_> = keys.iter().map(|key| path(key)).collect();
    json!({ "jsonpaths": paths }).to_string()
}

fn in_brackets(key: &str) -> String {
    format!("$['{key}']")
}

#[test]
fn paths_in_any_order_give_the_same_tables() {
    let expected = tables_of_one_run([1]);
    let mut reversed = KEYS;
    reversed.reverse();
    let mut rotated = KEYS;
    rotated.rotate_left(7);
    for (file, text) in [
        (
            "s3://datasets/log_json_path.json",
            jsonpaths(&KEYS, in_brackets),
        ),
        (
            "s3://datasets/paths/reversed",
            jsonpaths(&reversed, in_brackets),
        ),
        ("paths.json", jsonpaths(&rotated, |key| format!("$.{key}"))),
    ] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        let input = upload_batch(&warehouse, 1);
        match file.strip_prefix("s3://datasets/") {
            Some(key) => warehouse.put_object(key, text),
            None => warehouse.write_file(file, &text),
        }
        let arguments = [&LIMIT[..], &["--log-jsonpath", file]].concat();
        run_engine(&warehouse, "redshift", &input, &arguments).assert_success();
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
        let copies: Vec<_> = warehouse.faults().statements();
        let copy = copies
            .iter()
            .find(|sql| sql.starts_with("COPY staging_events"))
            .unwrap();
        // COPY reads a copy of the file that was checked.
        assert!(copy.contains("/staging/logs.jsonpaths'"), "{copy}");
    }
}

/// The section [S3] of the public dwh.cfg names the input and the JSONPaths.
#[test]
fn config_file_names_jsonpaths() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    upload_batch(&warehouse, 1);
    warehouse.put_object("log_json_path.json", jsonpaths(&KEYS, in_brackets));
    let database = warehouse.url();
    let address = database.split('@').nth(1).unwrap();
    let (host, rest) = address.split_once(':').unwrap();
    let (port, name) = rest.split_once('/').unwrap();
    let name = name.split('?').next().unwrap();
    let user = testkit::redshift_simulator::USER;
    let role = testkit::redshift_simulator::IAM_ROLE_ARN;
    let config = |jsonpaths: &str| {
        format!(
            "[CLUSTER]\nHOST={host}\nDB_NAME={name}\nDB_USER={user}\nDB_PASSWORD={PASSWORD}\nDB_PORT={port}\n\
             [IAM_ROLE]\nARN='{role}'\n\
             [S3]\nLOG_DATA='s3://datasets/input/log_data'\n{jsonpaths}SONG_DATA='s3://datasets/input/song_data'\n"
        )
    };
    warehouse.write_file(
        "dwh.cfg",
        &config("LOG_JSONPATH='s3://datasets/log_json_path.json'\n"),
    );
    warehouse.write_file("none.cfg", &config(""));
    warehouse.write_file(
        "bad.cfg",
        &config("LOG_JSONPATH='s3://datasets/nothing.json'\n"),
    );
    let run = |config: &str, more: &[&str]| {
        let out = warehouse.out_location("out-redshift");
        let run = [
            "run", "--engine", "redshift", "--json", "--quiet", "--config", config,
        ];
        let mut command = warehouse.sparkify(&run);
        command.args(["--out", &out]).args(LIMIT).args(more);
        command.env_remove("SPARKIFY_IAM_ROLE");
        CommandOutput::run(&mut command)
    };
    // The tests have a file that others may read, which is a warning.
    let bad = run("bad.cfg", &[]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.stderr.contains("check --log-jsonpath"), "{bad:?}");
    let output = run("dwh.cfg", &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let copied_by = |file: &str| {
        let statements = warehouse.faults().statements();
        let mut copies = statements.iter();
        copies.any(|sql| sql.starts_with("COPY staging_events") && sql.contains(file))
    };
    // The columns are in the order of the paths.
    assert!(copied_by("artist, auth, firstname"));
    assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1]));
    // The flag takes precedence, and without both the run writes a file of its own.
    let mut reversed = KEYS;
    reversed.reverse();
    warehouse.put_object("reversed.json", jsonpaths(&reversed, in_brackets));
    warehouse.faults().clear();
    let flag = [
        "--full-refresh",
        "--log-jsonpath",
        "s3://datasets/reversed.json",
    ];
    assert_eq!(run("dwh.cfg", &flag).code, Some(0));
    assert!(copied_by("userid, useragent, ts"));
    assert!(!copied_by("artist, auth, firstname"));
    warehouse.faults().clear();
    assert_eq!(run("none.cfg", &["--full-refresh"]).code, Some(0));
    assert!(copied_by("artist, auth, firstname"));
    assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1]));
}

#[test]
fn unusable_files_fail_before_anything_is_copied() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    let mut unknown = KEYS;
    unknown[17] = "userID";
    let mut repeated = KEYS;
    repeated[3] = "auth";
    std::fs::create_dir(warehouse.path("folder")).unwrap();
    for (file, text, code, message) in [
        (
            "short.json",
            jsonpaths(&KEYS[1..], in_brackets),
            2,
            "it has 17 paths, staging_events has 18 columns",
        ),
        (
            "unknown.json",
            jsonpaths(&unknown, in_brackets),
            2,
            "path 18, $['userID'], names no key of staging_events",
        ),
        (
            "repeated.json",
            jsonpaths(&repeated, in_brackets),
            2,
            "names the same key as path 2",
        ),
        (
            "nested.json",
            jsonpaths(&KEYS, |key| format!("$.a.{key}")),
            2,
            "does not name one key at the top level",
        ),
        (
            "wildcard.json",
            jsonpaths(&KEYS, |_| "$.*".to_owned()),
            2,
            "has a wildcard, which COPY does not accept",
        ),
        (
            "text.json",
            "artist,auth".to_owned(),
            2,
            "it is not a JSON object",
        ),
        ("empty.json", String::new(), 2, "it is not a JSON object"),
        ("array.json", "[]".to_owned(), 2, "it is not a JSON object"),
        ("absent.json", "-".to_owned(), 1, "absent.json"),
        (
            "folder",
            "-".to_owned(),
            1,
            "it is a folder, expected a JSONPaths file",
        ),
        (
            "s3://datasets/absent.json",
            "-".to_owned(),
            1,
            "there is no such object",
        ),
        (
            "s3://datasets/input/log_data",
            "-".to_owned(),
            1,
            "there is no such object",
        ),
        (
            "s3://other-bucket/paths.json",
            "-".to_owned(),
            1,
            "other-bucket",
        ),
    ] {
        if text != "-" {
            warehouse.write_file(file, &text);
        }
        warehouse.faults().clear();
        let arguments = [&LIMIT[..], &["--log-jsonpath", file]].concat();
        run_engine(&warehouse, "redshift", &input, &arguments).assert_failure(code, &[message]);
        let statements = warehouse.faults().statements();
        assert!(
            !statements
                .iter()
                .any(|sql| sql.contains("COPY") || sql.contains("BEGIN"))
        );
        assert_eq!(runs_in_output(&warehouse).len(), 0);
    }
}
