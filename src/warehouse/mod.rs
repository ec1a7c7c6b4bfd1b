//! Loads published datasets into Redshift or PostgreSQL, and queries them there.
//!
//! - `connect` resolves the connection from flags, environment, config file and `~/.pgpass`, opens sessions over TLS,
//!   and explains connection errors.
//! - `catalog` checks the existing tables, and `create_tables` creates them.
//! - `sql` renders the statements of a load from the templates in `sql/`, and `load` runs them in one transaction.
//! - `retry` decides when a transaction is attempted again.
//! - `query` runs the saved queries of `sql/analytics`.

pub mod catalog;
pub mod connect;
pub mod create_tables;
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

/// A warehouse that datasets are loaded into.
#[derive(Debug, Clone)]
pub struct WarehouseConfig {
    /// Kind of warehouse and connection settings.
    pub connection: ConnectionConfig,
    /// Role with which Redshift reads the bucket. PostgreSQL does not use it.
    pub iam_role: IamRole,
}

impl WarehouseConfig {
    /// Checks that a dataset at the location can be loaded.
    ///
    /// # Errors
    /// Returns an error if the warehouse is Redshift and the location is not in S3.
    pub fn ensure_can_load_from(&self, location: &Location) -> Result<()> {
        match (self.connection.dialect, location) {
            (Dialect::Redshift, Location::Local(_)) => Err(Error::usage(format!(
                "cannot load {location} into Redshift"
            ))
            .with_reason("COPY reads only from S3")
            .with_hint("run with --out s3://bucket/prefix")),
            _ => Ok(()),
        }
    }
}
