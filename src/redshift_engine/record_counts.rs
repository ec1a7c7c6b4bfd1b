//! Reads what became of the copied records.

use crate::error::{Error, Result};
use crate::warehouse::connect::session::ResultRow;
use crate::warehouse::query_result::unexpected_result;

/// What became of the copied records of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RecordCounts {
    /// The records that COPY could read.
    pub staged: u64,
    /// Those that the filter dropped.
    pub filtered: u64,
    /// Those that the checks rejected.
    pub rejected: u64,
    /// The valid ones.
    pub valid: u64,
    /// The valid ones without repeated deliveries.
    pub distinct: u64,
}

impl RecordCounts {
    /// Finds the counts of a record in the result of the query for all records.
    ///
    /// # Errors
    /// Returns an error if they are missing, or if they do not add up.
    pub(super) fn find(rows: &[ResultRow], record: &str) -> Result<Self> {
        let unreadable = || unexpected_result(&format!("the counts of the {record} records"));
        let row = rows
            .iter()
            .find(|row| matches!(row.first(), Some(Some(name)) if name == record))
            .ok_or_else(unreadable)?;
        let count = |field: &Option<String>| field.as_deref().and_then(|text| text.parse().ok());
        let counts: Option<Vec<u64>> = row.iter().skip(1).map(count).collect();
        let Some(Ok([staged, filtered, rejected, valid, distinct])) =
            counts.map(<[u64; 5]>::try_from)
        else {
            return Err(unreadable());
        };
        let counts = Self {
            staged,
            filtered,
            rejected,
            valid,
            distinct,
        };
        if staged != filtered + rejected + valid || distinct > valid {
            return Err(Error::failed(format!(
                "the counts of the {record} records do not add up: {counts:?}"
            ))
            .with_hint(
                "the warehouse is unchanged; please report this bug, with the output of -vv",
            ));
        }
        Ok(counts)
    }
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
    fn counts_of_a_record_are_found() {
        let rows = [
            row(&["song", "3", "0", "1", "2", "2"]),
            row(&["event", "10", "4", "1", "5", "3"]),
        ];
        let counts = RecordCounts::find(&rows, "event").unwrap();
        let expected = RecordCounts {
            staged: 10,
            filtered: 4,
            rejected: 1,
            valid: 5,
            distinct: 3,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn counts_that_do_not_add_up_are_errors() {
        for fields in [
            ["event", "10", "4", "1", "6", "3"],
            ["event", "10", "4", "1", "5", "6"],
            ["event", "10", "4", "1", "5", "?"],
            ["song", "10", "4", "1", "5", "3"],
        ] {
            RecordCounts::find(&[row(&fields)], "event").unwrap_err();
        }
    }
}
