//! The load: one published star into a warehouse, in one transaction.
//!
//! The rows of every table go to a staging table first and are counted there; only then is anything
//! merged. What a load does follows from what the rows hold, so doing it again changes nothing, and that
//! is what makes every failure harmless: whoever does not know whether the transaction was committed
//! loads again.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::address::Dialect;
use super::failure::{Cause, Failure, failure, failure_of_copy};
use super::rows::{HEADER, TRAILER, batches, encode};
use super::session::{Row, Session};
use super::steps::{Batch, Step, all, as_text, steps};
use super::{Warehouse, tables};
use crate::config::LoadedObjects;
use crate::error::{Error, Result};
use crate::output::Published;
use crate::progress::Progress;
use crate::star::schema::{TABLES, Table};

/// How often a transaction that others are in the way of is tried.
const CONFLICT_TRIES: u32 = 10;

/// How often one whose connection was lost is tried.
const LOST_TRIES: u32 = 3;

/// Bytes that are sent to PostgreSQL at a time, about.
const SENT_AT_ONCE: usize = 256 * 1024;

/// What a load did.
#[derive(Debug, Clone, Serialize)]
pub struct Loaded {
    /// The warehouse.
    pub warehouse: String,
    /// The run whose star it is.
    pub run: String,
    /// What became of each table of the star.
    pub tables: BTreeMap<&'static str, TableLoaded>,
    /// How often the transaction was begun.
    pub tries: u32,
    /// Seconds, all tries together.
    pub seconds: f64,
}

/// What a load did to one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TableLoaded {
    /// Rows of the star that was loaded.
    pub rows: u64,
    /// Rows that were not there before.
    pub added: u64,
    /// Rows that were there and are others now.
    pub changed: u64,
    /// Rows that were removed to load all anew.
    pub removed: u64,
}

/// What a load takes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Where to.
    pub warehouse: &'a Warehouse,
    /// What.
    pub star: &'a Published,
    /// Whether everything that is there goes first.
    pub refresh: bool,
}

impl Load<'_> {
    /// The SQL of the load, in order, as text.
    ///
    /// # Errors
    /// The star cannot be loaded there.
    pub fn script(&self) -> Result<String> {
        Ok(as_text(&self.steps()?))
    }

    /// Loads the star: all of it, or nothing.
    ///
    /// # Errors
    /// The warehouse cannot be reached or refuses, its tables are others, or the star cannot be read. What
    /// was there is whole then.
    pub fn carry_out(&self, progress: &Progress) -> Result<Loaded> {
        let began = Instant::now();
        let steps = self.steps()?;
        let mut session = Session::open(&self.warehouse.address)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.transaction(&mut session, &steps, progress) {
                Ok(tables) => {
                    return Ok(Loaded {
                        warehouse: self.warehouse.address.to_string(),
                        run: self.run().to_owned(),
                        tables,
                        tries,
                        seconds: began.elapsed().as_secs_f64(),
                    });
                }
                Err(failure) => failure,
            };
            progress.end();
            let most = match failure.cause {
                Cause::Conflict => CONFLICT_TRIES,
                Cause::Lost => LOST_TRIES,
                Cause::Refused => 1,
            };
            if tries >= most {
                return Err(self.failed(failure));
            }
            progress.warn(&format!("{}: loading again", failure.error));
            std::thread::sleep(pause(tries));
            // The old one takes its transaction with it.
            session = match Session::open(&self.warehouse.address) {
                Ok(session) => session,
                Err(error) => return Err(error.also(AGAIN)),
            };
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        let what = format!(
            "cannot load {} into {}",
            self.star.place(),
            self.warehouse.address
        );
        let error = Error::failed(what).because(failure.error);
        match failure.cause {
            Cause::Lost => error.hint(AGAIN),
            Cause::Conflict => error.hint("load again when the other load is done"),
            Cause::Refused => error,
        }
    }

    /// The id of the run.
    fn run(&self) -> &str {
        self.star.report().run.as_deref().unwrap_or_default()
    }

    /// All that the transaction consists of.
    fn steps(&self) -> Result<Vec<Step>> {
        let batch = Batch {
            run: self.run(),
            manifest: &|table| self.star.manifest(table),
            has_rows: &|table| self.star.table(table).rows > 0,
        };
        steps(self.warehouse, &batch, self.refresh)
    }

    fn transaction(
        &self,
        session: &mut Session,
        steps: &[Step],
        progress: &Progress,
    ) -> std::result::Result<BTreeMap<&'static str, TableLoaded>, Failure> {
        if let Some(drift) = tables::drift(&tables::look(session)?) {
            return Err(refused(drift));
        }
        let mut loaded: BTreeMap<&'static str, TableLoaded> = BTreeMap::new();
        for table in TABLES {
            loaded.entry(table.name).or_default().rows = self.star.table(table).rows;
        }
        let bytes = all().map(|table| self.star.table(table).bytes).sum();
        progress.begin("load", bytes);
        for step in steps {
            match step {
                Step::Run(sql) => {
                    let rows = session.execute(sql)?;
                    tally(&mut loaded, sql, rows);
                }
                Step::Copy(table, sql) => match self.warehouse.address.dialect {
                    Dialect::Redshift => {
                        session.copy(sql)?;
                        progress.advance(self.star.table(table).bytes);
                    }
                    Dialect::Postgres => self.send(session, table, sql, progress)?,
                },
                Step::Count(sql) => {
                    // What was sent is of one run, if it is still there now.
                    self.star.is_still_there().map_err(refused)?;
                    self.check(&session.rows(sql)?).map_err(refused)?;
                }
            }
        }
        progress.end();
        Ok(loaded)
    }

    /// Sends the parts of a table to PostgreSQL.
    fn send(
        &self,
        session: &mut Session,
        table: &'static Table,
        sql: &str,
        progress: &Progress,
    ) -> std::result::Result<(), Failure> {
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

const AGAIN: &str =
    "whether the load was committed is not known: load again, twice changes nothing";

/// The log objects that are in a warehouse already, whose tables are found to be as a load wants them.
///
/// # Errors
/// The warehouse cannot be reached, or its tables are others.
pub fn loaded_objects(warehouse: &Warehouse) -> Result<LoadedObjects> {
    let mut session = Session::open(&warehouse.address)?;
    let cannot = |failure: Failure| {
        Error::failed(format!("cannot load into {}", warehouse.address)).because(failure.error)
    };
    let found = tables::look(&mut session).map_err(cannot)?;
    if let Some(drift) = tables::drift(&found) {
        return Err(cannot(refused(drift)));
    }
    let rows = session.rows("SELECT DISTINCT object, etag FROM loads");
    let object = |row: Row| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(object), Some(etag)]) => Some((object, etag)),
        _ => None,
    };
    Ok(rows
        .map_err(cannot)?
        .into_iter()
        .filter_map(object)
        .collect())
}

fn refused(error: Error) -> Failure {
    Failure {
        cause: Cause::Refused,
        error,
    }
}

/// Adds what a statement did to a table of the star.
fn tally(loaded: &mut BTreeMap<&'static str, TableLoaded>, sql: &str, rows: u64) {
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

/// How long to wait after a try: twice as long each time, and never as long as another who waits too.
fn pause(tries: u32) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let half = 250_u64 << tries.min(6);
    let random = RandomState::new().hash_one(tries) % half;
    Duration::from_millis(half + random)
}
