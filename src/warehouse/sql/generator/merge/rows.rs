//! Generates the statements that update rows of the warehouse and insert new ones.

use crate::model::{ColumnSchema, TableSchema};
use crate::warehouse::sql::generator::clause::{insert_into, select, where_all};
use crate::warehouse::sql::generator::list::{LIST_WIDTH, wrapped_list};
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statement that sets columns to the values of rows `n` of a temporary table with the same columns.
pub(super) fn update(
    table: &'static TableSchema,
    columns: &[ColumnSchema],
    source: &str,
    conditions: &[String],
) -> Statement {
    let set = columns
        .iter()
        .map(|column| format!("{0} = n.{0}", column.name));
    let sql = format!(
        "UPDATE {} SET\n    {}\nFROM {source} n\n{}",
        table.name,
        wrapped_list(set, 4),
        where_all(conditions, 0)
    );
    Statement {
        updated_columns: columns.iter().map(|column| column.name).collect(),
        ..Statement::new(Effect::Update(table), sql)
    }
}

/// Returns the statement that inserts rows of a temporary table unless the table has a row `w` that meets the conditions.
pub(super) fn insert_absent(
    table: &'static TableSchema,
    values: &[String],
    source: &str,
    conditions: &[String],
) -> Statement {
    let existing = format!(
        "SELECT 1 FROM {} w {}",
        table.name,
        where_all(conditions, 4)
    );
    let line = format!("WHERE NOT EXISTS ({existing})");
    let absent = match line.len() <= LIST_WIDTH && !line.contains('\n') {
        true => line,
        false => format!("WHERE NOT EXISTS (\n    {existing}\n)"),
    };
    let sql = format!(
        "{}\n{}\nFROM {source}\n{absent}",
        insert_into(table),
        select(values)
    );
    Statement::new(Effect::Insert(table), sql)
}
