//! Creates the tables of a warehouse.

use crate::error::Result;
use crate::observer::Observer;
use crate::warehouse::WarehouseConfig;
use crate::warehouse::create_tables::{ConfirmDrop, create_missing_tables, ddl_script};

/// A creation of the tables that are missing in a warehouse.
#[derive(Debug, Clone)]
pub struct CreateTablesJob {
    /// The warehouse.
    pub warehouse: WarehouseConfig,
    /// Whether all tables are dropped first.
    pub drop: bool,
}

/// The result of a [`CreateTablesJob`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablesReport {
    /// URL of the warehouse without the password.
    pub warehouse: String,
    /// Whether the tables were dropped first.
    pub dropped: bool,
    /// Number of tables that were created.
    pub created: usize,
}

impl CreateTablesJob {
    /// Creates the tables, in one transaction. Before tables with rows are dropped, `confirm` is asked, if given.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or rejects a statement, if a table is missing while others
    /// have rows, or if `confirm` fails. The tables are unchanged then.
    pub fn execute(
        &self,
        confirm: Option<ConfirmDrop<'_>>,
        observer: &dyn Observer,
    ) -> Result<TablesReport> {
        let _span = tracing::info_span!("create_tables").entered();
        let created = create_missing_tables(&self.warehouse, self.drop, confirm, observer)?;
        tracing::info!(warehouse = %self.warehouse.connection, created, "checked the tables");
        Ok(TablesReport {
            warehouse: self.warehouse.connection.to_string(),
            dropped: self.drop,
            created,
        })
    }

    /// Returns the SQL that creates all tables, without connecting to the warehouse.
    pub fn script(&self) -> String {
        ddl_script(self.warehouse.connection.dialect, self.drop)
    }
}
