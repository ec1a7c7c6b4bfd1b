//! Names the warehouse of a load, and plans its statements.

use std::collections::HashSet;

use super::lost_connection::Contact;
use super::mode::LoadMode;
use super::plan::load_statements;
use super::source::LoadSource;
use crate::error::{Error, Result};
use crate::warehouse::config::WarehouseConfig;
use crate::warehouse::sql::statement::{Statement, to_sql_script};

/// A load into one warehouse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WarehouseLoad<'a> {
    /// Target of the load.
    pub warehouse: &'a WarehouseConfig,
    /// What happens to the rows in the warehouse.
    pub mode: &'a LoadMode,
    /// Whether the command has had a session with the warehouse before.
    pub contact: Contact,
}

impl WarehouseLoad<'_> {
    /// Returns the SQL of the load of a source as a script.
    ///
    /// # Errors
    /// Returns an error if a name cannot be quoted in SQL.
    pub(crate) fn script(&self, source: &dyn LoadSource) -> Result<String> {
        Ok(to_sql_script(&self.statements(source)?))
    }

    /// Returns the SQL of the load of a run as a script. `fill` are the statements that fill the staging tables.
    ///
    /// # Errors
    /// Returns an error if the id of the run cannot be quoted in SQL.
    pub(crate) fn script_of(&self, run: &str, fill: Vec<Statement>) -> Result<String> {
        let dialect = self.warehouse.connection.dialect;
        Ok(to_sql_script(&load_statements(
            dialect, run, self.mode, fill,
        )?))
    }

    /// Returns the statements of the transaction.
    pub(super) fn statements(&self, source: &dyn LoadSource) -> Result<Vec<Statement>> {
        let dialect = self.warehouse.connection.dialect;
        let fill = source.statements(self.warehouse)?;
        load_statements(dialect, source.run_id(), self.mode, fill)
    }

    /// Returns true if the load history lists this run, i.e. a COMMIT whose reply was lost has succeeded. In a full
    /// refresh a run that was listed before proves nothing.
    pub(super) fn shows_committed(&self, run: &str, runs: &HashSet<String>) -> bool {
        let is_listed = runs.contains(run);
        match self.mode {
            LoadMode::Incremental => is_listed,
            LoadMode::FullRefresh { runs_before } => is_listed && !runs_before.contains(run),
        }
    }

    /// Checks that a full refresh deletes no run that was loaded in the meantime.
    pub(super) fn ensure_no_concurrent_loads(
        &self,
        run: &str,
        runs: &HashSet<String>,
    ) -> Result<()> {
        let runs_before = match self.mode {
            LoadMode::Incremental => return Ok(()),
            LoadMode::FullRefresh { runs_before } => runs_before,
        };
        match runs
            .iter()
            .find(|other| !runs_before.contains(*other) && *other != run)
        {
            None => Ok(()),
            Some(other) => Err(Error::failed("cannot empty the warehouse")
                .with_reason(format!(
                    "run {other} was loaded in the meantime and would be lost"
                ))
                .with_hint("run the same command again")
                .temporary()),
        }
    }
}
