//! SIGINT and SIGTERM during a load: the transaction is rolled back within a second, and one line says so.

use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::cli::output::CommandOutput;
use testkit::cli::stopped_command::{
    STOP_SIGNALS, Signal, StopOutcome, random_moments, stop_command,
};
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::table_rows::assert_tables_eq;
use crate::support::tcp_proxy::free_port;
use crate::support::test_warehouse::TestWarehouse;

/// Returns a warehouse without rows, and a dataset to load.
fn warehouse_with_dataset(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let sizes = ["--events=20000", "--songs=40", "--users=50", "--files=4"];
    warehouse.generate_input("input", &sizes);
    warehouse.build_dataset("input/song_data", "input/log_data", "dataset");
    warehouse
}

fn signal_at_any_moment_loads_all_or_nothing(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let from = warehouse.out_location("dataset");
    let load = || warehouse.warehouse_command(&["load", "--quiet", "--from", &from]);
    let empty = warehouse.warehouse_tables();
    let started = Instant::now();
    CommandOutput::run(&mut load()).assert_success();
    let duration = started.elapsed();
    let loaded = warehouse.warehouse_tables();
    let reset = || {
        let drop = ["create-tables", "--drop", "--yes", "--quiet"];
        warehouse.run_command(&drop).assert_success();
    };
    reset();
    let mut stops = 0;
    for signal in STOP_SIGNALS {
        for moment in random_moments(duration) {
            let (outcome, output) = stop_command(&mut load(), signal, || sleep(moment));
            warehouse.wait_until_idle();
            match outcome {
                StopOutcome::Finished => {
                    assert_tables_eq(&warehouse.warehouse_tables(), &loaded);
                    reset();
                }
                StopOutcome::Stopped => {
                    stops += 1;
                    assert_tables_eq(&warehouse.warehouse_tables(), &empty);
                    assert!(!output.stderr.contains("unknown"), "{output:?}");
                }
                StopOutcome::NotBegun => assert_tables_eq(&warehouse.warehouse_tables(), &empty),
                StopOutcome::Forced => reset(),
            }
        }
    }
    assert!(stops > 0);
}

/// A statement that waits for a lock is canceled, so that it does not take the lock later.
fn signal_ends_a_wait_for_a_lock(kind: WarehouseKind) {
    let warehouse = warehouse_with_dataset(kind);
    let from = warehouse.out_location("dataset");
    let mut other = warehouse.admin_client();
    let mut lock = other.transaction().unwrap();
    let sql = "LOCK TABLE songplays, load_history IN ACCESS EXCLUSIVE MODE";
    lock.batch_execute(sql).unwrap();
    let waits = || {
        let mut client = warehouse.admin_client();
        let blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while client.query_one(blocked, &[]).unwrap().get::<_, i64>(0) == 0 {
            sleep(Duration::from_millis(5));
        }
    };
    let mut load = warehouse.warehouse_command(&["load", "--quiet", "--from", &from]);
    let (outcome, output) = stop_command(&mut load, Signal::TERM, waits);
    assert_eq!(outcome, StopOutcome::Stopped, "{output:?}");
    let message = "the transaction is rolled back, and the warehouse is unchanged";
    assert!(output.stderr.contains(message), "{output:?}");
    // The session has ended although the lock is still held.
    warehouse.wait_until_idle();
    lock.rollback().unwrap();
}

on_both_warehouses! {
    signal_at_any_moment_loads_all_or_nothing
    signal_ends_a_wait_for_a_lock
}

/// A run that has published its dataset says how to load it.
#[test]
fn signal_during_the_load_of_a_run_names_its_dataset() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut other = warehouse.admin_client();
    let mut lock = other.transaction().unwrap();
    // Readers may go on, so that only the transaction of the load waits.
    let sql = "LOCK TABLE load_history IN SHARE ROW EXCLUSIVE MODE";
    lock.batch_execute(sql).unwrap();
    let run = [
        "run",
        "--quiet",
        "--songs",
        "input/song_data",
        "--logs",
        "input/log_data",
        "--out",
        "out",
    ];
    let is_published = || {
        while !warehouse.path("out/latest.json").exists() {
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(100));
    };
    let mut command = warehouse.warehouse_command(&run);
    let (outcome, output) = stop_command(&mut command, Signal::INT, is_published);
    assert_eq!(outcome, StopOutcome::Stopped, "{output:?}");
    let hint = "the dataset is complete: load it with sparkify load --from out/";
    assert!(output.stderr.contains(hint), "{output:?}");
    lock.rollback().unwrap();
}

/// The pauses between attempts to reach a server are not waited for.
#[test]
fn signal_ends_the_attempts_to_reach_a_server() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let url = format!("postgres://etl@127.0.0.1:{}/music", free_port());
    let mut load = warehouse.sparkify(&["load", "--from", "dataset", "--warehouse", &url]);
    let child = load
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sleep(Duration::from_secs(3));
    let started = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    assert!(started.elapsed() < Duration::from_secs(3), "{output:?}");
    output.assert_failure_with_warnings(143, "stopped by SIGTERM");
}
