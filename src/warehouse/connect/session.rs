//! Opens a session with a warehouse and runs statements in it.

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{Client, CopyInWriter, SimpleQueryMessage};

use super::cancellation::StatementCanceler;
use super::config::ConnectionConfig;
use super::error::{ErrorClass, StatementError, fatal, statement_error};
use super::notices::Notices;
use super::server_search;
use super::statement_log::RunningStatement;
use crate::error::{Error, Result};
use crate::interrupt::{self, CancelGuard};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::begin_statement;
use crate::warehouse::sql::literal::quote_identifier;

/// Settings that let PostgreSQL detect a lost client, each for one transaction. A server of version 13, or one on another
/// system than Linux, lacks some of them.
const KEEPALIVE_SETTINGS: [&str; 2] = [
    "SET LOCAL tcp_keepalives_idle = 60; SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 6",
    "SET LOCAL client_connection_check_interval = '10s'",
];

/// One row of a result, each field as text or null.
pub(crate) type ResultRow = Vec<Option<String>>;

/// The name and the type of a column of a result.
pub(crate) type ResultColumnType = (String, Type);

/// An open connection to a warehouse.
pub struct WarehouseSession {
    client: Client,
    canceler: StatementCanceler,
    dialect: Dialect,
    notices: Notices,
}

impl WarehouseSession {
    /// Connects and logs in, and checks that the server is the kind of warehouse that the URL names.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached, is not trusted, rejects the login, or is the other kind of
    /// warehouse.
    pub fn open(connection: &ConnectionConfig) -> Result<Self> {
        Self::try_open(connection).map_err(|failure| failure.error)
    }

