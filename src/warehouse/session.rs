//! Sessions: one connection to a warehouse, and what its failures mean.

use postgres::{Client, CopyInWriter, NoTls, SimpleQueryMessage};

use super::address::Address;
use crate::error::{Error, Result};

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Another transaction was in the way: the whole transaction can be tried again.
    Conflict,
    /// The connection is lost, and nobody knows what became of the transaction.
    Lost,
    /// The warehouse refused.
    Refused,
}

/// A statement that failed.
#[derive(Debug)]
pub struct Failure {
    /// What can be done about it.
    pub cause: Cause,
    /// What to say.
    pub error: Error,
}

/// One row, as text.
pub type Row = Vec<Option<String>>;

/// A connection to a warehouse.
pub struct Session {
    client: Client,
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub fn open(address: &Address) -> Result<Self> {
        let mut config = postgres::Config::new();
        config
            .host(&address.host)
            .port(address.port)
            .dbname(&address.database)
            .user(&address.user);
        let client = config
            .connect(NoTls)
            .map_err(|e| Error::failed("cannot connect").because(e))?;
        Ok(Self { client })
    }

    /// Runs statements that give no rows, by the simple query protocol.
    ///
    /// # Errors
    /// One fails.
    pub fn execute(&mut self, sql: &str) -> std::result::Result<(), Failure> {
        self.client.batch_execute(sql).map_err(|e| failure(&e))
    }

    /// The rows of a query, by the simple query protocol.
    ///
    /// # Errors
    /// It fails.
    pub fn rows(&mut self, sql: &str) -> std::result::Result<Vec<Row>, Failure> {
        let messages = self.client.simple_query(sql).map_err(|e| failure(&e))?;
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    /// Begins a `COPY ... FROM STDIN`.
    ///
    /// # Errors
    /// It is refused.
    pub fn copy_in(&mut self, sql: &str) -> std::result::Result<CopyInWriter<'_>, Failure> {
        self.client.copy_in(sql).map_err(|e| failure(&e))
    }
}

/// What a failure of the driver means.
pub fn failure(error: &postgres::Error) -> Failure {
    let cause = match error.is_closed() {
        true => Cause::Lost,
        false => Cause::Refused,
    };
    Failure {
        cause,
        error: Error::failed("the warehouse failed").because(error),
    }
}
