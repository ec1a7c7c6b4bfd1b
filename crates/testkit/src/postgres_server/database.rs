//! A database of a test, and how to connect to it.

use postgres::{Client, NoTls};

/// A database of a test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    pub host: String,
    pub port: u16,
    pub name: String,
    pub user: String,
    pub password: String,
}

impl TestDatabase {
    /// Opens a session without TLS.
    pub fn connect(&self) -> Client {
        postgres::Config::new()
            .host(&self.host)
            .port(self.port)
            .dbname(&self.name)
            .user(&self.user)
            .password(&self.password)
            .connect(NoTls)
            .unwrap()
    }

    /// Returns the URL for `--warehouse`, without the password: set PGPASSWORD to it.
    pub fn url(&self) -> String {
        let Self {
            host,
            port,
            name,
            user,
            ..
        } = self;
        format!("postgres://{user}@{host}:{port}/{name}")
    }
}
