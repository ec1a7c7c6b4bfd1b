//! Computes the values of tables from valid records.

use super::record_tables::{field_of, time_column};
use crate::model::{ColumnSchema, ColumnType, RecordSchema, ValueSource, staging_column_name};

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
        false => case_when(&present.join(" AND "), &hash, 4),
    }
}

/// Returns the value of a column for a valid record; `None` if it does not follow from the record alone.
pub(super) fn record_value(column: &ColumnSchema, alias: &str) -> Option<String> {
    match column.source {
        ValueSource::Field(key) => Some(match column.ty {
            ColumnType::Timestamp => format!("{alias}.{}", time_column(key)),
            ColumnType::BigInt
            | ColumnType::Integer
            | ColumnType::SmallInt
            | ColumnType::Double
            | ColumnType::Varchar(_) => format!("{alias}.{}", staging_column_name(key)),
        }),
        ValueSource::Hash(_) => Some(format!("{alias}.{}", column.name)),
        ValueSource::CalendarPart(..) | ValueSource::Lookup(_) | ValueSource::Engine(_) => None,
    }
}

/// Returns the same with the name of the column.
pub(super) fn named_record_value(column: &ColumnSchema, alias: &str) -> Option<String> {
    let value = record_value(column, alias)?;
    Some(match value == format!("{alias}.{}", column.name) {
        true => value,
        false => format!("{value} AS {}", column.name),
    })
}

/// Returns a CASE with one condition, in lines that are indented by at least `indent` blanks, except for the first one.
pub(super) fn case_when(condition: &str, value: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    format!("CASE\n{pad}    WHEN {condition}\n{pad}        THEN {value}\n{pad}END")
}

/// Returns the time of milliseconds since 1970, in lines that are indented by 4 blanks. Days, seconds and milliseconds are
/// added one after the other, so that each product is exact in every year.
pub(super) fn timestamp_expression(ms: &str) -> String {
    format!(
        "TIMESTAMP 'epoch'
        + {ms} / 86400000 * INTERVAL '1 day'
        + MOD({ms}, 86400000) / 1000 * INTERVAL '1 second'
        + MOD({ms}, 1000) * INTERVAL '1 millisecond'"
    )
}
