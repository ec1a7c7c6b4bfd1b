//! The load: one published star into a warehouse, in one transaction.
//!
//! The rows of every table go to a staging table first and are counted there; only then is anything
//! merged. What a load does follows from what the rows hold, so doing it again changes nothing, and that
//! is what makes every failure harmless: whoever does not know whether the transaction was committed
//! loads again.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::time::Instant;

use serde::Serialize;

pub mod pg_copy;

use crate::config::LoadedObjects;
use crate::error::{Error, Result};
use crate::output::{Compression, PublishedDataset};
use crate::progress::Progress;
use crate::star::schema::{STAR_TABLES, Table};
use crate::warehouse::catalog::{LOAD_HISTORY, text_column};
use crate::warehouse::connect::error::{
    ErrorClass, StatementError, copy_error, fatal, statement_error,
};
use crate::warehouse::connect::session::{Row, Session};
use crate::warehouse::create::missing_table_ddl;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::retry::{
    MAX_CONFLICT_ATTEMPTS, MAX_CONNECTION_LOST_ATTEMPTS, backoff, warn_if_blocked,
};
use crate::warehouse::sql::load_plan::{
    LOADED_RUNS_SQL, LoadParams, Statement, load_statements, output_tables, to_sql_script,
};
use crate::warehouse::{Warehouse, catalog};
use pg_copy::{COPY_HEADER, COPY_TRAILER, encode_batch, read_batches};

/// Bytes that are sent to PostgreSQL at a time, about.
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// What a load did.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// The warehouse.
    pub warehouse: String,
    /// The run whose star it is.
    pub run: String,
    /// What became of each table of the star.
    pub tables: BTreeMap<&'static str, TableCounts>,
    /// How often the transaction was begun.
    pub attempts: u32,
    /// Seconds, all tries together.
    pub seconds: f64,
}

/// What a load did to one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TableCounts {
    /// Rows of the star that was loaded.
    pub rows: u64,
    /// Rows that were not there before.
    pub added: u64,
    /// Rows that were there and are others now.
    pub changed: u64,
    /// Rows that were removed to load all anew.
    pub removed: u64,
}

/// What the tries of a load have done.
#[derive(Debug, Default)]
struct AttemptState {
    /// What the last one did to each table.
    tables: BTreeMap<&'static str, TableCounts>,
    /// Whether it has sent COMMIT.
    commit_sent: bool,
}

/// What a load takes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Where to.
    pub warehouse: &'a Warehouse,
    /// What.
    pub star: &'a PublishedDataset,
    /// Whether everything that is there goes first; if so, the runs that were there when what is loaded began
    /// to be made: what others have loaded since then must not go.
    pub refresh: Option<&'a HashSet<String>>,
}

