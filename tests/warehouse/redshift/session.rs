//! A session of a client: its messages, statement by statement.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::backend::{Backend, literal};
use super::faults::{Due, Seen, When};
use super::lexer::{self, Statement};
use super::rules::{self, Last};
use super::wire::{Done, Message, Refusal, Trouble};
use super::{Isolation, Mode, Shared, copy, ddl};

/// Answers are sent when there is so much of them.
const FULL: usize = 1 << 16;

/// A session that is logged in.
pub struct Session {
    pub shared: Arc<Shared>,
    pub reader: BufReader<TcpStream>,
    pub writer: TcpStream,
    pub backend: Backend,
    /// Which session, from 1.
    pub number: usize,
    pub statements: usize,
    /// The process of the backend, as the client knows it.
    pub process: i32,
    pub last: Last,
    /// Answers that are not sent yet.
    pub out: Vec<u8>,
    /// Whether they wait for the end of the statement.
    pub hold: bool,
    /// Whether the backend is in a transaction that the client did not begin.
    pub implicit: bool,
    /// Whether the transaction has done nothing but LOCK.
    pub untouched: bool,
    /// Messages of the extended protocol that wait for a Sync.
    pub batch: Vec<Message>,
    pub prepared: HashMap<String, String>,
    pub portals: HashMap<String, String>,
}

impl Session {
    /// Answers until the client or the backend is gone.
    pub fn run(&mut self) -> Done<()> {
        loop {
            let message = Message::read(&mut self.reader)?;
            match message.tag {
                b'Q' => {
                    let [sql] = message.texts();
                    self.simple(&sql)?;
                }
                b'S' => self.sync()?,
                b'X' => return Err(Trouble::Gone),
                b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => self.batch.push(message),
                // What is left of a COPY that has failed.
                _ => {}
            }
        }
    }

    fn redshift(&self) -> bool {
        self.shared.settings.mode == Mode::Redshift
    }

