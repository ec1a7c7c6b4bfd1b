//! Addresses: which warehouse, as whom, and how far its certificate is trusted.

/// What kind of warehouse it is, which decides the SQL that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Redshift, provisioned or serverless.
    Redshift,
    /// PostgreSQL.
    Postgres,
}

/// A warehouse and how it is reached.
#[derive(Debug, Clone)]
pub struct Address {
    /// What it is.
    pub dialect: Dialect,
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database on it.
    pub database: String,
    /// The user that logs in.
    pub user: String,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}@{}:{}/{}",
            self.user, self.host, self.port, self.database
        )
    }
}
