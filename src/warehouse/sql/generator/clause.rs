//! Generates the clauses of statements. A line that would be too long is broken, and the lines after the first are indented
//! by at least `indent` blanks.

use super::list::{LIST_WIDTH, list_in_parentheses, wrapped_list};
use crate::model::{ColumnSchema, TableSchema};

/// Returns the names of columns.
pub(super) fn names(columns: &[ColumnSchema]) -> Vec<&'static str> {
    columns.iter().map(|column| column.name).collect()
}

/// Returns a column by the alias of its table, with a name of its own if that differs.
pub(super) fn renamed_column(alias: &str, column: &str, name: &str) -> String {
    match column == name {
        true => format!("{alias}.{column}"),
        false => format!("{alias}.{column} AS {name}"),
    }
}

/// Returns the beginning of a query, which is not indented.
pub(super) fn select<S: AsRef<str>>(items: &[S]) -> String {
    let texts: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    let line = format!("SELECT {}", texts.join(", "));
    match line.len() <= LIST_WIDTH {
        true => line,
        false => select_groups(&[texts], 0),
    }
}

/// Returns the beginning of a query, with each group of items in lines of its own.
pub(super) fn select_groups<S: AsRef<str>>(groups: &[Vec<S>], indent: usize) -> String {
    let pad = " ".repeat(indent + 4);
    let groups = groups.iter().filter(|group| !group.is_empty());
    let lines = groups.map(|group| wrapped_list(group, indent + 4));
    let lines: Vec<_> = lines.collect();
    format!("SELECT\n{pad}{}", lines.join(&format!(",\n{pad}")))
}

/// Returns the beginning of the INSERT of rows with all columns.
pub(super) fn insert_into(table: &TableSchema) -> String {
    let before = format!("INSERT INTO {} ", table.name);
    list_in_parentheses(&before, names(table.columns), 0)
}

/// Returns the clause that all of the conditions are met.
pub(super) fn where_all(conditions: &[String], indent: usize) -> String {
    let pad = " ".repeat(indent);
    let line = format!("WHERE {}", conditions.join(" AND "));
    match !line.contains('\n') && indent + line.len() <= LIST_WIDTH {
        true => line,
        false => format!(
            "WHERE\n{pad}    {}",
            conditions.join(&format!("\n{pad}    AND "))
        ),
    }
}
