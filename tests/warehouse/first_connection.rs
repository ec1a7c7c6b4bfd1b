//! What a load finds out before its transaction: whether the server is there, and whether the user may load.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use testkit::cli::output::CommandOutput;
use testkit::postgres_server::{SUPERUSER, SUPERUSER_PASSWORD, shared_server};
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, WarehouseKind};

use crate::load::fixture::{event, warehouse_with_dataset};
use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::tcp_proxy::{TcpProxy, free_port};
use crate::support::test_warehouse::TestWarehouse;

/// The arguments of a run that is loaded.
const RUN: [&str; 7] = [
    "run",
    "--songs",
    "data/song_data",
    "--logs",
    "data/log_data",
    "--max-rejects",
    "100%",
];

on_both_warehouses! {
    first_connection_is_tried_again
    server_that_starts_is_waited_for
}

/// A connection that is closed before the first statement, and one in the middle of the checks.
fn first_connection_is_tried_again(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let out = warehouse.out_location("out");
    for arguments in [
        &[&RUN[..], &["--quiet", "--out", &out]].concat(),
        &[
            "load",
            "--quiet",
            "--from",
            &warehouse.out_location("dataset"),
        ][..],
    ] {
        for statement in ["SELECT version()", "FROM pg_class"] {
            warehouse.faults().clear();
            warehouse
                .faults()
                .disconnect(FaultPoint::Before, StatementMatcher::containing(statement));
            let output = warehouse.run_command(arguments);
            assert_eq!(output.code, Some(0), "{output:?}");
            assert!(output.stderr.contains("warning: "), "{output:?}");
            assert_eq!(warehouse.faults().fault_count(), 1);
        }
    }
    // A command whose user waits for it fails at once.
    warehouse.faults().disconnect(
        FaultPoint::Before,
        StatementMatcher::containing("SELECT version()").times(9),
    );
    warehouse
        .run_command(&["history"])
        .assert_failure(1, &["lost"]);
}

/// The server is down when the run begins, and back after some seconds.
fn server_that_starts_is_waited_for(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let out = warehouse.out_location("out");
    let url = warehouse.url();
    let (address, database) = url.rsplit_once('/').unwrap();
    let (user, server_port) = address.rsplit_once(':').unwrap();
    let port = free_port();
    let down = format!("{user}:{port}/{database}");
    let arguments = [&RUN[..], &["--quiet", "--out", &out, "--warehouse", &down]].concat();
    let mut command = warehouse.sparkify(&arguments);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(3));
    TcpProxy::start(port, server_port.parse().unwrap());
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    let output = output.assert_success_with_warnings();
    assert!(output.stderr.contains("refused"), "{output:?}");
    assert!(output.stderr.contains("trying again"), "{output:?}");
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
}

#[test]
fn wrong_password_is_not_tried_again() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let port = shared_server().port;
    for (url, words) in [
        (
            format!("postgres://{SUPERUSER}@127.0.0.1:{port}/postgres"),
            "28P01",
        ),
        (
            format!("postgres://{SUPERUSER}@127.0.0.1:{port}/postgres?sslmode=require"),
            "TLS",
        ),
    ] {
        let mut command = warehouse.sparkify(&["load", "--from", "dataset", "--warehouse", &url]);
        let command = command.env("PGPASSWORD", "another");
        CommandOutput::run(command).assert_failure(1, &["cannot connect", words]);
    }
    let url = format!("postgres://{SUPERUSER}@127.0.0.1:{port}/nowhere");
    let mut command = warehouse.sparkify(&["load", "--from", "dataset", "--warehouse", &url]);
    let command = command.env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(command).assert_failure(1, &["3D000"]);
}

