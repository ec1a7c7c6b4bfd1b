//! Loads the rows of one run into a warehouse, in one transaction.
//!
//! The rows of every table go to a staging table first and are counted there. They are merged only if the counts are
//! right. The result of a merge depends on the content of the rows only, so a repeated load changes nothing. That makes
//! every failure harmless: if it is unknown whether the transaction was committed, the rows are loaded again.
//!
//! - `warehouse_load` names the warehouse, and `mode` says whether the rows there are kept. `source` defines where the rows
//!   come from: `dataset_source` has those of a dataset. `plan` lists the statements of the transaction, and `attempts`
//!   repeats it until it is committed.
//! - `preflight` checks the tables before a load, and `privileges` whether its user may run its statements. `history` tells
//!   what was loaded before. `lost_connection` repeats what a server that restarts has interrupted.
//! - `transaction` runs the statements, `staging` fills the staging tables by `pg_copy_encoder`, and `verify` checks the
//!   merged rows.
//! - `change_counts` counts the effect on each table, which `report` returns.

mod attempts;
mod change_counts;
mod dataset_source;
mod history;
mod lost_connection;
mod mode;
pub(crate) mod pg_copy_encoder;
mod plan;
mod preflight;
mod privileges;
mod report;
mod source;
mod staging;
mod transaction;
mod verify;
mod warehouse_load;

pub use change_counts::TableChangeCounts;
pub(crate) use dataset_source::DatasetSource;
pub use history::NewestLoad;
pub(crate) use history::{check_tables, loaded_before, loaded_runs};
pub(crate) use lost_connection::Contact;
pub(crate) use mode::LoadMode;
pub(crate) use plan::{ParquetParams, parquet_copy_statements};
pub(crate) use preflight::{ensure_tables_match, ensure_tables_not_emptied};
pub(crate) use privileges::ensure_privileges;
pub use report::LoadReport;
pub(crate) use source::{LoadSource, StagedRows};
pub(crate) use warehouse_load::WarehouseLoad;
