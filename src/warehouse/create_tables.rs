//! Creates the tables of a warehouse, and upgrades or drops the old ones first where that is asked for.

use super::catalog::{Catalog, check_schema, missing_tables, read_catalog, schema_mismatch};
use super::config::WarehouseConfig;
use super::connect::error::{ErrorClass, StatementError, fatal};
use super::connect::session::WarehouseSession;
use super::dialect::Dialect;
use super::lock_wait::{execute_statement, warn_if_blocked};
use super::lost_tables::find_lost_table;
use super::query_result::sum_of_counts;
use super::sql::generator::{
    TableChange, commit_statement, drop_statements, lock_table_statement, upgrade_statements,
};
use super::sql::statement::{Effect, Statement};
use super::table_ddl::{ExistingTables, TablesRequest, ddl_transaction, missing_table_ddl};
use super::upgrade::{
    find_outdated_table, foreign_former_names, matching_former_names, plan_upgrade,
};
use super::views::{ExistingViews, drop_view_statements, foreign_view, read_views};
use crate::error::{Error, Result};
use crate::interrupt;
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

/// What was done to the tables of a warehouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TablesOutcome {
    /// The changes of tables of an older version, in order.
    pub upgraded: Vec<TableChange>,
    /// Number of tables that were created.
    pub created: usize,
    /// Number of views that were created or replaced.
    pub views: usize,
    /// Number of views that were dropped.
    pub dropped_views: usize,
}

/// Creates the missing tables, after the existing ones were upgraded or dropped if that is asked for, and the views. `confirm`, if
/// given, is asked before tables that have rows are dropped.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached or rejects a statement, if a table cannot be upgraded or is of
/// an older version, if a table is missing while others have rows and none is upgraded, if `confirm` fails, or if rows
/// were added since it was asked. The tables are unchanged then.
pub(crate) fn create_missing_tables(
    warehouse: &WarehouseConfig,
    request: TablesRequest,
    confirm: Option<ConfirmDrop<'_>>,
    progress: &dyn Observer,
) -> Result<TablesOutcome> {
    let creation = TableCreation {
        warehouse,
        request,
        confirm,
        progress,
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut session = WarehouseSession::open(&warehouse.connection)?;
        let failure = match creation.attempt(&mut session) {
            Ok(outcome) => return Ok(outcome),
            Err(failure) => failure,
        };
        // Another session is creating or upgrading the same tables. The outcome of a lost connection is unknown, so the
        // user decides.
        let (ErrorClass::Conflict, Some(policy)) = (failure.class, failure.class.retry_policy())
        else {
            return Err(creation.create_error(failure));
        };
        let delay = policy.delay_after(attempt);
        log_failed_attempt(attempt, &failure.error, delay);
        match delay {
            Some(delay) => interrupt::sleep(delay)?,
            None => return Err(creation.create_error(failure)),
        }
    }
}

/// What is not known if the process ends while it waits for the reply to COMMIT.
const UNKNOWN_OUTCOME: &str =
    "it is unknown whether the transaction was committed: run the same command again";

/// A request to create the tables of a warehouse.
struct TableCreation<'a> {
    warehouse: &'a WarehouseConfig,
    request: TablesRequest,
    confirm: Option<ConfirmDrop<'a>>,
    progress: &'a dyn Observer,
}

