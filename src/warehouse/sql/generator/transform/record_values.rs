//! Computes the values of tables from valid records.

use super::record_tables::{field_of, time_column};
use crate::model::{ColumnSchema, ColumnType, RecordSchema, ValueSource, staging_column_name};
use crate::warehouse::sql::generator::list::LIST_WIDTH;

/// Returns the hash of fields, by the expressions of their values; null if a field is null. FNV_HASH of a null is not
/// documented, so it is not computed.
pub(super) fn hash_expression(
    record: &RecordSchema,
    keys: &[&str],
    value: impl Fn(&str) -> String,
) -> String {
    let mut hash = String::new();
    let mut has_text_before = false;
    for key in keys {
        if has_text_before {
            hash = format!("FNV_HASH(CAST(0 AS SMALLINT), {hash})");
        }
        hash = match hash.is_empty() {
            true => format!("FNV_HASH({})", value(key)),
            false => format!("FNV_HASH({}, {hash})", value(key)),
        };
        has_text_before = field_of(record, key).ty.is_text();
    }
    let nullable = keys.iter().filter(|key| !field_of(record, key).required);
    let present: Vec<_> = nullable
        .map(|key| format!("{} IS NOT NULL", value(key)))
        .collect();
    match present.is_empty() {
        true => hash,
        false => case_when(&present, &hash, 4),
    }
}

/// Returns the value of a column that follows from a valid record alone.
pub(super) fn record_value(column: &ColumnSchema, alias: &str) -> String {
    match column.source {
        ValueSource::Field(key) => match column.ty {
            ColumnType::Timestamp => format!("{alias}.{}", time_column(key)),
            ColumnType::BigInt
            | ColumnType::Integer
            | ColumnType::SmallInt
            | ColumnType::Double
            | ColumnType::Varchar(_) => format!("{alias}.{}", staging_column_name(key)),
        },
        ValueSource::Hash(_) => format!("{alias}.{}", column.name),
        ValueSource::CalendarPart(..) | ValueSource::Lookup(_) | ValueSource::Engine(_) => {
            unreachable!("{} does not follow from a record alone", column.name)
        }
    }
}

/// Returns the value of a column that follows from a valid record alone, with the name of the column.
pub(super) fn named_record_value(column: &ColumnSchema, alias: &str) -> String {
    let value = record_value(column, alias);
    match value == format!("{alias}.{}", column.name) {
        true => value,
        false => format!("{value} AS {}", column.name),
    }
}

/// Returns a CASE whose value is null unless all conditions are met, in lines that are indented by at least `indent` blanks,
/// except for the first one.
pub(super) fn case_when(conditions: &[String], value: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let line = format!("WHEN {}", conditions.join(" AND "));
    let when = match indent + 4 + line.len() <= LIST_WIDTH {
        true => line,
        false => {
            let separator = format!("\n{pad}        AND ");
            format!("WHEN\n{pad}        {}", conditions.join(&separator))
        }
    };
    format!("CASE\n{pad}    {when}\n{pad}        THEN {value}\n{pad}END")
}

/// Returns the time of milliseconds since 1970, in lines that are indented by 4 blanks. Days, seconds and milliseconds are
/// added one after the other, so that each product is exact in every year.
pub(super) fn timestamp_expression(ms: &str) -> String {
    format!(
        "TIMESTAMP 'epoch'
        + {ms} / 86400000 * INTERVAL '1 day'
        + MOD({ms}, 86400000) / 1000 * INTERVAL '1 second'
        + MOD({ms}, 1000) * INTERVAL '0.001 second'"
    )
}