    /// Does the same as [`open`](Self::open). The class of an error tells whether the server may accept the connection later.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub fn try_open(connection: &ConnectionConfig) -> std::result::Result<Self, StatementError> {
        let _span = tracing::info_span!("connect", warehouse = %connection).entered();
        let notices = Notices::default();
        let (client, tls) =
            server_search::connect(connection, &notices).map_err(|failure| StatementError {
                error: failure.class.mark(failure.error),
                ..failure
            })?;
        let mut session = Self {
            canceler: StatementCanceler::new(client.cancel_token(), tls),
            client,
            dialect: connection.dialect,
            notices,
        };
        session.ensure_dialect(connection)?;
        Ok(session)
    }

    /// Returns the kind of the warehouse.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Checks that the server is the kind of warehouse that the URL names.
    fn ensure_dialect(
        &mut self,
        connection: &ConnectionConfig,
    ) -> std::result::Result<(), StatementError> {
        let session_error = || Error::failed(format!("cannot use {connection}"));
        let rows = self
            .query("SELECT version()")
            .map_err(|failure| StatementError {
                error: session_error().with_source(failure.error),
                ..failure
            })?;
        let version = rows.into_iter().flatten().flatten().next().ok_or_else(|| {
            fatal(session_error().with_reason("the server did not return its version"))
        })?;
        let actual = match version.contains("Redshift") {
            true => Dialect::Redshift,
            false => Dialect::Postgres,
        };
        if actual == connection.dialect {
            return Ok(());
        }
        let (name, scheme) = match actual {
            Dialect::Redshift => ("Redshift", "redshift"),
            Dialect::Postgres => ("PostgreSQL", "postgres"),
        };
        Err(fatal(
            session_error()
                .with_reason(format!("the server is {name}"))
                .with_hint(format!("use a {scheme}:// URL")),
        ))
    }

    /// Begins a transaction that may hold locks for long, in which the server detects that this client is gone.
    /// Otherwise the locks of a dead session could block other loads for hours.
    ///
    /// The settings end with the transaction, because a connection pooler gives the session to other clients afterwards.
    ///
    /// # Errors
    /// Returns an error if the transaction cannot begin.
    pub fn begin(&mut self) -> std::result::Result<(), StatementError> {
        self.execute(&begin_statement().sql)?;
        if self.dialect == Dialect::Postgres {
            for sql in KEEPALIVE_SETTINGS {
                self.try_settings(sql)?;
            }
        }
        Ok(())
    }

    /// Changes settings of the transaction if the server has them. Takes no snapshot, so that a LOCK can follow.
    fn try_settings(&mut self, sql: &str) -> std::result::Result<(), StatementError> {
        let set = format!("SAVEPOINT settings; {sql}; RELEASE SAVEPOINT settings");
        match self.execute(&set) {
            Err(failure) if failure.class == ErrorClass::Fatal => self
                .execute("ROLLBACK TO SAVEPOINT settings; RELEASE SAVEPOINT settings")
                .map(drop),
            result => result.map(drop),
        }
    }

    /// Runs a statement by the simple query protocol, and returns how many rows it changed.
    ///
    /// # Errors
    /// Returns an error if the statement fails.
    pub fn execute(&mut self, sql: &str) -> std::result::Result<u64, StatementError> {
        Ok(affected_rows(&self.simple_query(sql)?))
    }

    /// Logs the id that Redshift gave the last statement, at debug level. System views have more about it.
    pub fn log_query_id(&mut self) {
        if self.dialect == Dialect::Redshift && tracing::enabled!(tracing::Level::DEBUG) {
            match self.query("SELECT pg_last_query_id()").as_deref() {
                Ok([row]) if let [Some(query_id)] = row.as_slice() => {
                    tracing::debug!(query_id, "id of the statement");
                }
                _ => {}
            }
        }
    }

    /// Runs a COPY from S3 in Redshift. An error includes the details from the load error views. `last_copy` is the id of
    /// the last COPY before it whose errors were tolerated, or 0.
    ///
    /// # Errors
    /// Returns an error if the COPY fails.
    pub fn copy_from_s3(
        &mut self,
        sql: &str,
        last_copy: u64,
    ) -> std::result::Result<(), StatementError> {
        self.execute(sql).map(drop).map_err(|mut failure| {
            if failure.class == ErrorClass::Fatal
                && let Some(detail) = self.last_copy_error(last_copy)
            {
                failure.error = failure.error.add_hint(detail);
            }
            failure
        })
    }

    /// Returns the notices that the server has sent since the last call.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.notices.take()
    }

    /// Returns the details of the last COPY error of this session. A cluster may lack some of the views, and the user
    /// may lack the permission to read them.
    fn last_copy_error(&mut self, last_copy: u64) -> Option<String> {
        self.execute("ROLLBACK").ok()?;
        load_error_queries(last_copy).iter().find_map(|query| {
            let rows = self.query(query).ok()?;
            let fields = rows.into_iter().next()?.into_iter().flatten();
            let fields: Vec<String> = fields.map(|field| field.trim().to_owned()).collect();
            Some(fields.join(", "))
        })
    }

    /// Runs a query by the simple query protocol, and returns its rows.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn query(&mut self, sql: &str) -> std::result::Result<Vec<ResultRow>, StatementError> {
        result_rows(&self.simple_query(sql)?)
    }

    /// Lets a stop cancel the statement that begins, until the guard is dropped.
    ///
    /// # Errors
    /// Returns an error if the process is to stop already.
    pub(crate) fn begin_statement(&self) -> std::result::Result<CancelGuard, StatementError> {
        // A stop that begins after the check finds the guard.
        let guard = self.canceler.cancel_on_stop();
        interrupt::ensure_running().map_err(fatal)?;
        Ok(guard)
    }

    fn simple_query(
        &mut self,
        sql: &str,
    ) -> std::result::Result<Vec<SimpleQueryMessage>, StatementError> {
        let _cancel = self.begin_statement()?;
        let running = RunningStatement::start(sql);
        let result = self.client.simple_query(sql).map_err(statement_error);
        running.log_result(result.as_deref().map(affected_rows));
        result
    }

    /// Calls `on_row` for each row of a query whose columns are text. The rows are streamed and never all in memory.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn for_each_row(
        &mut self,
        sql: &str,
        on_row: impl FnMut(Vec<Option<&str>>),
    ) -> std::result::Result<(), StatementError> {
        let running = RunningStatement::start(sql);
        let result = self.stream_rows(sql, on_row);
        running.log_result(result.as_ref().copied());
        result.map(drop)
    }

    /// Calls `on_row` for each row of a query, and returns how many there were.
    fn stream_rows(
        &mut self,
        sql: &str,
        mut on_row: impl FnMut(Vec<Option<&str>>),
    ) -> std::result::Result<u64, StatementError> {
        let _cancel = self.begin_statement()?;
        // An unnamed statement, because a connection pooler may send the next message to another server.
        let no_params = std::iter::empty::<(&(dyn ToSql + Sync), Type)>();
        let mut rows = self
            .client
            .query_typed_raw(sql, no_params)
            .map_err(statement_error)?;
        let mut row_count = 0;
        while let Some(row) = rows.next().map_err(statement_error)? {
            let fields = (0..row.len()).map(|i| row.try_get::<_, Option<&str>>(i));
            let fields: std::result::Result<_, _> = fields.collect();
            on_row(fields.map_err(statement_error)?);
            row_count += 1;
        }
        Ok(row_count)
    }

    /// Runs a query by the simple query protocol, and returns the names and types of its columns, and its rows. The types
    /// must be built into the driver, and have a greatest value.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn query_with_columns(
        &mut self,
        sql: &str,
    ) -> std::result::Result<(Vec<ResultColumnType>, Vec<ResultRow>), StatementError> {
        let messages = self.simple_query(sql)?;
        let names = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::RowDescription(columns) => {
                Some(columns.iter().map(|column| column.name().to_owned()))
            }
            _ => None,
        });
        let names: Vec<_> = names.into_iter().flatten().collect();
        let types = self.column_types(sql, &names)?;
        let columns = names.into_iter().zip(types).collect();
        Ok((columns, result_rows(&messages)?))
    }

    /// Returns the types of the columns of a query, which the simple query protocol does not tell, without running it.
    ///
    /// The driver describes a query without running it only by a statement with a name, which would be left behind in
    /// another session of a connection pooler. The greatest values of no rows are one row that has the types.
    fn column_types(
        &mut self,
        sql: &str,
        names: &[String],
    ) -> std::result::Result<Vec<Type>, StatementError> {
        let greatest = names
            .iter()
            .map(|name| format!("MAX({})", quote_identifier(name)));
        let greatest: Vec<_> = greatest.collect();
        let sql = format!(
            "SELECT {} FROM ({sql}) AS result WHERE FALSE",
            greatest.join(", ")
        );
        let _cancel = self.begin_statement()?;
        let no_params: [(&(dyn ToSql + Sync), Type); 0] = [];
        let running = RunningStatement::start(&sql);
        let row = self
            .client
            .query_typed_one(&sql, &no_params)
            .map_err(statement_error);
        running.log_result(row.as_ref().map(|_| 1));
        Ok(row?.columns().iter().map(|c| c.type_().clone()).collect())
    }

    /// Begins a `COPY ... FROM STDIN`. [`copy_error`](super::error::copy_error) converts the errors of its writer.
    ///
    /// # Errors
    /// Returns an error if the server rejects the statement.
    pub fn copy_in(&mut self, sql: &str) -> std::result::Result<CopyInWriter<'_>, StatementError> {
        let _cancel = self.begin_statement()?;
        let running = RunningStatement::start(sql);
        let begun = self.client.copy_in(sql).map_err(statement_error);
        if let Err(failure) = &begun {
            running.log_result(Err(failure));
        }
        begun
    }
}

