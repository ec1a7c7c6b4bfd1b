//! Checks that the user has the privileges that the statements of a load need.

use std::collections::{BTreeMap, BTreeSet};

use super::mode::LoadMode;
use super::plan::load_statements;
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::warehouse::catalog::Catalog;
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::query_result::{sum_of_counts, unexpected_result};
use crate::warehouse::sql::generator::{foreign_keys_of_others_query, full_refresh_ownership};
use crate::warehouse::sql::statement::Effect;

/// Checks that the user may run the statements of a load. A table that does not exist belongs to the user who creates it.
///
/// In Redshift a privilege that seems to be missing is only a warning: it is not documented whether `has_table_privilege`
/// knows grants to roles, scoped permissions and privileges on columns, so the load itself has to tell.
///
/// # Errors
/// Returns an error that names all missing privileges or the owner that a full refresh needs, or one if a query fails.
pub(crate) fn ensure_privileges(
    session: &mut WarehouseSession,
    mode: &LoadMode,
    catalog: &Catalog,
    progress: &dyn Observer,
) -> std::result::Result<(), StatementError> {
    let dialect = session.dialect();
    let mut needed = needed_privileges(dialect, mode).map_err(fatal)?;
    needed.retain(|privilege| catalog.contains_key(privilege.table.name));
    let rows = session.query(&privileges_query(dialect, &needed))?;
    if let Some(missing) = missing_privileges(&needed, &rows).map_err(fatal)? {
        match dialect {
            Dialect::Postgres => return Err(fatal(missing)),
            Dialect::Redshift => progress.warn(&format!(
                "{missing}, unless a role or a scoped permission grants them"
            )),
        }
    }
    match (mode, dialect) {
        (LoadMode::FullRefresh { .. }, Dialect::Postgres) => ensure_keys_can_be_dropped(session),
        (LoadMode::FullRefresh { .. }, Dialect::Redshift) | (LoadMode::Incremental, _) => Ok(()),
    }
}

/// Checks that the user may drop the foreign keys, which a full refresh does.
fn ensure_keys_can_be_dropped(
    session: &mut WarehouseSession,
) -> std::result::Result<(), StatementError> {
    let rows = session.query(&foreign_keys_of_others_query(&SPARKIFY))?;
    match sum_of_counts(&rows).map_err(fatal)? {
        0 => Ok(()),
        _ => Err(fatal(
            Error::failed("cannot drop foreign keys")
                .with_reason(full_refresh_ownership(&SPARKIFY))
                .with_hint("run as the owner, or leave out --full-refresh"),
        )),
    }
}

/// A privilege on a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Privilege {
    table: &'static TableSchema,
    name: &'static str,
    substitute: Substitute,
}

/// What else permits the statements that a privilege is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Substitute {
    /// Nothing.
    None,
    /// The same privilege on each of these columns.
    Columns(Vec<&'static str>),
    /// Any other privilege that permits to lock the table against changes.
    AnyLock,
}

/// Returns the privileges that a load needs, table by table.
fn needed_privileges(dialect: Dialect, mode: &LoadMode) -> Result<Vec<Privilege>> {
    let statements = load_statements(dialect, "RUN", mode, Vec::new())?;
    let has = |effect: Effect| {
        statements
            .iter()
            .any(|statement| statement.effect == effect)
    };
    let all_columns = |table: &TableSchema| {
        let columns = table.columns.iter().map(|column| column.name);
        Substitute::Columns(columns.collect())
    };
    let updated_columns = |table| {
        let updates = statements
            .iter()
            .filter(|statement| statement.effect == Effect::Update(table));
        let columns: BTreeSet<_> = updates
            .flat_map(|update| update.updated_columns.iter().copied())
            .collect();
        Substitute::Columns(columns.into_iter().collect())
    };
    let mut needed = Vec::new();
    for table in SPARKIFY.warehouse_tables() {
        let is_history = table == SPARKIFY.load_history;
        let mut need = |name, substitute| {
            needed.push(Privilege {
                table,
                name,
                substitute,
            });
        };
        need(
            "SELECT",
            match is_history {
                true => all_columns(table),
                // CREATE TABLE ... (LIKE table) is not permitted by privileges on columns.
                false => Substitute::None,
            },
        );
        if has(Effect::Insert(table)) {
            need("INSERT", all_columns(table));
        }
        if has(Effect::Update(table)) {
            need("UPDATE", updated_columns(table));
        } else if is_history && has(Effect::Lock) && dialect == Dialect::Postgres {
            need("UPDATE", Substitute::AnyLock);
        }
        if has(Effect::Delete(table)) {
            need("DELETE", Substitute::None);
        }
    }
    Ok(needed)
}

