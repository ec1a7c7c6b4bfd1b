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
    let compare = |operator: &str, separator: &str| {
        let compare = |column: &ColumnSchema| redshift_compare(*column, left, operator, right);
        let conditions: Vec<_> = columns.iter().map(compare).collect();
        conditions.join(separator)
    };
    if !columns.iter().any(is_null_distinct) {
        let differ = compare("<>", &format!("\n{pad}    OR "));
        return format!("(\n{pad}    {differ}\n{pad})");
    }
    // CASE takes an unknown condition for one that is not met: a value and a null are not the same.
    let same = compare("=", &format!("\n{pad}        AND "));
    format!(
        "CASE
{pad}    WHEN
{pad}        {same}
{pad}        THEN 'same'
{pad}    ELSE 'changed'
{pad}END = 'changed'"
    )
}

/// Returns the comparison of a column in two rows, where a null equals a null.
fn redshift_compare(column: ColumnSchema, left: &str, operator: &str, right: &str) -> String {
    let value = |alias: &str| {
        let value = exact(
            Dialect::Redshift,
            column,
            &format!("{alias}.{}", column.name),
        );
        match column.nullable && column.ty.is_text() {
            // CHR(1) makes all texts different from an empty one.
            true => format!("COALESCE({value}, '')"),
            // In Redshift <> binds as tightly as ||, as in PostgreSQL before 9.5.
            false if operator == "<>" && column.ty.is_text() => format!("({value})"),
            false => value,
        }
    };
    let comparison = format!("{} {operator} {}", value(left), value(right));
    match is_null_distinct(&column) {
        true => format!(
            "({comparison} OR ({left}.{0} IS NULL AND {right}.{0} IS NULL))",
            column.name
        ),
        false => comparison,
    }
}

/// Returns true if a column may be null and has no value that can stand for null.
fn is_null_distinct(column: &ColumnSchema) -> bool {
    column.nullable && !column.ty.is_text()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{ARTISTS, SONGS, USERS};

    #[test]
    fn texts_are_exact_in_redshift_only() {
        let compare = |dialect| exactly_equal(dialect, &SONGS.columns[..1], "l", "s");
        assert_eq!(
            compare(Dialect::Redshift),
            ["l.song_id || CHR(1) = s.song_id || CHR(1)"]
        );
        assert_eq!(compare(Dialect::Postgres), ["l.song_id = s.song_id"]);
    }

    #[test]
    fn null_differs_from_each_value_in_redshift() {
        let differ = |columns| rows_differ(Dialect::Redshift, columns, "w", "n", 0);
        let expected = "(
    COALESCE(w.gender || CHR(1), '') <> COALESCE(n.gender || CHR(1), '')
    OR (w.level || CHR(1)) <> (n.level || CHR(1))
)";
        assert_eq!(differ(&USERS.columns[3..]), expected);
        let expected = "CASE
    WHEN
        COALESCE(w.location || CHR(1), '') = COALESCE(n.location || CHR(1), '')
        AND (w.latitude = n.latitude OR (w.latitude IS NULL AND n.latitude IS NULL))
        THEN 'same'
    ELSE 'changed'
END = 'changed'";
        assert_eq!(differ(&ARTISTS.columns[2..4]), expected);
    }

    #[test]
    fn null_equals_null_in_postgres() {
        let equal = |columns| rows_equal(columns, "w", "n", 0);
        let location = "w.location IS NOT DISTINCT FROM n.location";
        assert_eq!(equal(&ARTISTS.columns[2..3]).as_deref(), Some(location));
        let mixed = "(w.name, w.location) IS NOT DISTINCT FROM (n.name, n.location)";
        assert_eq!(equal(&ARTISTS.columns[1..3]).as_deref(), Some(mixed));
        let texts = "(w.artist_id, w.name) = (n.artist_id, n.name)";
        assert_eq!(equal(&ARTISTS.columns[..2]).as_deref(), Some(texts));
        assert_eq!(equal(&[]), None);
    }

    #[test]
    fn long_comparisons_are_broken() {
        let compare = |count: usize| {
            let rows = ["a", "b"].map(|name| vec![name.repeat(10); count]);
            compare_rows(&rows[0], "<", &rows[1], 4)
        };
        let lines = |count| compare(count).lines().count();
        assert_eq!([lines(4), lines(5), lines(8), lines(9)], [1, 2, 2, 5]);
        assert!(compare(9).starts_with("(\n        aaaaaaaaaa, aaaaaaaaaa,"));
        assert!(compare(9).contains("\n    ) < (\n        bbbbbbbbbb,"));
    }
}
