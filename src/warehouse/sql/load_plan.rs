//! Steps: what the transaction of a load consists of, in order, before anything is connected.

use super::template::{SqlParams, SqlTemplates, fill, statements};
use crate::error::{Error, Result};
use crate::star::schema::{ARTISTS, LEDGER, LEDGER_ARTISTS, LEDGER_USERS, TABLES, Table, USERS};
use crate::warehouse::Warehouse;
use crate::warehouse::catalog::{filled_query, tables};
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
pub fn as_text(steps: &[Statement]) -> String {
    let text = steps.iter().map(|step| format!("{};\n", step.sql()));
    text.collect::<Vec<_>>().join("\n")
}

/// All tables that a star has.
pub fn all() -> impl Iterator<Item = &'static Table> {
    TABLES.into_iter().chain(LEDGER)
}

/// Asks for the runs that are loaded.
pub const RUNS: &str = "SELECT DISTINCT run FROM loads";

/// The steps of a load. With `refresh` everything that is there goes first.
///
/// # Errors
/// The star cannot be loaded there: Redshift takes only what is in S3.
pub fn steps(
    warehouse: &Warehouse,
    batch: &LoadParams<'_>,
    refresh: bool,
) -> Result<Vec<Statement>> {
    let dialect = warehouse.address.dialect;
    let scripts = SqlTemplates::of(dialect);
    let mut values = SqlParams::default().text("run", batch.run)?;
    if dialect == Dialect::Redshift {
        values = values.sql("iam_role", &warehouse.iam_role.to_string());
        for table in all() {
            values = values.text(table.name, &(batch.manifest)(table))?;
        }
    }
    let run = |script| {
        let filled = statements(script).into_iter().map(|sql| fill(sql, &values));
        let steps: Result<Vec<Statement>> = filled.map(|sql| sql.map(Statement::Execute)).collect();
        steps
    };
    let mut steps = Vec::new();
    for step in run(scripts.stage)? {
        match step {
            Statement::Execute(sql) if sql.starts_with("LOCK ") => {
                steps.push(Statement::Lock(sql));
                steps.push(Statement::LoadedRuns(RUNS.to_owned()));
            }
            step => steps.push(step),
        }
    }
    if refresh {
        steps.extend(run(scripts.refresh)?);
        let names: Vec<_> = tables().into_iter().map(|(name, _)| name).collect();
        steps.push(Statement::CheckEmptied(filled_query(&names)));
    }
    for sql in statements(scripts.copy) {
        let table = copied(sql)?;
        // COPY of no files is an error.
        if (batch.has_rows)(table) {
            steps.push(Statement::Copy(table, fill(sql, &values)?));
        }
    }
    steps.push(Statement::CountStaged(count_query()));
    steps.push(Statement::CheckMergeState(state_query()));
    for sql in statements(scripts.merge) {
        if sql != "COMMIT" {
            steps.push(Statement::Execute(fill(sql, &values)?));
            continue;
        }
        for verify in statements(scripts.verify) {
            steps.push(Statement::CheckMerged(fill(verify, &values)?));
        }
        // Redshift has nothing that could remove other rows than those of the statements.
        if dialect == Dialect::Postgres {
            steps.push(Statement::CheckRowDeltas(growth_query()));
        }
        steps.push(Statement::Commit(sql.to_owned()));
    }
    Ok(steps)
}

/// The table whose staging table a COPY fills.
fn copied(sql: &str) -> Result<&'static Table> {
    let name = sql.strip_prefix("COPY staged_").unwrap_or_default();
    let name = name.split_whitespace().next().unwrap_or_default();
    let known = all().find(|table| table.name == name);
    known.ok_or_else(|| {
        Error::failed("cannot run a script").because(format!("{sql} fills no table"))
    })
}

/// Counts rows of the star that staged rows are held against, but for which the merge state has no row: what they are
/// from is lost.
fn state_query() -> String {
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
    let pairs = [(&USERS, &LEDGER_USERS), (&ARTISTS, &LEDGER_ARTISTS)];
    pairs.map(count).join("\nUNION ALL\n")
}

/// Counts the rows that the tables of the star have more than before the load, if they are watched.
fn growth_query() -> String {
    let growth = |table: &&Table| {
        let name = table.name;
        format!(
            "SELECT w.name, (SELECT COUNT(*) FROM {name}) - w.rows AS rows FROM watched w WHERE w.name = '{name}'"
        )
    };
    let queries: Vec<_> = TABLES.iter().map(growth).collect();
    queries.join("\nUNION ALL\n")
}

/// Counts the rows in the staging tables.
fn count_query() -> String {
    let count = |table: &Table| {
        let name = table.name;
        format!("SELECT '{name}' AS name, COUNT(*) AS rows FROM staged_{name}")
    };
    all().map(count).collect::<Vec<_>>().join("\nUNION ALL\n")
}
