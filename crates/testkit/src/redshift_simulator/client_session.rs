//! The session of a client: its messages are parsed and executed statement by statement.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::copy::{self, CopyContext};
use super::copy_history::CopyRecord;
use super::dialect_rules::{self, LastCopyInfo};
use super::fault_injector::{FaultPoint, PendingFaultActions, RecordedStatement};
use super::lexer::{self, SqlStatement};
use super::load_error::{CopyErrors, LaggingErrors};
use super::pg_session::PgSession;
use super::protocol::{PgMessage, SessionError, SessionResult, SqlError};
use super::settings::WarehouseKind;
use super::state::SimulatorState;
use super::{alter_table, ddl, table_checks};

/// Responses are flushed when the buffer is larger than this.
const FLUSH_BYTES: usize = 1 << 16;

/// A session after login.
pub struct ClientSession {
    pub shared: Arc<SimulatorState>,
    pub reader: BufReader<TcpStream>,
    pub writer: TcpStream,
    pub backend: PgSession,
    /// The number of the session, from 1.
    pub session_number: usize,
    pub statement_count: usize,
    /// The process id of the backend, as the client knows it.
    pub backend_pid: i32,
    pub last_copy: LastCopyInfo,
    /// The errors of loads that the load error views do not show yet.
    pub lagging_errors: Vec<LaggingErrors>,
    /// Responses that are not sent yet.
    pub out_buffer: Vec<u8>,
    /// Whether responses are held back until the end of the statement.
    pub hold_output: bool,
    /// Whether the backend is in a transaction that the client did not start.
    pub in_implicit_transaction: bool,
    /// Whether the transaction has executed nothing but LOCK.
    pub only_locks_so_far: bool,
    /// Messages of the extended protocol before the next Sync.
    pub pending_messages: Vec<PgMessage>,
    pub prepared: HashMap<String, String>,
    pub portals: HashMap<String, String>,
}

impl ClientSession {
    /// Serves the client until it or the backend closes the connection.
    pub fn serve(&mut self) -> SessionResult<()> {
        loop {
            let message = PgMessage::read(&mut self.reader)?;
            match message.tag {
                b'Q' => {
                    let [sql] = message.texts();
                    self.simple_query(&sql)?;
                }
                b'S' => self.sync()?,
                b'X' => return Err(SessionError::ConnectionClosed),
                b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => self.pending_messages.push(message),
                // The rest of a COPY that has failed.
                _ => {}
            }
        }
    }

    fn is_redshift(&self) -> bool {
        self.shared.settings.kind == WarehouseKind::Redshift
    }