    /// Answers, at once if there is much.
    fn emit(&mut self, message: &Message) -> Done<()> {
        message.put(&mut self.out);
        if self.out.len() > FULL && !self.hold {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Done<()> {
        self.writer.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn ready(&mut self) -> Done<()> {
        self.hold = false;
        self.emit(&Message::ready(self.backend.status))?;
        self.flush()
    }

    /// A statement has come.
    fn saw(&mut self, sql: &str) -> Due {
        self.statements += 1;
        self.shared.faults.saw(&Seen {
            session: self.number,
            number: self.statements,
            sql: sql.to_owned(),
        })
    }

    /// All statements of a message. When one fails the others are skipped.
    fn simple(&mut self, sql: &str) -> Done<()> {
        let statements = match lexer::split(sql, self.redshift()) {
            Ok(statements) => statements,
            Err(refusal) => {
                self.saw(sql);
                self.fail()?;
                self.emit(&refusal.message())?;
                return self.ready();
            }
        };
        if statements.is_empty() {
            self.emit(&Message::raw(b'I', []))?;
        }
        let count = statements.len();
        for (at, statement) in statements.iter().enumerate() {
            match self.statement(statement, at + 1 == count) {
                Ok(()) => self.flush()?,
                Err(Trouble::Gone) => return Err(Trouble::Gone),
                Err(Trouble::Refused(refusal)) => {
                    self.out.clear();
                    self.fail()?;
                    self.emit(&refusal.message())?;
                    break;
                }
            }
            self.hold = false;
        }
        self.ready()
    }

    /// A statement has failed, and with it the transaction.
    fn fail(&mut self) -> Done<()> {
        if self.implicit {
            self.implicit = false;
            self.backend.run("ROLLBACK")?;
        } else if self.backend.status == b'T' {
            self.backend.fail()?;
        }
        Ok(())
    }

    /// One statement, with what is due with it.
    fn statement(&mut self, statement: &Statement, last: bool) -> Done<()> {
        let due = self.saw(&statement.sql);
        due.act(When::Before)?;
        self.hold = due.has(When::After);
        if self.redshift() {
            rules::check(statement)?;
        }
        self.carry_out(statement, last, &due)?;
        Ok(due.act(When::After)?)
    }

    fn carry_out(&mut self, statement: &Statement, last: bool, due: &Due) -> Done<()> {
        let first = statement.tokens[0].text.as_str();
        let redshift = self.redshift();
        match first {
            "begin" | "start" => {
                self.untouched = true;
                if std::mem::take(&mut self.implicit) {
                    return self.emit(&Message::complete("BEGIN"));
                }
                let read_only = statement.find(&["read", "only"]).is_some();
                return match (redshift, read_only) {
                    // All levels are one.
                    (true, false) => self.forward("BEGIN", due),
                    (true, true) => self.forward("BEGIN READ ONLY", due),
                    _ => self.forward(&statement.sql, due),
                };
            }
            "commit" | "end" | "rollback" | "abort" if statement.find(&["to"]).is_none() => {
                self.implicit = false;
                return self.forward(&statement.sql, due);
            }
            "truncate" if redshift => {
                if self.backend.status == b'T' {
                    self.implicit = false;
                    self.backend.run("COMMIT")?;
                }
                return self.forward(&statement.sql, due);
            }
            "lock" if redshift && self.backend.status == b'T' && !self.untouched => {
                let message = "LOCK must be the first statement of its transaction";
                return Err(Refusal::unsupported(message).into());
            }
            _ => self.untouched &= first == "lock",
        }
        let several = redshift && statement.begins(&["create"]);
        if self.backend.status == b'I' && (!last || several) {
            self.backend.run("BEGIN")?;
            self.implicit = true;
        }
        let commits = last && self.implicit;
        self.hold |= commits;
        match redshift {
            true => self.as_redshift(statement, due)?,
            false => self.forward(&statement.sql, due)?,
        }
        if commits {
            self.implicit = false;
            self.backend.run("COMMIT")?;
        }
        Ok(())
    }

    fn as_redshift(&mut self, statement: &Statement, due: &Due) -> Done<()> {
        let table = ["table", "temp", "temporary", "local"];
        if statement.begins(&["copy"]) {
            return self.copy(statement, due);
        }
        if statement.begins(&["drop", "table"]) {
            self.drop_table(statement)?;
        }
        if table.iter().any(|word| statement.begins(&["create", word])) {
            let table = ddl::create_table(statement)?;
            self.parents(&table)?;
            self.forward(&table.sql, due)?;
            self.backend.run(&table.remember())?;
            return Ok(());
        }
        if statement.begins(&["alter"])
            && let Some(sql) = ddl::add_column(statement)?
        {
            return self.forward(&sql, due);
        }
        let sql = rules::translate(statement, &self.last);
        self.forward(&sql, due)
    }

    /// What a table refers to must be there, and a key.
    fn parents(&mut self, table: &ddl::Table) -> Done<()> {
        for (name, columns) in &table.references {
            let key = columns.as_ref().map_or("true".to_owned(), |columns| {
                format!("{} = ANY (keys)", literal(columns))
            });
            let sql = format!(
                "SELECT EXISTS (SELECT FROM redshift.tables WHERE id = {}::regclass \
                 AND cardinality(keys) > 0 AND {key})",
                literal(name)
            );
            if self.backend.run(&sql)?[0][0].as_deref() != Some("t") {
                let message = format!(
                    "there is no unique constraint matching given keys for referenced table \"{name}\""
                );
                return Err(Refusal::new("42830", message).into());
            }
        }
        Ok(())
    }

    /// Nobody else may refer to a table that goes, or CASCADE must be said.
    fn drop_table(&mut self, statement: &Statement) -> Done<()> {
        let mut parser = statement.parser();
        parser.expect(&["drop", "table"])?;
        parser.take(&["if", "exists"]);
        let mut tables = Vec::new();
        loop {
            let name = parser.qualified()?;
            tables.push(format!("to_regclass({})::oid", literal(&name)));
            if !parser.take(&[","]) {
                break;
            }
        }
        if parser.take(&["cascade"]) {
            return Ok(());
        }
        let sql = format!(
            "WITH gone AS (SELECT array_remove(ARRAY[{}], NULL) AS ids) \
             SELECT c.relname FROM gone, redshift.tables t JOIN pg_class c ON c.oid = t.id \
             WHERE t.parents && ids AND NOT t.id = ANY (ids)",
            tables.join(", ")
        );
        match self.backend.run(&sql)?.first() {
            None => Ok(()),
            Some(row) => {
                let child = row[0].as_deref().unwrap_or_default();
                let message = "cannot drop table because other objects depend on it";
                Err(Refusal::new("2BP01", message)
                    .detail(format!("constraint on table {child} depends on it"))
                    .hint("Use DROP ... CASCADE to drop the dependent objects too.")
                    .into())
            }
        }
    }

    fn copy(&mut self, statement: &Statement, due: &Due) -> Done<()> {
        let copy = copy::read(statement)?;
        self.last.query = self.shared.queries.fetch_add(1, Ordering::Relaxed);
        self.last.copy = self.last.query;
        let mut error = None;
        let (settings, last) = (&self.shared.settings, &mut self.last);
        let loaded = copy.run(&mut self.backend, settings, last, due, &mut error);
        if let Some(error) = error {
            self.shared.failed(self.process, self.last.query, &error);
        }
        self.emit(&loaded?)?;
        self.emit(&Message::complete("COPY"))
    }

    /// Sends SQL to the backend and its answer to the client.
    fn forward(&mut self, sql: &str, due: &Due) -> Done<()> {
        self.backend.query(sql)?;
        self.pass_on(Some(due), false)
    }

    /// Passes on what the backend answers. An error is returned, not sent.
    fn pass_on(&mut self, due: Option<&Due>, extended: bool) -> Done<()> {
        let mut refused = None;
        loop {
            let message = self.backend.receive()?;
            match message.tag {
                b'Z' => return refused.map_or(Ok(()), |refusal| Err(Trouble::Refused(refusal))),
                b'E' => refused = Some(self.in_their_words(Refusal::of(&message))),
                b'G' => {
                    self.emit(&message)?;
                    self.flush()?;
                    self.copy_in(due, extended)?;
                }
                _ => self.emit(&message)?,
            }
        }
    }

    /// Passes on the rows of a COPY FROM STDIN.
    fn copy_in(&mut self, due: Option<&Due>, extended: bool) -> Done<()> {
        let mut first = true;
        loop {
            let message = Message::read(&mut self.reader)?;
            match message.tag {
                b'd' => self.backend.send(&message)?,
                b'c' | b'f' => {
                    self.backend.send(&message)?;
                    break;
                }
                b'S' | b'H' => {}
                _ => return Err(Trouble::Gone),
            }
            if let (true, Some(due)) = (std::mem::take(&mut first), due) {
                due.act(When::During).map_err(|_| Trouble::Gone)?;
            }
        }
        // The Sync before was swallowed.
        while extended && Message::read(&mut self.reader)?.tag != b'S' {}
        match extended {
            true => self.backend.send(&Message::raw(b'S', [])),
            false => Ok(()),
        }
    }

    /// An error of PostgreSQL as Redshift says it.
    fn in_their_words(&self, refusal: Refusal) -> Refusal {
        if !self.redshift() {
            return refusal;
        }
        let bytes = refusal.constraint.as_deref().unwrap_or_default();
        let too_long = &*refusal.code == "23514" && bytes.starts_with("bytes_");
        match &*refusal.code {
            _ if too_long => Refusal::new("22001", "Value too long for character type"),
            "22001" => Refusal::new("22001", "Value too long for character type"),
            "40001" => self.shared.settings.isolation.conflict(),
            _ => refusal,
        }
    }

    /// The messages of the extended protocol since the last Sync.
    fn sync(&mut self) -> Done<()> {
        let (mut refused, mut all) = (None, Vec::new());
        for message in std::mem::take(&mut self.batch) {
            match self.extended(message) {
                Ok((message, due)) => {
                    self.backend.send(&message)?;
                    all.extend(due);
                }
                Err(Trouble::Gone) => return Err(Trouble::Gone),
                Err(Trouble::Refused(refusal)) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        self.backend.send(&Message::raw(b'S', []))?;
        self.hold = all.iter().any(|due| due.has(When::After));
        match self.pass_on(all.first(), true) {
            Ok(()) => {}
            Err(Trouble::Refused(refusal)) => {
                self.emit(&refusal.message())?;
                return self.ready();
            }
            Err(Trouble::Gone) => return Err(Trouble::Gone),
        }
        for due in &all {
            due.act(When::After)?;
        }
        if let Some(refusal) = refused {
            self.fail()?;
            self.emit(&refusal.message())?;
        }
        self.ready()
    }

    /// A message of the extended protocol: what the backend gets, and what is due with a statement.
    fn extended(&mut self, message: Message) -> Done<(Message, Option<Due>)> {
        match message.tag {
            b'P' => {
                let [name, sql] = message.texts();
                let rest = &message.body[name.len() + sql.len() + 2..];
                let prepared = self.prepare(&sql).inspect_err(|_| {
                    self.saw(&sql);
                })?;
                let mut parse = Message::of(b'P', &[&name, &prepared]);
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
                let due = self.saw(&sql);
                due.act(When::Before)?;
                Ok((message, Some(due)))
            }
            _ => Ok((message, None)),
        }
    }

    /// SQL of the extended protocol, which shall only read.
    fn prepare(&self, sql: &str) -> Result<String, Refusal> {
        if !self.redshift() {
            return Ok(sql.to_owned());
        }
        let statements = lexer::split(sql, true)?;
        let [statement] = statements.as_slice() else {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Refusal::new("42601", message));
        };
        let reads = ["select", "with", "("];
        if !reads.iter().any(|word| statement.begins(&[word])) {
            let message = "only queries are taken by the extended protocol here";
            return Err(Refusal::unsupported(message));
        }
        rules::check(statement)?;
        Ok(rules::translate(statement, &self.last))
    }
}

impl Isolation {
    /// How a transaction fails that another was in the way of.
    fn conflict(self) -> Refusal {
        match self {
            Self::Serializable => Refusal::new("XX000", "1023").detail(
                "Serializable isolation violation on table - 100123, transactions forming the cycle \
                 are: 1001, 1002 (pid:101)",
            ),
            Self::Snapshot => Refusal::new(
                "XX000",
                "could not complete because of conflict with concurrent transaction",
            ),
        }
    }
}
