//! Defines where the rows of a load come from.

use crate::error::Result;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::Observer;
use crate::warehouse::config::WarehouseConfig;
use crate::warehouse::connect::error::StatementError;
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::query_result::{name_and_count, unexpected_result};
use crate::warehouse::sql::statement::Statement;

/// Where the rows of a load come from: what fills the staging tables that the load merges.
pub(crate) trait LoadSource {
    /// Returns the id of the run that the rows belong to.
    fn run_id(&self) -> &str;

    /// Returns the name of the source for messages.
    fn name(&self) -> String;

    /// Returns what the user has to do to load the rows again, as a sentence without a full stop.
    fn how_to_repeat(&self) -> &'static str;

    /// Returns the size of what the warehouse copies, in bytes, if the progress of the copy is known. Otherwise each
    /// statement is a phase of the progress.
    fn bytes(&self) -> Option<u64>;

    /// Returns the statements that fill the staging tables.
    ///
    /// # Errors
    /// Returns an error if a name cannot be quoted in SQL.
    fn statements(&self, warehouse: &WarehouseConfig) -> Result<Vec<Statement>>;

    /// Prepares an attempt of the load, before its transaction begins.
    ///
    /// # Errors
    /// Returns an error if the session does not work.
    fn prepare_attempt(
        &mut self,
        session: &mut WarehouseSession,
    ) -> std::result::Result<(), StatementError>;

    /// Runs one of these statements. Statements for temporary objects are not among them.
    ///
    /// # Errors
    /// Returns an error if the statement fails, or if its result must not be loaded.
    fn run_statement(
        &mut self,
        session: &mut WarehouseSession,
        statement: &Statement,
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError>;

    /// Receives the number of rows that each staging table has after these statements.
    ///
    /// # Errors
    /// Returns an error if the rows must not be merged.
    fn check_staged_rows(&mut self, counts: &StagedRows) -> Result<()>;

    /// Prepares for the COMMIT, after all rows were merged and checked.
    ///
    /// # Errors
    /// Returns an error if the load must not be committed.
    fn before_commit(&mut self) -> Result<()>;

    /// Receives that no COMMIT has taken effect so far, also if one was prepared for: the server has rejected it, or a
    /// retry has found that the connection was lost before it.
    fn on_not_committed(&mut self) {}
}

/// The number of rows in each staging table.
#[derive(Debug)]
pub(crate) struct StagedRows(Vec<(&'static TableSchema, u64)>);

impl StagedRows {
    /// Reads the result of the query that counts the rows.
    ///
    /// # Errors
    /// Returns an error if the count of a table is missing.
    pub(super) fn parse(rows: &[ResultRow]) -> Result<Self> {
        let counts = rows.iter().map(|row| name_and_count(row));
        let counts: Vec<(&str, u64)> = counts.collect::<Result<_>>()?;
        let count = |table: &'static TableSchema| {
            let found = counts.iter().find(|(name, _)| *name == table.name);
            let (_, rows) =
                found.ok_or_else(|| unexpected_result(&format!("the count of {}", table.name)))?;
            Ok((table, *rows))
        };
        let tables = SPARKIFY.dataset_tables();
        Ok(Self(tables.map(count).collect::<Result<_>>()?))
    }

    /// Returns the number of rows of each table of a dataset.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static TableSchema, u64)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_count_is_an_error() {
        let row = |name: &str| vec![Some(name.to_owned()), Some("7".to_owned())];
        let mut rows: Vec<_> = SPARKIFY.dataset_tables().map(|t| row(t.name)).collect();
        let counts = StagedRows::parse(&rows).unwrap();
        assert!(counts.iter().all(|(_, rows)| rows == 7));
        let last = rows.pop().unwrap();
        let missing = StagedRows::parse(&rows).unwrap_err().to_string();
        let name = last[0].as_deref().unwrap();
        assert_eq!(
            missing,
            format!("the warehouse returned an unexpected result: cannot read the count of {name}")
        );
    }
}
