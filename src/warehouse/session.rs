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

/// Where Redshift keeps what went wrong in a COPY, newest first (Amazon Redshift Database Developer Guide,
/// "SYS_LOAD_ERROR_DETAIL", "STL_LOAD_ERRORS", "SVL_S3LOG").
const LOAD_ERRORS: [&str; 3] = [
    "SELECT file_name, 'column ' || column_name, column_type, error_message
FROM sys_load_error_detail
WHERE session_id = pg_backend_pid()
ORDER BY start_time DESC
LIMIT 1",
    "SELECT filename, 'column ' || colname, type, err_reason
FROM stl_load_errors
WHERE session = pg_backend_pid()
ORDER BY starttime DESC
LIMIT 1",
    "SELECT message
FROM svl_s3log
WHERE pid = pg_backend_pid()
ORDER BY eventtime DESC
LIMIT 1",
];

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

    /// Runs a statement, by the simple query protocol. Gives how many rows it has changed.
    ///
    /// # Errors
    /// It fails.
    pub fn execute(&mut self, sql: &str) -> std::result::Result<u64, Failure> {
        let messages = self.client.simple_query(sql).map_err(|e| failure(&e))?;
        let changed = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::CommandComplete(rows) => *rows,
            _ => 0,
        };
        Ok(messages.iter().map(changed).sum())
    }

    /// Runs a COPY from S3, which Redshift carries out by itself. A failure has in it what the views of load
    /// errors tell.
    ///
    /// # Errors
    /// It fails.
    pub fn copy(&mut self, sql: &str) -> std::result::Result<(), Failure> {
        self.execute(sql).map(drop).map_err(|mut failure| {
            if failure.cause == Cause::Refused
                && let Some(detail) = self.load_error()
            {
                failure.error = failure.error.also(detail);
            }
            failure
        })
    }

    /// What the views of load errors tell of the last COPY of this session, if anything: not every cluster
    /// has each of them, and not everybody may look.
    fn load_error(&mut self) -> Option<String> {
        self.execute("ROLLBACK").ok()?;
        LOAD_ERRORS.into_iter().find_map(|query| {
            let rows = self.rows(query).ok()?;
            let fields = rows.into_iter().next()?.into_iter().flatten();
            let fields: Vec<String> = fields.map(|field| field.trim().to_owned()).collect();
            Some(fields.join(", "))
        })
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
