//! Accepts clients, and logs each of them in to a session of its own.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use crate::redshift_simulator::client_session::ClientSession;
use crate::redshift_simulator::dialect_rules::LastCopyInfo;
use crate::redshift_simulator::pg_session::PgSession;
use crate::redshift_simulator::protocol::{self, PgMessage, SessionError, SessionResult, SqlError};
use crate::redshift_simulator::settings::{AuthMethod, IsolationLevel, WarehouseKind};
use crate::redshift_simulator::state::SimulatorState;

impl SimulatorState {
    pub(super) fn accept_connections(self: Arc<Self>, listener: &TcpListener) {
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
            lagging_errors: Vec::new(),
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
        let mut auth_request = match self.settings.method {
            AuthMethod::Md5 => vec![0, 0, 0, 5],
            AuthMethod::Cleartext => vec![0, 0, 0, 3],
            AuthMethod::Sha256 => vec![0, 0, 0, 13, 0, 0, 0, 1],
        };
        if self.settings.method != AuthMethod::Cleartext {
            auth_request.extend(salt);
        }
        PgMessage::from_bytes(b'R', auth_request).write_to(writer)?;
        let [given] = PgMessage::read(reader)?.texts();
        Ok(self.logins.accept(user, &given, self.settings.method, salt))
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
