//! `create-tables --drop` of a warehouse that an older version has made.

use sparkify::jobs::{
    CreateTablesJob, ExistingTableTotals, ExistingTables, IamRole, WarehouseConfig,
};
use sparkify::observer::WarningCollector;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::config_sources::config_of_database;
use crate::support::on_both_warehouses;
use crate::support::test_warehouse::TestWarehouse;
use crate::upgrade::{assert_upgraded, columns, old_warehouse};

on_both_warehouses! {
    drop_removes_tables_of_older_versions
    drop_leaves_tables_of_other_programs
}

fn drop_removes_tables_of_older_versions(kind: WarehouseKind) {
    let warehouse = old_warehouse(kind, "ledger");
    let drop = ["create-tables", "--quiet", "--drop"];
    let words = ["nothing was dropped: 10 tables in "];
    warehouse.run_command(&drop).assert_failure(1, &words);
    let dropped = warehouse.run_command(&[&drop[..], &["--yes"]].concat());
    dropped.assert_success();
    assert_upgraded(&warehouse, kind);
}

/// The columns tell whether a table with an old name is one of sparkify.
fn drop_leaves_tables_of_other_programs(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let other = "CREATE TABLE loads (weight BIGINT); INSERT INTO loads VALUES (7)";
    warehouse.admin_client().batch_execute(other).unwrap();
    let output = warehouse.run_command(&["create-tables", "--quiet", "--drop"]);
    let output = output.assert_success_with_warnings();
    let warning =
        "table loads was not dropped, because it may belong to another program; no load uses it";
    assert_eq!(output.warnings(), [warning]);
    let weight = "SELECT weight FROM loads";
    let mut client = warehouse.admin_client();
    assert_eq!(client.query_one(weight, &[]).unwrap().get::<_, i64>(0), 7);
}

/// A load of the older version may be committed while the user is asked.
#[test]
fn drop_counts_tables_of_older_versions_again() {
    let warehouse = old_warehouse(WarehouseKind::Postgres, "ledger");
    let job = CreateTablesJob {
        warehouse: WarehouseConfig {
            connection: config_of_database(warehouse.database()),
            iam_role: IamRole::default(),
        },
        existing: ExistingTables::Drop,
        views: false,
    };
    let load = "INSERT INTO loads SELECT 'R', object, etag, rows, loaded_at FROM loads LIMIT 1";
    let confirm = |existing: &ExistingTableTotals| {
        assert_eq!(existing.tables, 10);
        assert!(existing.rows > 0);
        warehouse.admin_client().batch_execute(load).unwrap();
        Ok(())
    };
    let before = columns(&mut warehouse.admin_client());
    let error = job.execute(Some(&confirm), &WarningCollector::default());
    let error = error.unwrap_err().to_string();
    let words = "nothing was dropped: rows were loaded after they were counted";
    assert!(error.contains(words), "{error}");
    assert_eq!(columns(&mut warehouse.admin_client()), before);
    // A load that is running is waited for.
    let mut load = warehouse.admin_client();
    load.batch_execute("BEGIN; LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE")
        .unwrap();
    std::thread::scope(|scope| {
        let job = &job;
        let agree = |_: &ExistingTableTotals| Ok(());
        let drop = scope.spawn(move || job.execute(Some(&agree), &WarningCollector::default()));
        let waiting =
            "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'loads'::regclass
             AND mode = 'ShareRowExclusiveLock'";
        let mut client = warehouse.admin_client();
        while client.query_one(waiting, &[]).unwrap().get::<_, i64>(0) < 1 {
            std::thread::yield_now();
        }
        load.batch_execute("COMMIT").unwrap();
        assert_eq!(drop.join().unwrap().unwrap().created, 10);
    });
}
