//! Generates the SQL of a warehouse from the description of the star schema. The files of `sql/redshift` and
//! `sql/postgres` are its output.
//!
//! - `create` and `drop` define the tables, and `column` their columns.
//! - `transaction`, `stage`, `refresh`, `copy`, `count`, `merge` and `verify` are the parts of a load, in this order.
//!   `constraints` drops constraints in PostgreSQL and adds them again.
//! - `script` puts the files together from a `header` and statements, and `list` wraps their lines.

mod column;
mod constraints;
mod copy;
mod count;
mod create;
mod drop;
mod existing_files;
mod header;
mod list;
mod refresh;
mod script;
mod stage;
mod transaction;

pub(crate) use constraints::with_constraints_dropped;
pub(crate) use copy::{RowSource, copy_statement};
pub(crate) use count::{
    emptied_statement, has_rows_query, missing_state_statement, nonempty_tables_query,
    row_deltas_statement, staged_rows_statement,
};
pub(crate) use create::create_statements;
pub(crate) use drop::drop_statements;
pub(crate) use existing_files::{merge_statements, verify_statement};
pub(crate) use refresh::refresh_statements;
pub use script::{SqlScript, sql_scripts};
pub(crate) use stage::staging_statements;
pub(crate) use transaction::{begin_statement, commit_statement, lock_statement};
