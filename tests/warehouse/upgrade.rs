//! Warehouses that older versions have made and loaded: loads say that they are old, an upgrade keeps all rows, and runs
//! go on where the older version ended.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use ::postgres::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testkit::cli::output::CommandOutput;
use testkit::dir_contents::list_files;
use testkit::postgres_server::{SUPERUSER, SUPERUSER_PASSWORD, shared_server};
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, WarehouseKind};

use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

on_both_warehouses! {
    loads_name_the_upgrade
    upgraded_warehouse_goes_on
    upgrade_is_done_once
    killed_upgrade_changes_nothing
    upgrade_waits_for_a_load
    changed_table_is_not_upgraded
    both_names_are_an_error
    kept_old_tables_do_no_harm
    older_tables_are_not_upgraded
    upgrade_creates_tables_where_none_is_lost
    full_refresh_creates_what_an_upgrade_leaves_missing
}

/// The versions of which `fixtures/warehouses` has a dump.
const VERSIONS: [&str; 2] = ["0.1.0", "ledger"];

/// The logs that were loaded into the dumped warehouses.
const LOADED_LOGS: u64 = 2;

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/warehouses");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Returns a warehouse that an older version has made and loaded, with the input of `fixtures` in `data`.
pub fn old_warehouse(kind: WarehouseKind, version: &str) -> TestWarehouse {
    let warehouse = TestWarehouse::without_tables(kind);
    copy_input(&warehouse);
    let data = fs::canonicalize(warehouse.path("data")).unwrap();
    let dump = fixture(&format!("{version}.sql")).replace("$DATA", data.to_str().unwrap());
    match kind {
        WarehouseKind::Postgres => warehouse.admin_client().batch_execute(&dump).unwrap(),
        WarehouseKind::Redshift => {
            let create = fixture(&format!("{version}-redshift.sql"));
            let lines = create.lines().filter(|line| !line.starts_with("--"));
            let create = lines.collect::<Vec<_>>().join("\n");
            let mut client = warehouse.database().connect();
            for statement in create.split(";\n").filter(|sql| !sql.trim().is_empty()) {
                client.batch_execute(statement).unwrap();
            }
            let mut inserts = dump.split_inclusive(";\n");
            let inserts = inserts.by_ref().filter_map(|sql| {
                let start = sql.find("INSERT INTO ")?;
                Some(&sql[start..])
            });
            let inserts: String = inserts.collect();
            warehouse.admin_client().batch_execute(&inserts).unwrap();
        }
    }
    warehouse
}

