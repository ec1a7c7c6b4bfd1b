//! Generates the query that checks the merged rows before the commit.

use super::clause::{names, where_all};
use super::expression::{equal, rows_equal};
use super::merge::FactTables;
use super::temp_table::{matched_name, new_name, staged_name};
use crate::model::{ColumnSchema, Distribution, EngineValue, Model, TableRule, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// Returns the query that counts the merged rows that are missing or differ, by table. It is run after the merge. `run` is
/// the id of the run as an expression of SQL.
pub(crate) fn verify_statement(model: &Model, dialect: Dialect, run: &str) -> Statement {
    let queries = match dialect {
        Dialect::Postgres => postgres_queries(model, run),
        Dialect::Redshift => redshift_queries(model),
    };
    Statement::new(
        Effect::Check(Check::MergedRows),
        queries.join("\nUNION ALL\n"),
    )
}

fn postgres_queries(model: &Model, run: &str) -> Vec<String> {
    let values_of = |table: &TableSchema, source: &str| {
        missing_rows(table, table.key(), source, table.values())
    };
    let mut queries = Vec::new();
    for table in model.warehouse_tables_by_dependency() {
        match table.rule {
            TableRule::Pick(_) => queries.push(values_of(table, &new_name(table))),
            TableRule::PickState { of } => {
                queries.push(values_of(table, &new_name(model.table(of))));
            }
            TableRule::Calendar => queries.push(values_of(table, &staged_name(table))),
            TableRule::Fact(_) => queries.extend(missing_events(&FactTables::new(model))),
            TableRule::LookupKeys { .. } => {
                queries.push(missing_lookup_keys(&FactTables::new(model)));
            }
            TableRule::LoadHistory => queries.push(missing_history(model, run)),
            // A warehouse has the load history instead.
            TableRule::SourceObjects => {}
        }
    }
    queries
}

/// Returns the query that counts rows of a temporary table that the table does not have, with the same key and values.
fn missing_rows(
    table: &TableSchema,
    key: &[ColumnSchema],
    source: &str,
    values: &[ColumnSchema],
) -> String {
    let mut conditions = equal(key, "w", "n");
    conditions.extend(rows_equal(values, "w", "n", 12));
    count_missing(table, source, &conditions)
}

/// Returns the query that counts rows `n` for which the table has no row `w` that meets the conditions, if there are side
/// effects.
fn count_missing(table: &TableSchema, source: &str, conditions: &[String]) -> String {
    let name = table.name;
    format!(
        "SELECT '{name}' AS name, COUNT(*) AS rows
FROM {source} n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = '{name}')
    AND NOT EXISTS (
        SELECT FROM {name} w
        {}
    )",
        where_all(conditions, 8)
    )
}

/// Returns the queries that count missing rows of the fact table.
fn missing_events(tables: &FactTables) -> [String; 3] {
    let FactTables { fact, lookup, .. } = *tables;
    // The columns are null without a match. With one they have the values of the lookup table.
    let matched_values: Vec<ColumnSchema> = tables
        .looked_up()
        .into_iter()
        .map(|(column, source)| ColumnSchema {
            nullable: source.nullable,
            ..column
        })
        .collect();
    [
        format!(
            "-- The new events of this batch.\n{}",
            missing_rows(fact, fact.key(), &staged_name(fact), fact.values())
        ),
        format!(
            "-- Deliveries that come before the loaded ones.\n{}",
            missing_rows(fact, fact.key(), &new_name(fact), &tables.varying())
        ),
        format!(
            "-- Events of earlier batches that match rows of {} of this batch.\n{}",
            lookup.name,
            missing_rows(fact, fact.key(), &matched_name(fact), &matched_values)
        ),
    ]
}

/// Returns the query that counts missing lookup keys.
fn missing_lookup_keys(tables: &FactTables) -> String {
    let FactTables { fact, keys, .. } = *tables;
    let columns = names(keys.columns).join(", ");
    let lookup_key = tables.lookup_key();
    let source = format!(
        "(
    SELECT {columns} FROM {}
    UNION ALL
    SELECT {columns} FROM {} WHERE {} IS NOT NULL
) AS",
        staged_name(keys),
        new_name(fact),
        lookup_key[0].name
    );
    missing_rows(keys, fact.key(), &source, lookup_key)
}

/// Returns the query that counts source objects that are missing in the history of the run.
fn missing_history(model: &Model, run: &str) -> String {
    let source = model.source_objects();
    let run_column = model.history_column(EngineValue::Run);
    let mut conditions = vec![format!("w.{run_column} = {run}")];
    conditions.extend(rows_equal(source.columns, "w", "n", 12));
    count_missing(model.load_history, &staged_name(source), &conditions)
}

fn redshift_queries(model: &Model) -> Vec<String> {
    let tables = model.warehouse_tables_by_dependency().into_iter();
    tables
        .filter(|table| model.star.contains(table))
        .map(missing_keys)
        .collect()
}

/// Returns the query of Redshift that counts staged rows whose keys are missing.
fn missing_keys(table: &TableSchema) -> String {
    let name = table.name;
    let mut conditions = equal(table.key(), "w", "n");
    let mut comment = String::new();
    if let Distribution::Key(column) = table.redshift.distribution
        && table.key().iter().all(|key| key.name != column)
    {
        conditions.push(format!("w.{column} = n.{column}"));
        comment = format!(
            "-- {column} is the distribution key, so that both sides of the join are on the same slice.\n"
        );
    }
    format!(
        "{comment}SELECT '{name}' AS name, COUNT(*) AS rows
FROM {} n
LEFT JOIN {name} w ON {}
WHERE w.{} IS NULL",
        staged_name(table),
        conditions.join(" AND "),
        table.key()[0].name
    )
}
