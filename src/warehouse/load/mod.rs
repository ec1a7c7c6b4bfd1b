//! Loads one published dataset into a warehouse, in one transaction.
//!
//! The rows of every table go to a staging table first and are counted there. They are merged only if the counts are
//! right. The result of a merge depends on the content of the rows only, so a repeated load changes nothing. That makes
//! every failure harmless: if it is unknown whether the transaction was committed, the dataset is loaded again.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::time::Instant;

use serde::Serialize;

pub mod pg_copy_encoder;

use crate::config::LoadedLogObjects;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::{ParquetCompression, PublishedDataset};
use crate::star::schema::{STAR_TABLES, TableSchema};
use crate::warehouse::catalog::{LOAD_HISTORY, text_column};
use crate::warehouse::connect::error::{
    ErrorClass, StatementError, copy_error, fatal, statement_error,
};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::create_tables::missing_table_ddl;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::retry::{
    MAX_CONFLICT_ATTEMPTS, MAX_CONNECTION_LOST_ATTEMPTS, backoff, warn_if_blocked,
};
use crate::warehouse::sql::load_plan::{
    LOADED_RUNS_SQL, LoadParams, LoadStatement, load_statements, output_tables, to_sql_script,
};
use crate::warehouse::{WarehouseConfig, catalog};
use pg_copy_encoder::{COPY_HEADER, COPY_TRAILER, encode_batch, read_batches};

/// Approximate size of the chunks that are sent to PostgreSQL.
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// Result of a load.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// URL of the warehouse without the password.
    pub warehouse: String,
    /// Id of the run that wrote the dataset.
    pub run: String,
    /// Row counts of each table of the star schema.
    pub tables: BTreeMap<&'static str, TableChangeCounts>,
    /// Number of attempts of the transaction.
    pub attempts: u32,
    /// Duration of all attempts in seconds.
    pub seconds: f64,
}

/// Effect of a load on one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TableChangeCounts {
    /// Rows of the table in the dataset.
    pub rows: u64,
    /// Rows that were inserted.
    pub added: u64,
    /// Rows that were updated.
    pub changed: u64,
    /// Rows that a full refresh deleted.
    pub removed: u64,
}

/// State that is kept across the attempts of a load.
#[derive(Debug, Default)]
struct CrossAttemptState {
    /// Effect of the last attempt on each table.
    tables: BTreeMap<&'static str, TableChangeCounts>,
    /// Whether the last attempt has sent COMMIT.
    is_commit_sent: bool,
}

/// A load of one dataset into one warehouse.
#[derive(Debug, Clone, Copy)]
pub struct DatasetLoad<'a> {
    /// Target of the load.
    pub warehouse: &'a WarehouseConfig,
    /// Dataset to load.
    pub dataset: &'a PublishedDataset,
    /// Set for a full refresh, which deletes everything first: the runs that were loaded when the command began. The
    /// refresh must not delete runs that others have loaded since then.
    pub runs_before_refresh: Option<&'a HashSet<String>>,
}

