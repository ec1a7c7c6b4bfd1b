//! Creates the staging tables, and what else ends with the transaction of a load.

use super::column::column_definitions;
use super::constraints::constraint_statements;
use super::list::wrapped_list;
use super::temp_table::staged_name;
use crate::model::{ColumnSchema, Model, TableRule, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements that create the staging tables and what else ends with the load.
pub(crate) fn staging_statements(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let mut tables = staging_tables(model, dialect);
    tables[0].comment =
        "The staging tables have the columns of the Parquet files, in the same order.".to_owned();
    match dialect {
        Dialect::Redshift => tables,
        Dialect::Postgres => {
            let mut statements = vec![jit_setting(), index_setting()];
            statements.extend(tables);
            statements.extend(constraint_statements(model));
            statements.push(tables_with_side_effects(model));
            statements
        }
    }
}

fn temporary(sql: impl Into<String>) -> Statement {
    Statement::new(Effect::Temporary, sql)
}

fn jit_setting() -> Statement {
    temporary("SET LOCAL jit = off")
        .with_comment("JIT compilation of the statements would take longer than their execution.")
}

/// Returns the statement by which rows of a batch are found in large tables by their indexes. With the default of 4, which
/// is for disks that seek, a batch of 3 % of the rows makes PostgreSQL read whole tables.
fn index_setting() -> Statement {
    temporary("SET LOCAL random_page_cost = 1.1").with_comment(
        "The rows that a batch meets are found by indexes, so that a load does not become slower as the tables grow.",
    )
}

/// Returns the statements that create a staging table for each table of a dataset.
fn staging_tables(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let on_commit = match dialect {
        Dialect::Redshift => "",
        Dialect::Postgres => " ON COMMIT DROP",
    };
    let create = |table: &TableSchema| {
        let staged = staged_name(table);
        let columns = match table.rule {
            // The warehouse has no such table. The history may lack what is not known of an object.
            TableRule::SourceObjects => {
                let columns = source_object_columns(model);
                let columns = column_definitions(&columns, dialect).join(",\n    ");
                format!("\n    {columns}\n")
            }
            TableRule::Fact(_)
            | TableRule::Pick(_)
            | TableRule::Calendar
            | TableRule::PickState { .. }
            | TableRule::LookupKeys { .. }
            | TableRule::LoadHistory => format!("LIKE {}", table.name),
        };
        temporary(format!("CREATE TEMP TABLE {staged} ({columns}){on_commit}"))
    };
    let tables = model.dataset_tables_by_dependency().into_iter();
    tables.map(create).collect()
}

/// Returns the columns of the source objects, as the load history has them.
fn source_object_columns(model: &Model) -> Vec<ColumnSchema> {
    let in_history = |column: &ColumnSchema| {
        let mut columns = model.load_history.columns.iter();
        let recorded = columns.find(|recorded| recorded.source == column.source);
        ColumnSchema {
            nullable: recorded.is_some_and(|recorded| recorded.nullable),
            ..*column
        }
    };
    let columns = model.source_objects().columns.iter();
    columns.map(in_history).collect()
}

fn tables_with_side_effects(model: &Model) -> Statement {
    let tables = model.warehouse_tables_by_dependency();
    let classes = tables
        .iter()
        .map(|table| format!("'{}'::regclass", table.name));
    let classes = wrapped_list(classes, 12);
    let count = |table: &&TableSchema| {
        let name = table.name;
        format!(
            "SELECT '{name}' AS name, (SELECT COUNT(*) FROM {name}) AS rows FROM has_side_effects"
        )
    };
    let counts: Vec<_> = tables.iter().map(count).collect();
    let counts = counts.join("\nUNION ALL\n");
    temporary(format!(
        "CREATE TEMP TABLE tables_with_side_effects ON COMMIT DROP AS
WITH has_side_effects AS (
    SELECT 1
    FROM pg_class c
    WHERE
        c.oid IN (
            {classes}
        )
        AND (
            c.relkind <> 'r'
            OR c.relhassubclass
            OR c.relrowsecurity
            OR EXISTS (
                SELECT FROM pg_trigger t
                -- Foreign keys are implemented by internal triggers.
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
            )
            OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
        )
    LIMIT 1
)

{counts}"
    ))
    .with_comment(
        "All tables with their row counts, if any table has side effects that may drop or change rows: a trigger, a rule, \
         row security, or partitions with triggers of their own. A trigger of one table can change all tables, so either \
         all tables are listed or none.",
    )
}
