//! Generates the orders by which one record is picked from several.

use std::mem::discriminant;

use crate::model::{ColumnSchema, ColumnType, OrderTerm};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::expression::exact;
use crate::warehouse::sql::generator::list::wrapped_list;

/// Returns the terms of an ORDER BY among rows with the same key. Terms of different kinds are in lines of their own, which
/// are indented by `indent` blanks.
pub(crate) fn order_by(
    dialect: Dialect,
    order: &[OrderTerm],
    key: &[ColumnSchema],
    columns: &[ColumnSchema],
    indent: usize,
) -> String {
    let mut order = order.to_vec();
    // Keys with different spellings are the same key in Redshift, which ignores trailing blanks.
    if dialect == Dialect::Redshift {
        let texts = key.iter().filter(|column| column.ty.is_text());
        order.extend(texts.map(|column| OrderTerm::Ascending(column.name)));
    }
    let lines = order
        .chunk_by(|left, right| discriminant(left) == discriminant(right))
        .map(|terms| {
            let terms = terms
                .iter()
                .map(|term| order_by_term(dialect, term, columns));
            wrapped_list(terms, indent)
        });
    lines
        .collect::<Vec<_>>()
        .join(&format!(",\n{}", " ".repeat(indent)))
}

fn order_by_term(dialect: Dialect, term: &OrderTerm, columns: &[ColumnSchema]) -> String {
    match *term {
        OrderTerm::Ascending(name) => {
            let column = column_of(columns, name);
            let value = exact(dialect, column, name);
            match column.nullable {
                true => format!("{value} NULLS LAST"),
                false => value,
            }
        }
        OrderTerm::Descending(name) => {
            format!("{} DESC", exact(dialect, column_of(columns, name), name))
        }
        OrderTerm::AllPresent(names) => all_present(names.iter().copied()),
        OrderTerm::NonEmpty(name) => non_empty(name),
    }
}

/// Returns the values by which two rows are compared, a list for each term of an order. The first row comes before the
/// second if it has the smaller one in the first pair of values that differ. No value is null. `first` and `second` return
/// the expression of a column.
pub(super) fn order_values(
    dialect: Dialect,
    order: &[OrderTerm],
    columns: &[ColumnSchema],
    first: impl Fn(&str) -> String,
    second: impl Fn(&str) -> String,
) -> Vec<Vec<[String; 2]>> {
    let values = |term: &OrderTerm| match *term {
        OrderTerm::Ascending(name) => {
            let column = column_of(columns, name);
            let [first, second] =
                [first(name), second(name)].map(|value| ascending_values(dialect, column, &value));
            let pairs = first.into_iter().zip(second);
            pairs.map(|(first, second)| [first, second]).collect()
        }
        OrderTerm::Descending(name) => {
            let column = column_of(columns, name);
            let values = [second(name), first(name)];
            vec![values.map(|value| exact(dialect, column, &value))]
        }
        OrderTerm::AllPresent(names) => vec![[
            all_present(names.iter().map(|name| first(name))),
            all_present(names.iter().map(|name| second(name))),
        ]],
        OrderTerm::NonEmpty(name) => {
            vec![[first(name), second(name)].map(|value| non_empty(&value))]
        }
    };
    order.iter().map(values).collect()
}

/// Returns the values that are not null and have the order of a column, null last.
fn ascending_values(dialect: Dialect, column: ColumnSchema, value: &str) -> Vec<String> {
    let exact = exact(dialect, column, value);
    if !column.nullable {
        return vec![exact];
    }
    let is_null = match dialect {
        Dialect::Postgres => format!("({value} IS NULL)"),
        Dialect::Redshift => format!("CASE WHEN {value} IS NULL THEN 1 ELSE 0 END"),
    };
    let placeholder = match column.ty {
        ColumnType::BigInt | ColumnType::Integer | ColumnType::SmallInt | ColumnType::Double => "0",
        ColumnType::Timestamp => "TIMESTAMP '1970-01-01'",
        ColumnType::Varchar(_) => "''",
    };
    vec![is_null, format!("COALESCE({exact}, {placeholder})")]
}

fn all_present(values: impl Iterator<Item = impl AsRef<str>>) -> String {
    let present: Vec<_> = values
        .map(|value| format!("{} IS NOT NULL", value.as_ref()))
        .collect();
    format!("CASE WHEN {} THEN 0 ELSE 1 END", present.join(" AND "))
}

fn non_empty(value: &str) -> String {
    format!("CASE WHEN OCTET_LENGTH({value}) > 0 THEN 0 ELSE 1 END")
}

#[expect(
    clippy::expect_used,
    reason = "a model is consistent: each name that it contains belongs to something"
)]
fn column_of(columns: &[ColumnSchema], name: &str) -> ColumnSchema {
    let column = columns.iter().find(|column| column.name == name);
    *column.expect("an order in the model has columns of its table and its state")
}