impl Load<'_> {
    /// The SQL of the load, in order, as text.
    ///
    /// # Errors
    /// The star cannot be loaded there.
    pub fn script(&self) -> Result<String> {
        self.ensure_complete_star()?;
        Ok(to_sql_script(&self.statements()?))
    }

    /// Loads the star: all of it, or nothing.
    ///
    /// # Errors
    /// The warehouse cannot be reached or refuses, its tables are others, or the star cannot be read. What
    /// was there is whole then.
    pub fn execute(&self, progress: &Progress) -> Result<LoadReport> {
        let started = Instant::now();
        self.ensure_complete_star()?;
        let statements = self.statements()?;
        self.warn_about_codec(progress);
        let address = &self.warehouse.connection;
        let mut first_session = Some(Session::open(address)?);
        let mut state = AttemptState::default();
        let (mut attempts, mut conflicts, mut connection_losses) = (0, 0, 0);
        loop {
            attempts += 1;
            let session = match first_session.take() {
                Some(session) => Ok(session),
                None => Session::open(address).map_err(|error| StatementError {
                    class: ErrorClass::ConnectionLost,
                    error,
                }),
            };
            let loaded = session.and_then(|mut session| {
                self.run_transaction(&mut session, &statements, &mut state, progress)
            });
            progress.finish_phase();
            let Err(failure) = loaded else {
                return Ok(LoadReport {
                    warehouse: address.to_string(),
                    run: self.run_id().to_owned(),
                    tables: state.tables,
                    attempts,
                    seconds: started.elapsed().as_secs_f64(),
                });
            };
            // The session is closed by now, and its transaction with it.
            let (failures, max_failures) = match failure.class {
                ErrorClass::Conflict => (&mut conflicts, MAX_CONFLICT_ATTEMPTS),
                ErrorClass::ConnectionLost => {
                    (&mut connection_losses, MAX_CONNECTION_LOST_ATTEMPTS)
                }
                ErrorClass::Fatal => return Err(self.load_error(failure, &state)),
            };
            *failures += 1;
            if *failures >= max_failures {
                return Err(self.load_error(failure, &state));
            }
            progress.warn(&format!("{}: loading again", failure.error));
            std::thread::sleep(backoff(*failures));
        }
    }

    /// An error if everything would go for what is only a part of it.
    ///
    /// # Errors
    /// That.
    pub fn ensure_complete_star(&self) -> Result<()> {
        if self.refresh.is_none() || self.star.report().logs.already_loaded_objects == 0 {
            return Ok(());
        }
        Err(Error::usage(format!("cannot empty the warehouse for {}", self.star.location()))
            .with_reason("it holds only what was new in the logs when it was made, and what was loaded before would be lost")
            .with_hint("sparkify run --full-refresh makes and loads a star of all logs"))
    }

    /// Warns if Redshift may refuse to read the Parquet parts.
    fn warn_about_codec(&self, progress: &Progress) {
        let codec = self.star.report().compression;
        match (self.warehouse.connection.dialect, codec) {
            (Dialect::Redshift, Compression::Zstd) => progress.warn(&format!(
                "the Parquet parts of {} are compressed with {codec}, which Redshift does not document for COPY: \
                 should it refuse them, run again with --compression snappy",
                self.star.location()
            )),
            (Dialect::Redshift, Compression::Snappy | Compression::Gzip | Compression::None)
            | (Dialect::Postgres, _) => {}
        }
    }

    fn load_error(&self, failure: StatementError, state: &AttemptState) -> Error {
        let summary = format!(
            "cannot load {} into {}",
            self.star.location(),
            self.warehouse.connection
        );
        let error = Error::failed(summary).with_reason(failure.error);
        match (state.commit_sent, failure.class) {
            (true, _) => error.with_hint(
                "whether the load was committed is not known: load again, twice changes nothing",
            ),
            (false, ErrorClass::Conflict) => {
                error.with_hint("load again when the other load is done")
            }
            (false, ErrorClass::ConnectionLost) => {
                error.with_hint("nothing was changed there; load again")
            }
            (false, ErrorClass::Fatal) => error,
        }
    }

    /// The id of the run.
    fn run_id(&self) -> &str {
        &self.star.report().run
    }

    /// All that the transaction consists of.
    fn statements(&self) -> Result<Vec<Statement>> {
        let params = LoadParams {
            run: self.run_id(),
            manifest: &|table| self.star.manifest_url(table),
            has_rows: &|table| self.star.table_report(table).rows > 0,
        };
        load_statements(self.warehouse, &params, self.refresh.is_some())
    }

    /// Carries out all steps, and notes what they did.
    fn run_transaction(
        &self,
        session: &mut Session,
        statements: &[Statement],
        state: &mut AttemptState,
        progress: &Progress,
    ) -> std::result::Result<(), StatementError> {
        let refresh = self.refresh.is_some();
        let missing = warn_if_blocked(progress, || catalog::ensure_loadable(session, refresh))?;
        let bytes = output_tables()
            .map(|table| self.star.table_report(table).bytes)
            .sum();
        progress.start_phase("load", bytes);
        for statement in statements {
            match statement {
                Statement::Execute(sql) => {
                    // Taking off keys needs the tables for itself.
                    let rows = match sql.contains("DROP CONSTRAINT") {
                        true => warn_if_blocked(progress, || session.execute(sql))?,
                        false => session.execute(sql)?,
                    };
                    record_effect(&mut state.tables, sql, rows);
                }
                Statement::Commit(sql) => {
                    state.commit_sent = true;
                    let committed = session.execute(sql);
                    if committed
                        .as_ref()
                        .is_err_and(|failure| failure.class != ErrorClass::ConnectionLost)
                    {
                        // The server itself has said no.
                        state.commit_sent = false;
                    }
                    committed?;
                }
                Statement::Lock(sql) => self.lock_tables(session, sql, &missing, progress)?,
                Statement::LoadedRuns(sql) => {
                    let runs = query_runs(session, sql)?;
                    if state.commit_sent && self.shows_committed(&runs) {
                        // It was committed, and nobody had told us.
                        return session.execute("ROLLBACK").map(drop);
                    }
                    self.ensure_no_concurrent_loads(&runs).map_err(fatal)?;
                    let row = |table: &'static Table| {
                        let rows = self.star.table_report(table).rows;
                        let loaded = TableCounts {
                            rows,
                            ..TableCounts::default()
                        };
                        (table.name, loaded)
                    };
                    *state = AttemptState {
                        tables: STAR_TABLES.into_iter().map(row).collect(),
                        commit_sent: false,
                    };
                }
                Statement::Copy(table, sql) => match self.warehouse.connection.dialect {
                    Dialect::Redshift => {
                        session.copy_from_s3(sql)?;
                        progress.advance(self.star.table_report(table).bytes);
                    }
                    Dialect::Postgres => self.copy_in_table(session, table, sql, progress)?,
                },
                Statement::CountStaged(sql) => {
                    // What was sent is of one run, if it is still there now.
                    self.star.ensure_unchanged().map_err(fatal)?;
                    self.verify_row_counts(&session.query(sql)?)
                        .map_err(fatal)?;
                    progress.start_spinner("merge");
                }
                Statement::CheckEmptied(sql) => match text_column(session.query(sql)?).first() {
                    None => {}
                    Some(table) => {
                        return Err(fatal(altered_table_error(
                            table,
                            "not all of its rows were deleted",
                        )));
                    }
                },
                Statement::CheckMergeState(sql) => match first_nonzero(&session.query(sql)?) {
                    None => {}
                    Some((table, rows)) => {
                        return Err(fatal(catalog::incomplete_state_error(table, rows)));
                    }
                },
                Statement::CheckRowDeltas(sql) => {
                    check_row_deltas(&session.query(sql)?, &state.tables).map_err(fatal)?;
                }
                Statement::CheckMerged(sql) => match first_nonzero(&session.query(sql)?) {
                    None => {}
                    Some((table, rows)) => {
                        let why =
                            format!("{rows} of the rows that were merged are missing or differ");
                        return Err(fatal(altered_table_error(table, &why)));
                    }
                },
            }
        }
        Ok(())
    }

    /// Waits for other loads, and creates the tables that are missing.
    fn lock_tables(
        &self,
        session: &mut Session,
        sql: &str,
        missing: &[&str],
        progress: &Progress,
    ) -> std::result::Result<(), StatementError> {
        // A table that this transaction creates is not seen by others before it ends.
        if !missing.contains(&LOAD_HISTORY) {
            warn_if_blocked(progress, || session.execute(sql))?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut names = catalog::warehouse_tables()
            .into_iter()
            .map(|(name, _)| name);
        let present: Vec<_> = names.by_ref().filter(|n| !missing.contains(n)).collect();
        let dialect = self.warehouse.connection.dialect;
        for sql in missing_table_ddl(dialect, |name| present.contains(&name)) {
            warn_if_blocked(progress, || session.execute(sql))?;
        }
        Ok(())
    }

    /// Whether the runs that are loaded tell that this load was committed: not if this one was there before
    /// everything should go.
    fn shows_committed(&self, runs: &HashSet<String>) -> bool {
        runs.contains(self.run_id())
            && !self
                .refresh
                .is_some_and(|known| known.contains(self.run_id()))
    }

    /// An error if everything would go, and others have loaded something since what is loaded began to be made.
    fn ensure_no_concurrent_loads(&self, runs: &HashSet<String>) -> Result<()> {
        let Some(known) = self.refresh else {
            return Ok(());
        };
        match runs
            .iter()
            .find(|run| !known.contains(*run) && *run != self.run_id())
        {
            None => Ok(()),
            Some(other) => Err(Error::failed("will not empty the warehouse")
                .with_reason(format!(
                    "run {other} was loaded meanwhile and would be lost"
                ))
                .with_hint("do the same again")),
        }
    }

    /// Sends the parts of a table to PostgreSQL.
    fn copy_in_table(
        &self,
        session: &mut Session,
        table: &'static Table,
        sql: &str,
        progress: &Progress,
    ) -> std::result::Result<(), StatementError> {
        let parts = self.star.list_parts(table).map_err(fatal)?;
        let mut copy = session.copy_in(sql)?;
        let mut flush = |bytes: &mut Vec<u8>| {
            let sent = copy.write_all(bytes);
            bytes.clear();
            sent.map_err(|e| copy_error(&e))
        };
        let mut bytes = COPY_HEADER.to_vec();
        for part in parts {
            let name = self.star.display(&part);
            let file = self.star.open_part(&part).map_err(fatal)?;
            for batch in read_batches(file, &name, table).map_err(fatal)? {
                let batch = batch.map_err(|e| {
                    fatal(
                        Error::failed(format!("cannot read {name}"))
                            .with_reason(e)
                            .with_hint("run again"),
                    )
                })?;
                encode_batch(&batch, table, &mut bytes).map_err(fatal)?;
                if bytes.len() >= COPY_BUFFER_BYTES {
                    flush(&mut bytes)?;
                }
            }
            progress.advance(part.size);
        }
        bytes.extend_from_slice(COPY_TRAILER);
        flush(&mut bytes)?;
        copy.finish().map(drop).map_err(|e| statement_error(&e))
    }

    /// An error unless as many rows of each table arrived as the run wrote.
    fn verify_row_counts(&self, counts: &[Row]) -> Result<()> {
        let count_of = |table: &Table| {
            let row = counts.iter().find_map(|row| match row.as_slice() {
                [Some(name), Some(count)] if name == table.name => Some(count),
                _ => None,
            });
            row.and_then(|count| count.parse::<u64>().ok())
        };
        for table in output_tables() {
            let (arrived, written) = (count_of(table), self.star.table_report(table).rows);
            if arrived != Some(written) {
                let arrived = arrived.unwrap_or_default();
                return Err(Error::failed(format!("cannot load table {}", table.name))
                    .with_reason(format!(
                        "{arrived} rows arrived in the warehouse, the report says {written}"
                    ))
                    .with_hint("nothing was changed there; run again, and look for who else writes to the output"));
            }
        }
        Ok(())
    }
}

