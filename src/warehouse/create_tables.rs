//! Creates the tables of a warehouse, and drops the old ones first where that is asked for.

use super::dialect::Dialect;
use std::collections::BTreeMap;

use super::retry::{MAX_CONFLICT_ATTEMPTS, backoff, warn_if_blocked};
use super::{WarehouseConfig, catalog};
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::sql::template::{SqlTemplates, split_statements};

/// Size of the existing tables that would be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingTableTotals {
    /// Number of tables that exist.
    pub tables: usize,
    /// Number of rows in them.
    pub rows: u64,
}

/// Asks the user whether the existing tables may be dropped, and returns an error if not.
pub type ConfirmDrop<'a> = &'a dyn Fn(&ExistingTableTotals) -> Result<()>;

/// Returns the SQL script that creates all tables, and with `drop` drops them first.
pub fn ddl_script(dialect: Dialect, drop: bool) -> String {
    let sql = ddl_transaction(dialect, drop, |_| false);
    let text = sql.iter().map(|sql| format!("{sql};\n"));
    text.collect::<Vec<_>>().join("\n")
}

/// Returns the transaction that creates the missing tables, and with `drop` drops all tables first.
fn ddl_transaction(
    dialect: Dialect,
    drop: bool,
    exists: impl Fn(&str) -> bool,
) -> Vec<&'static str> {
    let templates = SqlTemplates::for_dialect(dialect);
    let mut sql = vec!["BEGIN"];
    if drop {
        sql.extend(split_statements(templates.drop));
    }
    sql.extend(missing_table_ddl(dialect, exists));
    sql.push("COMMIT");
    sql
}

/// Returns the statements that create the missing tables.
pub fn missing_table_ddl(
    dialect: Dialect,
    exists: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'static str> {
    // A table may exist in another schema of the search path, where a new one must not hide it.
    let mentions_existing = move |sql: &str| {
        let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(&exists)
    };
    let create = split_statements(SqlTemplates::for_dialect(dialect).create).into_iter();
    create.filter(move |sql| !mentions_existing(ddl_target(sql)))
}

/// Returns the part of a DDL statement that names its table, which is all before the column list.
fn ddl_target(sql: &str) -> &str {
    sql.split_once('(').map_or(sql, |(target, _)| target)
}

/// Creates the missing tables, and returns how many were created. With `drop` it drops all tables first; `confirm`, if
/// given, is asked beforehand when they have rows.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached or rejects a statement, if a table is missing while others have
/// rows, if `confirm` fails, or if rows were added since it was asked. The tables are unchanged then.
pub fn create_missing_tables(
    warehouse: &WarehouseConfig,
    drop: bool,
    confirm: Option<ConfirmDrop<'_>>,
    progress: &dyn Observer,
) -> Result<usize> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut session = WarehouseSession::open(&warehouse.connection)?;
        match try_create(warehouse, &mut session, drop, confirm, progress) {
            // Another session is creating the same tables.
            Err(failure)
                if failure.class == ErrorClass::Conflict && attempts < MAX_CONFLICT_ATTEMPTS =>
            {
                std::thread::sleep(backoff(attempts));
            }
            created => {
                let summary = format!("cannot create tables in {}", warehouse.connection);
                return created.map_err(|failure| {
                    let error = Error::failed(summary).with_reason(failure.error);
                    match failure.class {
                        ErrorClass::ConnectionLost => {
                            error.with_hint("the outcome is unknown: run the same command again")
                        }
                        ErrorClass::Conflict | ErrorClass::Fatal => error,
                    }
                });
            }
        }
    }
}

fn try_create(
    warehouse: &WarehouseConfig,
    session: &mut WarehouseSession,
    drop: bool,
    confirm: Option<ConfirmDrop<'_>>,
    progress: &dyn Observer,
) -> std::result::Result<usize, StatementError> {
    let catalog = catalog::read_catalog(session)?;
    if !drop && let Some(difference) = catalog::schema_mismatch(&catalog) {
        return Err(fatal(difference));
    }
    if !drop
        && let Some(lost) =
            warn_if_blocked(progress, || catalog::find_lost_table(session, &catalog))?
    {
        return Err(fatal(lost));
    }
    let exists = |name: &str| !drop && catalog.contains_key(name);
    let mut confirmed = None;
    if let (true, Some(confirm)) = (drop, confirm) {
        let existing = warn_if_blocked(progress, || count_existing(session, catalog.keys()))?;
        if existing.rows > 0 {
            confirm(&existing).map_err(fatal)?;
        }
        confirmed = Some(existing);
    }
    let missing = |(name, _): &(&str, _)| !exists(name);
    let created = catalog::warehouse_tables()
        .into_iter()
        .filter(missing)
        .count();
    for sql in ddl_transaction(warehouse.connection.dialect, drop, exists) {
        warn_if_blocked(progress, || session.execute(sql))?;
        if let (true, Some(confirmed)) = (sql == "BEGIN", confirmed.take()) {
            warn_if_blocked(progress, || {
                ensure_row_count_unchanged(session, warehouse, &catalog, &confirmed)
            })?;
        }
    }
    // Another kind of object may have the name of a table.
    match catalog::check_schema(&catalog::read_catalog(session)?) {
        None => Ok(created),
        Some(drift) => Err(fatal(drift)),
    }
}

/// Locks the tables against loads, and returns an error if they have more rows than were confirmed.
fn ensure_row_count_unchanged(
    session: &mut WarehouseSession,
    warehouse: &WarehouseConfig,
    catalog: &BTreeMap<String, Vec<catalog::CatalogColumn>>,
    confirmed: &ExistingTableTotals,
) -> std::result::Result<(), StatementError> {
    if !catalog.contains_key(catalog::LOAD_HISTORY) {
        return Ok(());
    }
    let stage = split_statements(SqlTemplates::for_dialect(warehouse.connection.dialect).stage);
    for lock in stage.iter().filter(|sql| sql.starts_with("LOCK ")) {
        session.execute(lock)?;
    }
    match count_existing(session, catalog.keys())?.rows <= confirmed.rows {
        true => Ok(()),
        false => Err(fatal(
            Error::failed("nothing was dropped")
                .with_reason("rows were loaded after they were counted")
                .with_hint("run the same command again"),
        )),
    }
}

/// Counts the rows of the named tables.
fn count_existing<'a>(
    session: &mut WarehouseSession,
    names: impl Iterator<Item = &'a String>,
) -> std::result::Result<ExistingTableTotals, StatementError> {
    let counts: Vec<_> = names
        .map(|name| format!("SELECT COUNT(*) FROM {name}"))
        .collect();
    let mut existing = ExistingTableTotals {
        tables: counts.len(),
        rows: 0,
    };
    if counts.is_empty() {
        return Ok(existing);
    }
    for row in session.query(&counts.join(" UNION ALL "))? {
        let count = row.into_iter().next().flatten();
        existing.rows += count
            .and_then(|c| c.parse::<u64>().ok())
            .unwrap_or_default();
    }
    Ok(existing)
}