/// Copies the input of `fixtures`. All files get the modification time that those of the dumped warehouses had.
fn copy_input(warehouse: &TestWarehouse) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_543_622_400);
    for kind in ["song_data", "log_data"] {
        let to = warehouse.path("data").join(kind);
        fs::create_dir_all(&to).unwrap();
        for file in list_files(&fixtures.join(kind)) {
            let from = fixtures.join(kind).join(file);
            let to = to.join(from.file_name().unwrap());
            fs::write(&to, fs::read(&from).unwrap()).unwrap();
            let file = fs::File::options().write(true).open(&to).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
}

fn run_and_load(warehouse: &TestWarehouse, out: &str, more: &[&str]) -> CommandOutput {
    let out = warehouse.out_location(out);
    let run = ["run", "--quiet", "--json", "--out", &out];
    let input = ["--songs", "data/song_data", "--logs", "data/log_data"];
    warehouse.run_command(&[&run[..], &input, more].concat())
}

fn upgrade(warehouse: &TestWarehouse) -> CommandOutput {
    warehouse.run_command(&["create-tables", "--upgrade", "--quiet", "--json"])
}

/// Returns the columns of all tables.
pub fn columns(client: &mut Client) -> BTreeSet<String> {
    let query = "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
         || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || ' ' || a.attcollation::regcollation
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Asserts that the warehouse has the tables of this version.
#[track_caller]
pub fn assert_upgraded(warehouse: &TestWarehouse, kind: WarehouseKind) {
    let expected = columns(&mut TestWarehouse::new(kind).admin_client());
    assert_eq!(columns(&mut warehouse.admin_client()), expected);
}

fn loads_name_the_upgrade(kind: WarehouseKind) {
    for version in VERSIONS {
        let warehouse = old_warehouse(kind, version);
        warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
        let before = columns(&mut warehouse.admin_client());
        let words = [
            "the warehouse was created by an older version",
            "upgrade it with sparkify create-tables --upgrade",
        ];
        let from = warehouse.out_location("dataset");
        for command in [
            &["load", "--quiet", "--from", &from][..],
            &["load", "--quiet", "--full-refresh", "--from", &from],
            &["create-tables"],
            &["history"],
        ] {
            warehouse.run_command(command).assert_failure(1, &words);
        }
        for more in [&[][..], &["--full-refresh"]] {
            // A document on stdout has the error too.
            let output = run_and_load(&warehouse, "out", more).assert_failure(1, &words);
            assert_eq!(output.json()["status"], "failed");
        }
        assert_eq!(columns(&mut warehouse.admin_client()), before);
    }
}

/// Logs that the older version has loaded are left out. It did not record songs, so all are read once.
fn upgraded_warehouse_goes_on(kind: WarehouseKind) {
    let clean = TestWarehouse::new(kind);
    copy_input(&clean);
    run_and_load(&clean, "out", &[]).assert_success();
    let expected = clean.warehouse_tables();
    for version in VERSIONS {
        let warehouse = old_warehouse(kind, version);
        upgrade(&warehouse).assert_success();
        assert_upgraded(&warehouse, kind);
        let first = run_and_load(&warehouse, "out", &[]).assert_success().json();
        assert_eq!(first["logs"]["already_loaded_objects"], LOADED_LOGS);
        assert_eq!(first["logs"]["objects"], 10 - LOADED_LOGS);
        assert_eq!(first["songs"]["objects"], 60);
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
        let kinds =
            "SELECT kind, COUNT(*), COUNT(rejected_records), COUNT(DISTINCT run) FROM load_history
             GROUP BY kind ORDER BY kind";
        let rows = warehouse.admin_client().query(kinds, &[]).unwrap();
        let row = |row: &::postgres::Row| -> (String, i64, i64, i64) {
            (row.get(0), row.get(1), row.get(2), row.get(3))
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        let expected_rows = [("log", 10, 8, 2), ("song", 60, 60, 1)]
            .map(|(kind, objects, known, runs)| (kind.to_owned(), objects, known, runs));
        assert_eq!(rows, expected_rows);
        let second = run_and_load(&warehouse, "out", &[]).assert_success();
        let second = second.json();
        assert_eq!(second["songs"]["already_loaded_objects"], 60, "{second}");
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    }
}

fn upgrade_is_done_once(kind: WarehouseKind) {
    for (version, changes) in [("0.1.0", 5), ("ledger", 10)] {
        let warehouse = old_warehouse(kind, version);
        let report = upgrade(&warehouse).assert_success().json();
        let upgraded = report["upgraded"].as_array().unwrap();
        assert_eq!(upgraded.len(), changes, "{report}");
        let kind_column =
            json!({"change": "add_column", "table": "load_history", "column": "kind"});
        assert!(upgraded.contains(&kind_column), "{report}");
        if version == "ledger" {
            let users =
                json!({"change": "rename_table", "table": "state_users", "from": "ledger_users"});
            assert_eq!(upgraded[0], users);
        }
        assert_eq!(report["created"], 0);
        assert_upgraded(&warehouse, kind);
        let again = warehouse.run_command(&["create-tables", "--upgrade", "--json"]);
        assert_eq!(again.code, Some(0));
        assert!(
            again.stderr.starts_with("nothing to upgrade in "),
            "{again:?}"
        );
        assert_eq!(again.json()["upgraded"], json!([]));
    }
}

fn killed_upgrade_changes_nothing(kind: WarehouseKind) {
    let warehouse = old_warehouse(kind, "ledger");
    let counted = old_warehouse(kind, "ledger");
    let from = counted.faults().recorded().len();
    upgrade(&counted).assert_success();
    let count = counted.faults().recorded().len() - from;
    assert!(count > 15, "{count}");
    let before = columns(&mut warehouse.admin_client());
    for number in 1..=count {
        let pid = Arc::new(AtomicU32::new(0));
        let victim = pid.clone();
        let matcher = StatementMatcher::any().nth(number);
        warehouse
            .faults()
            .on_statement(FaultPoint::Before, matcher, move |_| {
                while victim.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                let pid = victim.load(Ordering::SeqCst).cast_signed();
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            });
        let arguments = ["create-tables", "--upgrade", "--quiet"];
        let mut child = warehouse.warehouse_command(&arguments).spawn().unwrap();
        pid.store(child.id(), Ordering::SeqCst);
        assert!(!child.wait().unwrap().success(), "{number}");
        warehouse.wait_until_idle();
        warehouse.faults().clear();
        // The COMMIT may be executed although its client is gone.
        if number < count {
            assert_eq!(columns(&mut warehouse.admin_client()), before, "{number}");
        }
    }
    upgrade(&warehouse).assert_success();
    assert_upgraded(&warehouse, kind);
}

/// A load of the older version holds the lock of its load history. Two upgrades wait, and one of them does the work.
fn upgrade_waits_for_a_load(kind: WarehouseKind) {
    let warehouse = old_warehouse(kind, "ledger");
    let mut load = warehouse.admin_client();
    load.batch_execute("BEGIN; LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE")
        .unwrap();
    std::thread::scope(|scope| {
        let upgrades = [(); 2].map(|()| scope.spawn(|| upgrade(&warehouse)));
        let waiting =
            "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'loads'::regclass";
        let mut client = warehouse.admin_client();
        while client.query_one(waiting, &[]).unwrap().get::<_, i64>(0) < 2 {
            std::thread::yield_now();
        }
        load.batch_execute("UPDATE loads SET rows = rows + 0; COMMIT")
            .unwrap();
        let reports = upgrades.map(|upgrade| upgrade.join().unwrap().assert_success().json());
        let changes = reports.map(|report| report["upgraded"].as_array().unwrap().len());
        assert_eq!(changes.iter().sum::<usize>(), 10, "{changes:?}");
    });
    assert_upgraded(&warehouse, kind);
}

fn changed_table_is_not_upgraded(kind: WarehouseKind) {
    for (change, words) in [
        (
            "ALTER TABLE load_history ADD note BIGINT",
            "table load_history does not match: column 6 is `note bigint`, expected `kind",
        ),
        (
            "ALTER TABLE songs ADD note BIGINT",
            "table songs does not match: unexpected column `note bigint`",
        ),
    ] {
        let warehouse = old_warehouse(kind, "0.1.0");
        warehouse.admin_client().batch_execute(change).unwrap();
        let before = columns(&mut warehouse.admin_client());
        let failed = upgrade(&warehouse).assert_failure(1, &["cannot upgrade", words]);
        assert_eq!(failed.json()["status"], "failed");
        run_and_load(&warehouse, "out", &[]).assert_failure(1, &[words]);
        assert_eq!(columns(&mut warehouse.admin_client()), before);
    }
}

fn both_names_are_an_error(kind: WarehouseKind) {
    let warehouse = old_warehouse(kind, "ledger");
    let copy = "CREATE TABLE state_users AS SELECT * FROM ledger_users";
    warehouse.admin_client().batch_execute(copy).unwrap();
    let words = ["tables state_users and ledger_users both exist"];
    upgrade(&warehouse).assert_failure(1, &words);
    run_and_load(&warehouse, "out", &[]).assert_failure(1, &words);
}

/// A table of an older version may be there beside those of this one, as a copy or in another schema.
fn kept_old_tables_do_no_harm(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    copy_input(&warehouse);
    let mut client = warehouse.admin_client();
    let copies = "CREATE TABLE ledger_users AS SELECT * FROM state_users;
         CREATE TABLE loads AS SELECT run, object, etag, rows, loaded_at FROM load_history";
    client.batch_execute(copies).unwrap();
    let before = columns(&mut client);
    for _ in 0..2 {
        let output = warehouse.run_command(&["create-tables", "--upgrade"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(
            output.stderr.starts_with("nothing to upgrade in "),
            "{output:?}"
        );
        run_and_load(&warehouse, "out", &[]).assert_success();
    }
    assert_eq!(columns(&mut client), before);
    let warehouse = old_warehouse(kind, "0.1.0");
    let copy = "CREATE TABLE loads AS SELECT * FROM load_history";
    warehouse.admin_client().batch_execute(copy).unwrap();
    let report = upgrade(&warehouse).assert_success().json();
    assert_eq!(report["upgraded"].as_array().unwrap().len(), 5, "{report}");
    run_and_load(&warehouse, "out", &[]).assert_success();
}

/// The key of songs was another one before.
fn older_tables_are_not_upgraded(kind: WarehouseKind) {
    let warehouse = old_warehouse(kind, "ledger");
    let change = "ALTER TABLE ledger_songs DROP COLUMN song_key CASCADE;
         ALTER TABLE ledger_songs ADD song_key BIGINT";
    warehouse.admin_client().batch_execute(change).unwrap();
    let words = [
        "table ledger_songs cannot be upgraded: column 1 is `duration double precision`",
        "sparkify create-tables --drop",
        "sparkify run --full-refresh",
    ];
    upgrade(&warehouse).assert_failure(1, &words);
    run_and_load(&warehouse, "out", &[]).assert_failure(1, &words);
    let output = warehouse.run_command(&["create-tables", "--quiet", "--drop", "--yes"]);
    let output = output.assert_success_with_warnings();
    let [warning] = output.warnings()[..] else {
        panic!("{output:?}")
    };
    assert!(
        warning.starts_with("table ledger_songs was not dropped"),
        "{warning}"
    );
    run_and_load(&warehouse, "out", &["--full-refresh"]).assert_success();
}

/// An upgrade creates tables exactly where create-tables does: if none of the others has rows.
fn upgrade_creates_tables_where_none_is_lost(kind: WarehouseKind) {
    let warehouse = TestWarehouse::without_tables(kind);
    // A table of another program.
    let other = "CREATE TABLE loads (weight BIGINT)";
    warehouse.admin_client().batch_execute(other).unwrap();
    let report = upgrade(&warehouse).assert_success().json();
    assert_eq!(report["created"], 10, "{report}");
    let warehouse = old_warehouse(kind, "0.1.0");
    let empty = "DROP TABLE state_songs; DELETE FROM songplays; DELETE FROM songs; DELETE FROM artists; DELETE FROM users; DELETE FROM time;
         DELETE FROM state_users; DELETE FROM state_artists; DELETE FROM state_songplays; DELETE FROM load_history";
    warehouse.admin_client().batch_execute(empty).unwrap();
    let report = upgrade(&warehouse).assert_success().json();
    assert_eq!(
        (&report["created"], report["upgraded"][0]["change"].as_str()),
        (&json!(1), Some("add_column"))
    );
    assert_upgraded(&warehouse, kind);
}

/// A table that was lost is not created empty, but the others are upgraded, so that a full refresh can create it.
fn full_refresh_creates_what_an_upgrade_leaves_missing(kind: WarehouseKind) {
    for (version, lost) in [
        ("0.1.0", "songplays"),
        ("0.1.0", "load_history"),
        ("ledger", "ledger_songs"),
        ("ledger", "loads"),
    ] {
        let warehouse = old_warehouse(kind, version);
        let lose = format!("DROP TABLE {lost}");
        warehouse.admin_client().batch_execute(&lose).unwrap();
        let table = lost.replace("ledger_", "state_");
        let table = table.replace("loads", "load_history");
        let words = [
            &format!("table {table} does not exist: "),
            "was dropped",
            "sparkify run --full-refresh creates missing tables",
        ];
        let first = upgrade(&warehouse);
        // Without its load history, nothing of version 0.1.0 is out of date.
        if lost == "load_history" {
            first.assert_failure(1, &words);
        } else {
            let first = first.assert_success_with_warnings();
            let [warning] = first.warnings()[..] else {
                panic!("{first:?}")
            };
            assert!(
                words.iter().all(|words| warning.contains(words)),
                "{warning}"
            );
            assert_eq!(first.json()["created"], 0);
        }
        upgrade(&warehouse).assert_failure(1, &words);
        run_and_load(&warehouse, "out", &[]).assert_failure(1, &words);
        run_and_load(&warehouse, "out", &["--full-refresh"]).assert_success();
        assert_upgraded(&warehouse, kind);
        upgrade(&warehouse).assert_success();
        run_and_load(&warehouse, "out", &[]).assert_success();
    }
}

/// A DBA can upgrade with psql.
#[test]
fn upgrade_script_makes_the_columns_of_the_create_script() {
    let script = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/postgres");
        let script = fs::read_to_string(folder.join(name)).unwrap();
        // As psql -1 does.
        format!("BEGIN; {script}; COMMIT")
    };
    let warehouse = old_warehouse(WarehouseKind::Postgres, "0.1.0");
    let mut client = warehouse.admin_client();
    client.batch_execute(&script("upgrade.sql")).unwrap();
    let created = shared_server().create_database();
    let mut created = created.connect();
    created.batch_execute(&script("create.sql")).unwrap();
    assert_eq!(columns(&mut client), columns(&mut created));
    let defaults = "SELECT COUNT(*) FROM pg_attrdef";
    assert_eq!(client.query_one(defaults, &[]).unwrap().get::<_, i64>(0), 0);
    let logs = "SELECT COUNT(*) FROM load_history WHERE kind = 'log' AND rejected_records IS NULL";
    let logs: i64 = client.query_one(logs, &[]).unwrap().get(0);
    assert_eq!(u64::try_from(logs), Ok(LOADED_LOGS));
    let again = client.batch_execute(&script("upgrade.sql")).unwrap_err();
    assert_eq!(again.code().unwrap().code(), "42701");
}

/// Returns the URL of the database for another user than that of the tests, with options of the session.
fn url_of(warehouse: &TestWarehouse, user: &str, options: &str) -> String {
    let (port, name) = (shared_server().port, &warehouse.database().name);
    format!("postgres://{user}@127.0.0.1:{port}/{name}{options}")
}

#[test]
fn only_the_owner_upgrades() {
    let warehouse = old_warehouse(WarehouseKind::Postgres, "0.1.0");
    let mut client = warehouse.admin_client();
    let before = columns(&mut client);
    let role = format!("upgrader_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{SUPERUSER_PASSWORD}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .unwrap();
    let url = url_of(&warehouse, &role, "");
    let mut command = warehouse.sparkify(&["create-tables", "--upgrade", "--warehouse", &url]);
    CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD)).assert_failure(
        1,
        &["cannot upgrade", "must be owner of table load_history"],
    );
    assert_eq!(columns(&mut client), before);
    client
        .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .unwrap();
}

#[test]
fn tables_of_another_schema_are_upgraded_there() {
    let warehouse = old_warehouse(WarehouseKind::Postgres, "ledger");
    let mut client = warehouse.admin_client();
    client
        .batch_execute("ALTER SCHEMA public RENAME TO music; CREATE SCHEMA public")
        .unwrap();
    let options = "?options=-c%20search_path%3Dpublic,music";
    let url = url_of(&warehouse, SUPERUSER, options);
    let arguments = ["create-tables", "--upgrade", "--quiet", "--warehouse", &url];
    let mut command = warehouse.sparkify(&arguments);
    CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD)).assert_success();
    let tables =
        "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'music' AND tablename LIKE 'state\\_%'";
    assert_eq!(client.query_one(tables, &[]).unwrap().get::<_, i64>(0), 4);
    assert_eq!(columns(&mut client).len(), 0);
}
