//! Plans the transaction of a load: the statements in order, which are complete before a connection is opened.

use super::template::{SqlParams, SqlTemplates, render, split_statements};
use crate::error::Result;
use crate::model::TableSchema;
use crate::model::sparkify::{ARTISTS, SPARKIFY, STATE_ARTISTS, STATE_USERS, USERS};
use crate::warehouse::catalog::warehouse_table_names;
use crate::warehouse::config::WarehouseConfig;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::lost_tables::nonempty_tables_query;

/// Properties of the dataset that the SQL of a load needs.
pub(crate) struct LoadParams<'a> {
    /// Id of the run that wrote the dataset.
    pub run: &'a str,
    /// Returns the URL of the COPY manifest of a table.
    pub manifest: &'a dyn Fn(&TableSchema) -> String,
    /// Returns true if a table has rows.
    pub has_rows: &'a dyn Fn(&TableSchema) -> bool,
}

/// A statement of the transaction, by what is done with its result.
#[derive(Debug)]
pub(crate) enum LoadStatement {
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
pub(crate) fn to_sql_script(statements: &[LoadStatement]) -> String {
    let text = statements
        .iter()
        .map(|statement| format!("{};\n", statement.sql()));
    text.collect::<Vec<_>>().join("\n")
}

/// Returns all tables of a dataset: star schema and merge state.
pub(crate) fn output_tables() -> impl Iterator<Item = &'static TableSchema> {
    SPARKIFY.dataset_tables()
}

/// Query for the runs in the load history.
pub(crate) const LOADED_RUNS_SQL: &str = "SELECT DISTINCT run FROM load_history";

/// Returns the statements of a load. With `refresh` they delete everything first.
///
/// # Errors
/// Returns an error if a name cannot be quoted in SQL.
pub(crate) fn load_statements(
    warehouse: &WarehouseConfig,
    load_params: &LoadParams<'_>,
    refresh: bool,
) -> Result<Vec<LoadStatement>> {
    let planner = LoadPlanner::new(warehouse, load_params)?;
    let mut statements = planner.stage_statements()?;
    if refresh {
        statements.extend(planner.clear_statements()?);
    }
    statements.extend(planner.copy_statements(load_params)?);
    statements.push(LoadStatement::CountStaged(staged_counts_query()));
    statements.push(LoadStatement::CheckMergeState(missing_state_query()));
    statements.extend(planner.merge_statements()?);
    Ok(statements)
}

/// The templates of a load, and the values of their parameters.
struct LoadPlanner {
    dialect: Dialect,
    templates: SqlTemplates,
    params: SqlParams,
}

impl LoadPlanner {
    fn new(warehouse: &WarehouseConfig, load_params: &LoadParams<'_>) -> Result<Self> {
        let dialect = warehouse.connection.dialect;
        let mut params = SqlParams::default().with_literal("run", load_params.run)?;
        if dialect == Dialect::Redshift {
            params = params.with_raw("iam_role", &warehouse.iam_role.to_string());
            for table in output_tables() {
                params = params.with_literal(table.name, &(load_params.manifest)(table))?;
            }
        }
        Ok(Self {
            dialect,
            templates: SqlTemplates::for_dialect(dialect),
            params,
        })
    }

    fn render_all(&self, template: &str) -> Result<Vec<String>> {
        split_statements(template)
            .into_iter()
            .map(|sql| render(sql, &self.params))
            .collect()
    }

    /// Begins the transaction, waits for other loads, and creates the staging tables.
    fn stage_statements(&self) -> Result<Vec<LoadStatement>> {
        let mut statements = Vec::new();
        for sql in self.render_all(self.templates.stage)? {
            if sql.starts_with("LOCK ") {
                statements.push(LoadStatement::Lock(sql));
                statements.push(LoadStatement::LoadedRuns(LOADED_RUNS_SQL.to_owned()));
            } else {
                statements.push(LoadStatement::Execute(sql));
            }
        }
        Ok(statements)
    }

    /// Deletes all rows for a full refresh.
    fn clear_statements(&self) -> Result<Vec<LoadStatement>> {
        let clear = self.render_all(self.templates.clear)?;
        let mut statements: Vec<_> = clear.into_iter().map(LoadStatement::Execute).collect();
        let names: Vec<_> = warehouse_table_names().collect();
        statements.push(LoadStatement::CheckEmptied(nonempty_tables_query(&names)));
        Ok(statements)
    }

    /// Fills the staging tables of the tables that have rows, because a COPY of no files is an error.
    fn copy_statements(&self, load_params: &LoadParams<'_>) -> Result<Vec<LoadStatement>> {
        let copies = split_statements(self.templates.copy);
        let copies = copies.into_iter().map(|sql| (copy_target(sql), sql));
        copies
            .filter(|(table, _)| (load_params.has_rows)(table))
            .map(|(table, sql)| Ok(LoadStatement::Copy(table, render(sql, &self.params)?)))
            .collect()
    }

    /// Merges the staging tables, checks the result, and commits.
    fn merge_statements(&self) -> Result<Vec<LoadStatement>> {
        let mut statements = Vec::new();
        for sql in self.render_all(self.templates.merge)? {
            if sql != "COMMIT" {
                statements.push(LoadStatement::Execute(sql));
                continue;
            }
            let checks = self.render_all(self.templates.verify)?;
            statements.extend(checks.into_iter().map(LoadStatement::CheckMerged));
            // Redshift has no triggers or rules that could insert or delete other rows.
            if self.dialect == Dialect::Postgres {
                statements.push(LoadStatement::CheckRowDeltas(row_deltas_query()));
            }
            statements.push(LoadStatement::Commit(sql));
        }
        Ok(statements)
    }
}

/// Returns the table whose staging table a COPY fills.
#[expect(
    clippy::expect_used,
    reason = "the templates are a part of the program"
)]
fn copy_target(sql: &str) -> &'static TableSchema {
    let name = sql
        .strip_prefix("COPY staged_")
        .and_then(|rest| rest.split_whitespace().next());
    output_tables()
        .find(|table| Some(table.name) == name)
        .expect("every COPY of a template fills the staging table of a table of the dataset")
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
    let queries: Vec<_> = SPARKIFY.star.iter().map(row_delta).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_copied_once() {
        for dialect in [Dialect::Redshift, Dialect::Postgres] {
            let copies = split_statements(SqlTemplates::for_dialect(dialect).copy);
            let mut copied: Vec<_> = copies
                .into_iter()
                .map(|sql| copy_target(sql).name)
                .collect();
            let mut expected: Vec<_> = output_tables().map(|table| table.name).collect();
            copied.sort_unstable();
            expected.sort_unstable();
            assert_eq!(copied, expected, "{dialect:?}");
        }
    }

    #[test]
    #[should_panic(expected = "every COPY of a template fills the staging table")]
    fn copy_into_another_table_fails_loudly() {
        copy_target("COPY staged_nothing FROM 's3://bucket'");
    }
}
