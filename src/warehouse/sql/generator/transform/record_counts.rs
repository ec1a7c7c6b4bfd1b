//! Counts the raw records and what became of them.

use super::filter::filter_condition;
use super::record_tables::{rejected_table, valid_table};
use crate::model::{Model, RecordSchema};
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// Returns the query for the number of records of each kind. Valid records of which one row of the fact table stays are
/// deliveries of one event.
pub(crate) fn record_counts_statement(model: &Model) -> Statement {
    let (fact, rule) = model.fact();
    let count = |record: &&'static RecordSchema| {
        let (valid, rejected) = (valid_table(record), rejected_table(record));
        let filtered = match filter_condition(record) {
            Some(condition) => {
                format!(
                    "(SELECT COUNT(CASE WHEN {condition} THEN NULL ELSE 1 END) FROM {})",
                    record.staging_table()
                )
            }
            None => "CAST(0 AS BIGINT)".to_owned(),
        };
        let distinct = match (record.name == rule.record, fact.key()) {
            (true, [key]) => format!("COUNT(DISTINCT {})", key.name),
            _ => "COUNT(*)".to_owned(),
        };
        format!(
            "SELECT
    '{name}' AS name,
    (SELECT COUNT(*) FROM {staging}) AS staged,
    {filtered} AS filtered,
    (SELECT COUNT(*) FROM {rejected}) AS rejected,
    (SELECT COUNT(*) FROM {valid}) AS valid,
    (SELECT {distinct} FROM {valid}) AS distinct_records",
            name = record.name,
            staging = record.staging_table(),
        )
    };
    let counts: Vec<_> = model.records.iter().map(count).collect();
    Statement::new(
        Effect::Check(Check::RecordCounts),
        counts.join("\nUNION ALL\n"),
    )
    .with_comment(
        "The records of each kind: staged = filtered + rejected + valid. Valid records that are repeated deliveries of an event \
         are one distinct record.",
    )
}
