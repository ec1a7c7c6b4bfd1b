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
use crate::star::schema::{TABLES, Table};
use crate::warehouse::catalog::{LOADS, names_of};
use crate::warehouse::connect::error::{
    ErrorClass, StatementError, failure, failure_of_copy, refused,
};
use crate::warehouse::connect::session::{Row, Session};
use crate::warehouse::create::creation;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::retry::{CONFLICT_TRIES, LOST_TRIES, patiently, pause};
use crate::warehouse::sql::load_plan::{LoadParams, RUNS, Statement, all, as_text, steps};
use crate::warehouse::{Warehouse, catalog};
use pg_copy::{HEADER, TRAILER, batches, encode};

/// Bytes that are sent to PostgreSQL at a time, about.
const SENT_AT_ONCE: usize = 256 * 1024;

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
    pub tries: u32,
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
    commits: bool,
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
        self.refuse_part()?;
        Ok(as_text(&self.steps()?))
    }

    /// Loads the star: all of it, or nothing.
    ///
    /// # Errors
    /// The warehouse cannot be reached or refuses, its tables are others, or the star cannot be read. What
    /// was there is whole then.
    pub fn carry_out(&self, progress: &Progress) -> Result<LoadReport> {
        let began = Instant::now();
        self.refuse_part()?;
        let steps = self.steps()?;
        self.warn_about_codec(progress);
        let address = &self.warehouse.address;
        let mut open = Some(Session::open(address)?);
        let mut notes = AttemptState::default();
        let (mut tries, mut conflicts, mut losses) = (0, 0, 0);
        loop {
            tries += 1;
            let session = match open.take() {
                Some(session) => Ok(session),
                None => Session::open(address).map_err(|error| StatementError {
                    cause: ErrorClass::ConnectionLost,
                    error,
                }),
            };
            let loaded = session.and_then(|mut session| {
                self.transaction(&mut session, &steps, &mut notes, progress)
            });
            progress.end();
            let Err(failure) = loaded else {
                return Ok(LoadReport {
                    warehouse: address.to_string(),
                    run: self.run().to_owned(),
                    tables: notes.tables,
                    tries,
                    seconds: began.elapsed().as_secs_f64(),
                });
            };
            // The session is closed by now, and its transaction with it.
            let (failures, most) = match failure.cause {
                ErrorClass::Conflict => (&mut conflicts, CONFLICT_TRIES),
                ErrorClass::ConnectionLost => (&mut losses, LOST_TRIES),
                ErrorClass::Fatal => return Err(self.failed(failure, &notes)),
            };
            *failures += 1;
            if *failures >= most {
                return Err(self.failed(failure, &notes));
            }
            progress.warn(&format!("{}: loading again", failure.error));
            std::thread::sleep(pause(*failures));
        }
    }

    /// An error if everything would go for what is only a part of it.
    ///
    /// # Errors
    /// That.
    pub fn refuse_part(&self) -> Result<()> {
        if self.refresh.is_none() || self.star.report().logs.loaded_objects == 0 {
            return Ok(());
        }
        Err(Error::usage(format!("cannot empty the warehouse for {}", self.star.place()))
            .because("it holds only what was new in the logs when it was made, and what was loaded before would be lost")
            .hint("sparkify run --full-refresh makes and loads a star of all logs"))
    }

    /// Warns if Redshift may refuse to read the Parquet parts.
    fn warn_about_codec(&self, progress: &Progress) {
        let codec = self.star.report().compression;
        match (self.warehouse.address.dialect, codec) {
            (Dialect::Redshift, Compression::Zstd) => progress.warn(&format!(
                "the Parquet parts of {} are compressed with {codec}, which Redshift does not document for COPY: \
                 should it refuse them, run again with --compression snappy",
                self.star.place()
            )),
            (Dialect::Redshift, Compression::Snappy | Compression::Gzip | Compression::None)
            | (Dialect::Postgres, _) => {}
        }
    }

    fn failed(&self, failure: StatementError, notes: &AttemptState) -> Error {
        let what = format!(
            "cannot load {} into {}",
            self.star.place(),
            self.warehouse.address
        );
        let error = Error::failed(what).because(failure.error);
        match (notes.commits, failure.cause) {
            (true, _) => error.hint(
                "whether the load was committed is not known: load again, twice changes nothing",
            ),
            (false, ErrorClass::Conflict) => error.hint("load again when the other load is done"),
            (false, ErrorClass::ConnectionLost) => {
                error.hint("nothing was changed there; load again")
            }
            (false, ErrorClass::Fatal) => error,
        }
    }

    /// The id of the run.
    fn run(&self) -> &str {
        self.star.report().run.as_deref().unwrap_or_default()
    }

    /// All that the transaction consists of.
    fn steps(&self) -> Result<Vec<Statement>> {
        let batch = LoadParams {
            run: self.run(),
            manifest: &|table| self.star.manifest(table),
            has_rows: &|table| self.star.table(table).rows > 0,
        };
        steps(self.warehouse, &batch, self.refresh.is_some())
    }

    /// Carries out all steps, and notes what they did.
    fn transaction(
        &self,
        session: &mut Session,
        steps: &[Statement],
        notes: &mut AttemptState,
        progress: &Progress,
    ) -> std::result::Result<(), StatementError> {
        let refresh = self.refresh.is_some();
        let missing = patiently(progress, || catalog::ensure_loadable(session, refresh))?;
        let bytes = all().map(|table| self.star.table(table).bytes).sum();
        progress.begin("load", bytes);
        for step in steps {
            match step {
                Statement::Execute(sql) => {
                    // Taking off keys needs the tables for itself.
                    let rows = match sql.contains("DROP CONSTRAINT") {
                        true => patiently(progress, || session.execute(sql))?,
                        false => session.execute(sql)?,
                    };
                    tally(&mut notes.tables, sql, rows);
                }
                Statement::Commit(sql) => {
                    notes.commits = true;
                    let committed = session.execute(sql);
                    if committed
                        .as_ref()
                        .is_err_and(|failure| failure.cause != ErrorClass::ConnectionLost)
                    {
                        // The server itself has said no.
                        notes.commits = false;
                    }
                    committed?;
                }
                Statement::Lock(sql) => self.lock(session, sql, &missing, progress)?,
                Statement::LoadedRuns(sql) => {
                    let runs = runs(session, sql)?;
                    if notes.commits && self.tells(&runs) {
                        // It was committed, and nobody had told us.
                        return session.execute("ROLLBACK").map(drop);
                    }
                    self.refuse_others(&runs).map_err(refused)?;
                    let row = |table: &'static Table| {
                        let rows = self.star.table(table).rows;
                        let loaded = TableCounts {
                            rows,
                            ..TableCounts::default()
                        };
                        (table.name, loaded)
                    };
                    *notes = AttemptState {
                        tables: TABLES.into_iter().map(row).collect(),
                        commits: false,
                    };
                }
                Statement::Copy(table, sql) => match self.warehouse.address.dialect {
                    Dialect::Redshift => {
                        session.copy(sql)?;
                        progress.advance(self.star.table(table).bytes);
                    }
                    Dialect::Postgres => self.send(session, table, sql, progress)?,
                },
                Statement::CountStaged(sql) => {
                    // What was sent is of one run, if it is still there now.
                    self.star.is_still_there().map_err(refused)?;
                    self.check(&session.rows(sql)?).map_err(refused)?;
                    progress.wait("merge");
                }
                Statement::CheckEmptied(sql) => match names_of(session.rows(sql)?).first() {
                    None => {}
                    Some(table) => {
                        return Err(refused(altered(table, "not all of its rows were deleted")));
                    }
                },
                Statement::CheckMergeState(sql) => match first_counted(&session.rows(sql)?) {
                    None => {}
                    Some((table, rows)) => return Err(refused(catalog::incomplete(table, rows))),
                },
                Statement::CheckRowDeltas(sql) => {
                    check_growth(&session.rows(sql)?, &notes.tables).map_err(refused)?;
                }
                Statement::CheckMerged(sql) => match first_counted(&session.rows(sql)?) {
                    None => {}
                    Some((table, rows)) => {
                        let why =
                            format!("{rows} of the rows that were merged are missing or differ");
                        return Err(refused(altered(table, &why)));
                    }
                },
            }
        }
        Ok(())
    }

    /// Waits for other loads, and creates the tables that are missing.
    fn lock(
        &self,
        session: &mut Session,
        sql: &str,
        missing: &[&str],
        progress: &Progress,
    ) -> std::result::Result<(), StatementError> {
        // A table that this transaction creates is not seen by others before it ends.
        if !missing.contains(&LOADS) {
            patiently(progress, || session.execute(sql))?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut names = catalog::tables().into_iter().map(|(name, _)| name);
        let present: Vec<_> = names.by_ref().filter(|n| !missing.contains(n)).collect();
        let dialect = self.warehouse.address.dialect;
        for sql in creation(dialect, |name| present.contains(&name)) {
            patiently(progress, || session.execute(sql))?;
        }
        Ok(())
    }

    /// Whether the runs that are loaded tell that this load was committed: not if this one was there before
    /// everything should go.
    fn tells(&self, runs: &HashSet<String>) -> bool {
        runs.contains(self.run()) && !self.refresh.is_some_and(|known| known.contains(self.run()))
    }

    /// An error if everything would go, and others have loaded something since what is loaded began to be made.
    fn refuse_others(&self, runs: &HashSet<String>) -> Result<()> {
        let Some(known) = self.refresh else {
            return Ok(());
        };
        match runs
            .iter()
            .find(|run| !known.contains(*run) && *run != self.run())
        {
            None => Ok(()),
            Some(other) => Err(Error::failed("will not empty the warehouse")
                .because(format!(
                    "run {other} was loaded meanwhile and would be lost"
                ))
                .hint("do the same again")),
        }
    }

    /// Sends the parts of a table to PostgreSQL.
    fn send(
        &self,
        session: &mut Session,
        table: &'static Table,
        sql: &str,
        progress: &Progress,
    ) -> std::result::Result<(), StatementError> {
        let parts = self.star.parts(table).map_err(refused)?;
        let mut copy = session.copy_in(sql)?;
        let mut send = |bytes: &mut Vec<u8>| {
            let sent = copy.write_all(bytes);
            bytes.clear();
            sent.map_err(|e| failure_of_copy(&e))
        };
        let mut bytes = HEADER.to_vec();
        for part in parts {
            let name = self.star.display(&part);
            let file = self.star.fetch(&part).map_err(refused)?;
            for batch in batches(file, &name, table).map_err(refused)? {
                let batch = batch.map_err(|e| {
                    refused(
                        Error::failed(format!("cannot read {name}"))
                            .because(e)
                            .hint("run again"),
                    )
                })?;
                encode(&batch, table, &mut bytes).map_err(refused)?;
                if bytes.len() >= SENT_AT_ONCE {
                    send(&mut bytes)?;
                }
            }
            progress.advance(part.size);
        }
        bytes.extend_from_slice(TRAILER);
        send(&mut bytes)?;
        copy.finish().map(drop).map_err(|e| failure(&e))
    }

    /// An error unless as many rows of each table arrived as the run wrote.
    fn check(&self, counts: &[Row]) -> Result<()> {
        let count_of = |table: &Table| {
            let row = counts.iter().find_map(|row| match row.as_slice() {
                [Some(name), Some(count)] if name == table.name => Some(count),
                _ => None,
            });
            row.and_then(|count| count.parse::<u64>().ok())
        };
        for table in all() {
            let (arrived, written) = (count_of(table), self.star.table(table).rows);
            if arrived != Some(written) {
                let arrived = arrived.unwrap_or_default();
                return Err(Error::failed(format!("cannot load table {}", table.name))
                    .because(format!(
                        "{arrived} rows arrived in the warehouse, the report says {written}"
                    ))
                    .hint("nothing was changed there; run again, and look for who else writes to the output"));
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
    ask(warehouse, progress, |session| {
        catalog::ensure_loadable(session, false)?;
        let mut objects = LoadedObjects::default();
        session.each("SELECT DISTINCT object, etag FROM loads", |row| {
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
    ask(warehouse, progress, |session| {
        let missing = catalog::ensure_loadable(session, true)?;
        match missing.contains(&LOADS) {
            true => Ok(HashSet::new()),
            false => runs(session, RUNS),
        }
    })
}

/// Asks a warehouse before anything is made for it.
fn ask<T>(
    warehouse: &Warehouse,
    progress: &Progress,
    query: impl FnOnce(&mut Session) -> std::result::Result<T, StatementError>,
) -> Result<T> {
    let mut session = Session::open(&warehouse.address)?;
    let cannot = |failure: StatementError| {
        Error::failed(format!("cannot load into {}", warehouse.address)).because(failure.error)
    };
    // Redshift locks a table for its readers too.
    patiently(progress, || query(&mut session)).map_err(cannot)
}

fn runs(session: &mut Session, sql: &str) -> std::result::Result<HashSet<String>, StatementError> {
    let rows = session.rows(sql)?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Returns the first table of a query for names and counts whose count is not 0.
fn first_counted(rows: &[Row]) -> Option<(&str, u64)> {
    rows.iter().find_map(|row| match row.as_slice() {
        [Some(name), Some(count)] => {
            let count = count.parse().ok()?;
            (count > 0).then_some((name.as_str(), count))
        }
        _ => None,
    })
}

/// Builds the error of a table in which not what was written is found.
fn altered(table: &str, why: &str) -> Error {
    Error::failed(format!("table {table} is not as the load wrote it"))
        .because(why)
        .hint(format!(
            "look for triggers, rules and row security on {table} and the other tables; nothing was changed there"
        ))
}

/// Checks that the tables have grown by the rows that the statements have added and removed.
///
/// # Errors
/// A table has other rows: something else has removed or added some.
fn check_growth(rows: &[Row], loaded: &BTreeMap<&'static str, TableCounts>) -> Result<()> {
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
            return Err(altered(table, &why));
        }
    }
    Ok(())
}

/// Adds what a statement did to a table of the star.
fn tally(loaded: &mut BTreeMap<&'static str, TableCounts>, sql: &str, rows: u64) {
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
