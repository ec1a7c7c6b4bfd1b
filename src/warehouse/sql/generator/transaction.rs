//! Begins and ends transactions, and keeps other loads out.

use crate::model::Model;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statement that begins a transaction.
pub(crate) fn begin_statement() -> Statement {
    Statement::new(Effect::Begin, "BEGIN")
}

/// Returns the statement that waits for other loads. It locks the load history, which every load writes.
pub(crate) fn lock_statement(model: &Model, dialect: Dialect) -> Statement {
    lock_table_statement(model.load_history.name, dialect)
}

/// Returns the same for a load history with this name.
pub(crate) fn lock_table_statement(history: &str, dialect: Dialect) -> Statement {
    let (sql, comment) = match dialect {
        Dialect::Redshift => (
            format!("LOCK {history}"),
            "Only one load runs at a time, and the others wait here. The lock must be the first statement of the \
             transaction: data that was read before the lock could be out of date (\"Serializable isolation violation\").",
        ),
        Dialect::Postgres => (
            format!("LOCK TABLE {history} IN SHARE ROW EXCLUSIVE MODE"),
            "Only one load runs at a time, and the others wait here. Readers do not wait.",
        ),
    };
    Statement::new(Effect::Lock, sql)
        .blocking()
        .with_comment(comment)
}

/// Returns the statement that commits the transaction.
pub(crate) fn commit_statement() -> Statement {
    Statement::new(Effect::Commit, "COMMIT")
}