impl TableCreation<'_> {
    /// Does everything in one transaction.
    fn attempt(
        &self,
        session: &mut WarehouseSession,
    ) -> std::result::Result<TablesOutcome, StatementError> {
        let catalog = read_catalog(session)?;
        let is_dropped = self.request.existing == ExistingTables::Drop;
        let views = self.read_views(session)?;
        if self.request.existing == ExistingTables::Upgrade
            && !plan_upgrade(&catalog).map_err(fatal)?.is_empty()
        {
            return self.upgrade(session, &catalog);
        }
        if !is_dropped {
            self.ensure_extendable(session, &catalog)?;
        }
        let mut confirmed = self.confirm_drop(session, &catalog)?;
        let mut before = Vec::new();
        let mut missing = missing_tables(&catalog);
        let mut dropped_views = 0;
        if is_dropped {
            before = drop_view_statements(&views);
            dropped_views = before.len();
            before.extend(drop_existing(&catalog));
            missing = SPARKIFY.warehouse_tables().collect();
        }
        let new_views = self.request.view_statements();
        let view_count = new_views.len();
        for statement in ddl_transaction(self.dialect(), &before, &missing, new_views) {
            match statement.effect {
                Effect::Begin => session.begin()?,
                Effect::Commit => {
                    interrupt::protect(UNKNOWN_OUTCOME, || {
                        execute_statement(session, &statement, self.progress)
                    })?;
                    continue;
                }
                _ => {
                    execute_statement(session, &statement, self.progress)?;
                    continue;
                }
            }
            if let Some(confirmed) = confirmed.take() {
                self.ensure_row_count_unchanged(session, &catalog, &confirmed)?;
            }
        }
        ensure_complete(session)?;
        if is_dropped {
            self.warn_of_foreign_tables(&catalog);
        }
        Ok(TablesOutcome {
            upgraded: Vec::new(),
            created: missing.len(),
            views: view_count,
            dropped_views,
        })
    }

    /// Upgrades the tables of an older version, and creates the missing ones. A lost table stays missing: a full
    /// refresh creates and fills it, and needs the others upgraded.
    fn upgrade(
        &self,
        session: &mut WarehouseSession,
        catalog: &Catalog,
    ) -> std::result::Result<TablesOutcome, StatementError> {
        let dialect = self.dialect();
        session.begin()?;
        self.lock_history(session, catalog)?;
        // Nobody else changes the tables from here on.
        let upgraded = plan_upgrade(&read_catalog(session)?).map_err(fatal)?;
        for statement in upgrade_statements(&SPARKIFY, dialect, &upgraded) {
            execute_statement(session, &statement, self.progress)?;
        }
        let catalog = read_catalog(session)?;
        if let Some(difference) = schema_mismatch(&catalog) {
            return Err(fatal(difference));
        }
        let lost = warn_if_blocked(self.progress, || find_lost_table(session, &catalog))?;
        let missing = match lost {
            Some(_) => Vec::new(),
            None => missing_tables(&catalog),
        };
        for statement in missing_table_ddl(dialect, &missing) {
            execute_statement(session, &statement, self.progress)?;
        }
        let mut views = Vec::new();
        if lost.is_none() {
            ensure_complete(session)?;
            views = self.request.view_statements();
        }
        for statement in &views {
            execute_statement(session, statement, self.progress)?;
        }
        let commit = commit_statement().blocking();
        interrupt::protect(UNKNOWN_OUTCOME, || {
            execute_statement(session, &commit, self.progress)
        })?;
        if let Some(lost) = lost {
            self.progress.warn(&lost.to_string());
            if self.request.views {
                self.progress.warn(
                    "the views were not created: use create-tables --views after the full refresh",
                );
            }
        }
        Ok(TablesOutcome {
            upgraded,
            created: missing.len(),
            views: views.len(),
            dropped_views: 0,
        })
    }

    /// Reads the existing views, none of which may be another's if they are to be replaced.
    fn read_views(
        &self,
        session: &mut WarehouseSession,
    ) -> std::result::Result<ExistingViews, StatementError> {
        let views = read_views(session)?;
        match foreign_view(&views) {
            Some(error) if self.request.views => Err(fatal(error)),
            _ => Ok(views),
        }
    }

    /// Waits for loads, and keeps them out. The load history may still have an old name.
    fn lock_history(
        &self,
        session: &mut WarehouseSession,
        catalog: &Catalog,
    ) -> std::result::Result<(), StatementError> {
        let history = SPARKIFY.load_history;
        // If it has both, the new one is in use.
        let Some(name) = existing_names_of(catalog, history).next() else {
            return Ok(());
        };
        let lock = lock_table_statement(name, self.dialect());
        let Err(failure) = execute_statement(session, &lock, self.progress) else {
            return Ok(());
        };
        // Another session may have upgraded the tables in the meantime, so that none has the old name.
        session.execute("ROLLBACK")?;
        let class = match read_catalog(session)? == *catalog {
            true => failure.class,
            false => ErrorClass::Conflict,
        };
        Err(StatementError { class, ..failure })
    }

    fn dialect(&self) -> Dialect {
        self.warehouse.connection.dialect
    }

    /// Checks that the existing tables match, and that none of them is missing while others have rows.
    fn ensure_extendable(
        &self,
        session: &mut WarehouseSession,
        catalog: &Catalog,
    ) -> std::result::Result<(), StatementError> {
        if let Some(difference) = find_outdated_table(catalog).or_else(|| schema_mismatch(catalog))
        {
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
        let (ExistingTables::Drop, Some(confirm)) = (self.request.existing, self.confirm) else {
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
        self.lock_history(session, catalog)?;
        let existing = warn_if_blocked(self.progress, || count_existing(session, catalog))?;
        match existing.rows <= confirmed.rows {
            true => Ok(()),
            false => Err(fatal(
                Error::failed("nothing was dropped")
                    .with_reason("rows were loaded after they were counted")
                    .with_hint("run the same command again"),
            )),
        }
    }

    /// Warns about tables that were not dropped, because only their names are those of an older version.
    fn warn_of_foreign_tables(&self, catalog: &Catalog) {
        // Without any other table the warehouse was not one of sparkify.
        if existing_names(catalog).next().is_none() {
            return;
        }
        for name in foreign_former_names(catalog) {
            self.progress.warn(&format!(
                "table {name} was not dropped, because it may belong to another program; no load uses it"
            ));
        }
    }

    fn create_error(&self, failure: StatementError) -> Error {
        let warehouse = &self.warehouse.connection;
        let error = Error::failed(match self.request.existing {
            ExistingTables::Keep | ExistingTables::Drop => {
                format!("cannot create tables in {warehouse}")
            }
            ExistingTables::Upgrade => format!("cannot upgrade {warehouse}"),
        })
        .with_source(failure.error)
        .describe_stop("the transaction is rolled back, and the warehouse is unchanged");
        match failure.class {
            ErrorClass::ConnectionLost => {
                error.with_hint("the outcome is unknown: run the same command again")
            }
            ErrorClass::UnknownHost
            | ErrorClass::Conflict
            | ErrorClass::StorageBusy
            | ErrorClass::Fatal => error,
        }
    }
}

/// Checks that all tables exist. Another kind of object may have the name of a table.
fn ensure_complete(session: &mut WarehouseSession) -> std::result::Result<(), StatementError> {
    match check_schema(&read_catalog(session)?) {
        None => Ok(()),
        Some(drift) => Err(fatal(drift)),
    }
}

/// Returns the names of the existing tables of this version and of older ones.
fn existing_names(catalog: &Catalog) -> impl Iterator<Item = &'static str> {
    SPARKIFY
        .warehouse_tables()
        .flat_map(|table| existing_names_of(catalog, table))
}

/// Returns the names by which a table exists.
fn existing_names_of(catalog: &Catalog, table: &TableSchema) -> impl Iterator<Item = &'static str> {
    let current = catalog.contains_key(table.name).then_some(table.name);
    current
        .into_iter()
        .chain(matching_former_names(catalog, table))
}

/// Returns the statements that drop all tables, also those of older versions.
fn drop_existing(catalog: &Catalog) -> Vec<Statement> {
    let mut statements = drop_statements(&SPARKIFY);
    for table in SPARKIFY.warehouse_tables() {
        statements.extend(matching_former_names(catalog, table).map(|name| {
            Statement::new(Effect::Drop(table), format!("DROP TABLE IF EXISTS {name}")).blocking()
        }));
    }
    statements
}

/// Counts the existing tables and their rows.
fn count_existing(
    session: &mut WarehouseSession,
    catalog: &Catalog,
) -> std::result::Result<ExistingTableTotals, StatementError> {
    let counts: Vec<_> = existing_names(catalog)
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