/// The log objects that were loaded into a warehouse, whose tables are found to be as a load wants them.
///
/// # Errors
/// The warehouse cannot be reached, or its tables are others or have lost their rows.
pub fn loaded_objects(warehouse: &Warehouse, progress: &Progress) -> Result<LoadedObjects> {
    query_warehouse(warehouse, progress, |session| {
        catalog::ensure_loadable(session, false)?;
        let mut objects = LoadedObjects::default();
        session.for_each_row("SELECT DISTINCT object, etag FROM load_history", |row| {
            if let [Some(object), Some(etag)] = row.as_slice() {
                objects.insert((*object).to_owned(), (*etag).to_owned());
            }
        })?;
        Ok(objects)
    })
}

/// Returns the runs that were loaded into a warehouse which is to be emptied and loaded anew.
///
/// # Errors
/// The warehouse cannot be reached, its tables are others, or all of them are missing.
pub fn loaded_runs(warehouse: &Warehouse, progress: &Progress) -> Result<HashSet<String>> {
    query_warehouse(warehouse, progress, |session| {
        let missing = catalog::ensure_loadable(session, true)?;
        match missing.contains(&LOAD_HISTORY) {
            true => Ok(HashSet::new()),
            false => query_runs(session, LOADED_RUNS_SQL),
        }
    })
}

