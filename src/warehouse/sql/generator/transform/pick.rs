//! Generates the choice of one record for each key.

use super::insert::insert_into_staged;
use super::record_tables::valid_table;
use super::record_values::{named_record_value, record_value};
use crate::model::{
    ColumnSchema, Model, OrderTerm, PickRule, TableSchema, ValueSource, staging_column_name,
};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{names, select, select_groups};
use crate::warehouse::sql::generator::expression::exact;
use crate::warehouse::sql::generator::list::wrapped_list;
use crate::warehouse::sql::generator::merge::order_by;
use crate::warehouse::sql::generator::temp_table::create_temp_table;
use crate::warehouse::sql::statement::Statement;

/// A query for the rows that come first among those with the same key.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstRows<'a> {
    /// The columns of the key.
    pub key: &'a [ColumnSchema],
    /// All columns of the rows.
    pub columns: &'a [ColumnSchema],
    /// The order of rows with the same key.
    pub order: &'a [OrderTerm],
    /// The query for the rows, in lines that are indented by 8 blanks, except for the first one.
    pub rows: &'a str,
}

impl FirstRows<'_> {
    /// Returns the query. Keys that differ only in trailing blanks are two keys.
    pub(super) fn query(&self) -> String {
        let Self {
            key,
            columns,
            order,
            rows,
        } = self;
        let selected = names(columns);
        let partition = key
            .iter()
            .map(|column| exact(Dialect::Redshift, *column, column.name));
        format!(
            "{}
FROM (
    SELECT
        {},
        ROW_NUMBER() OVER (
            PARTITION BY {}
            ORDER BY
                {}
        ) AS rn
    FROM (
        {rows}
    ) AS candidates
) AS ranked
WHERE rn = 1",
            select(&selected),
            wrapped_list(&selected, 8),
            partition.collect::<Vec<_>>().join(", "),
            order_by(Dialect::Redshift, order, &[], columns, 16),
        )
    }
}

/// Returns the statements that fill the staged tables of a pick and of its state.
pub(super) fn pick_statements(
    model: &Model,
    table: &'static TableSchema,
    rule: PickRule,
) -> Vec<Statement> {
    let state = rule.state.map(|state| model.table(state));
    let columns = [table.columns, state.map_or(&[], TableSchema::values)].concat();
    let rows = candidates(model, table, rule, &columns);
    let query = FirstRows {
        key: table.key(),
        columns: &columns,
        order: rule.order,
        rows: &rows,
    }
    .query();
    let comment = rule.explanation;
    let Some(state) = state else {
        return vec![insert_into_staged(table, &query).with_comment(comment)];
    };
    let picked = format!("picked_{}", table.name);
    let mut statements = create_temp_table(Dialect::Redshift, &picked, &query);
    statements[0].comment = comment.to_owned();
    statements.extend([table, state].map(|table| {
        let query = format!("{}\nFROM {picked}", select(&names(table.columns)));
        insert_into_staged(table, &query)
    }));
    statements
}

/// Returns the query for the records that may be picked, as rows with the columns of the table and its state.
fn candidates(
    model: &Model,
    table: &TableSchema,
    rule: PickRule,
    columns: &[ColumnSchema],
) -> String {
    let valid = valid_table(model.record(rule.record));
    let values: Vec<_> = columns
        .iter()
        .map(|column| named_record_value(column, "v"))
        .collect();
    let rows = format!("{}\n        FROM {valid} v", select_groups(&[values], 8));
    let Some(last) = last_records(table, rule, columns) else {
        return rows;
    };
    let key = table.key().iter().map(|column| record_value(column, "v"));
    let key: Vec<_> = key.map(|value| value.replacen("v.", "", 1)).collect();
    let equal = key
        .iter()
        .map(|column| format!("l.{column} = v.{column}"))
        .chain([format!("l.last_value = v.{last}")]);
    format!(
        "{rows}
        -- Only the records with the last {last} of each key have to be sorted.
        JOIN (
            SELECT {}, MAX({last}) AS last_value
            FROM {valid}
            GROUP BY {}
        ) AS l
            ON {}",
        key.join(", "),
        key.join(", "),
        equal.collect::<Vec<_>>().join(" AND ")
    )
}

/// Returns the column of valid records by whose last value the order begins, if it does, and if the key has no text.
fn last_records(table: &TableSchema, rule: PickRule, columns: &[ColumnSchema]) -> Option<String> {
    let Some(OrderTerm::Descending(name)) = rule.order.first() else {
        return None;
    };
    let column = columns.iter().find(|column| column.name == *name)?;
    let has_text = table
        .key()
        .iter()
        .chain([column])
        .any(|column| column.ty.is_text());
    match column.source {
        ValueSource::Field(key) if !has_text => Some(staging_column_name(key)),
        ValueSource::Field(_)
        | ValueSource::Hash(_)
        | ValueSource::CalendarPart(..)
        | ValueSource::Lookup(_)
        | ValueSource::Engine(_) => None,
    }
}
