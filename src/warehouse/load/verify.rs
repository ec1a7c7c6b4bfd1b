//! Checks that the tables have the rows that a load wrote: a trigger, a rule or row security may have changed them.

use super::change_counts::ChangeCounts;
use crate::error::{Error, Result};
use crate::warehouse::connect::session::ResultRow;
use crate::warehouse::lost_tables::incomplete_state_error;
use crate::warehouse::query_result::{
    first_nonzero, name_and_count, text_column, unexpected_result,
};

/// Checks that a full refresh has deleted all rows.
///
/// # Errors
/// Returns an error if the result of the query names a table.
pub(super) fn check_emptied(rows: Vec<ResultRow>) -> Result<()> {
    match text_column(rows)?.first() {
        None => Ok(()),
        Some(table) => Err(altered_table_error(
            table,
            "some of its rows were not deleted",
        )),
    }
}

/// Checks that all rows that the load merges with have a merge state.
///
/// # Errors
/// Returns an error if the result of the query has a count that is not 0.
pub(super) fn check_merge_state(rows: &[ResultRow]) -> Result<()> {
    match first_nonzero(rows)? {
        None => Ok(()),
        Some((table, count)) => Err(incomplete_state_error(table, count)),
    }
}

/// Checks that the tables have all merged rows.
///
/// # Errors
/// Returns an error if the result of the query has a count that is not 0.
pub(super) fn check_merged(rows: &[ResultRow]) -> Result<()> {
    match first_nonzero(rows)? {
        None => Ok(()),
        Some((table, count)) => {
            let why = format!("{count} of the merged rows are missing or differ");
            Err(altered_table_error(table, &why))
        }
    }
}

/// Checks that the tables have grown by the rows that the statements inserted and deleted.
///
/// # Errors
/// Returns an error if a trigger, rule or row security has inserted or deleted other rows.
pub(super) fn check_row_deltas(rows: &[ResultRow], changes: &ChangeCounts) -> Result<()> {
    for row in rows {
        let (table, growth) = name_and_count::<i64>(row)?;
        let counts = changes
            .get(table)
            .ok_or_else(|| unexpected_result(&format!("the growth of table {table}")))?;
        let expected = counts.added as i64 - counts.removed as i64;
        if growth != expected {
            let why =
                format!("expected {expected} rows more than before the load, found {growth} more");
            return Err(altered_table_error(table, &why));
        }
    }
    Ok(())
}

/// Builds the error for a table whose rows are not those that the load wrote.
fn altered_table_error(table: &str, why: &str) -> Error {
    Error::failed(format!("table {table} does not have the rows that the load wrote"))
        .with_reason(why)
        .with_hint(format!(
            "check {table} and the other tables for triggers, rules and row security; the warehouse is unchanged"
        ))
}

#[cfg(test)]
mod tests {
    use super::super::change_counts::TableChangeCounts;
    use super::*;

    fn row(name: &str, count: &str) -> ResultRow {
        vec![Some(name.to_owned()), Some(count.to_owned())]
    }

    /// Returns the message of an error, or nothing.
    fn message(result: Result<()>) -> String {
        result.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn unexpected_growth_is_an_error() {
        let counts = TableChangeCounts {
            added: 3,
            removed: 5,
            ..TableChangeCounts::default()
        };
        let changes = ChangeCounts::from([("users", counts)]);
        assert_eq!(
            message(check_row_deltas(&[row("users", "-2")], &changes)),
            ""
        );
        let other = message(check_row_deltas(&[row("users", "-1")], &changes));
        assert!(
            other.contains("expected -2 rows more than before the load, found -1 more"),
            "{other}"
        );
    }

    #[test]
    fn unreadable_check_is_not_passed() {
        let changes = ChangeCounts::from([("users", TableChangeCounts::default())]);
        for bad in [row("users", "?"), row("nothing", "0"), vec![]] {
            assert!(message(check_row_deltas(&[bad], &changes)).contains("unexpected result"));
        }
        let unreadable = [row("users", "?")];
        assert!(message(check_merged(&unreadable)).contains("unexpected result"));
        assert!(message(check_merge_state(&unreadable)).contains("unexpected result"));
    }
}
