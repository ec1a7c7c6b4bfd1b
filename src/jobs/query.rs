//! Runs a saved query in a warehouse.

use crate::error::Result;
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::query::{QueryParams, ResultSet, SavedQuery, run_query};

/// A saved query with its parameters.
#[derive(Debug, Clone)]
pub struct QueryJob {
    /// The warehouse.
    pub connection: ConnectionConfig,
    /// The query.
    pub query: SavedQuery,
    /// The range of times, and the maximum number of rows.
    pub params: QueryParams,
}

impl QueryJob {
    /// Runs the query and returns its rows.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or rejects the query.
    pub fn execute(&self) -> Result<ResultSet> {
        let _span = tracing::info_span!("query").entered();
        let result = run_query(&self.connection, &self.query.sql(&self.params)?)?;
        tracing::info!(
            query = self.query.name,
            warehouse = %self.connection,
            rows = result.rows.len(),
            "ran the query"
        );
        Ok(result)
    }
}
