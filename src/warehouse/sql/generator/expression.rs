//! Generates expressions that compare rows.
//!
//! Redshift ignores trailing blanks when it compares texts. `CHR(1)`, the smallest character, is appended to make them
//! significant, and keeps the order by bytes.

use super::list::{LIST_WIDTH, wrapped_list};
use crate::model::ColumnSchema;
use crate::warehouse::dialect::Dialect;

/// Returns the columns of a row, by the alias of its table.
pub(super) fn qualified(columns: &[ColumnSchema], alias: &str) -> Vec<String> {
    let name = |column: &ColumnSchema| format!("{alias}.{}", column.name);
    columns.iter().map(name).collect()
}

/// Returns the value of a column so that comparisons of it are exact.
pub(super) fn exact(dialect: Dialect, column: ColumnSchema, value: &str) -> String {
    match dialect {
        Dialect::Redshift if column.ty.is_text() => format!("{value} || CHR(1)"),
        Dialect::Redshift | Dialect::Postgres => value.to_owned(),
    }
}

/// Returns the conditions that two rows have equal values and no null, for each column.
pub(super) fn equal(columns: &[ColumnSchema], left: &str, right: &str) -> Vec<String> {
    let condition = |column: &ColumnSchema| format!("{left}.{0} = {right}.{0}", column.name);
    columns.iter().map(condition).collect()
}

/// Returns the conditions that two rows have exactly equal values and no null, for each column.
pub(super) fn exactly_equal(
    dialect: Dialect,
    columns: &[ColumnSchema],
    left: &str,
    right: &str,
) -> Vec<String> {
    let condition = |column: &ColumnSchema| {
        let value = |alias| exact(dialect, *column, &format!("{alias}.{}", column.name));
        format!("{} = {}", value(left), value(right))
    };
    columns.iter().map(condition).collect()
}

/// Returns the condition that two rows differ in some of the columns, of which there is at least one. A null equals only
/// a null. The lines after the first are indented by at least `indent` blanks.
pub(super) fn rows_differ(
    dialect: Dialect,
    columns: &[ColumnSchema],
    left: &str,
    right: &str,
    indent: usize,
) -> String {
    match dialect {
        Dialect::Postgres => compare_rows(
            &qualified(columns, left),
            "IS DISTINCT FROM",
            &qualified(columns, right),
            indent,
        ),
        Dialect::Redshift => redshift_rows_differ(columns, left, right, indent),
    }
}

/// Returns the condition that two rows differ, without IS DISTINCT FROM, which Redshift does not have.
fn redshift_rows_differ(
    columns: &[ColumnSchema],
    left: &str,
    right: &str,
    indent: usize,
) -> String {
    let pad = " ".repeat(indent);
    let list = |conditions: Vec<String>, separator: &str| conditions.join(separator);
    if !columns.iter().copied().any(is_null_distinct) {
        let differ = columns.iter().map(|column| {
            let [left, right] = redshift_values(*column, left, right);
            format!("{left} <> {right}")
        });
        let differ = list(differ.collect(), &format!("\n{pad}    OR "));
        return format!("(\n{pad}    {differ}\n{pad})");
    }
    // CASE takes an unknown condition for one that is not met: a value and a null are not the same.
    let same = columns.iter().map(|column| {
        let [left_value, right_value] = redshift_values(*column, left, right);
        let same = format!("{left_value} = {right_value}");
        match is_null_distinct(*column) {
            true => format!(
                "({same} OR ({left}.{0} IS NULL AND {right}.{0} IS NULL))",
                column.name
            ),
            false => same,
        }
    });
    let same = list(same.collect(), &format!("\n{pad}        AND "));
    format!(
        "CASE
{pad}    WHEN
{pad}        {same}
{pad}        THEN 'same'
{pad}    ELSE 'changed'
{pad}END = 'changed'"
    )
}

/// Returns true if a column may be null and has no value that can stand for null. The values of text end with CHR(1) when
/// they are compared, so that an empty text stands for null.
fn is_null_distinct(column: ColumnSchema) -> bool {
    column.nullable && !column.ty.is_text()
}

/// Returns the values of a column in two rows, where an empty text stands for null.
fn redshift_values(column: ColumnSchema, left: &str, right: &str) -> [String; 2] {
    [left, right].map(|alias| {
        let value = format!("{alias}.{}", column.name);
        let value = exact(Dialect::Redshift, column, &value);
        match column.nullable && column.ty.is_text() {
            true => format!("COALESCE({value}, '')"),
            false => value,
        }
    })
}

/// Returns the condition that two rows are equal in all of the columns, for PostgreSQL; nothing if there are no columns.
/// A null equals only a null. The lines after the first are indented by at least `indent` blanks.
pub(super) fn rows_equal(
    columns: &[ColumnSchema],
    left: &str,
    right: &str,
    indent: usize,
) -> Option<String> {
    let operator = match columns.iter().any(|column| column.nullable) {
        true => "IS NOT DISTINCT FROM",
        false => "=",
    };
    let (left, right) = (qualified(columns, left), qualified(columns, right));
    (!columns.is_empty()).then(|| compare_rows(&left, operator, &right, indent))
}

/// Returns a comparison of two rows of values, which PostgreSQL compares from the first. It follows an AND in a line that
/// is indented by `indent` blanks.
pub(super) fn compare_rows(
    left: &[String],
    operator: &str,
    right: &[String],
    indent: usize,
) -> String {
    if let ([left], [right]) = (left, right) {
        return format!("{left} {operator} {right}");
    }
    let pad = " ".repeat(indent);
    let fits = |line: &str| indent + line.len() <= LIST_WIDTH;
    let left_line = format!("({})", left.join(", "));
    let right_line = format!("{operator} ({})", right.join(", "));
    if fits(&format!("AND {left_line} {right_line}")) {
        return format!("{left_line} {right_line}");
    }
    if fits(&format!("AND {left_line}")) && fits(&right_line) {
        return format!("{left_line}\n{pad}{right_line}");
    }
    let (left, right) = (
        wrapped_list(left, indent + 4),
        wrapped_list(right, indent + 4),
    );
    format!("(\n{pad}    {left}\n{pad}) {operator} (\n{pad}    {right}\n{pad})")
}
