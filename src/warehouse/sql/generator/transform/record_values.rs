//! Computes the values of tables from valid records.

use super::raw_staging::column_name;
use super::record_tables::field_of;
use crate::model::{ColumnSchema, ColumnType, RecordSchema, ValueSource};

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
        false => format!("CASE WHEN {} THEN {hash} END", present.join(" AND ")),
    }
}

/// Returns the value of a column for a valid record; `None` if it does not follow from the record alone.
pub(super) fn record_value(column: &ColumnSchema, alias: &str) -> Option<String> {
    match column.source {
        ValueSource::Field(key) => {
            let value = format!("{alias}.{}", column_name(key));
            Some(match column.ty {
                ColumnType::Timestamp => timestamp(&value),
                ColumnType::BigInt
                | ColumnType::Integer
                | ColumnType::SmallInt
                | ColumnType::Double
                | ColumnType::Varchar(_) => value,
            })
        }
        ValueSource::Hash(_) => Some(format!("{alias}.{}", column.name)),
        ValueSource::CalendarPart(..) | ValueSource::Lookup(_) | ValueSource::Engine(_) => None,
    }
}

/// Returns the same with the name of the column.
pub(super) fn named_record_value(column: &ColumnSchema, alias: &str) -> Option<String> {
    let value = record_value(column, alias)?;
    Some(match value.rsplit_once('.') {
        Some((before, name)) if before == alias && name == column.name => value,
        _ => format!("{value} AS {}", column.name),
    })
}

/// Returns the time of milliseconds since 1970. Days, seconds and milliseconds are added one after the other, so that each
/// product is exact in every year.
fn timestamp(ms: &str) -> String {
    format!(
        "TIMESTAMP 'epoch' + {ms} / 86400000 * INTERVAL '1 day' + MOD({ms}, 86400000) / 1000 * INTERVAL '1 second' \
         + MOD({ms}, 1000) * INTERVAL '1 millisecond'"
    )
}
