//! The filter of a kind of record, as a condition.

use crate::model::{RecordSchema, staging_column_name};
use crate::warehouse::sql::literal::portable_literal;

/// Returns the condition that the filter selects a raw record; `None` if there is no filter. Trailing blanks count: `=`
/// ignores them, and the length does not.
pub(super) fn filter_condition(record: &RecordSchema) -> Option<String> {
    let filter = record.filter?;
    let column = staging_column_name(filter.key);
    let (value, bytes) = (portable_literal(filter.value), filter.value.len());
    Some(format!(
        "{column} = {value} AND OCTET_LENGTH({column}) = {bytes}"
    ))
}