impl DatasetLoad<'_> {
    /// Returns the SQL of the load as a script.
    ///
    /// # Errors
    /// Returns an error if a full refresh would lose rows (see [`ensure_dataset_is_complete`](Self::ensure_dataset_is_complete)), or
    /// if a name cannot be quoted in SQL.
    pub fn script(&self) -> Result<String> {
        self.ensure_dataset_is_complete()?;
        Ok(to_sql_script(&self.statements()?))
    }

    /// Loads the dataset atomically, with retries.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or rejects a statement, if its tables do not match, or if
    /// the dataset cannot be read. The transaction is rolled back then.
    pub fn execute(&self, progress: &dyn Observer) -> Result<LoadReport> {
        let started = Instant::now();
        self.ensure_dataset_is_complete()?;
        let statements = self.statements()?;
        self.warn_about_codec(progress);
        let connection = &self.warehouse.connection;
        let mut first_session = Some(WarehouseSession::open(connection)?);
        let mut state = CrossAttemptState::default();
        let (mut attempts, mut conflicts, mut connection_losses) = (0, 0, 0);
        loop {
            attempts += 1;
            let session = match first_session.take() {
                Some(session) => Ok(session),
                None => WarehouseSession::open(connection).map_err(|error| StatementError {
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
                    warehouse: connection.to_string(),
                    run: self.run_id().to_owned(),
                    tables: state.tables,
                    attempts,
                    seconds: started.elapsed().as_secs_f64(),
                });
            };
            // By now the session is closed, which has ended its transaction.
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
            progress.warn(&format!("{}; retrying the load", failure.error));
            std::thread::sleep(backoff(*failures));
        }
    }

    /// Checks that a full refresh does not replace the warehouse with a part of its data.
    ///
    /// # Errors
    /// Returns an error if this is a full refresh and the run skipped log objects that were loaded already.
    pub fn ensure_dataset_is_complete(&self) -> Result<()> {
        if self.runs_before_refresh.is_none()
            || self.dataset.report().logs.already_loaded_objects == 0
        {
            return Ok(());
        }
        Err(Error::usage(format!(
            "cannot empty the warehouse to load {}",
            self.dataset.location()
        ))
        .with_reason(
            "the run skipped log objects that were loaded already, and their rows would be lost",
        )
        .with_hint("sparkify run --full-refresh builds and loads a dataset of all log objects"))
    }

    /// Warns if Redshift may be unable to read the Parquet parts.
    fn warn_about_codec(&self, progress: &dyn Observer) {
        let codec = self.dataset.report().compression;
        match (self.warehouse.connection.dialect, codec) {
            (Dialect::Redshift, ParquetCompression::Zstd) => progress.warn(&format!(
                "the Parquet parts of {} are compressed with {codec}, which Redshift does not document for COPY; \
                 if the load fails, run again with --compression snappy",
                self.dataset.location()
            )),
            (Dialect::Redshift, ParquetCompression::Snappy | ParquetCompression::Gzip | ParquetCompression::None)
            | (Dialect::Postgres, _) => {}
        }
    }

    fn load_error(&self, failure: StatementError, state: &CrossAttemptState) -> Error {
        let summary = format!(
            "cannot load {} into {}",
            self.dataset.location(),
            self.warehouse.connection
        );
        let error = Error::failed(summary).with_reason(failure.error);
        match (state.is_commit_sent, failure.class) {
            (true, _) => error.with_hint(
                "it is unknown whether the load was committed: load again, a repeated load changes nothing",
            ),
            (false, ErrorClass::Conflict) => {
                error.with_hint("load again when the other transaction has finished")
            }
            (false, ErrorClass::ConnectionLost) => {
                error.with_hint("the warehouse is unchanged; load again")
            }
            (false, ErrorClass::Fatal) => error,
        }
    }

    /// Returns the id of the run that wrote the dataset.
    fn run_id(&self) -> &str {
        &self.dataset.report().run
    }

    /// Returns the statements of the transaction.
    fn statements(&self) -> Result<Vec<LoadStatement>> {
        let params = LoadParams {
            run: self.run_id(),
            manifest: &|table| self.dataset.manifest_url(table),
            has_rows: &|table| self.dataset.table_report(table).rows > 0,
        };
        load_statements(self.warehouse, &params, self.runs_before_refresh.is_some())
    }

    /// Runs all statements in a session, and records their effects in `state`.
    fn run_transaction(
        &self,
        session: &mut WarehouseSession,
        statements: &[LoadStatement],
        state: &mut CrossAttemptState,
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError> {
        let refresh = self.runs_before_refresh.is_some();
        let missing = warn_if_blocked(progress, || catalog::ensure_loadable(session, refresh))?;
        let bytes = output_tables()
            .map(|table| self.dataset.table_report(table).bytes)
            .sum();
        progress.start_phase("load", Some(bytes));
        for statement in statements {
            match statement {
                LoadStatement::Execute(sql) => {
                    // Dropping a constraint needs an exclusive lock.
                    let rows = match sql.contains("DROP CONSTRAINT") {
                        true => warn_if_blocked(progress, || session.execute(sql))?,
                        false => session.execute(sql)?,
                    };
                    record_effect(&mut state.tables, sql, rows);
                }
                LoadStatement::Commit(sql) => {
                    state.is_commit_sent = true;
                    let committed = session.execute(sql);
                    if committed
                        .as_ref()
                        .is_err_and(|failure| failure.class != ErrorClass::ConnectionLost)
                    {
                        // The server itself has rejected the COMMIT.
                        state.is_commit_sent = false;
                    }
                    committed?;
                }
                LoadStatement::Lock(sql) => self.lock_tables(session, sql, &missing, progress)?,
                LoadStatement::LoadedRuns(sql) => {
                    let runs = query_runs(session, sql)?;
                    if state.is_commit_sent && self.shows_committed(&runs) {
                        // The previous attempt was committed, and only the reply was lost.
                        return session.execute("ROLLBACK").map(drop);
                    }
                    self.ensure_no_concurrent_loads(&runs).map_err(fatal)?;
                    let initial_counts = |table: &'static TableSchema| {
                        let counts = TableChangeCounts {
                            rows: self.dataset.table_report(table).rows,
                            ..TableChangeCounts::default()
                        };
                        (table.name, counts)
                    };
                    *state = CrossAttemptState {
                        tables: STAR_TABLES.into_iter().map(initial_counts).collect(),
                        is_commit_sent: false,
                    };
                }
                LoadStatement::Copy(table, sql) => match self.warehouse.connection.dialect {
                    Dialect::Redshift => {
                        session.copy_from_s3(sql)?;
                        progress.advance(self.dataset.table_report(table).bytes);
                    }
                    Dialect::Postgres => self.copy_in_table(session, table, sql, progress)?,
                },
                LoadStatement::CountStaged(sql) => {
                    // If the dataset is unchanged now, all rows that were sent are of one run.
                    self.dataset.ensure_unchanged().map_err(fatal)?;
                    self.verify_row_counts(&session.query(sql)?)
                        .map_err(fatal)?;
                    progress.start_phase("merge", None);
                }
                LoadStatement::CheckEmptied(sql) => {
                    match text_column(session.query(sql)?).first() {
                        None => {}
                        Some(table) => {
                            return Err(fatal(altered_table_error(
                                table,
                                "some of its rows were not deleted",
                            )));
                        }
                    }
                }
                LoadStatement::CheckMergeState(sql) => match first_nonzero(&session.query(sql)?) {
                    None => {}
                    Some((table, rows)) => {
                        return Err(fatal(catalog::incomplete_state_error(table, rows)));
                    }
                },
                LoadStatement::CheckRowDeltas(sql) => {
                    check_row_deltas(&session.query(sql)?, &state.tables).map_err(fatal)?;
                }
                LoadStatement::CheckMerged(sql) => match first_nonzero(&session.query(sql)?) {
                    None => {}
                    Some((table, rows)) => {
                        let why = format!("{rows} of the merged rows are missing or differ");
                        return Err(fatal(altered_table_error(table, &why)));
                    }
                },
            }
        }
        Ok(())
    }

    /// Waits for other loads, and creates the missing tables.
    fn lock_tables(
        &self,
        session: &mut WarehouseSession,
        sql: &str,
        missing: &[&str],
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError> {
        // A missing table cannot be locked. Other sessions do not see the one that this transaction creates.
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

    /// Returns true if the load history lists this run, i.e. a COMMIT whose reply was lost has succeeded. In a full
    /// refresh a run that was listed before proves nothing.
    fn shows_committed(&self, runs: &HashSet<String>) -> bool {
        runs.contains(self.run_id())
            && !self
                .runs_before_refresh
                .is_some_and(|runs_before| runs_before.contains(self.run_id()))
    }

    /// Returns an error if a full refresh would delete a run that was loaded in the meantime.
    fn ensure_no_concurrent_loads(&self, runs: &HashSet<String>) -> Result<()> {
        let Some(runs_before) = self.runs_before_refresh else {
            return Ok(());
        };
        match runs
            .iter()
            .find(|run| !runs_before.contains(*run) && *run != self.run_id())
        {
            None => Ok(()),
            Some(other) => Err(Error::failed("cannot empty the warehouse")
                .with_reason(format!(
                    "run {other} was loaded in the meantime and would be lost"
                ))
                .with_hint("run the same command again")),
        }
    }

    /// Sends the Parquet parts of a table to PostgreSQL.
    fn copy_in_table(
        &self,
        session: &mut WarehouseSession,
        table: &'static TableSchema,
        sql: &str,
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError> {
        let parts = self.dataset.list_parts(table).map_err(fatal)?;
        let mut copy = session.copy_in(sql)?;
        let mut flush = |bytes: &mut Vec<u8>| {
            let sent = copy.write_all(bytes);
            bytes.clear();
            sent.map_err(|e| copy_error(&e))
        };
        let mut bytes = COPY_HEADER.to_vec();
        for part in parts {
            let name = self.dataset.display(&part);
            let file = self.dataset.open_part(&part).map_err(fatal)?;
            for batch in read_batches(file, &name, table).map_err(fatal)? {
                let batch = batch.map_err(|e| {
                    fatal(
                        Error::failed(format!("cannot read {name}"))
                            .with_source(e)
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

    /// Returns an error unless the number of staged rows of each table is the one in the report of the run.
    fn verify_row_counts(&self, counts: &[ResultRow]) -> Result<()> {
        let staged_rows = |table: &TableSchema| {
            let row = counts.iter().find_map(|row| match row.as_slice() {
                [Some(name), Some(count)] if name == table.name => Some(count),
                _ => None,
            });
            row.and_then(|count| count.parse::<u64>().ok())
        };
        for table in output_tables() {
            let (staged, written) = (staged_rows(table), self.dataset.table_report(table).rows);
            if staged != Some(written) {
                let staged = staged.unwrap_or_default();
                return Err(Error::failed(format!("cannot load table {}", table.name))
                    .with_reason(format!(
                        "{staged} rows arrived in the warehouse, the report has {written}"
                    ))
                    .with_hint("the warehouse is unchanged; run again, and check whether another process writes to the output"));
            }
        }
        Ok(())
    }
}

/// Checks the tables of a warehouse, and returns the log objects that were loaded into it.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached, or if its tables do not match or have lost their rows.
pub fn loaded_objects(
    warehouse: &WarehouseConfig,
    progress: &dyn Observer,
) -> Result<LoadedLogObjects> {
    query_warehouse(warehouse, progress, |session| {
        catalog::ensure_loadable(session, false)?;
        let mut objects = LoadedLogObjects::default();
        session.for_each_row("SELECT DISTINCT object, etag FROM load_history", |row| {
            if let [Some(object), Some(etag)] = row.as_slice() {
                objects.insert((*object).to_owned(), (*etag).to_owned());
            }
        })?;
        Ok(objects)
    })
}

/// Checks the tables of a warehouse before a full refresh, and returns the runs that were loaded into it.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached, if its tables do not match, or if all of them are missing.
pub fn loaded_runs(
    warehouse: &WarehouseConfig,
    progress: &dyn Observer,
) -> Result<HashSet<String>> {
    query_warehouse(warehouse, progress, |session| {
        let missing = catalog::ensure_loadable(session, true)?;
        match missing.contains(&LOAD_HISTORY) {
            true => Ok(HashSet::new()),
            false => query_runs(session, LOADED_RUNS_SQL),
        }
    })
}

/// Runs a query before a dataset is built for the warehouse.
fn query_warehouse<T>(
    warehouse: &WarehouseConfig,
    progress: &dyn Observer,
    query: impl FnOnce(&mut WarehouseSession) -> std::result::Result<T, StatementError>,
) -> Result<T> {
    let mut session = WarehouseSession::open(&warehouse.connection)?;
    let load_error = |failure: StatementError| {
        Error::failed(format!("cannot load into {}", warehouse.connection))
            .with_reason(failure.error)
    };
    // In Redshift a lock on a table blocks readers too.
    warn_if_blocked(progress, || query(&mut session)).map_err(load_error)
}

fn query_runs(
    session: &mut WarehouseSession,
    sql: &str,
) -> std::result::Result<HashSet<String>, StatementError> {
    let rows = session.query(sql)?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Returns the first row whose count is not 0 in the result of a query for names and counts.
fn first_nonzero(rows: &[ResultRow]) -> Option<(&str, u64)> {
    rows.iter().find_map(|row| match row.as_slice() {
        [Some(name), Some(count)] => {
            let count = count.parse().ok()?;
            (count > 0).then_some((name.as_str(), count))
        }
        _ => None,
    })
}

/// Builds the error for a table whose rows are not those that the load wrote.
fn altered_table_error(table: &str, why: &str) -> Error {
    Error::failed(format!("table {table} does not have the rows that the load wrote"))
        .with_reason(why)
        .with_hint(format!(
            "check {table} and the other tables for triggers, rules and row security; the warehouse is unchanged"
        ))
}

/// Checks that the tables have grown by the rows that the statements inserted and deleted.
///
/// # Errors
/// Returns an error if a trigger, rule or row security has inserted or deleted other rows.
fn check_row_deltas(
    rows: &[ResultRow],
    loaded: &BTreeMap<&'static str, TableChangeCounts>,
) -> Result<()> {
    for row in rows {
        let [Some(name), Some(growth)] = row.as_slice() else {
            continue;
        };
        let Some((table, counts)) = loaded.get_key_value(name.as_str()) else {
            continue;
        };
        let expected = counts.added as i64 - counts.removed as i64;
        if growth.parse() != Ok(expected) {
            let why =
                format!("expected {expected} rows more than before the load, found {growth} more");
            return Err(altered_table_error(table, &why));
        }
    }
    Ok(())
}

/// Adds the effect of a statement to the counts of its table.
fn record_effect(loaded: &mut BTreeMap<&'static str, TableChangeCounts>, sql: &str, rows: u64) {
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
