//! Names a warehouse and how to load into it.

use super::connect::config::ConnectionConfig;
use super::dialect::Dialect;
use super::iam_role::IamRole;
use super::sql::literal::quote_literal;
use crate::error::{Error, Result};
use crate::storage::{ACCESS_POINT_ALIAS_HINT, Location};

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
    /// Returns an error if the warehouse is Redshift and COPY cannot read from the location.
    pub fn ensure_can_load_from(&self, location: &Location) -> Result<()> {
        match (self.connection.dialect, location) {
            // The URLs of the manifests become literals of SQL.
            (Dialect::Redshift, Location::S3 { .. })
                if quote_literal(&location.to_string()).is_err() =>
            {
                Err(
                    Error::usage(format!("cannot load {location} into Redshift"))
                        .with_reason("it contains a backslash or a control character")
                        .with_hint("choose another prefix"),
                )
            }
            (Dialect::Redshift, Location::Local(_)) => Err(Error::usage(format!(
                "cannot load {location} into Redshift"
            ))
            .with_reason("COPY reads only from S3")
            .with_hint("run with --out s3://bucket/prefix")),
            (Dialect::Redshift, location) if location.is_in_access_point_arn() => Err(
                Error::usage(format!("cannot load {location} into Redshift"))
                    .with_reason("COPY does not take the ARN of an access point")
                    .with_hint(ACCESS_POINT_ALIAS_HINT),
            ),
            _ => Ok(()),
        }
    }
}
