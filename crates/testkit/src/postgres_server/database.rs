//! A database of a test, and how to connect to it.

use std::ffi::OsString;

use postgres::{Client, NoTls};

use crate::postgres_server::bin_dir::find_postgres_bin_dir;

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

    /// Returns the environment in which `psql` is found, ignores the settings of the user, and connects to this database.
    pub fn psql_env(&self) -> Vec<(&'static str, OsString)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [find_postgres_bin_dir()]
            .into_iter()
            .chain(std::env::split_paths(&path));
        vec![
            ("PATH", std::env::join_paths(path).unwrap()),
            ("PSQLRC", "/dev/null".into()),
            ("PGHOST", self.host.as_str().into()),
            ("PGPORT", self.port.to_string().into()),
            ("PGDATABASE", self.name.as_str().into()),
            ("PGUSER", self.user.as_str().into()),
            ("PGPASSWORD", self.password.as_str().into()),
        ]
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
