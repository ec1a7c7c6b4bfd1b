//! Shared parts of the warehouse tests: servers, the warehouse under test, and readers of its tables.

pub mod config_sources;
pub mod scripted_server;
pub mod table_rows;
pub mod tcp_proxy;
pub mod test_warehouse;

/// Defines two tests for each function, one on PostgreSQL and one on the Redshift simulator. The functions take a
/// [`WarehouseKind`](testkit::redshift_simulator::WarehouseKind).
macro_rules! on_both_warehouses {
    ($($test:ident)*) => {
        mod postgres {
            $(#[test] fn $test() { super::$test(testkit::redshift_simulator::WarehouseKind::Postgres) })*
        }
        mod redshift {
            $(#[test] fn $test() { super::$test(testkit::redshift_simulator::WarehouseKind::Redshift) })*
        }
    };
}
pub(crate) use on_both_warehouses;
