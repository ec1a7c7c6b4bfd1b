//! Names the two kinds of warehouse.

/// Kind of warehouse, which decides the SQL that is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Redshift, provisioned or serverless.
    Redshift,
    /// PostgreSQL.
    Postgres,
}
