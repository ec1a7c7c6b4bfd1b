//! Generates the SQL of a warehouse from the description of the star schema. The files of `sql/redshift` and
//! `sql/postgres` are its output.
//!
//! - `create` and `drop` define the tables, and `column` their columns. `upgrade` changes those of older versions.
//! - `transaction` begins and commits a load. `stage`, `refresh`, `copy`, `count`, `merge` and `verify` are the parts
//!   between, in this order. `constraints` drops constraints in PostgreSQL and adds them again.
//! - `clause`, `expression`, `list` and `temp_table` lay out parts of statements.
//! - `transform` stages raw records and derives the staged rows from them, inside Redshift.
//! - `history` lists loads.
//! - `script` puts the files together from a `header` and statements.

mod clause;
mod column;
mod constraints;
mod copy;
mod count;
mod create;
mod drop;
mod expression;
mod header;
mod history;
mod list;
mod merge;
mod refresh;
mod script;
#[cfg(test)]
mod shops;
mod stage;
mod temp_table;
#[cfg(test)]
mod tests;
mod transaction;
mod transform;
mod upgrade;
mod verify;

pub(crate) use constraints::{
    foreign_keys_of_others_query, full_refresh_ownership, with_constraints_dropped,
};
pub(crate) use copy::{RowSource, copy_statement};
pub(crate) use count::{
    LOADED_SONGS, emptied_statement, fact_summary_statement, has_rows_query,
    missing_state_statement, nonempty_tables_query, row_deltas_statement, staged_rows_statement,
};
pub(crate) use create::create_statements;
pub(crate) use drop::drop_statements;
pub(crate) use history::{loads_query, newest_event_query, newest_load_query};
pub(crate) use merge::merge_statements;
pub(crate) use refresh::refresh_statements;
pub use script::{SqlScript, sql_scripts};
pub(crate) use stage::staging_statements;
pub(crate) use transaction::{
    begin_statement, commit_statement, lock_statement, lock_table_statement,
};
pub(crate) use transform::{
    CopyRejects, JsonSource, LoadErrorView, check_statements, failed_copy_errors_query,
    insert_copy_rejects, load_errors_statement, raw_copy_statement, raw_staging_statements,
    record_counts_statement, rejected_records_statement, source_list_copy_statement,
    transform_statements,
};
pub use upgrade::TableChange;
pub(crate) use upgrade::{changes_since_first_version, upgrade_lock_statement, upgrade_statements};
pub(crate) use verify::verify_statement;
