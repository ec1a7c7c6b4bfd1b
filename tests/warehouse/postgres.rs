//! PostgreSQL servers of the tests: a cluster in a temp folder, which ends with the test process.
//!
//! [`shared`] is one for the whole process, in which each test makes a [`Database`] of its own;
//! [`Server::start`] makes one that is set up in another way.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};
use sparkify::warehouse::connect::config::{ConnectionConfig, ConnectionFlags};
use tempfile::TempDir;

/// Who may do everything on every server.
pub const USER: &str = "sparkify";
/// Their password.
pub const PASSWORD: &str = "password of the tests";

/// Stops the server when the test process is gone.
const SUPERVISOR: &str = include_str!("postgres.sh");

/// What is special about a server.
#[derive(Default)]
pub struct Options {
    /// The certificate and its key, in PEM: the server speaks TLS, too.
    pub tls: Option<(String, String)>,
    /// All of `pg_hba.conf`, in place of passwords by SCRAM for everybody.
    pub hba: Option<String>,
    /// More lines of `postgresql.conf`, as `name` and `value` (quoted where it has to be).
    pub settings: Vec<(String, String)>,
}

/// A PostgreSQL server.
pub struct Server {
    /// Its port on 127.0.0.1.
    pub port: u16,
    folder: PathBuf,
    databases: AtomicU32,
    supervisor: Child,
    // Open for as long as the server is wanted.
    ports: Option<ChildStdin>,
}

/// A database of a test.
#[derive(Debug, Clone)]
pub struct Database {
    pub host: String,
    pub port: u16,
    pub name: String,
    pub user: String,
    pub password: String,
}

/// The server that the tests of this process share: passwords by SCRAM, no TLS.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(Options::default()))
}

impl Server {
    /// Starts a server, which runs until this is dropped or the process ends.
    pub fn start(options: Options) -> Self {
        let bin = programs();
        // The supervisor removes it: a kept one would stay behind when the process is killed.
        let folder = TempDir::with_prefix("sparkify-pg-").unwrap().keep();
        prepare(&folder, options);

        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .args([&folder, &bin])
            .arg(USER)
            .env("LC_ALL", "C")
            .env_remove("PGDATA")
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the test process, whose end the supervisor waits for.
            .process_group(0)
            .spawn()
            .expect("sh is there");
        let mut answers = BufReader::new(supervisor.stdout.take().unwrap());
        let mut ports = supervisor.stdin.take().unwrap();

        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(is_ready(&mut answers), "initdb failed:\n{}", log());
        let port = (0..10).find_map(|_| {
            let port = free_port();
            writeln!(ports, "{port}").unwrap();
            is_ready(&mut answers).then_some(port)
        });
        let port = port.unwrap_or_else(|| panic!("PostgreSQL does not start:\n{}", log()));
        Self {
            port,
            folder,
            databases: AtomicU32::new(0),
            supervisor,
            ports: Some(ports),
        }
    }

    /// A new, empty database.
    pub fn database(&self) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let database = self.of_name(&format!("test_{number}"));
        self.administrator()
            .batch_execute(&format!("CREATE DATABASE {}", database.name))
            .unwrap();
        database
    }

    /// A session of [`USER`] in the database `postgres`, for what concerns the whole server.
    pub fn administrator(&self) -> Client {
        self.of_name("postgres").connect()
    }

    /// The folder of the server, in which its socket is, too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn of_name(&self, name: &str) -> Database {
        Database {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            name: name.to_owned(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.ports.take());
        let _ = self.supervisor.wait();
    }
}

impl Database {
    /// A session in it, without TLS.
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

    /// Its address, password included.
    pub fn address(&self) -> ConnectionConfig {
        let url = self.url();
        let flags = ConnectionFlags {
            url: Some(&url),
            ca_bundle: None,
        };
        let env = |name: &str| (name == "PGPASSWORD").then(|| self.password.clone());
        let address = ConnectionConfig::resolve(flags, None, env, &mut Vec::new());
        address.unwrap().unwrap()
    }

    /// Its address for `--warehouse`. The password is not in it: give it as PGPASSWORD.
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

/// Where the newest PostgreSQL of this machine has its programs.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let version = |folder: &Path| {
        let name = folder.parent()?.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    };
    // Debian has them in a folder of the version, and none of the server's on the path.
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("bin"))
        .collect();
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    std::env::split_paths(&path)
        .chain(debian)
        .find(|bin| {
            ["initdb", "pg_ctl", "postgres"]
                .iter()
                .all(|name| bin.join(name).is_file())
        })
        .expect(
            "these tests need PostgreSQL: apt-get install postgresql (or put initdb on the path)",
        )
}

/// Writes what the supervisor makes a cluster from.
fn prepare(folder: &Path, options: Options) {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n",
        folder.display()
    );
    // Nothing of it outlives the tests, and none of it may begin by itself.
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
    file("password", None, PASSWORD);
    if let Some(hba) = &options.hba {
        file("pg_hba.conf", Some("hba_file"), hba);
    }
    if let Some((certificate, key)) = &options.tls {
        file("server.crt", Some("ssl_cert_file"), certificate);
        file("server.key", Some("ssl_key_file"), key);
        only_for_its_owner(&folder.join("server.key"));
        settings += "ssl = on\n";
    }
    for (name, value) in options.settings {
        settings += &format!("{name} = {value}\n");
    }
    fs::write(folder.join("settings"), settings).unwrap();
}

/// The server refuses a key that others can read.
fn only_for_its_owner(key: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether the supervisor says that its last task is done.
fn is_ready(answers: &mut BufReader<ChildStdout>) -> bool {
    let mut answer = String::new();
    answers.read_line(&mut answer).unwrap();
    answer == "ready\n"
}

#[test]
fn tests_have_databases_of_their_own() {
    let databases = [shared().database(), shared().database()];
    for database in &databases {
        let mut client = database.connect();
        client
            .batch_execute("CREATE TABLE only_here (n INTEGER)")
            .unwrap();
        let row = client.query_one("SELECT current_database()", &[]).unwrap();
        assert_eq!(row.get::<_, String>(0), database.name);
    }
    assert!(databases[0].url().ends_with(&databases[0].name));
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = Server::start(Options::default());
    server.database();
    let (folder, port) = (server.folder().to_owned(), server.port);
    drop(server);
    assert!(!folder.exists());
    TcpListener::bind(("127.0.0.1", port)).expect("nobody listens there any more");
}

/// The test process is killed: here, the end of the pipe that it alone holds.
#[test]
fn a_killed_process_leaves_nothing() {
    // This test again, as a process that starts a server and is killed.
    const CHILD: &str = "SPARKIFY_TEST_KILLED";
    if std::env::var_os(CHILD).is_some() {
        println!("folder={}", shared().folder().display());
        std::thread::sleep(std::time::Duration::from_secs(600));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "postgres::a_killed_process_leaves_nothing",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| Some(PathBuf::from(line.split_once("folder=")?.1)))
        .unwrap();
    assert!(folder.join("data/postmaster.pid").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    while folder.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
