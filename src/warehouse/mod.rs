//! Loads published datasets into Redshift or PostgreSQL, and queries them there.
//!
//! - `config` names a warehouse, `dialect` its kind, and `iam_role` the role with which Redshift reads a bucket.
//! - `connect` resolves the connection from flags, environment, config file and `~/.pgpass`, opens sessions over TLS,
//!   and explains and classifies errors.
//! - `catalog` compares the existing tables with the expected ones, `lost_tables` detects those that lost their rows,
//!   `upgrade` those of an older version, and `create_tables` creates and upgrades them
//!   by the statements of `table_ddl`.
//! - `views` has the views for analysts of `sql/analytics/views`.
//! - `sql` generates statements from the model, and `load` runs those of a load in one transaction.
//! - `lock_wait` warns about long waits for other sessions, and `query_result` reads the results of checks.
//! - `saved_query` has the saved queries of `sql/analytics`, `query` runs them in a warehouse, and `duckdb_script` writes
//!   them for DuckDB, which reads a dataset. `load_log` lists loads.
//! - `operations_query` has the operations queries of `sql/operations`.

pub(crate) mod catalog;
mod config;
pub(crate) mod connect;
pub(crate) mod create_tables;
pub(crate) mod dialect;
pub(crate) mod duckdb_script;
pub(crate) mod iam_role;
pub(crate) mod load;
pub(crate) mod load_log;
mod lock_wait;
mod lost_tables;
pub(crate) mod operations_query;
pub(crate) mod query;
pub(crate) mod query_result;
pub(crate) mod saved_query;
pub(crate) mod sql;
pub(crate) mod table_ddl;
mod upgrade;
mod views;

pub use config::WarehouseConfig;
