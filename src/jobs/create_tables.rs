//! Creates the tables of a warehouse.

use crate::error::Result;
use crate::observer::Observer;
use crate::warehouse::WarehouseConfig;
use crate::warehouse::create_tables::{ConfirmDrop, TablesOutcome, create_missing_tables};
use crate::warehouse::sql::generator::TableChange;
use crate::warehouse::table_ddl::{ExistingTables, TablesRequest, ddl_script};

/// A creation of the tables that are missing in a warehouse, and of the views for analysts.
#[derive(Debug, Clone)]
pub struct CreateTablesJob {
    /// The warehouse.
    pub warehouse: WarehouseConfig,
    /// What happens to the tables that exist.
    pub existing: ExistingTables,
    /// Whether the views for analysts are created, or replaced if they exist.
    pub views: bool,
}

/// The result of a [`CreateTablesJob`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablesReport {
    /// URL of the warehouse without the password.
    pub warehouse: String,
    /// Whether the tables were dropped first.
    pub dropped: bool,
    /// The changes of tables of an older version, in order.
    pub upgraded: Vec<TableChange>,
    /// Number of tables that were created.
    pub created: usize,
    /// Number of views that were created or replaced.
    pub views: usize,
    /// Number of views that were dropped with the tables.
    pub dropped_views: usize,
}

impl CreateTablesJob {
    /// Creates the missing tables, and upgrades or drops the others, in one transaction. Before tables with rows are
    /// dropped, `confirm` is asked, if given. The observer is warned of a table that an upgrade leaves missing because
    /// others have rows, and of one that was not dropped because it may belong to another program.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or rejects a statement, if a table does not match, if one is
    /// missing while others have rows and nothing is upgraded, or if `confirm` fails. The tables are unchanged then.
    pub fn execute(
        &self,
        confirm: Option<ConfirmDrop<'_>>,
        observer: &dyn Observer,
    ) -> Result<TablesReport> {
        let _span = tracing::info_span!("create_tables").entered();
        let outcome = create_missing_tables(&self.warehouse, self.request(), confirm, observer)?;
        let TablesOutcome {
            upgraded,
            created,
            views,
            dropped_views,
        } = outcome;
        tracing::info!(
            warehouse = %self.warehouse.connection,
            created,
            views,
            changes = upgraded.len(),
            "checked the tables"
        );
        Ok(TablesReport {
            warehouse: self.warehouse.connection.to_string(),
            dropped: self.existing == ExistingTables::Drop,
            upgraded,
            created,
            views,
            dropped_views,
        })
    }

    /// Returns the SQL without connecting to the warehouse. That of an upgrade begins with the tables of version 0.1.0.
    pub fn script(&self) -> String {
        ddl_script(self.warehouse.connection.dialect, self.request())
    }

    fn request(&self) -> TablesRequest {
        TablesRequest {
            existing: self.existing,
            views: self.views,
        }
    }
}
