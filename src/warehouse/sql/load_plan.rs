//! Plans the transaction of a load: the statements in order, which are complete before a connection is opened.

use super::template::{SqlParams, SqlTemplates, render, split_statements};
use crate::error::{Error, Result};
use crate::star::schema::{
    ARTISTS, MERGE_STATE_TABLES, STAR_TABLES, STATE_ARTISTS, STATE_USERS, TableSchema, USERS,
};
use crate::warehouse::WarehouseConfig;
use crate::warehouse::catalog::{nonempty_tables_query, warehouse_tables};
use crate::warehouse::dialect::Dialect;

/// Properties of the dataset that the SQL of a load needs.
pub struct LoadParams<'a> {
    /// Id of the run that wrote the dataset.
    pub run: &'a str,
    /// Returns the URL of the COPY manifest of a table.
    pub manifest: &'a dyn Fn(&TableSchema) -> String,
    /// Returns true if a table has rows.
    pub has_rows: &'a dyn Fn(&TableSchema) -> bool,
}

/// A statement of the transaction, by what is done with its result.
#[derive(Debug)]
pub enum LoadStatement {
    /// A statement whose affected rows are counted.
    Execute(String),
    /// The LOCK statement, which waits for other loads.
    Lock(String),
    /// The query for the runs in the load history.
    LoadedRuns(String),
    /// The COPY that fills the staging table of a table.
    Copy(&'static TableSchema, String),
    /// The query that counts the rows of the staging tables: name and count of each.
    CountStaged(String),
    /// The query for the names of tables that a full refresh has not emptied.
    CheckEmptied(String),
    /// The query that counts rows of the star schema that have no merge state: name of the state table and count.
    CheckMergeState(String),
    /// The query that counts merged rows that are missing or differ: name of the table and count.
    CheckMerged(String),
    /// The query that counts by how many rows the tables have grown, if a table has side effects such as triggers:
    /// name of the table and count.
    CheckRowDeltas(String),
    /// The COMMIT statement.
    Commit(String),
}

impl LoadStatement {
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

/// Returns the statements as a script.
pub fn to_sql_script(statements: &[LoadStatement]) -> String {
    let text = statements
        .iter()
        .map(|statement| format!("{};\n", statement.sql()));
    text.collect::<Vec<_>>().join("\n")
}

/// Returns all tables of a dataset: star schema and merge state.
pub fn output_tables() -> impl Iterator<Item = &'static TableSchema> {
    STAR_TABLES.into_iter().chain(MERGE_STATE_TABLES)
}

/// Query for the runs in the load history.
pub const LOADED_RUNS_SQL: &str = "SELECT DISTINCT run FROM load_history";

/// Returns the statements of a load. With `refresh` they delete everything first.
///
/// # Errors
/// Returns an error if a name cannot be quoted in SQL.
pub fn load_statements(
    warehouse: &WarehouseConfig,
    load_params: &LoadParams<'_>,
    refresh: bool,
) -> Result<Vec<LoadStatement>> {
    let dialect = warehouse.connection.dialect;
    let templates = SqlTemplates::for_dialect(dialect);
    let mut sql_params = SqlParams::default().with_literal("run", load_params.run)?;
    if dialect == Dialect::Redshift {
        sql_params = sql_params.with_raw("iam_role", &warehouse.iam_role.to_string());
        for table in output_tables() {
            sql_params = sql_params.with_literal(table.name, &(load_params.manifest)(table))?;
        }
    }
    let render_all = |template| {
        let rendered = split_statements(template)
            .into_iter()
            .map(|sql| render(sql, &sql_params));
        let rendered: Result<Vec<LoadStatement>> = rendered
            .map(|sql| sql.map(LoadStatement::Execute))
            .collect();
        rendered
    };
    let mut statements = Vec::new();
    for statement in render_all(templates.stage)? {
        match statement {
            LoadStatement::Execute(sql) if sql.starts_with("LOCK ") => {
                statements.push(LoadStatement::Lock(sql));
                statements.push(LoadStatement::LoadedRuns(LOADED_RUNS_SQL.to_owned()));
            }
            statement => statements.push(statement),
        }
    }
    if refresh {
        statements.extend(render_all(templates.clear)?);
        let names: Vec<_> = warehouse_tables()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        statements.push(LoadStatement::CheckEmptied(nonempty_tables_query(&names)));
    }
    for sql in split_statements(templates.copy) {
        let table = copy_target(sql)?;
        // A COPY of no files is an error.
        if (load_params.has_rows)(table) {
            statements.push(LoadStatement::Copy(table, render(sql, &sql_params)?));
        }
    }
    statements.push(LoadStatement::CountStaged(staged_counts_query()));
    statements.push(LoadStatement::CheckMergeState(missing_state_query()));
    for sql in split_statements(templates.merge) {
        if sql != "COMMIT" {
            statements.push(LoadStatement::Execute(render(sql, &sql_params)?));
            continue;
        }
        for check in split_statements(templates.verify) {
            statements.push(LoadStatement::CheckMerged(render(check, &sql_params)?));
        }
        // Redshift has no triggers or rules that could insert or delete other rows.
        if dialect == Dialect::Postgres {
            statements.push(LoadStatement::CheckRowDeltas(row_deltas_query()));
        }
        statements.push(LoadStatement::Commit(sql.to_owned()));
    }
    Ok(statements)
}

/// Returns the table whose staging table a COPY fills.
fn copy_target(sql: &str) -> Result<&'static TableSchema> {
    let name = sql.strip_prefix("COPY staged_").unwrap_or_default();
    let name = name.split_whitespace().next().unwrap_or_default();
    let target = output_tables().find(|table| table.name == name);
    target.ok_or_else(|| {
        Error::failed("invalid SQL template")
            .with_reason(format!("{sql} does not fill a staging table"))
    })
}

/// Returns the query that counts the rows that staged rows are merged with, but that have no merge state. Their source
/// records are unknown, so nothing can be compared with them.
fn missing_state_query() -> String {
    let count = |(table, state): (&TableSchema, &TableSchema)| {
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

/// Returns the query that counts by how many rows the tables of the star schema have grown. It has no rows if no table
/// has side effects.
fn row_deltas_query() -> String {
    let row_delta = |table: &&TableSchema| {
        let name = table.name;
        format!(
            "SELECT w.name, (SELECT COUNT(*) FROM {name}) - w.rows AS rows FROM tables_with_side_effects w WHERE w.name = '{name}'"
        )
    };
    let queries: Vec<_> = STAR_TABLES.iter().map(row_delta).collect();
    queries.join("\nUNION ALL\n")
}

/// Returns the query that counts the rows of the staging tables.
fn staged_counts_query() -> String {
    let count = |table: &TableSchema| {
        let name = table.name;
        format!("SELECT '{name}' AS name, COUNT(*) AS rows FROM staged_{name}")
    };
    output_tables()
        .map(count)
        .collect::<Vec<_>>()
        .join("\nUNION ALL\n")
}
