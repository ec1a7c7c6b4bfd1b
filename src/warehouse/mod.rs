//! The warehouse: where a published star is loaded, the end of the data path.
//!
//! `address` says which it is and as whom, `session` is a connection to it, `script` the SQL, `steps`
//! the transaction that it makes up, `rows` what PostgreSQL is sent, `tables` what must be there; `load` brings
//! a star in, `create` makes the tables.

pub mod address;
pub mod create;
pub mod load;
pub mod rows;
pub mod script;
pub mod session;
pub mod steps;
pub mod tables;

use address::{Address, Dialect};

use crate::error::{Error, Result};
use crate::storage::Place;

/// A warehouse, and what a load needs to know of it.
#[derive(Debug, Clone)]
pub struct Warehouse {
    /// What it is and how it is reached.
    pub address: Address,
    /// The IAM role by which Redshift's COPY reads from S3, as SQL: `default`, or a literal.
    pub iam_role: String,
}

impl Warehouse {
    /// An error unless a star at that place can be loaded.
    ///
    /// # Errors
    /// It is Redshift, and the place is not in S3.
    pub fn check(&self, star: &Place) -> Result<()> {
        match (self.address.dialect, star) {
            (Dialect::Redshift, Place::Local(_)) => {
                Err(Error::usage(format!("cannot load {star} into Redshift"))
                    .because("its COPY reads from S3")
                    .hint("let --out of the run be s3://bucket/prefix"))
            }
            _ => Ok(()),
        }
    }
}
