//! The session of PostgreSQL behind a session of a client.

use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use super::wire::{self, Done, Message, Refusal, Trouble};
use crate::postgres::Database;

/// One row, as text.
pub type Row = Vec<Option<String>>;

/// A session of PostgreSQL.
pub struct Backend {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// What the server said before it was ready.
    pub greeting: Vec<Message>,
    /// `I`dle, in a `T`ransaction, in one that has failed (`E`).
    pub status: u8,
}

impl Backend {
    /// Logs in.
    pub fn connect(database: &Database, parameters: &[(&str, &str)]) -> Done<Self> {
        let writer = TcpStream::connect((database.host.as_str(), database.port))?;
        writer.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 16, writer.try_clone()?);
        let mut backend = Self {
            reader,
            writer,
            greeting: Vec::new(),
            status: b'I',
        };
        let mut all = vec![
            ("user", database.user.as_str()),
            ("database", &database.name),
        ];
        all.extend(parameters);
        backend.writer.write_all(&wire::startup(&all))?;
        let mut scram = None;
        loop {
            let message = backend.receive()?;
            match (message.tag, message.body.get(3)) {
                (b'R', Some(0)) => {}
                (b'R', Some(10)) => {
                    let password = database.password.as_bytes();
                    let begun = ScramSha256::new(password, ChannelBinding::unsupported());
                    let mut body = Message::of(0, &[SCRAM_SHA_256]).body;
                    let first = begun.message();
                    body.extend(u32::try_from(first.len()).unwrap().to_be_bytes());
                    body.extend(first);
                    backend.send(&Message::raw(b'p', body))?;
                    scram = Some(begun);
                }
                (b'R', Some(11)) => {
                    let scram = scram.as_mut().unwrap();
                    scram.update(&message.body[4..])?;
                    let answer = scram.message().to_vec();
                    backend.send(&Message::raw(b'p', answer))?;
                }
                (b'R', Some(12)) => scram.as_mut().unwrap().finish(&message.body[4..])?,
                (b'Z', _) => return Ok(backend),
                (b'E', _) => return Err(Refusal::of(&message).into()),
                _ => backend.greeting.push(message),
            }
        }
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Message) -> Done<()> {
        Ok(message.write(&mut self.writer)?)
    }

    /// Sends SQL by the simple protocol.
    pub fn query(&mut self, sql: &str) -> Done<()> {
        self.send(&Message::of(b'Q', &[sql]))
    }

    /// The next message.
    pub fn receive(&mut self) -> Done<Message> {
        let message = Message::read(&mut self.reader)?;
        if message.tag == b'Z' {
            self.status = message.body[0];
        }
        Ok(message)
    }

    /// Runs SQL that the client sees nothing of.
    pub fn run(&mut self, sql: &str) -> Done<Vec<Row>> {
        self.query(sql)?;
        self.rows()
    }

    /// The rows of what was sent, to its end.
    pub fn rows(&mut self) -> Done<Vec<Row>> {
        let (mut rows, mut refused) = (Vec::new(), None);
        loop {
            let message = self.receive()?;
            match message.tag {
                b'D' => rows.push(message.row()),
                b'E' => refused = Some(Refusal::of(&message)),
                b'Z' => return refused.map_or(Ok(rows), |refusal| Err(refusal.into())),
                _ => {}
            }
        }
    }

    /// Begins a `COPY … FROM STDIN`.
    pub fn copy_in(&mut self, sql: &str) -> Done<()> {
        self.query(sql)?;
        loop {
            let message = self.receive()?;
            match message.tag {
                b'G' => return Ok(()),
                b'E' => {
                    self.rows()?;
                    return Err(Refusal::of(&message).into());
                }
                _ => {}
            }
        }
    }

    /// Ends it: with all its rows, or with none.
    pub fn copy_end(&mut self, whole: bool) -> Done<()> {
        if whole {
            self.send(&Message::raw(b'c', []))?;
            return self.rows().map(drop);
        }
        self.send(&Message::of(b'f', &["the load failed"]))?;
        match self.rows() {
            Err(Trouble::Gone) => Err(Trouble::Gone),
            _ => Ok(()),
        }
    }

    /// A transaction that has begun shall fail.
    pub fn fail(&mut self) -> Done<()> {
        match self.run("SELECT 1 / 0") {
            Err(Trouble::Gone) => Err(Trouble::Gone),
            _ => Ok(()),
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // The session is over when its transaction is undone, not before.
        let _ = self.send(&Message::raw(b'X', []));
        let _ = self.writer.shutdown(Shutdown::Write);
        let _ = self.writer.set_read_timeout(Some(Duration::from_secs(10)));
        while self.receive().is_ok() {}
    }
}

/// A literal for a session in which backslashes escape.
pub fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("'{text}'")
}
