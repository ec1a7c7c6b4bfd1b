//! Creating the tables of a warehouse, and dropping them before.

use super::address::Dialect;
use super::failure::Failure;
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

/// The SQL that creates the tables, in order, as text.
pub fn script(dialect: Dialect, drop: bool) -> String {
    let sql = transaction(dialect, drop);
    sql.iter()
        .map(|sql| format!("{sql};\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn transaction(dialect: Dialect, drop: bool) -> Vec<&'static str> {
    let scripts = Scripts::of(dialect);
    let mut sql = vec!["BEGIN"];
    if drop {
        sql.extend(statements(scripts.drop));
    }
    sql.extend(statements(scripts.create));
    sql.push("COMMIT");
    sql
}

/// Creates the tables that are not there. With `drop` drops all of them first, if `agree` says so of what
/// stands in them. Gives how many were created.
///
/// # Errors
/// The warehouse cannot be reached or refuses, `agree` failed, or a table that is there is another. Then
/// everything is as before.
pub fn create(
    warehouse: &Warehouse,
    drop: bool,
    agree: impl FnOnce(&Standing) -> Result<()>,
) -> Result<usize> {
    let mut session = Session::open(&warehouse.address)?;
    let cannot = |failure: Failure| {
        Error::failed(format!("cannot create tables in {}", warehouse.address))
            .because(failure.error)
    };
    let mut found = tables::look(&mut session).map_err(cannot)?;
    if drop {
        let standing = standing(&mut session, found.keys()).map_err(cannot)?;
        if standing.rows > 0 {
            agree(&standing)?;
        }
        found.clear();
    }
    let created = tables::tables()
        .iter()
        .filter(|(name, _)| !found.contains_key(*name))
        .count();
    for sql in transaction(warehouse.address.dialect, drop) {
        session.execute(sql).map_err(cannot)?;
    }
    match tables::drift(&tables::look(&mut session).map_err(cannot)?) {
        None => Ok(created),
        Some(drift) => Err(drift),
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