    /// Queues a response, and flushes a large buffer.
    fn queue_message(&mut self, message: &PgMessage) -> SessionResult<()> {
        message.append_to(&mut self.out_buffer);
        if self.out_buffer.len() > FLUSH_BYTES && !self.hold_output {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> SessionResult<()> {
        self.writer.write_all(&self.out_buffer)?;
        self.out_buffer.clear();
        Ok(())
    }

    fn send_ready(&mut self) -> SessionResult<()> {
        self.hold_output = false;
        self.queue_message(&PgMessage::ready_for_query(self.backend.transaction_status))?;
        self.flush()
    }

    /// Records a statement, and returns the actions for it.
    fn record_statement(&mut self, sql: &str) -> PendingFaultActions {
        self.statement_count += 1;
        self.shared.faults.record(&RecordedStatement {
            session: self.session_number,
            number: self.statement_count,
            sql: sql.to_owned(),
        })
    }

    /// Executes all statements of a message, up to the first that fails.
    fn simple_query(&mut self, sql: &str) -> SessionResult<()> {
        let statements = match lexer::split_statements(sql, self.is_redshift()) {
            Ok(statements) => statements,
            Err(sql_error) => {
                self.record_statement(sql);
                self.abort_transaction()?;
                self.queue_message(&sql_error.to_message())?;
                return self.send_ready();
            }
        };
        if statements.is_empty() {
            self.queue_message(&PgMessage::from_bytes(b'I', []))?;
        }
        let count = statements.len();
        for (at, statement) in statements.iter().enumerate() {
            match self.run_statement(statement, at + 1 == count) {
                Ok(()) => self.flush()?,
                Err(SessionError::ConnectionClosed) => return Err(SessionError::ConnectionClosed),
                Err(SessionError::Sql(sql_error)) => {
                    self.out_buffer.clear();
                    self.abort_transaction()?;
                    self.queue_message(&sql_error.to_message())?;
                    break;
                }
            }
            self.hold_output = false;
        }
        self.send_ready()
    }

    /// Aborts the transaction after a failed statement.
    fn abort_transaction(&mut self) -> SessionResult<()> {
        if self.in_implicit_transaction {
            self.in_implicit_transaction = false;
            self.backend.run_sql("ROLLBACK")?;
        } else if self.backend.transaction_status == b'T' {
            self.backend.abort_transaction()?;
        }
        Ok(())
    }

    /// Executes a statement and the actions for it.
    fn run_statement(&mut self, statement: &SqlStatement, last: bool) -> SessionResult<()> {
        let actions = self.record_statement(&statement.sql);
        actions.run_at(FaultPoint::Before)?;
        self.hold_output = actions.has_at(FaultPoint::After);
        if self.is_redshift() {
            dialect_rules::check_supported(statement)?;
        }
        self.execute(statement, last, &actions)?;
        actions.run_at(FaultPoint::After)
    }

    fn execute(
        &mut self,
        statement: &SqlStatement,
        last: bool,
        actions: &PendingFaultActions,
    ) -> SessionResult<()> {
        let first = statement.tokens[0].text.as_str();
        let redshift = self.is_redshift();
        match first {
            "begin" | "start" => {
                self.only_locks_so_far = true;
                if std::mem::take(&mut self.in_implicit_transaction) {
                    return self.queue_message(&PgMessage::command_complete("BEGIN"));
                }
                let read_only = statement.find_words(&["read", "only"]).is_some();
                return match (redshift, read_only) {
                    // Redshift accepts all isolation levels and treats them alike.
                    (true, false) => self.forward("BEGIN", actions),
                    (true, true) => self.forward("BEGIN READ ONLY", actions),
                    _ => self.forward(&statement.sql, actions),
                };
            }
            "commit" | "end" | "rollback" | "abort" if statement.find_words(&["to"]).is_none() => {
                self.in_implicit_transaction = false;
                return self.forward(&statement.sql, actions);
            }
            "truncate" if redshift => {
                if self.backend.transaction_status == b'T' {
                    self.in_implicit_transaction = false;
                    self.backend.run_sql("COMMIT")?;
                }
                return self.forward(&statement.sql, actions);
            }
            "lock"
                if redshift
                    && self.backend.transaction_status == b'T'
                    && !self.only_locks_so_far =>
            {
                let message = "LOCK must be the first statement of its transaction";
                return Err(SqlError::unsupported(message).into());
            }
            _ => self.only_locks_so_far &= first == "lock",
        }
        let needs_transaction = redshift && statement.starts_with(&["create"]);
        if self.backend.transaction_status == b'I' && (!last || needs_transaction) {
            self.backend.run_sql("BEGIN")?;
            self.in_implicit_transaction = true;
        }
        let commits = last && self.in_implicit_transaction;
        self.hold_output |= commits;
        match redshift {
            true => self.execute_redshift(statement, actions)?,
            false => self.forward(&statement.sql, actions)?,
        }
        if commits {
            self.in_implicit_transaction = false;
            self.backend.run_sql("COMMIT")?;
        }
        Ok(())
    }

    fn execute_redshift(
        &mut self,
        statement: &SqlStatement,
        actions: &PendingFaultActions,
    ) -> SessionResult<()> {
        let table = ["table", "temp", "temporary", "local"];
        if statement.starts_with(&["copy"]) {
            return self.execute_copy(statement, actions);
        }
        if statement.starts_with(&["drop", "table"]) {
            table_checks::check_drop_table(&mut self.backend, statement)?;
        }
        if table
            .iter()
            .any(|word| statement.starts_with(&["create", word]))
        {
            let table = ddl::parse_create_table(statement)?;
            table_checks::check_references(&mut self.backend, &table)?;
            self.forward(&table.sql, actions)?;
            self.backend.run_sql(&table.catalog_insert_sql())?;
            if table.is_filled {
                // CREATE TABLE AS collects statistics.
                self.backend.run_sql(&format!("ANALYZE {}", table.name))?;
            }
            return Ok(());
        }
        if statement.starts_with(&["alter"])
            && let Some(sql) = alter_table::translate_add_column(statement)?
        {
            return self.forward(&sql, actions);
        }
        if dialect_rules::reads_load_errors(statement) {
            self.show_lagging_errors()?;
        }
        let sql = dialect_rules::translate(statement, &self.last_copy);
        self.forward(&sql, actions)
    }

    fn execute_copy(
        &mut self,
        statement: &SqlStatement,
        actions: &PendingFaultActions,
    ) -> SessionResult<()> {
        let copy = copy::parse_copy(statement)?;
        self.last_copy.query_id = self.shared.next_query_id.fetch_add(1, Ordering::Relaxed);
        self.last_copy.copy_id = self.last_copy.query_id;
        let mut context = CopyContext {
            backend: &mut self.backend,
            settings: &self.shared.settings,
            actions,
            table_id: 0,
            errors: Vec::new(),
            loaded_rows: 0,
            source_files: 0,
            source_bytes: 0,
        };
        let started = Instant::now();
        let result = copy::run_copy(&copy, &mut context);
        let ids = [
            self.last_copy.query_id,
            self.backend_pid.unsigned_abs().into(),
        ];
        let record = CopyRecord::new(&copy, &context, ids, started.elapsed(), &result);
        self.shared.record_copy(&record);
        self.last_copy.row_count = context.loaded_rows;
        let errors = CopyErrors {
            query_id: self.last_copy.query_id,
            process: self.backend_pid,
            table_id: context.table_id,
            records: std::mem::take(&mut context.errors),
        };
        if !errors.records.is_empty() {
            match self.shared.settings.lagging_error_views {
                0 => self.show_load_errors(&errors, result.is_ok())?,
                remaining_queries => self.lagging_errors.push(LaggingErrors {
                    errors,
                    remaining_queries,
                }),
            }
        }
        for notice in result? {
            self.queue_message(&notice)?;
        }
        self.queue_message(&PgMessage::command_complete("COPY"))
    }

    /// Lets the load error views show the errors of a load, in the transaction of the session too if it goes on.
    fn show_load_errors(
        &mut self,
        errors: &CopyErrors,
        transaction_goes_on: bool,
    ) -> SessionResult<()> {
        let rows = self.shared.record_load_errors(errors);
        match transaction_goes_on && self.backend.transaction_status == b'T' {
            true => self.backend.show_load_errors(rows),
            false => Ok(()),
        }
    }

    /// Counts a query of the load error views, and lets them show the errors for which enough queries were counted.
    fn show_lagging_errors(&mut self) -> SessionResult<()> {
        for mut lagging in std::mem::take(&mut self.lagging_errors) {
            if lagging.remaining_queries == 0 {
                self.show_load_errors(&lagging.errors, true)?;
            } else {
                lagging.remaining_queries -= 1;
                self.lagging_errors.push(lagging);
            }
        }
        Ok(())
    }

    /// Sends SQL to the backend and relays its response to the client.
    fn forward(&mut self, sql: &str, actions: &PendingFaultActions) -> SessionResult<()> {
        self.backend.query(sql)?;
        self.relay_response(Some(actions), false)
    }

    /// Relays the response of the backend. An error is returned, not sent.
    fn relay_response(
        &mut self,
        actions: Option<&PendingFaultActions>,
        extended: bool,
    ) -> SessionResult<()> {
        let mut error = None;
        loop {
            let message = self.backend.receive()?;
            match message.tag {
                b'Z' => return error.map_or(Ok(()), |sql_error| Err(SessionError::Sql(sql_error))),
                b'E' => error = Some(self.to_redshift_error(SqlError::from_message(&message))),
                b'G' => {
                    self.queue_message(&message)?;
                    self.flush()?;
                    self.relay_copy_in(actions, extended)?;
                }
                _ => self.queue_message(&message)?,
            }
        }
    }

    /// Relays the rows of a COPY FROM STDIN.
    fn relay_copy_in(
        &mut self,
        actions: Option<&PendingFaultActions>,
        extended: bool,
    ) -> SessionResult<()> {
        let mut first = true;
        loop {
            let message = PgMessage::read(&mut self.reader)?;
            match message.tag {
                b'd' => self.backend.send(&message)?,
                b'c' | b'f' => {
                    self.backend.send(&message)?;
                    break;
                }
                b'S' | b'H' => {}
                _ => return Err(SessionError::ConnectionClosed),
            }
            if let (true, Some(actions)) = (std::mem::take(&mut first), actions) {
                actions
                    .run_at(FaultPoint::During)
                    .map_err(|_| SessionError::ConnectionClosed)?;
            }
        }
        // The first Sync was skipped above.
        while extended && PgMessage::read(&mut self.reader)?.tag != b'S' {}
        match extended {
            true => self.backend.send(&PgMessage::from_bytes(b'S', [])),
            false => Ok(()),
        }
    }

    /// Translates an error of PostgreSQL into the one of Redshift.
    fn to_redshift_error(&self, sql_error: SqlError) -> SqlError {
        if !self.is_redshift() {
            return sql_error;
        }
        let bytes = sql_error.constraint.as_deref().unwrap_or_default();
        let too_long = &*sql_error.code == "23514" && bytes.starts_with("bytes_");
        match &*sql_error.code {
            _ if too_long => SqlError::new("22001", "Value too long for character type"),
            "22001" => SqlError::new("22001", "Value too long for character type"),
            "40001" => self.shared.settings.isolation.conflict_error(),
            _ => sql_error,
        }
    }

    /// Executes the messages of the extended protocol since the last Sync.
    fn sync(&mut self) -> SessionResult<()> {
        let (mut error, mut pending_actions) = (None, Vec::new());
        for message in std::mem::take(&mut self.pending_messages) {
            match self.extended_message(message) {
                Ok((message, actions)) => {
                    self.backend.send(&message)?;
                    pending_actions.extend(actions);
                }
                Err(SessionError::ConnectionClosed) => return Err(SessionError::ConnectionClosed),
                Err(SessionError::Sql(sql_error)) => {
                    error = Some(sql_error);
                    break;
                }
            }
        }
        self.backend.send(&PgMessage::from_bytes(b'S', []))?;
        self.hold_output = pending_actions
            .iter()
            .any(|actions| actions.has_at(FaultPoint::After));
        match self.relay_response(pending_actions.first(), true) {
            Ok(()) => {}
            Err(SessionError::Sql(sql_error)) => {
                self.queue_message(&sql_error.to_message())?;
                return self.send_ready();
            }
            Err(SessionError::ConnectionClosed) => return Err(SessionError::ConnectionClosed),
        }
        for actions in &pending_actions {
            actions.run_at(FaultPoint::After)?;
        }
        if let Some(sql_error) = error {
            self.abort_transaction()?;
            self.queue_message(&sql_error.to_message())?;
        }
        self.send_ready()
    }

    /// Returns the message for the backend, and the actions for a statement.
    fn extended_message(
        &mut self,
        message: PgMessage,
    ) -> SessionResult<(PgMessage, Option<PendingFaultActions>)> {
        match message.tag {
            b'P' => {
                let [name, sql] = message.texts();
                let rest = &message.body[name.len() + sql.len() + 2..];
                let prepared = self.translate_prepared(&sql).inspect_err(|_| {
                    self.record_statement(&sql);
                })?;
                let mut parse = PgMessage::from_texts(b'P', &[&name, &prepared]);
                parse.body.extend(rest);
                self.prepared.insert(name, sql);
                Ok((parse, None))
            }
            b'B' => {
                let [portal, name] = message.texts();
                let sql = self.prepared.get(&name).cloned().unwrap_or_default();
                self.portals.insert(portal, sql);
                Ok((message, None))
            }
            b'E' => {
                let [portal] = message.texts();
                let sql = self.portals.get(&portal).cloned().unwrap_or_default();
                let actions = self.record_statement(&sql);
                actions.run_at(FaultPoint::Before)?;
                Ok((message, Some(actions)))
            }
            _ => Ok((message, None)),
        }
    }

    /// Translates a prepared statement, which must be a query.
    fn translate_prepared(&self, sql: &str) -> Result<String, SqlError> {
        if !self.is_redshift() {
            return Ok(sql.to_owned());
        }
        let statements = lexer::split_statements(sql, true)?;
        let [statement] = statements.as_slice() else {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(SqlError::new("42601", message));
        };
        let reads = ["select", "with", "("];
        if !reads.iter().any(|word| statement.starts_with(&[word])) {
            let message = "only queries are taken by the extended protocol here";
            return Err(SqlError::unsupported(message));
        }
        dialect_rules::check_supported(statement)?;
        Ok(dialect_rules::translate(statement, &self.last_copy))
    }
}
