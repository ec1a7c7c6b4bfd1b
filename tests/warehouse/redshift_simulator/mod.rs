//! A simulator of Amazon Redshift: a server in this process that speaks the PostgreSQL protocol, enforces the
//! rules of Redshift, and executes the accepted statements on a real PostgreSQL server.
//!
//! A lexer splits messages into statements, so that they can be counted, rejected, translated, and made to
//! fail (see [`FaultInjector`]). With [`WarehouseKind::Postgres`] the same proxy runs in front of plain PostgreSQL
//! without the rules of Redshift.

// Each test crate uses only some of the methods.
#![allow(dead_code)]

mod client_session;
mod copy;
mod ddl;
mod dialect_rules;
mod fault_injector;
mod lexer;
mod parquet_to_pg_copy;
mod pg_session;
mod protocol;

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use postgres::Client;
use postgres_protocol::authentication::md5_hash;

pub use self::copy::IAM_ROLE_ARN;
pub use self::fault_injector::{FaultInjector, FaultPoint, RecordedStatement, StatementMatcher};
pub use self::protocol::SqlError;

use self::client_session::ClientSession;
use self::copy::LoadErrorRecord;
use self::dialect_rules::LastCopyInfo;
use self::pg_session::PgSession;
use self::protocol::{PgMessage, SessionError, SessionResult};
use crate::support::postgres_server::TestDatabase;

/// The only user who can log in.
pub const USER: &str = "loader";
/// The password of that user: a unique string, so that outputs can be searched for it.
pub const PASSWORD: &str = "ThisWarehousePasswordMustNeverBeSeen1";

/// The kind of warehouse that a server simulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarehouseKind {
    /// Redshift, with all its rules.
    #[default]
    Redshift,
    /// PostgreSQL, with fault injection only.
    Postgres,
}

/// The authentication method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMethod {
    /// A password hashed with MD5.
    #[default]
    Md5,
    /// A cleartext password.
    Cleartext,
    /// Redshift's own method 13, as for passwords that are stored as `sha256|…`.
    Sha256,
}

/// The isolation level of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Snapshot isolation, as in new clusters.
    #[default]
    Snapshot,
    /// Serializable isolation, as in older clusters: conflicts are error 1023.
    Serializable,
}

/// The codecs that COPY reads inside Parquet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadableCodecs {
    /// The codecs that the documentation of COPY and Spectrum names (Snappy and gzip), and uncompressed data.
    /// bzip2 does not exist inside Parquet, and field reports say that zstd is rejected.
    #[default]
    Documented,
    /// All codecs that the Parquet reader supports, as a later release of Redshift may do.
    Any,
}

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct SimulatorSettings {
    pub kind: WarehouseKind,
    pub method: AuthMethod,
    pub isolation: IsolationLevel,
    /// The directory with one directory for each bucket, in which the files are the objects.
    pub buckets: PathBuf,
    /// The buckets that are in another region than the cluster.
    pub other_region_buckets: Vec<String>,
    pub codecs: ReadableCodecs,
}

/// The state that the sessions of a server share.
struct SimulatorState {
    settings: SimulatorSettings,
    faults: FaultInjector,
    /// The database that executes the statements.
    backend_database: TestDatabase,
    session_count: AtomicUsize,
    next_query_id: AtomicU64,
    is_shut_down: AtomicBool,
    clients: Mutex<Vec<TcpStream>>,
    /// A session that is never rolled back.
    autocommit_client: Mutex<Client>,
}

/// A server. Dropping it ends its sessions.
pub struct RedshiftSimulator {
    shared: Arc<SimulatorState>,
    frontend_database: TestDatabase,
}

impl RedshiftSimulator {
    /// Starts a server on a new database.
    pub fn start(settings: SimulatorSettings) -> Self {
        Self::start_on(
            crate::support::postgres_server::shared_server().create_database(),
            settings,
        )
    }

