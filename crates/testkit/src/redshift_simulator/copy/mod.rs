//! COPY of Redshift: from Parquet and from JSON, translated into binary COPYs of PostgreSQL.

mod clause;
mod context;
mod json;
mod manifest;
mod objects;
mod parquet;
mod run;
mod statement;
mod target;

pub use context::CopyContext;
pub use run::run_copy;
pub use statement::{CopyStatement, IAM_ROLE_ARN, parse_copy};