/// Asks a warehouse before anything is made for it.
fn query_warehouse<T>(
    warehouse: &Warehouse,
    progress: &Progress,
    query: impl FnOnce(&mut Session) -> std::result::Result<T, StatementError>,
) -> Result<T> {
    let mut session = Session::open(&warehouse.connection)?;
    let load_error = |failure: StatementError| {
        Error::failed(format!("cannot load into {}", warehouse.connection))
            .with_reason(failure.error)
    };
    // Redshift locks a table for its readers too.
    warn_if_blocked(progress, || query(&mut session)).map_err(load_error)
}

fn query_runs(
    session: &mut Session,
    sql: &str,
) -> std::result::Result<HashSet<String>, StatementError> {
    let rows = session.query(sql)?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Returns the first table of a query for names and counts whose count is not 0.
fn first_nonzero(rows: &[Row]) -> Option<(&str, u64)> {
    rows.iter().find_map(|row| match row.as_slice() {
        [Some(name), Some(count)] => {
            let count = count.parse().ok()?;
            (count > 0).then_some((name.as_str(), count))
        }
        _ => None,
    })
}

/// Builds the error of a table in which not what was written is found.
fn altered_table_error(table: &str, why: &str) -> Error {
    Error::failed(format!("table {table} is not as the load wrote it"))
        .with_reason(why)
        .with_hint(format!(
            "look for triggers, rules and row security on {table} and the other tables; nothing was changed there"
        ))
}

/// Checks that the tables have grown by the rows that the statements have added and removed.
///
/// # Errors
/// A table has other rows: something else has removed or added some.
fn check_row_deltas(rows: &[Row], loaded: &BTreeMap<&'static str, TableCounts>) -> Result<()> {
    for row in rows {
        let [Some(name), Some(growth)] = row.as_slice() else {
            continue;
        };
        let Some((table, counts)) = loaded.get_key_value(name.as_str()) else {
            continue;
        };
        let expected = counts.added as i64 - counts.removed as i64;
        if growth.parse() != Ok(expected) {
            let why = format!(
                "it should have {expected} rows more than before the load, and has {growth} more"
            );
            return Err(altered_table_error(table, &why));
        }
    }
    Ok(())
}

/// Adds what a statement did to a table of the star.
fn record_effect(loaded: &mut BTreeMap<&'static str, TableCounts>, sql: &str, rows: u64) {
    let mut words = sql.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let name = match verb {
        "UPDATE" => words.next(),
        _ => words.nth(1),
    };
    let Some(table) = name.and_then(|name| loaded.get_mut(name)) else {
        return;
    };
    match verb {
        "INSERT" => table.added += rows,
        "UPDATE" => table.changed += rows,
        "DELETE" => table.removed += rows,
        _ => {}
    }
}
