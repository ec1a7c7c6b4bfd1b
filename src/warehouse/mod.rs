//! The warehouse: where a published star is loaded, the end of the data path.
//!
//! `address` says which it is and as whom, `session` is a connection to it, `script` the SQL, `tables` what
//! must be there; `load` brings a star in, `create` makes the tables.

pub mod address;
pub mod create;
pub mod load;
pub mod rows;
pub mod script;
pub mod session;
pub mod tables;

use address::Address;

/// A warehouse, and what a load needs to know of it.
#[derive(Debug, Clone)]
pub struct Warehouse {
    /// What it is and how it is reached.
    pub address: Address,
    /// The IAM role by which Redshift's COPY reads from S3, as SQL: `default`, or a literal.
    pub iam_role: String,
}
