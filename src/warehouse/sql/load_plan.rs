//! Steps: what the transaction of a load consists of, in order, before anything is connected.

use super::template::{SqlParams, SqlTemplates, render, split_statements};
use crate::error::{Error, Result};
use crate::star::schema::{
    ARTISTS, MERGE_STATE_TABLES, STAR_TABLES, STATE_ARTISTS, STATE_USERS, Table, USERS,
};
use crate::warehouse::Warehouse;
use crate::warehouse::catalog::{nonempty_tables_query, warehouse_tables};
use crate::warehouse::dialect::Dialect;

/// What the SQL of a load must know of the star that is loaded.
pub struct LoadParams<'a> {
    /// The id of its run.
    pub run: &'a str,
    /// Where the COPY manifest of a table is.
    pub manifest: &'a dyn Fn(&Table) -> String,
    /// Whether a table has rows.
    pub has_rows: &'a dyn Fn(&Table) -> bool,
}

/// A step of the transaction.
#[derive(Debug)]
pub enum Statement {
    /// A statement.
    Execute(String),
    /// The statement that waits for other loads.
    Lock(String),
    /// The query for the runs that are loaded.
    LoadedRuns(String),
    /// A statement that fills the staging table of a table.
    Copy(&'static Table, String),
    /// The query that counts what arrived in the staging tables: name and count of each.
    CountStaged(String),
    /// The query for the names of tables that a full refresh has not emptied.
    CheckEmptied(String),
    /// The query that counts rows of the star of which the merge state has none: name of its table and count.
    CheckMergeState(String),
    /// The query that counts rows that are not as they were merged: name of the table and count.
    CheckMerged(String),
    /// The query that counts the rows that watched tables have more than before the load: name of the table and
    /// count.
    CheckRowDeltas(String),
    /// The statement that ends the transaction.
    Commit(String),
}

impl Statement {
    fn sql(&self) -> &str {
        match self {
            Self::Execute(sql)
            | Self::Lock(sql)
            | Self::LoadedRuns(sql)
            | Self::Copy(_, sql)
            | Self::CountStaged(sql)
            | Self::CheckEmptied(sql)
            | Self::CheckMergeState(sql)
            | Self::CheckMerged(sql)
            | Self::CheckRowDeltas(sql)
            | Self::Commit(sql) => sql,
        }
    }
}

/// The steps as text for people.
pub fn to_sql_script(statements: &[Statement]) -> String {
    let text = statements
        .iter()
        .map(|statement| format!("{};\n", statement.sql()));
    text.collect::<Vec<_>>().join("\n")
}

/// All tables that a star has.
pub fn output_tables() -> impl Iterator<Item = &'static Table> {
    STAR_TABLES.into_iter().chain(MERGE_STATE_TABLES)
}

/// Asks for the runs that are loaded.
pub const LOADED_RUNS_SQL: &str = "SELECT DISTINCT run FROM load_history";

/// The steps of a load. With `refresh` everything that is there goes first.
///
/// # Errors
/// The star cannot be loaded there: Redshift takes only what is in S3.
pub fn load_statements(
    warehouse: &Warehouse,
    load_params: &LoadParams<'_>,
    refresh: bool,
) -> Result<Vec<Statement>> {
    let dialect = warehouse.connection.dialect;
    let scripts = SqlTemplates::for_dialect(dialect);
    let mut sql_params = SqlParams::default().with_literal("run", load_params.run)?;
    if dialect == Dialect::Redshift {
        sql_params = sql_params.with_raw("iam_role", &warehouse.iam_role.to_string());
        for table in output_tables() {
            sql_params = sql_params.with_literal(table.name, &(load_params.manifest)(table))?;
        }
    }
    let render_all = |script| {
        let rendered = split_statements(script)
            .into_iter()
            .map(|sql| render(sql, &sql_params));
        let rendered: Result<Vec<Statement>> =
            rendered.map(|sql| sql.map(Statement::Execute)).collect();
        rendered
    };
    let mut statements = Vec::new();
    for statement in render_all(scripts.stage)? {
        match statement {
            Statement::Execute(sql) if sql.starts_with("LOCK ") => {
                statements.push(Statement::Lock(sql));
                statements.push(Statement::LoadedRuns(LOADED_RUNS_SQL.to_owned()));
            }
            statement => statements.push(statement),
        }
    }
    if refresh {
        statements.extend(render_all(scripts.refresh)?);
        let names: Vec<_> = warehouse_tables()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        statements.push(Statement::CheckEmptied(nonempty_tables_query(&names)));
    }
    for sql in split_statements(scripts.copy) {
        let table = copy_target(sql)?;
        // COPY of no files is an error.
        if (load_params.has_rows)(table) {
            statements.push(Statement::Copy(table, render(sql, &sql_params)?));
        }
    }
    statements.push(Statement::CountStaged(staged_counts_query()));
    statements.push(Statement::CheckMergeState(missing_state_query()));
    for sql in split_statements(scripts.merge) {
        if sql != "COMMIT" {
            statements.push(Statement::Execute(render(sql, &sql_params)?));
            continue;
        }
        for check in split_statements(scripts.verify) {
            statements.push(Statement::CheckMerged(render(check, &sql_params)?));
        }
        // Redshift has nothing that could remove other rows than those of the statements.
        if dialect == Dialect::Postgres {
            statements.push(Statement::CheckRowDeltas(row_deltas_query()));
        }
        statements.push(Statement::Commit(sql.to_owned()));
    }
    Ok(statements)
}

/// The table whose staging table a COPY fills.
fn copy_target(sql: &str) -> Result<&'static Table> {
    let name = sql.strip_prefix("COPY staged_").unwrap_or_default();
    let name = name.split_whitespace().next().unwrap_or_default();
    let target = output_tables().find(|table| table.name == name);
    target.ok_or_else(|| {
        Error::failed("cannot run a script").with_reason(format!("{sql} fills no table"))
    })
}

/// Counts rows of the star that staged rows are held against, but for which the merge state has no row: what they are
/// from is lost.
fn missing_state_query() -> String {
    let count = |(table, state): (&Table, &Table)| {
        let (table, state, key) = (table.name, state.name, table.columns[0].name);
        format!(
            "SELECT '{state}' AS name, COUNT(*) AS rows
FROM staged_{table} s
JOIN {table} w ON w.{key} = s.{key}
LEFT JOIN {state} l ON l.{key} = s.{key}
WHERE l.{key} IS NULL"
        )
    };
    let pairs = [(&USERS, &STATE_USERS), (&ARTISTS, &STATE_ARTISTS)];
    pairs.map(count).join("\nUNION ALL\n")
}

/// Counts the rows that the tables of the star have more than before the load, if they are watched.
fn row_deltas_query() -> String {
    let row_delta = |table: &&Table| {
        let name = table.name;
        format!(
            "SELECT w.name, (SELECT COUNT(*) FROM {name}) - w.rows AS rows FROM watched w WHERE w.name = '{name}'"
        )
    };
    let queries: Vec<_> = STAR_TABLES.iter().map(row_delta).collect();
    queries.join("\nUNION ALL\n")
}

/// Counts the rows in the staging tables.
fn staged_counts_query() -> String {
    let count = |table: &Table| {
        let name = table.name;
        format!("SELECT '{name}' AS name, COUNT(*) AS rows FROM staged_{name}")
    };
    output_tables()
        .map(count)
        .collect::<Vec<_>>()
        .join("\nUNION ALL\n")
}
