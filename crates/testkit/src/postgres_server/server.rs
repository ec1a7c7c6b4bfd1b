//! A server: a cluster in a temporary directory, under a supervisor that outlives the test process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::Client;
use tempfile::TempDir;

use crate::postgres_server::bin_dir::find_postgres_bin_dir;
use crate::postgres_server::database::TestDatabase;
use crate::postgres_server::supervisor::Supervisor;

/// The superuser of every server.
pub const SUPERUSER: &str = "sparkify";
/// The password of the superuser.
pub const SUPERUSER_PASSWORD: &str = "password of the tests";

/// Stops the server when the test process ends.
const SUPERVISOR_SCRIPT: &str = include_str!("supervisor.sh");

/// The settings of a server.
#[derive(Default)]
pub struct PostgresServerOptions {
    /// The certificate and its key as PEM; with it the server supports TLS.
    pub tls: Option<(String, String)>,
    /// The contents of `pg_hba.conf`, instead of SCRAM passwords for all users.
    pub hba: Option<String>,
    /// Additional lines of `postgresql.conf`, as name and value; the value is quoted where necessary.
    pub settings: Vec<(String, String)>,
    /// Whether the server is a standby, which only reads.
    pub standby: bool,
}

/// A PostgreSQL server.
pub struct PostgresServer {
    /// The port on 127.0.0.1.
    pub port: u16,
    folder: PathBuf,
    database_count: AtomicU32,
    _supervisor: Supervisor,
}

/// Returns the server that the tests of this process share: SCRAM passwords, no TLS.
pub fn shared_server() -> &'static PostgresServer {
    static SHARED: OnceLock<PostgresServer> = OnceLock::new();
    SHARED.get_or_init(|| PostgresServer::start(PostgresServerOptions::default()))
}

impl PostgresServer {
    /// Starts a server, which runs until this value is dropped or the process ends.
    pub fn start(options: PostgresServerOptions) -> Self {
        let bin = find_postgres_bin_dir();
        // The supervisor removes the directory: a `TempDir` would be left over when the process is killed.
        let folder = TempDir::with_prefix("sparkify-pg-").unwrap().keep();
        write_server_files(&folder, options);

        let arguments = [bin.as_os_str(), SUPERUSER.as_ref()];
        let mut supervisor = Supervisor::spawn(SUPERVISOR_SCRIPT, &folder, &arguments);
        supervisor.wait_until_ready("initdb");
        let port = supervisor.start_server("PostgreSQL");
        Self {
            port,
            folder,
            database_count: AtomicU32::new(0),
            _supervisor: supervisor,
        }
    }

    /// Creates an empty database.
    pub fn create_database(&self) -> TestDatabase {
        let number = self.database_count.fetch_add(1, Ordering::Relaxed);
        let database = self.database_named(&format!("test_{number}"));
        self.admin_client()
            .batch_execute(&format!("CREATE DATABASE {}", database.name))
            .unwrap();
        database
    }

    /// Opens a session of [`SUPERUSER`] in the database `postgres`, for operations on the whole server.
    pub fn admin_client(&self) -> Client {
        self.database_named("postgres").connect()
    }

    /// Returns the directory of the server, which contains its socket.
    pub fn dir(&self) -> &Path {
        &self.folder
    }

    /// Returns the database with this name, whether it exists or not.
    pub fn database_named(&self, name: &str) -> TestDatabase {
        TestDatabase {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            name: name.to_owned(),
            user: SUPERUSER.to_owned(),
            password: SUPERUSER_PASSWORD.to_owned(),
        }
    }
}

/// Writes the files from which the supervisor creates a cluster.
fn write_server_files(folder: &Path, options: PostgresServerOptions) {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n",
        folder.display()
    );
    // Durability is not needed, and no background work may start by itself.
    settings += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\n\
        max_connections = 200\nshared_buffers = '64MB'\nmax_wal_senders = 0\nwal_level = minimal\n\
        max_wal_size = '1GB'\ncheckpoint_timeout = '1d'\n";
    let mut file = |name: &str, setting: Option<&str>, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        if let Some(setting) = setting {
            settings += &format!("{setting} = '{}'\n", path.display());
        }
    };
    file("password", None, SUPERUSER_PASSWORD);
    if let Some(hba) = &options.hba {
        file("pg_hba.conf", Some("hba_file"), hba);
    }
    if let Some((certificate, key)) = &options.tls {
        file("server.crt", Some("ssl_cert_file"), certificate);
        file("server.key", Some("ssl_key_file"), key);
        restrict_to_owner(&folder.join("server.key"));
        settings += "ssl = on\n";
    }
    if options.standby {
        fs::write(folder.join("standby.signal"), "").unwrap();
        // A standby requires at least the settings with which the cluster was created.
        settings += "wal_level = replica\nmax_wal_senders = 10\n";
    }
    for (name, value) in options.settings {
        settings += &format!("{name} = {value}\n");
    }
    fs::write(folder.join("settings"), settings).unwrap();
}

/// Restricts the permissions of a key, because the server rejects a key that others can read.
fn restrict_to_owner(key: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}