/// Returns the query for the names of the user and the database, whether the user may create temporary tables, and whether
/// the user has each of the privileges.
fn privileges_query(dialect: Dialect, needed: &[Privilege]) -> String {
    let has = |Privilege {
                   table,
                   name,
                   substitute,
               }: &Privilege| {
        let table = table.name;
        let on_table = |name: &str| format!("has_table_privilege('{table}', '{name}')");
        match (dialect, substitute) {
            (Dialect::Postgres, Substitute::Columns(columns)) => {
                let on_columns = columns
                    .iter()
                    .map(|column| format!("has_column_privilege('{table}', '{column}', '{name}')"));
                let on_columns: Vec<_> = on_columns.collect();
                format!("{} OR ({})", on_table(name), on_columns.join(" AND "))
            }
            // PostgreSQL has MAINTAIN since version 17.
            (Dialect::Postgres, Substitute::AnyLock) => format!(
                "{} OR CASE WHEN current_setting('server_version_num')::INTEGER >= 170000 THEN {} ELSE FALSE END",
                on_table("UPDATE, DELETE, TRUNCATE"),
                on_table("MAINTAIN")
            ),
            (Dialect::Postgres, Substitute::None) | (Dialect::Redshift, _) => on_table(name),
        }
    };
    let columns: Vec<_> = needed.iter().map(has).collect();
    format!(
        "SELECT
    quote_ident(current_user),
    quote_ident(current_database()),
    has_database_privilege(current_database(), 'TEMP'),
    {}",
        columns.join(",\n    ")
    )
}

/// Returns the error for the privileges that the result of the query lacks.
fn missing_privileges(needed: &[Privilege], rows: &[ResultRow]) -> Result<Option<Error>> {
    let unreadable = || unexpected_result("the privileges of the user");
    let [row] = rows else {
        return Err(unreadable());
    };
    let [
        Some(user),
        Some(database),
        Some(may_create_temporary),
        on_tables @ ..,
    ] = row.as_slice()
    else {
        return Err(unreadable());
    };
    if on_tables.len() != needed.len() {
        return Err(unreadable());
    }
    let is_granted = |field: &str| matches!(field, "t" | "true");
    let mut by_table: Vec<(&str, Vec<&str>)> = Vec::new();
    for (privilege, field) in needed.iter().zip(on_tables) {
        if is_granted(field.as_deref().ok_or_else(unreadable)?) {
            continue;
        }
        match by_table.last_mut() {
            Some((table, names)) if *table == privilege.table.name => names.push(privilege.name),
            _ => by_table.push((privilege.table.name, vec![privilege.name])),
        }
    }
    // Tables that lack the same privileges are in one GRANT.
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (table, names) in by_table {
        missing.entry(names.join(", ")).or_default().push(table);
    }
    let missing = missing
        .into_iter()
        .map(|(names, tables)| format!("{names} ON {}", tables.join(", ")));
    let temporary = format!("TEMPORARY ON DATABASE {database}");
    let temporary = (!is_granted(may_create_temporary)).then_some(temporary);
    let missing: Vec<String> = temporary.into_iter().chain(missing).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let grants: Vec<_> = missing
        .iter()
        .map(|privileges| format!("GRANT {privileges} TO {user}"))
        .collect();
    Ok(Some(
        Error::failed(format!("user {user} lacks privileges that a load needs"))
            .with_hint(format!("ask for {}", grants.join("; "))),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::sparkify::{LOAD_HISTORY, SONGPLAYS, TIME, USERS};

    fn names(mode: &LoadMode, table: &TableSchema) -> Vec<&'static str> {
        let needed = needed_privileges(Dialect::Postgres, mode).unwrap();
        let of_table = needed.iter().filter(|privilege| privilege.table == table);
        of_table.map(|privilege| privilege.name).collect()
    }

    #[test]
    fn privileges_follow_from_the_statements() {
        let incremental = LoadMode::Incremental;
        assert_eq!(names(&incremental, &TIME), ["SELECT", "INSERT"]);
        let full_refresh = LoadMode::FullRefresh {
            runs_before: HashSet::new(),
        };
        for table in SPARKIFY.warehouse_tables() {
            let names = names(&full_refresh, table);
            assert!(
                names.contains(&"INSERT") && names.contains(&"DELETE"),
                "{names:?}"
            );
        }
    }

    fn needed() -> Vec<Privilege> {
        let privilege = |table, name| Privilege {
            table,
            name,
            substitute: Substitute::None,
        };
        vec![
            privilege(&USERS, "SELECT"),
            privilege(&USERS, "INSERT"),
            privilege(&SONGPLAYS, "SELECT"),
            privilege(&LOAD_HISTORY, "SELECT"),
            privilege(&LOAD_HISTORY, "INSERT"),
        ]
    }

    fn missing(fields: &str) -> Result<Option<String>> {
        let row: ResultRow = fields
            .split_whitespace()
            .map(|field| (field != "null").then(|| field.to_owned()))
            .collect();
        Ok(missing_privileges(&needed(), &[row])?.map(|error| error.to_string()))
    }

    #[test]
    fn error_names_all_grants() {
        assert_eq!(missing("etl music t t t t t t").unwrap(), None);
        assert_eq!(
            missing("\"E\" music f f f f true f").unwrap().unwrap(),
            "user \"E\" lacks privileges that a load needs; ask for GRANT TEMPORARY ON DATABASE music TO \"E\"; \
             GRANT INSERT ON load_history TO \"E\"; GRANT SELECT ON songplays TO \"E\"; \
             GRANT SELECT, INSERT ON users TO \"E\""
        );
    }

    #[test]
    fn unreadable_result_is_an_error() {
        for fields in [
            "",
            "etl music t t t t t",
            "etl music t t t null t t",
            "etl null t t t t t t",
        ] {
            missing(fields).unwrap_err();
        }
        missing_privileges(&needed(), &[]).unwrap_err();
    }
}
