//! A PgBouncer in transaction mode: a connection pooler that gives the sessions of a server to another client after each
//! transaction.

use std::fs;
use std::io::{BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use crate::postgres_server::database::TestDatabase;
use crate::postgres_server::server::{SUPERUSER, SUPERUSER_PASSWORD, free_port, is_ready};

/// Stops PgBouncer when the test process ends.
const SUPERVISOR_SCRIPT: &str = include_str!("pgbouncer_supervisor.sh");

/// A PgBouncer in front of a PostgreSQL server.
pub struct PgBouncer {
    /// The port on 127.0.0.1.
    pub port: u16,
    supervisor: Child,
    // The supervisor stops PgBouncer when this pipe is closed.
    port_pipe: Option<ChildStdin>,
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
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR_SCRIPT, "sh"])
            .args([&folder, &program])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C must only reach the test process; the supervisor waits for its end.
            .process_group(0)
            .spawn()
            .expect("cannot start sh");
        let mut responses = BufReader::new(supervisor.stdout.take().unwrap());
        let mut ports = supervisor.stdin.take().unwrap();
        let port = (0..10).find_map(|_| {
            let port = free_port();
            writeln!(ports, "{port}").unwrap();
            is_ready(&mut responses).then_some(port)
        });
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        let port = port.unwrap_or_else(|| panic!("PgBouncer did not start:\n{}", log()));
        Self {
            port,
            supervisor,
            port_pipe: Some(ports),
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

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.port_pipe.take());
        let _ = self.supervisor.wait();
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
