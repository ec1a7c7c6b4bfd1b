//! Reads the results of the queries that check a warehouse.
//!
//! A result comes from outside: if it does not have the shape that the query asks for, that is an error, and never
//! counts as a check that was passed.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::connect::session::ResultRow;
use crate::error::{Error, Result};

/// Builds the error for a result without the values that a query asks for; `expected` names them.
pub(crate) fn unexpected_result(expected: &str) -> Error {
    Error::failed("the warehouse returned an unexpected result")
        .with_reason(format!("cannot read {expected}"))
}

/// Returns the name and the count in a row of a query for names and counts.
///
/// # Errors
/// Returns an error if the row has another shape.
pub(super) fn name_and_count<T: FromStr>(row: &ResultRow) -> Result<(&str, T)> {
    match row.as_slice() {
        [Some(name), Some(count)] => match count.parse() {
            Ok(count) => Ok((name, count)),
            Err(_) => Err(unexpected_result(&format!("the count of {name}"))),
        },
        _ => Err(unexpected_result("a name and its count")),
    }
}

/// Returns the first name whose count is not 0 in the result of a query for names and counts.
///
/// # Errors
/// Returns an error if there is no row, or if a row has another shape.
pub(super) fn first_nonzero(rows: &[ResultRow]) -> Result<Option<(&str, u64)>> {
    if rows.is_empty() {
        return Err(unexpected_result("a name and its count"));
    }
    for row in rows {
        let (name, count) = name_and_count(row)?;
        if count > 0 {
            return Ok(Some((name, count)));
        }
    }
    Ok(None)
}

/// Returns the sum of the counts in the result of a query with one column.
///
/// # Errors
/// Returns an error if a row has another shape.
pub(super) fn sum_of_counts(rows: &[ResultRow]) -> Result<u64> {
    let counts = rows.iter().map(|row| match row.as_slice() {
        [Some(count)] => count.parse::<u64>().ok(),
        _ => None,
    });
    let sum: Option<u64> = counts.sum();
    sum.ok_or_else(|| unexpected_result("the number of rows"))
}

/// Returns the distinct values of a query result with one text column.
///
/// # Errors
/// Returns an error if a row has another shape, or no value.
pub(super) fn text_column(rows: Vec<ResultRow>) -> Result<BTreeSet<String>> {
    let values = rows.into_iter().map(|row| match <[_; 1]>::try_from(row) {
        Ok([Some(value)]) => Ok(value),
        _ => Err(unexpected_result("a name")),
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[&str]) -> ResultRow {
        fields
            .iter()
            .map(|field| Some((*field).to_owned()))
            .collect()
    }

    #[test]
    fn first_nonzero_count_is_found() {
        let rows = [
            row(&["users", "0"]),
            row(&["songs", "7"]),
            row(&["time", "8"]),
        ];
        assert_eq!(first_nonzero(&rows).unwrap(), Some(("songs", 7)));
        assert_eq!(first_nonzero(&rows[..1]).unwrap(), None);
    }

    #[test]
    fn a_check_without_a_result_is_not_passed() {
        first_nonzero(&[]).unwrap_err();
        assert_eq!(text_column(Vec::new()).unwrap().len(), 0);
        for bad in [vec![None], row(&[]), row(&["users", "songs"])] {
            text_column(vec![row(&["users"]), bad]).unwrap_err();
        }
    }

    #[test]
    fn unreadable_counts_are_errors() {
        let no_count: ResultRow = vec![Some("users".to_owned()), None];
        for bad in [row(&["users", "many"]), row(&["users"]), no_count] {
            let rows = [row(&["songs", "0"]), bad];
            let error = first_nonzero(&rows).unwrap_err().to_string();
            assert!(error.contains("unexpected result: cannot read"), "{error}");
        }
    }

    #[test]
    fn counts_are_added() {
        assert_eq!(sum_of_counts(&[row(&["2"]), row(&["3"])]).unwrap(), 5);
        assert_eq!(sum_of_counts(&[]).unwrap(), 0);
        for bad in [row(&["x"]), row(&[]), vec![None], row(&["1", "2"])] {
            sum_of_counts(&[row(&["2"]), bad]).unwrap_err();
        }
    }
}
