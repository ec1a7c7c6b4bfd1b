//! Dialects: the two kinds of warehouse.

/// What kind of warehouse it is, which decides the SQL that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Redshift, provisioned or serverless.
    Redshift,
    /// PostgreSQL.
    Postgres,
}
