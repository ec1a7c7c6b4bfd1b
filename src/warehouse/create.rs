//! Creating the tables of a warehouse, and dropping them before.

use super::dialect::Dialect;
use std::collections::BTreeMap;

use super::retry::{CONFLICT_TRIES, patiently, pause};
use super::{Warehouse, catalog};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::warehouse::connect::error::{ErrorClass, StatementError, refused};
use crate::warehouse::connect::session::Session;
use crate::warehouse::sql::template::{SqlTemplates, statements};

/// What stands in the tables that would be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingTables {
    /// How many of the tables are there.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
}

/// Asks whether what stands in the tables may go; an error if not.
pub type Confirm<'a> = &'a dyn Fn(&ExistingTables) -> Result<()>;

/// The SQL that creates all tables, in order, as text.
pub fn script(dialect: Dialect, drop: bool) -> String {
    let sql = transaction(dialect, drop, |_| false);
    let text = sql.iter().map(|sql| format!("{sql};\n"));
    text.collect::<Vec<_>>().join("\n")
}

/// What creates the tables that are not there, and has dropped all before if need be.
fn transaction(dialect: Dialect, drop: bool, is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let scripts = SqlTemplates::of(dialect);
    let mut sql = vec!["BEGIN"];
    if drop {
        sql.extend(statements(scripts.drop));
    }
    sql.extend(creation(dialect, is_there));
    sql.push("COMMIT");
    sql
}

/// Returns the statements that create the tables that are not there.
pub fn creation(
    dialect: Dialect,
    is_there: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'static str> {
    // A table can be there in another schema of the search path: it is not to be hidden by a new one.
    let about = move |sql: &str| {
        let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(&is_there)
    };
    let create = statements(SqlTemplates::of(dialect).create).into_iter();
    create.filter(move |sql| !about(subject(sql)))
}

/// What a statement of DDL says of the table that it is about, before the columns.
fn subject(sql: &str) -> &str {
    sql.split_once('(').map_or(sql, |(subject, _)| subject)
}

/// Creates the tables that are not there. With `drop` drops all of them first, if `agree` says so of the rows
/// that stand in them, or nobody is to be asked. Gives how many were created.
///
/// # Errors
/// The warehouse cannot be reached or refuses, a table is missing beside others that have rows, `agree` failed, or
/// rows have come since it was asked: then everything is as before.
pub fn create(
    warehouse: &Warehouse,
    drop: bool,
    agree: Option<Confirm<'_>>,
    progress: &Progress,
) -> Result<usize> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut session = Session::open(&warehouse.address)?;
        match try_to_create(warehouse, &mut session, drop, agree, progress) {
            // Somebody else did the same at the same time.
            Err(failure) if failure.cause == ErrorClass::Conflict && tries < CONFLICT_TRIES => {
                std::thread::sleep(pause(tries));
            }
            created => {
                let what = format!("cannot create tables in {}", warehouse.address);
                return created.map_err(|failure| {
                    let error = Error::failed(what).because(failure.error);
                    match failure.cause {
                        ErrorClass::ConnectionLost => {
                            error.hint("whether it was done is not known: do the same again")
                        }
                        ErrorClass::Conflict | ErrorClass::Fatal => error,
                    }
                });
            }
        }
    }
}

fn try_to_create(
    warehouse: &Warehouse,
    session: &mut Session,
    drop: bool,
    agree: Option<Confirm<'_>>,
    progress: &Progress,
) -> std::result::Result<usize, StatementError> {
    let found = catalog::look(session)?;
    if !drop && let Some(difference) = catalog::difference(&found) {
        return Err(refused(difference));
    }
    if !drop && let Some(lost) = patiently(progress, || catalog::lost(session, &found))? {
        return Err(refused(lost));
    }
    let is_there = |name: &str| !drop && found.contains_key(name);
    let mut agreed = None;
    if let (true, Some(agree)) = (drop, agree) {
        let standing = patiently(progress, || standing(session, found.keys()))?;
        if standing.rows > 0 {
            agree(&standing).map_err(refused)?;
        }
        agreed = Some(standing);
    }
    let missing = |(name, _): &(&str, _)| !is_there(name);
    let created = catalog::tables().into_iter().filter(missing).count();
    for sql in transaction(warehouse.address.dialect, drop, is_there) {
        patiently(progress, || session.execute(sql))?;
        if let (true, Some(agreed)) = (sql == "BEGIN", agreed.take()) {
            patiently(progress, || {
                refuse_more(session, warehouse, &found, &agreed)
            })?;
        }
    }
    // Something else may have the name of a table.
    match catalog::drift(&catalog::look(session)?) {
        None => Ok(created),
        Some(drift) => Err(refused(drift)),
    }
}

/// An error if more stands in the tables than was agreed on. From here on no load can bring more.
fn refuse_more(
    session: &mut Session,
    warehouse: &Warehouse,
    found: &BTreeMap<String, Vec<catalog::CatalogColumn>>,
    agreed: &ExistingTables,
) -> std::result::Result<(), StatementError> {
    if !found.contains_key(catalog::LOADS) {
        return Ok(());
    }
    let stage = statements(SqlTemplates::of(warehouse.address.dialect).stage);
    for lock in stage.iter().filter(|sql| sql.starts_with("LOCK ")) {
        session.execute(lock)?;
    }
    match standing(session, found.keys())?.rows <= agreed.rows {
        true => Ok(()),
        false => Err(refused(
            Error::failed("nothing was dropped")
                .because("rows were loaded since they were counted")
                .hint("do the same again"),
        )),
    }
}

/// Counts the rows of tables.
fn standing<'a>(
    session: &mut Session,
    names: impl Iterator<Item = &'a String>,
) -> std::result::Result<ExistingTables, StatementError> {
    let counts: Vec<_> = names
        .map(|name| format!("SELECT COUNT(*) FROM {name}"))
        .collect();
    let mut standing = ExistingTables {
        tables: counts.len(),
        rows: 0,
    };
    if counts.is_empty() {
        return Ok(standing);
    }
    for row in session.rows(&counts.join(" UNION ALL "))? {
        let count = row.into_iter().next().flatten();
        standing.rows += count
            .and_then(|c| c.parse::<u64>().ok())
            .unwrap_or_default();
    }
    Ok(standing)
}
