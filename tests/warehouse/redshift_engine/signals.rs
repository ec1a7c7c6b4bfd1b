//! SIGINT and SIGTERM during a run of the engine inside Redshift: all of it is loaded, or nothing.

use std::thread::sleep;
use std::time::Instant;

use testkit::cli::stopped_command::{STOP_SIGNALS, StopOutcome, random_moments, stop_command};
use testkit::redshift_simulator::WarehouseKind;

use super::batches::{LIMIT, SavedTables, runs_in_output, tables_of_one_run, upload_batch};
use super::support::{engine_command, run_engine};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

#[test]
fn signal_at_any_moment_loads_all_or_nothing() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    upload_batch(&warehouse, 2);
    let before = warehouse.warehouse_tables();
    let both = tables_of_one_run([1, 2]);
    let saved = SavedTables::save(&warehouse);
    let started = Instant::now();
    run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    let duration = started.elapsed();
    saved.restore();
    let mut stops = 0;
    for signal in STOP_SIGNALS {
        for moment in random_moments(duration) {
            let runs_before = runs_in_output(&warehouse);
            let mut command = engine_command(&warehouse, "redshift", &input, &LIMIT);
            let (outcome, output) = stop_command(&mut command, signal, || sleep(moment));
            warehouse.wait_until_idle();
            match outcome {
                StopOutcome::Finished => {
                    assert_tables_eq(&warehouse.warehouse_tables(), &both);
                    saved.restore();
                }
                StopOutcome::Stopped => {
                    stops += 1;
                    assert_tables_eq(&warehouse.warehouse_tables(), &before);
                    assert_eq!(runs_in_output(&warehouse), runs_before, "{output:?}");
                }
                StopOutcome::NotBegun => assert_tables_eq(&warehouse.warehouse_tables(), &before),
                StopOutcome::Forced => saved.restore(),
            }
        }
    }
    assert!(stops > 0);
}
