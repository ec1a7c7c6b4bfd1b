//! What a load does if the server is not there.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use testkit::cli::mounts::{can_mount, mount_namespace_shell};
use testkit::cli::output::CommandOutput;
use testkit::postgres_server::{SUPERUSER, SUPERUSER_PASSWORD, shared_server};
use testkit::redshift_simulator::{FaultPoint, PASSWORD, StatementMatcher, WarehouseKind};

use crate::load::fixture::{event, warehouse_with_dataset};
use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::tcp_proxy::{TcpProxy, free_port};
use crate::support::test_warehouse::TestWarehouse;

/// The arguments of a run that is loaded.
pub const RUN: [&str; 7] = [
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
        .assert_failure(4, &["lost"]);
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
        CommandOutput::run(command)
            .assert_failure(1, &["cannot load dataset into ", "cannot connect", words]);
    }
    let url = format!("postgres://{SUPERUSER}@127.0.0.1:{port}/nowhere");
    let mut command = warehouse.sparkify(&["load", "--from", "dataset", "--warehouse", &url]);
    let command = command.env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(command).assert_failure(1, &["3D000"]);
}

/// Runs the binary where these files say which names there are.
const OWN_NAMES_SCRIPT: &str = "set -e
mount --bind hosts /etc/hosts
mount --bind nsswitch.conf /etc/nsswitch.conf
exec \"$0\" \"$@\"";

/// During a failover the name of the server is not known for a moment. A name that was never known is a mistake.
#[test]
fn name_that_was_known_is_waited_for() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    if !can_mount(&warehouse.path("")) {
        return;
    }
    let known = "127.0.0.1 localhost warehouse.test\n";
    warehouse.write_file("hosts", "127.0.0.1 localhost\n");
    warehouse.write_file("nsswitch.conf", "hosts: files\n");
    let url = warehouse.url().replace("127.0.0.1", "warehouse.test");
    let load = ["load", "--quiet", "--from", "dataset", "--warehouse", &url];
    let load = || {
        let mut command = mount_namespace_shell(&warehouse.path(""), OWN_NAMES_SCRIPT, &load);
        CommandOutput::run(command.env("PGPASSWORD", PASSWORD))
    };
    load().assert_failure(1, &["cannot load dataset into ", "host warehouse.test"]);

    warehouse.write_file("hosts", known);
    let hosts = warehouse.path("hosts");
    let copy = || StatementMatcher::containing("COPY staged_songplays");
    warehouse
        .faults()
        .on_statement(FaultPoint::Before, copy(), move |_| {
            fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
            let hosts = hosts.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(3));
                fs::write(&hosts, known).unwrap();
            });
        });
    warehouse.faults().disconnect(FaultPoint::Before, copy());
    let output = load().assert_success_with_warnings();
    assert!(
        output
            .stderr
            .contains("host warehouse.test (--warehouse) not found"),
        "{output:?}"
    );
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
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
        .assert_failure(4, &["lock timeout (55P03)", "raise lock_timeout"]);
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
