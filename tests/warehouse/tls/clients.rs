//! The two clients that the tests compare: psql and this program, with the same parameters.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sparkify::error::Error;
use sparkify::internals::warehouse::connect::WarehouseSession;
use sparkify::jobs::ConnectionConfig;
use tempfile::TempDir;
use testkit::postgres_server::{SUPERUSER_PASSWORD, TestDatabase};

use crate::support::config_sources::ConfigSources;

/// All values of `sslmode`.
pub const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// The outcome of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Encrypted,
    Plain,
    Refused,
}

/// A home directory of its own, in which both clients find their files.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".postgresql")).unwrap();
        Self(home)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file in `.postgresql`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(".postgresql").join(name)
    }
}

const QUERY: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// Returns the URL of a database with these parameters.
pub fn url(database: &TestDatabase, user: &str, parameters: &str) -> String {
    url_of_host(&database.host, database, user, parameters)
}

/// Returns the URL of a database with another name of its host.
pub fn url_of_host(host: &str, database: &TestDatabase, user: &str, parameters: &str) -> String {
    let TestDatabase { port, name, .. } = database;
    format!("postgres://{user}@{host}:{port}/{name}?{parameters}")
}

/// Returns what happens when psql connects, and what it says.
pub fn connect_psql(database: &TestDatabase, home: &Home, url: &str) -> (Outcome, String) {
    let output = psql(database, home)
        .args(["-c", QUERY, url])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (outcome(&String::from_utf8(output.stdout).unwrap()), message)
}

/// Returns a psql that ignores the settings of the user.
fn psql(database: &TestDatabase, home: &Home) -> Command {
    // The path leads to the program itself, and not to Debian's wrapper, which is slow.
    let path = database
        .psql_env()
        .into_iter()
        .filter(|(name, _)| *name == "PATH");
    let mut psql = Command::new("psql");
    psql.env_clear()
        .envs(path)
        .env("HOME", home.path())
        .env("PGPASSWORD", SUPERUSER_PASSWORD)
        .arg("-XAtq");
    psql
}

/// Returns the outcome of a connection in which [`QUERY`] printed this.
fn outcome(printed: &str) -> Outcome {
    match printed.trim() {
        "t" => Outcome::Encrypted,
        "f" => Outcome::Plain,
        _ => Outcome::Refused,
    }
}

/// Returns the configuration of a connection by this program.
pub fn config(home: &Home, url: &str) -> Result<ConnectionConfig, Error> {
    // Not the URL of the flag, which must not contain the password of a key.
    let sources = ConfigSources::default()
        .with_env("SPARKIFY_WAREHOUSE", url)
        .with_env("HOME", home.path().to_str().unwrap())
        .with_env("PGPASSWORD", SUPERUSER_PASSWORD);
    sources.resolve().0.map(Option::unwrap)
}

/// Returns what happens when this program connects, and what it says.
pub fn connect(home: &Home, url: &str) -> (Outcome, String) {
    let session = config(home, url).and_then(|config| WarehouseSession::open(&config));
    let mut session = match session {
        Ok(session) => session,
        Err(error) => return (Outcome::Refused, error.to_string()),
    };
    let rows = session.query(QUERY).unwrap();
    let ssl = rows[0][0].as_deref().unwrap();
    (outcome(ssl), String::new())
}
