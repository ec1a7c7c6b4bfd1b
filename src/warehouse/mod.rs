//! The warehouse: where a published star is loaded, the end of the data path.
//!
//! `address` says which it is and as whom (from `parts` of URL, environment and `config_file`, with a `secret`
//! that may come from the `passfile`), `session` is a connection to it by `tls`, `failure` what its failures
//! mean, `script` the SQL, `steps` the transaction that it makes up, `rows` what PostgreSQL is sent, `tables` what
//! must be there, `tries` what is done again; `load` brings a star in, `create` makes the tables, `analytics`
//! asks what is in them.

pub mod catalog;
pub mod connect;
pub mod create;
pub mod dialect;
pub mod iam_role;
pub mod load;
pub mod query;
mod retry;
pub mod sql;

use connect::config::ConnectionConfig;
use dialect::Dialect;
use iam_role::IamRole;

use crate::error::{Error, Result};
use crate::storage::Location;

/// A warehouse.
#[derive(Debug, Clone)]
pub struct Warehouse {
    /// What it is and how it is reached.
    pub connection: ConnectionConfig,
    /// As whom it reads the bucket, if it is Redshift.
    pub iam_role: IamRole,
}

impl Warehouse {
    /// An error unless a star at that place can be loaded.
    ///
    /// # Errors
    /// It is Redshift, and the place is not in S3.
    pub fn ensure_can_load_from(&self, location: &Location) -> Result<()> {
        match (self.connection.dialect, location) {
            (Dialect::Redshift, Location::Local(_)) => Err(Error::usage(format!(
                "cannot load {location} into Redshift"
            ))
            .with_reason("its COPY reads from S3")
            .with_hint("let --out of the run be s3://bucket/prefix")),
            _ => Ok(()),
        }
    }
}
