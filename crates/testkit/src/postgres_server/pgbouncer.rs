//! A PgBouncer in transaction mode: a connection pooler that gives the sessions of a server to another client after each
//! transaction.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::postgres_server::database::TestDatabase;
use crate::postgres_server::server::{SUPERUSER, SUPERUSER_PASSWORD};
use crate::postgres_server::supervisor::Supervisor;

/// Stops PgBouncer when the test process ends.
const SUPERVISOR_SCRIPT: &str = include_str!("pgbouncer_supervisor.sh");

/// A PgBouncer in front of a PostgreSQL server.
pub struct PgBouncer {
    /// The port on 127.0.0.1.
    pub port: u16,
    _supervisor: Supervisor,
}

impl PgBouncer {
    /// Starts a PgBouncer that shares `pool_size` sessions of the server of `database` among all clients. Both ask for
    /// passwords by SCRAM.
    pub fn start(database: &TestDatabase, pool_size: usize) -> Self {
        let program = find_pgbouncer();
        // The supervisor removes the directory: a `TempDir` would be left over when the process is killed.
        let folder = TempDir::with_prefix("sparkify-pgbouncer-").unwrap().keep();
        let settings = format!(
            "[databases]\n* = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = userlist.txt\npool_mode = transaction\n\
             default_pool_size = {pool_size}\nmax_client_conn = 200\nserver_login_retry = 1\n",
            host = database.host,
            port = database.port,
        );
        fs::write(folder.join("settings"), settings).unwrap();
        let users = format!("\"{SUPERUSER}\" \"{SUPERUSER_PASSWORD}\"\n");
        fs::write(folder.join("userlist.txt"), users).unwrap();
        let arguments = [program.as_os_str()];
        let mut supervisor = Supervisor::spawn(SUPERVISOR_SCRIPT, &folder, &arguments);
        Self {
            port: supervisor.start_server("PgBouncer"),
            _supervisor: supervisor,
        }
    }

    /// Returns how a database of the server is reached through this PgBouncer.
    pub fn database(&self, database: &TestDatabase) -> TestDatabase {
        TestDatabase {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            ..database.clone()
        }
    }
}

/// Returns the path of the program. Debian installs it where only the administrator looks.
fn find_pgbouncer() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned()])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .expect("these tests need PgBouncer: apt-get install pgbouncer (or put it on the path)")
}