    /// Starts a server on a database, which must be empty for Redshift.
    pub fn start_on(backend_database: TestDatabase, settings: SimulatorSettings) -> Self {
        let mut client = backend_database.connect();
        if settings.kind == WarehouseKind::Redshift {
            client.batch_execute(include_str!("catalog.sql")).unwrap();
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let frontend_database = TestDatabase {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            name: backend_database.name.clone(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let shared = Arc::new(SimulatorState {
            settings,
            faults: FaultInjector::default(),
            backend_database,
            session_count: AtomicUsize::new(0),
            next_query_id: AtomicU64::new(1001),
            is_shut_down: AtomicBool::new(false),
            clients: Mutex::default(),
            autocommit_client: Mutex::new(client),
        });
        let serving = shared.clone();
        thread::spawn(move || serving.accept_connections(&listener));
        Self {
            shared,
            frontend_database,
        }
    }

    /// Returns the URL for `--warehouse`, without the password: set PGPASSWORD to it.
    pub fn url(&self) -> String {
        let url = self.frontend_database.url();
        match self.shared.settings.kind {
            WarehouseKind::Redshift => url.replacen("postgres", "redshift", 1),
            WarehouseKind::Postgres => url,
        }
    }

    /// Returns the address of the server and its login.
    pub fn database(&self) -> &TestDatabase {
        &self.frontend_database
    }

    /// Opens a session.
    pub fn connect(&self) -> Client {
        self.frontend_database.connect()
    }

    /// Returns the recorded statements and the faults.
    pub fn faults(&self) -> &FaultInjector {
        &self.shared.faults
    }

    /// Opens a session of the PostgreSQL backend, to inspect the tables.
    pub fn backend_client(&self) -> Client {
        self.shared.backend_database.connect()
    }
}

impl Drop for RedshiftSimulator {
    fn drop(&mut self) {
        self.shared.is_shut_down.store(true, Ordering::Relaxed);
        // The thread that accepts connections must be woken.
        let _ = TcpStream::connect((
            self.frontend_database.host.as_str(),
            self.frontend_database.port,
        ));
        for client in self.shared.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl SimulatorState {
    fn accept_connections(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().map_while(Result::ok) {
            if self.is_shut_down.load(Ordering::Relaxed) {
                return;
            }
            self.clients
                .lock()
                .unwrap()
                .push(client.try_clone().unwrap());
            let shared = self.clone();
            thread::spawn(move || {
                let session = shared.log_in(&client);
                let _ = session.and_then(|mut session| session.serve());
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    }

    /// Records the failure of a load outside of its transaction.
    fn record_load_error(&self, process: i32, query: u64, error: &LoadErrorRecord) {
        let mut client = self.autocommit_client.lock().unwrap();
        let column = error.column.as_ref();
        let name = column.map(|column| column.name.clone());
        let ty = column.map(|column| column.ty.clone());
        let length = column.map(parquet_to_pg_copy::TargetColumn::max_bytes_text);
        let sql = "INSERT INTO redshift.load_errors \
                   (pid, query, table_id, file, line, name, type, length, code, message, value) \
                   VALUES ($1, $2, to_regclass($3)::oid::bigint::int, $4, $5, $6, $7, $8, $9, $10, $11)";
        client
            .execute(
                sql,
                &[
                    &process,
                    &query.cast_signed(),
                    &error.table,
                    &error.file,
                    &(error.line as i64),
                    &name,
                    &ty,
                    &length,
                    &error.code.cast_signed(),
                    &error.message,
                    &error.value,
                ],
            )
            .unwrap();
    }

    /// Authenticates a client, and opens a session of the backend for it.
    fn log_in(self: Arc<Self>, client: &TcpStream) -> SessionResult<ClientSession> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(1 << 16, client.try_clone()?);
        let mut writer = client.try_clone()?;
        let parameters = loop {
            let body = protocol::read_body(&mut reader)?;
            match body.split_first_chunk::<4>() {
                Some((code, rest)) if u32::from_be_bytes(*code) == 196_608 => {
                    break parse_startup_parameters(rest);
                }
                Some((code, _)) if u32::from_be_bytes(*code) == 80_877_102 => {
                    self.cancel(&body)?;
                    return Err(SessionError::ConnectionClosed);
                }
                // TLS and GSSAPI encryption are not available.
                _ => writer.write_all(b"N")?,
            }
        };
        let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
        if !self.authenticate(parameter("user"), &mut reader, &mut writer)? {
            let message = format!(
                "password authentication failed for user \"{}\"",
                parameter("user")
            );
            SqlError::new("28000", message)
                .to_fatal_message()
                .write_to(&mut writer)?;
            return Err(SessionError::ConnectionClosed);
        }
        if parameter("database") != self.backend_database.name {
            let message = format!("database \"{}\" does not exist", parameter("database"));
            SqlError::new("3D000", message)
                .to_fatal_message()
                .write_to(&mut writer)?;
            return Err(SessionError::ConnectionClosed);
        }
        let redshift = [
            ("standard_conforming_strings", "off"),
            ("escape_string_warning", "off"),
            ("TimeZone", "UTC"),
            (
                "default_transaction_isolation",
                match self.settings.isolation {
                    IsolationLevel::Snapshot => "repeatable read",
                    IsolationLevel::Serializable => "serializable",
                },
            ),
        ];
        let mut all = vec![
            ("client_encoding", "UTF8"),
            ("application_name", parameter("application_name")),
        ];
        if self.settings.kind == WarehouseKind::Redshift {
            all.extend(redshift);
        }
        let mut backend = PgSession::connect(&self.backend_database, &all)?;
        let mut out = Vec::new();
        PgMessage::from_bytes(b'R', [0; 4]).append_to(&mut out);
        let mut process = 0;
        for message in std::mem::take(&mut backend.startup_messages) {
            let [name] = message.texts();
            let redshift = self.settings.kind == WarehouseKind::Redshift;
            match (message.tag, name.as_str()) {
                (b'S', "server_version") if redshift => {
                    PgMessage::from_texts(b'S', &["server_version", "8.0.2"]).append_to(&mut out);
                }
                (b'K', _) => {
                    process = i32::from_be_bytes(*message.body.first_chunk().unwrap());
                    message.append_to(&mut out);
                }
                _ => message.append_to(&mut out),
            }
        }
        PgMessage::ready_for_query(b'I').append_to(&mut out);
        writer.write_all(&out)?;
        out.clear();
        Ok(ClientSession {
            session_number: self.session_count.fetch_add(1, Ordering::Relaxed) + 1,
            shared: self,
            reader,
            writer,
            backend,
            statement_count: 0,
            backend_pid: process,
            last_copy: LastCopyInfo::default(),
            out_buffer: out,
            hold_output: false,
            in_implicit_transaction: false,
            only_locks_so_far: false,
            pending_messages: Vec::new(),
            prepared: HashMap::new(),
            portals: HashMap::new(),
        })
    }

    /// Forwards a cancel request.
    fn cancel(&self, body: &[u8]) -> SessionResult<()> {
        let mut stream = TcpStream::connect((
            self.backend_database.host.as_str(),
            self.backend_database.port,
        ))?;
        stream.write_all(&16_u32.to_be_bytes())?;
        stream.write_all(body)?;
        let _ = stream.read(&mut [0]);
        Ok(())
    }

    /// Authenticates the client by its password.
    fn authenticate(
        &self,
        user: &str,
        reader: &mut BufReader<TcpStream>,
        writer: &mut TcpStream,
    ) -> SessionResult<bool> {
        let salt = *b"salt";
        let (mut auth_request, expected) = match self.settings.method {
            AuthMethod::Md5 => (
                vec![0, 0, 0, 5],
                md5_hash(USER.as_bytes(), PASSWORD.as_bytes(), salt),
            ),
            AuthMethod::Cleartext => (vec![0, 0, 0, 3], PASSWORD.to_owned()),
            // No response to this method is accepted: clients without support for it must fail.
            AuthMethod::Sha256 => (vec![0, 0, 0, 13, 0, 0, 0, 1], "\0".to_owned()),
        };
        if self.settings.method != AuthMethod::Cleartext {
            auth_request.extend(salt);
        }
        PgMessage::from_bytes(b'R', auth_request).write_to(writer)?;
        let [given] = PgMessage::read(reader)?.texts();
        Ok(user == USER && given == expected)
    }
}

/// Parses the parameters of a startup message.
fn parse_startup_parameters(body: &[u8]) -> HashMap<String, String> {
    let mut texts = body
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8_lossy(text).into_owned());
    let mut parameters = HashMap::new();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        parameters.insert(name, value);
    }
    parameters
}
