//! The PostgreSQL session that executes the statements of a client session.

use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use super::protocol::{self, PgMessage, SessionError, SessionResult, SqlError};
use crate::postgres_server::TestDatabase;

/// A row in text format.
pub type ResultRow = Vec<Option<String>>;

/// A session of PostgreSQL.
pub struct PgSession {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// The messages of the server before it was ready.
    pub startup_messages: Vec<PgMessage>,
    /// The transaction status: `I`dle, in a `T`ransaction, or in a failed one (`E`).
    pub transaction_status: u8,
}

impl PgSession {
    /// Connects and logs in.
    pub fn connect(database: &TestDatabase, parameters: &[(&str, &str)]) -> SessionResult<Self> {
        let writer = TcpStream::connect((database.host.as_str(), database.port))?;
        writer.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 16, writer.try_clone()?);
        let mut backend = Self {
            reader,
            writer,
            startup_messages: Vec::new(),
            transaction_status: b'I',
        };
        let mut startup_parameters = vec![
            ("user", database.user.as_str()),
            ("database", &database.name),
        ];
        startup_parameters.extend(parameters);
        backend
            .writer
            .write_all(&protocol::startup_message(&startup_parameters))?;
        let mut scram = None;
        loop {
            let message = backend.receive()?;
            match (message.tag, message.body.get(3)) {
                (b'R', Some(0)) => {}
                (b'R', Some(10)) => {
                    let password = database.password.as_bytes();
                    let begun = ScramSha256::new(password, ChannelBinding::unsupported());
                    let mut body = PgMessage::from_texts(0, &[SCRAM_SHA_256]).body;
                    let first = begun.message();
                    body.extend(u32::try_from(first.len()).unwrap().to_be_bytes());
                    body.extend(first);
                    backend.send(&PgMessage::from_bytes(b'p', body))?;
                    scram = Some(begun);
                }
                (b'R', Some(11)) => {
                    let scram = scram.as_mut().unwrap();
                    scram.update(&message.body[4..])?;
                    let answer = scram.message().to_vec();
                    backend.send(&PgMessage::from_bytes(b'p', answer))?;
                }
                (b'R', Some(12)) => scram.as_mut().unwrap().finish(&message.body[4..])?,
                (b'Z', _) => return Ok(backend),
                (b'E', _) => return Err(SqlError::from_message(&message).into()),
                _ => backend.startup_messages.push(message),
            }
        }
    }

    /// Sends a message.
    pub fn send(&mut self, message: &PgMessage) -> SessionResult<()> {
        Ok(message.write_to(&mut self.writer)?)
    }

    /// Sends SQL by the simple query protocol.
    pub fn query(&mut self, sql: &str) -> SessionResult<()> {
        self.send(&PgMessage::from_texts(b'Q', &[sql]))
    }

    /// Receives the next message.
    pub fn receive(&mut self) -> SessionResult<PgMessage> {
        let message = PgMessage::read(&mut self.reader)?;
        if message.tag == b'Z' {
            self.transaction_status = message.body[0];
        }
        Ok(message)
    }

    /// Runs SQL whose results are not sent to the client.
    pub fn run_sql(&mut self, sql: &str) -> SessionResult<Vec<ResultRow>> {
        self.query(sql)?;
        self.read_rows()
    }

    /// Reads the rows of the statement that was sent, up to its end.
    pub fn read_rows(&mut self) -> SessionResult<Vec<ResultRow>> {
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            let message = self.receive()?;
            match message.tag {
                b'D' => rows.push(message.row_values()),
                b'E' => error = Some(SqlError::from_message(&message)),
                b'Z' => return error.map_or(Ok(rows), |error| Err(error.into())),
                _ => {}
            }
        }
    }

    /// Starts a `COPY … FROM STDIN`.
    pub fn copy_in(&mut self, sql: &str) -> SessionResult<()> {
        self.query(sql)?;
        loop {
            let message = self.receive()?;
            match message.tag {
                b'G' => return Ok(()),
                b'E' => {
                    self.read_rows()?;
                    return Err(SqlError::from_message(&message).into());
                }
                _ => {}
            }
        }
    }

    /// Ends the COPY: with all its rows, or with none.
    pub fn finish_copy(&mut self, is_complete: bool) -> SessionResult<()> {
        if is_complete {
            self.send(&PgMessage::from_bytes(b'c', []))?;
            return self.read_rows().map(drop);
        }
        self.send(&PgMessage::from_texts(b'f', &["the load failed"]))?;
        match self.read_rows() {
            Err(SessionError::ConnectionClosed) => Err(SessionError::ConnectionClosed),
            _ => Ok(()),
        }
    }

    /// Shows the errors of a load, which are recorded outside of the current transaction, within it.
    pub fn show_load_errors(&mut self, rows: String) -> SessionResult<()> {
        let table = "pg_temp.redshift_load_errors";
        self.run_sql(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS {table} (LIKE redshift.load_errors)"
        ))?;
        self.copy_in(&format!("COPY {table} FROM STDIN"))?;
        self.send(&PgMessage::from_bytes(b'd', rows))?;
        self.finish_copy(true)
    }

    /// Makes the current transaction fail.
    pub fn abort_transaction(&mut self) -> SessionResult<()> {
        match self.run_sql("SELECT 1 / 0") {
            Err(SessionError::ConnectionClosed) => Err(SessionError::ConnectionClosed),
            _ => Ok(()),
        }
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        // The server closes the session only after the rollback.
        let _ = self.send(&PgMessage::from_bytes(b'X', []));
        let _ = self.writer.shutdown(Shutdown::Write);
        let _ = self.writer.set_read_timeout(Some(Duration::from_secs(10)));
        while self.receive().is_ok() {}
    }
}

/// Quotes a literal for a session in which backslashes are escapes.
pub fn quote_literal(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("'{text}'")
}
