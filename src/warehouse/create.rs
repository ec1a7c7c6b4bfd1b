//! Creating the tables of a warehouse, and dropping them before.

use super::address::Dialect;
use std::collections::BTreeMap;

use super::failure::{Cause, Failure};
use super::script::{Scripts, statements};
use super::session::Session;
use super::{Warehouse, tables};
use crate::error::{Error, Result};

/// What stands in the tables that would be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How many of the tables are there.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
}

/// The SQL that creates all tables, in order, as text.
pub fn script(dialect: Dialect, drop: bool) -> String {
    let sql = transaction(dialect, drop, |_| false);
    let text = sql.iter().map(|sql| format!("{sql};\n"));
    text.collect::<Vec<_>>().join("\n")
}

/// What creates the tables that are not there, and has dropped all before if need be.
fn transaction(dialect: Dialect, drop: bool, is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let scripts = Scripts::of(dialect);
    let mut sql = vec!["BEGIN"];
    if drop {
        sql.extend(statements(scripts.drop));
    }
    // A table can be there in another schema of the search path: it is not to be hidden by a new one.
    let about = |sql: &str| {
        let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(&is_there)
    };
    let create = statements(scripts.create).into_iter();
    sql.extend(create.filter(|sql| !about(subject(sql))));
    sql.push("COMMIT");
    sql
}

/// What a statement of DDL says of the table that it is about, before the columns.
fn subject(sql: &str) -> &str {
    sql.split_once('(').map_or(sql, |(subject, _)| subject)
}

/// Creates the tables that are not there. With `drop` drops all of them first, if `agree` says so of what
/// stands in them. Gives how many were created.
///
/// # Errors
/// The warehouse cannot be reached or refuses, `agree` failed, or rows have come since it was asked: then
/// everything is as before. Or a table that was there is another than it should be.
pub fn create(
    warehouse: &Warehouse,
    drop: bool,
    agree: impl FnOnce(&Standing) -> Result<()>,
) -> Result<usize> {
    let mut session = Session::open(&warehouse.address)?;
    let cannot = |failure: Failure| {
        let what = format!("cannot create tables in {}", warehouse.address);
        Error::failed(what).because(failure.error)
    };
    let found = tables::look(&mut session).map_err(cannot)?;
    let is_there = |name: &str| !drop && found.contains_key(name);
    let mut agreed = None;
    if drop {
        let standing = standing(&mut session, found.keys()).map_err(cannot)?;
        if standing.rows > 0 {
            agree(&standing)?;
        }
        agreed = Some(standing);
    }
    let missing = |(name, _): &(&str, _)| !is_there(name);
    let created = tables::tables().into_iter().filter(missing).count();
    for sql in transaction(warehouse.address.dialect, drop, is_there) {
        session.execute(sql).map_err(cannot)?;
        if let (true, Some(agreed)) = (sql == "BEGIN", agreed.take()) {
            refuse_more(&mut session, warehouse, &found, &agreed).map_err(cannot)?;
        }
    }
    match tables::drift(&tables::look(&mut session).map_err(cannot)?) {
        None => Ok(created),
        Some(drift) => Err(drift),
    }
}

/// An error if more stands in the tables than was agreed on. From here on no load can bring more.
fn refuse_more(
    session: &mut Session,
    warehouse: &Warehouse,
    found: &BTreeMap<String, Vec<tables::Found>>,
    agreed: &Standing,
) -> std::result::Result<(), Failure> {
    if !found.contains_key(tables::LOADS) {
        return Ok(());
    }
    let stage = statements(Scripts::of(warehouse.address.dialect).stage);
    for lock in stage.iter().filter(|sql| sql.starts_with("LOCK ")) {
        session.execute(lock)?;
    }
    match standing(session, found.keys())? == *agreed {
        true => Ok(()),
        false => Err(Failure {
            cause: Cause::Refused,
            error: Error::failed("nothing was dropped")
                .because("rows were loaded since they were counted")
                .hint("do the same again"),
        }),
    }
}

/// Counts the rows of tables.
fn standing<'a>(
    session: &mut Session,
    names: impl Iterator<Item = &'a String>,
) -> std::result::Result<Standing, Failure> {
    let counts: Vec<_> = names
        .map(|name| format!("SELECT COUNT(*) FROM {name}"))
        .collect();
    let mut standing = Standing {
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