/// A run whose dataset could not be loaded does not begin, and the error is what to ask for.
#[test]
fn missing_privileges_are_found_before_the_transform() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let database = &warehouse.database().name;
    let mut client = warehouse.admin_client();
    let role = format!("analyst_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{SUPERUSER_PASSWORD}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE INSERT ON users, songs FROM {role};
             REVOKE UPDATE ON users FROM {role};
             REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
        ))
        .unwrap();
    let url = format!(
        "postgres://{role}@127.0.0.1:{}/{database}",
        shared_server().port
    );
    let load = |arguments: &[&str]| {
        let mut command = warehouse.sparkify(arguments);
        let command = command.args(["--warehouse", &url]);
        CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD))
    };
    let words = [
        format!("user {role} lacks privileges that a load needs"),
        format!("GRANT TEMPORARY ON DATABASE {database} TO {role}"),
        format!("GRANT INSERT ON songs TO {role}"),
        format!("GRANT INSERT, UPDATE ON users TO {role}"),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = [&RUN[..], &["--out", "denied"]].concat();
    load(&run).assert_failure(1, &words);
    load(&["load", "--from", "dataset"]).assert_failure(1, &words);
    load(&["load", "--full-refresh", "--from", "dataset"]).assert_failure(1, &words);
    assert!(!warehouse.path("denied").exists());
    // Privileges on columns are privileges too.
    client
        .batch_execute(&format!(
            "GRANT TEMPORARY ON DATABASE {database} TO {role}; GRANT INSERT ON songs TO {role};
             GRANT INSERT (user_id, first_name, last_name, gender, level) ON users TO {role};
             GRANT UPDATE (first_name, last_name, gender, level) ON users TO {role}"
        ))
        .unwrap();
    load(&["load", "--quiet", "--from", "dataset"]).assert_success();
    client
        .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .unwrap();
}

/// A limit that the user has set for waits is the end of the load, and not the beginning of the next attempt.
#[test]
fn lock_timeout_ends_the_load() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut other = warehouse.admin_client();
    let mut transaction = other.transaction().unwrap();
    transaction
        .batch_execute("LOCK TABLE load_history IN SHARE ROW EXCLUSIVE MODE")
        .unwrap();
    let url = format!(
        "postgres://{SUPERUSER}@127.0.0.1:{}/{}?options=-c%20lock_timeout%3D300",
        shared_server().port,
        warehouse.database().name
    );
    let started = Instant::now();
    let mut command = warehouse.sparkify(&["load", "--from", "dataset", "--warehouse", &url]);
    CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD))
        .assert_failure(1, &["lock timeout (55P03)", "raise lock_timeout"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

/// S3 asks Redshift to slow down, or fails by itself, and serves the same COPY a moment later.
#[test]
fn busy_s3_is_asked_again() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Redshift);
    let from = warehouse.out_location("dataset");
    for message in [
        "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 5,ExtRid x,CanRetry 1",
        "S3ServiceException:We encountered an internal error.,Status 500,Error InternalError,Rid 5,CanRetry 1",
    ] {
        warehouse.faults().clear();
        let copy = StatementMatcher::containing("COPY staged_songplays");
        warehouse.faults().fail(copy.times(2), "XX000", message);
        let output = warehouse.run_command(&["load", "--quiet", "--json", "--from", &from]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(output.json()["attempts"], 3);
        assert!(
            output.stderr.contains("S3 did not serve the warehouse"),
            "{output:?}"
        );
        assert_eq!(warehouse.faults().fault_count(), 2);
    }
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    // A refusal stays one.
    warehouse.faults().clear();
    let message = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 5,CanRetry 1";
    let copy = StatementMatcher::containing("COPY staged_songplays");
    warehouse.faults().fail(copy.times(9), "XX000", message);
    warehouse
        .load_dataset("dataset")
        .assert_failure(1, &["AccessDenied"]);
    assert_eq!(warehouse.faults().fault_count(), 1);
}

/// A database of another encoding than UTF-8 says which one it needs.
#[test]
fn encoding_of_the_database_is_named() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    let latin = format!("latin_{}", std::process::id());
    let mut client = warehouse.admin_client();
    client
        .batch_execute(&format!(
            "CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        ))
        .unwrap();
    warehouse.write_file(
        "songs/a.json",
        r#"{"song_id":"S","artist_id":"A","title":"10 €","artist_name":"N","duration":1.5}"#,
    );
    warehouse.write_file("logs/a.json", &event(1, 1000, "paid", 1, 1));
    let url = format!(
        "postgres://{SUPERUSER}@127.0.0.1:{}/{latin}",
        shared_server().port
    );
    for (arguments, code) in [
        (&["create-tables", "--quiet"][..], 0),
        (
            &[
                "run", "--quiet", "--songs", "songs", "--logs", "logs", "--out", "out",
            ],
            1,
        ),
    ] {
        let mut command = warehouse.sparkify(arguments);
        let command = command
            .args(["--warehouse", &url])
            .env("PGPASSWORD", SUPERUSER_PASSWORD);
        let output = CommandOutput::run(command);
        assert_eq!(output.code, Some(code), "{output:?}");
        if code == 1 {
            output.assert_failure(1, &["22P05", "create the database with ENCODING 'UTF8'"]);
        }
    }
    client
        .batch_execute(&format!("DROP DATABASE {latin}"))
        .unwrap();
}
