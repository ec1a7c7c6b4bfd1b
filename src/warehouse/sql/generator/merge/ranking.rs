//! Generates the queries that rank the rows of a batch and those of the warehouse that have the same keys.

use super::order::order_by;
use crate::model::{ColumnSchema, OrderTerm};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{names, select_groups};
use crate::warehouse::sql::generator::list::wrapped_list;

/// A query for rows that have `rn` 1 if they come first among those with the same key, and `is_staged` 1 if they are in a
/// staging table. Of equal rows the one of the warehouse comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranking<'a> {
    /// The kind of warehouse.
    pub dialect: Dialect,
    /// The columns of the key.
    pub key: &'a [ColumnSchema],
    /// All columns.
    pub columns: &'a [ColumnSchema],
    /// The order of rows with the same key.
    pub order: &'a [OrderTerm],
}

impl Ranking<'_> {
    /// Returns the query, in lines that are indented by 4 blanks. `staged` and `warehouse` are the queries for the rows, as
    /// [`candidates`] returns them.
    pub(super) fn query(&self, staged: &str, warehouse: &str) -> String {
        let Self {
            dialect,
            key,
            columns,
            order,
        } = *self;
        let mut selected = names(columns);
        selected.push("is_staged");
        let selected = wrapped_list(selected, 8);
        let partition = names(key).join(", ");
        let order = order_by(dialect, order, key, columns, 16);
        format!(
            "    SELECT
        {selected},
        ROW_NUMBER() OVER (
            PARTITION BY {partition}
            ORDER BY
                {order},
                is_staged
        ) AS rn
    FROM (
        {staged}
        UNION ALL
        {warehouse}
    ) AS candidates"
        )
    }
}

/// Returns a query for rows to rank. `columns` are groups of columns, and `from` is the FROM clause, one item a line.
pub(super) fn candidates(columns: [Vec<String>; 2], is_staged: bool, from: Vec<String>) -> String {
    let [first, second] = columns;
    let is_staged = format!("{} AS is_staged", i32::from(is_staged));
    let select = select_groups(&[first, second, vec![is_staged]], 8);
    format!("{select}\n        FROM {}", from.join("\n        "))
}
