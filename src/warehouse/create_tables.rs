//! Creates the tables of a warehouse, and drops the old ones first where that is asked for.

use super::catalog::{Catalog, check_schema, missing_tables, read_catalog, schema_mismatch};
use super::config::WarehouseConfig;
use super::connect::error::{ErrorClass, StatementError, fatal};
use super::connect::session::WarehouseSession;
use super::dialect::Dialect;
use super::lock_wait::{execute_statement, warn_if_blocked};
use super::lost_tables::find_lost_table;
use super::query_result::sum_of_counts;
use super::sql::generator::{
    begin_statement, commit_statement, create_statements, drop_statements, lock_statement,
};
use super::sql::statement::{Effect, Statement, to_sql_script};
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::retry::log_failed_attempt;

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
pub(crate) fn ddl_script(dialect: Dialect, drop: bool) -> String {
    let all: Vec<_> = SPARKIFY.warehouse_tables().collect();
    to_sql_script(&ddl_transaction(dialect, drop, &all))
}

/// Returns the transaction that creates the missing tables, and with `drop` drops all tables first.
fn ddl_transaction(
    dialect: Dialect,
    drop: bool,
    missing: &[&'static TableSchema],
) -> Vec<Statement> {
    let mut statements = vec![begin_statement()];
    if drop {
        statements.extend(drop_statements(&SPARKIFY));
    }
    statements.extend(missing_table_ddl(dialect, missing));
    // Another session that creates the same tables is waited for here.
    statements.push(commit_statement().blocking());
    statements
}

/// Returns the statements that create the missing tables. A table may exist in another schema of the search path, where
/// a new one must not hide it, so the statements for existing tables are left out.
pub(crate) fn missing_table_ddl(
    dialect: Dialect,
    missing: &[&'static TableSchema],
) -> Vec<Statement> {
    let mut statements = create_statements(&SPARKIFY, dialect);
    statements.retain(
        |statement| matches!(statement.effect, Effect::Create(table) if missing.contains(&table)),
    );
    statements
}

/// Creates the missing tables, and returns how many were created. With `drop` it drops all tables first; `confirm`, if
/// given, is asked beforehand when they have rows.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached or rejects a statement, if a table is missing while others have
/// rows, if `confirm` fails, or if rows were added since it was asked. The tables are unchanged then.
pub(crate) fn create_missing_tables(
    warehouse: &WarehouseConfig,
    drop: bool,
    confirm: Option<ConfirmDrop<'_>>,
    progress: &dyn Observer,
) -> Result<usize> {
    let creation = TableCreation {
        warehouse,
        drop,
        confirm,
        progress,
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut session = WarehouseSession::open(&warehouse.connection)?;
        let failure = match creation.attempt(&mut session) {
            Ok(created) => return Ok(created),
            Err(failure) => failure,
        };
        // Another session is creating the same tables. The outcome of a lost connection is unknown, so the user decides.
        let (ErrorClass::Conflict, Some(policy)) = (failure.class, failure.class.retry_policy())
        else {
            return Err(creation.create_error(failure));
        };
        let delay = policy.delay_after(attempt);
        log_failed_attempt(attempt, &failure.error, delay);
        match delay {
            Some(delay) => std::thread::sleep(delay),
            None => return Err(creation.create_error(failure)),
        }
    }
}

/// A request to create the tables of a warehouse.
struct TableCreation<'a> {
    warehouse: &'a WarehouseConfig,
    drop: bool,
    confirm: Option<ConfirmDrop<'a>>,
    progress: &'a dyn Observer,
}

impl TableCreation<'_> {
    /// Creates the missing tables in one transaction, and returns how many were created.
    fn attempt(
        &self,
        session: &mut WarehouseSession,
    ) -> std::result::Result<usize, StatementError> {
        let catalog = read_catalog(session)?;
        if !self.drop {
            self.ensure_extendable(session, &catalog)?;
        }
        let mut confirmed = self.confirm_drop(session, &catalog)?;
        let missing = match self.drop {
            true => SPARKIFY.warehouse_tables().collect(),
            false => missing_tables(&catalog),
        };
        let dialect = self.warehouse.connection.dialect;
        for statement in ddl_transaction(dialect, self.drop, &missing) {
            execute_statement(session, &statement, self.progress)?;
            if let (Effect::Begin, Some(confirmed)) = (statement.effect, confirmed.take()) {
                warn_if_blocked(self.progress, || {
                    self.ensure_row_count_unchanged(session, &catalog, &confirmed)
                })?;
            }
        }
        // Another kind of object may have the name of a table.
        match check_schema(&read_catalog(session)?) {
            None => Ok(missing.len()),
            Some(drift) => Err(fatal(drift)),
        }
    }

    /// Checks that the existing tables match, and that none of them is missing while others have rows.
    fn ensure_extendable(
        &self,
        session: &mut WarehouseSession,
        catalog: &Catalog,
    ) -> std::result::Result<(), StatementError> {
        if let Some(difference) = schema_mismatch(catalog) {
            return Err(fatal(difference));
        }
        match warn_if_blocked(self.progress, || find_lost_table(session, catalog))? {
            None => Ok(()),
            Some(lost) => Err(fatal(lost)),
        }
    }

    /// Asks the user before tables with rows are dropped. Returns what was confirmed, or `None` if there was nobody to
    /// ask.
    fn confirm_drop(
        &self,
        session: &mut WarehouseSession,
        catalog: &Catalog,
    ) -> std::result::Result<Option<ExistingTableTotals>, StatementError> {
        let (true, Some(confirm)) = (self.drop, self.confirm) else {
            return Ok(None);
        };
        let existing = warn_if_blocked(self.progress, || count_existing(session, catalog))?;
        if existing.rows > 0 {
            confirm(&existing).map_err(fatal)?;
        }
        Ok(Some(existing))
    }

    /// Locks the tables against loads, and returns an error if they have more rows than were confirmed.
    fn ensure_row_count_unchanged(
        &self,
        session: &mut WarehouseSession,
        catalog: &Catalog,
        confirmed: &ExistingTableTotals,
    ) -> std::result::Result<(), StatementError> {
        if !catalog.contains_key(SPARKIFY.load_history.name) {
            return Ok(());
        }
        let lock = lock_statement(&SPARKIFY, self.warehouse.connection.dialect);
        session.execute(&lock.sql)?;
        match count_existing(session, catalog)?.rows <= confirmed.rows {
            true => Ok(()),
            false => Err(fatal(
                Error::failed("nothing was dropped")
                    .with_reason("rows were loaded after they were counted")
                    .with_hint("run the same command again"),
            )),
        }
    }

    fn create_error(&self, failure: StatementError) -> Error {
        let error = Error::failed(format!(
            "cannot create tables in {}",
            self.warehouse.connection
        ))
        .with_source(failure.error);
        match failure.class {
            ErrorClass::ConnectionLost => {
                error.with_hint("the outcome is unknown: run the same command again")
            }
            ErrorClass::Conflict | ErrorClass::Fatal => error,
        }
    }
}