/// Returns the rows among the messages of a simple query.
fn result_rows(
    messages: &[SimpleQueryMessage],
) -> std::result::Result<Vec<ResultRow>, StatementError> {
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            // A text that a system view has cut may end within a character.
            let fields = (0..row.len()).map(|i| Ok(row.try_get(i)?.map(str::to_owned)));
            Some(fields.collect::<std::result::Result<ResultRow, _>>())
        }
        _ => None,
    };
    let rows: std::result::Result<_, _> = messages.iter().filter_map(row).collect();
    rows.map_err(statement_error)
}

/// Returns how many rows the statements of a simple query changed or returned.
fn affected_rows(messages: &[SimpleQueryMessage]) -> u64 {
    let rows = messages.iter().map(|message| match message {
        SimpleQueryMessage::CommandComplete(rows) => *rows,
        _ => 0,
    });
    rows.sum()
}

/// Returns the queries for the newest COPY error of the session in the system views of Redshift (Amazon Redshift Database
/// Developer Guide, "SYS_LOAD_ERROR_DETAIL", "STL_LOAD_ERRORS", "SVL_S3LOG"). Errors up to the COPY with the id `last_copy`
/// were tolerated.
fn load_error_queries(last_copy: u64) -> [String; 3] {
    [
        format!(
            "SELECT file_name, 'column ' || column_name, column_type, error_message
FROM sys_load_error_detail
WHERE session_id = pg_backend_pid() AND query_id > {last_copy}
ORDER BY start_time DESC
LIMIT 1"
        ),
        format!(
            "SELECT filename, 'column ' || colname, type, err_reason
FROM stl_load_errors
WHERE session = pg_backend_pid() AND query > {last_copy}
ORDER BY starttime DESC
LIMIT 1"
        ),
        format!(
            "SELECT message
FROM svl_s3log
WHERE pid = pg_backend_pid() AND query > {last_copy}
ORDER BY eventtime DESC
LIMIT 1"
        ),
    ]
}
