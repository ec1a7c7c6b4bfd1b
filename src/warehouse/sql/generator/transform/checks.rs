//! Separates valid records from rejected ones.

use super::raw_staging::staging_columns;
use crate::model::{Model, RecordSchema};
use crate::warehouse::sql::generator::clause::select;
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// Returns the statements that create the tables of valid and of rejected records of each kind.
pub(crate) fn check_statements(_model: &Model) -> Vec<Statement> {
    Vec::new()
}

/// Returns the query for the rejected records of a kind: reason, key, detail and all columns of the raw record.
pub(crate) fn rejected_records_statement(record: &'static RecordSchema) -> Statement {
    let reject = ["reject_reason", "reject_key", "reject_detail"].map(str::to_owned);
    let staged = staging_columns(record)
        .into_iter()
        .map(|column| column.name);
    let columns: Vec<_> = reject.into_iter().chain(staged).collect();
    let sql = format!("{}\nFROM rejected_{}s", select(&columns), record.name);
    Statement::new(Effect::Check(Check::RejectedRecords(record)), sql)
}