/// Counts the existing tables and their rows.
fn count_existing(
    session: &mut WarehouseSession,
    catalog: &Catalog,
) -> std::result::Result<ExistingTableTotals, StatementError> {
    let counts: Vec<_> = catalog
        .keys()
        .map(|name| format!("SELECT COUNT(*) FROM {name}"))
        .collect();
    let rows = match counts.is_empty() {
        true => 0,
        false => sum_of_counts(&session.query(&counts.join(" UNION ALL "))?).map_err(fatal)?,
    };
    Ok(ExistingTableTotals {
        tables: counts.len(),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{LOAD_HISTORY, SONGPLAYS, STATE_SONGPLAYS, USERS};

    /// An index or a setting belongs to its table, and is not changed if the table exists.
    #[test]
    fn only_missing_tables_are_created() {
        let effects = |dialect, missing: &[&'static TableSchema]| -> Vec<Effect> {
            let statements = missing_table_ddl(dialect, missing);
            statements
                .iter()
                .map(|statement| statement.effect)
                .collect()
        };
        for dialect in [Dialect::Redshift, Dialect::Postgres] {
            assert_eq!(effects(dialect, &[]), []);
            assert_eq!(effects(dialect, &[&USERS]), [Effect::Create(&USERS)]);
        }
        let missing: [&TableSchema; 3] = [&LOAD_HISTORY, &SONGPLAYS, &STATE_SONGPLAYS];
        let create = [&SONGPLAYS, &STATE_SONGPLAYS, &LOAD_HISTORY].map(Effect::Create);
        assert_eq!(effects(Dialect::Redshift, &missing), create);
        let twice: Vec<_> = create.iter().flat_map(|effect| [*effect; 2]).collect();
        assert_eq!(effects(Dialect::Postgres, &missing), twice);
    }

    #[test]
    fn script_is_one_transaction() {
        let statements = ddl_transaction(Dialect::Postgres, true, &[&USERS]);
        let effects: Vec<_> = statements
            .iter()
            .map(|statement| statement.effect)
            .collect();
        assert_eq!(effects.first(), Some(&Effect::Begin));
        let drops = SPARKIFY.warehouse_tables().count();
        assert!(matches!(effects[1..=drops].last(), Some(Effect::Drop(_))));
        assert_eq!(
            effects[drops + 1..],
            [Effect::Create(&USERS), Effect::Commit]
        );
        assert!(statements.last().is_some_and(|commit| commit.may_block));
    }
}
