//! Runs a saved query or an operations query in a warehouse, or writes a saved query as a script for DuckDB.

use crate::error::Result;
use crate::output::{PublishedDataset, Purpose};
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::duckdb_script::{DuckDbS3Access, duckdb_script};
use crate::warehouse::operations_query::OperationsQuery;
use crate::warehouse::query::{QueryAnswer, ResultSet, run_operations_query, run_query};
use crate::warehouse::saved_query::{QueryParams, SavedQuery};

/// A saved query with its parameters, in a warehouse.
#[derive(Debug, Clone)]
pub struct QueryJob {
    /// The warehouse.
    pub connection: ConnectionConfig,
    /// The query.
    pub query: SavedQuery,
    /// The range of times, the time zone, and the maximum number of rows.
    pub params: QueryParams,
}

impl QueryJob {
    /// Runs the query and returns its rows, and how many plays they are about.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or rejects the query.
    pub fn execute(&self) -> Result<QueryAnswer> {
        let _span = tracing::info_span!("query").entered();
        let answer = run_query(&self.connection, &self.query, &self.params)?;
        tracing::info!(
            query = self.query.name,
            warehouse = %self.connection,
            rows = answer.result.rows.len(),
            "ran the query"
        );
        Ok(answer)
    }
}

/// An operations query, in a warehouse.
#[derive(Debug, Clone)]
pub struct OperationsQueryJob {
    /// The warehouse.
    pub connection: ConnectionConfig,
    /// The query.
    pub query: OperationsQuery,
    /// The maximum number of rows.
    pub limit: u32,
}

impl OperationsQueryJob {
    /// Runs the query and returns its rows.
    ///
    /// # Errors
    /// Returns an error if the query is not for this kind of warehouse, or if the warehouse cannot be reached or rejects
    /// the query.
    pub fn execute(&self) -> Result<ResultSet> {
        let _span = tracing::info_span!("query").entered();
        let result = run_operations_query(&self.connection, &self.query, self.limit)?;
        tracing::info!(
            query = self.query.name,
            warehouse = %self.connection,
            rows = result.rows.len(),
            "ran the query"
        );
        Ok(result)
    }
}

/// A saved query with its parameters, about a published dataset.
#[derive(Debug, Clone)]
pub struct DatasetQueryJob {
    /// The output of the run that published the dataset, or one of the runs that are kept side by side below it.
    pub from: Location,
    /// The connection to S3, if the dataset is there.
    pub s3: S3Options,
    /// The query.
    pub query: SavedQuery,
    /// The range of times, the time zone, and the maximum number of rows.
    pub params: QueryParams,
}

impl DatasetQueryJob {
    /// Returns a script with which DuckDB answers the query from the Parquet files of the dataset. No warehouse is needed.
    ///
    /// # Errors
    /// Returns an error if the dataset cannot be read, or if DuckDB cannot read files with its names.
    pub fn duckdb_script(&self) -> Result<String> {
        let _span = tracing::info_span!("query").entered();
        let stores = StoreOpener::new(self.s3.clone());
        let dataset = PublishedDataset::open_store(&stores, &self.from, Purpose::Query)?;
        let s3 = match dataset.location() {
            Location::Local(_) => None,
            Location::S3 { .. } => Some(DuckDbS3Access {
                options: &self.s3,
                endpoint: stores.s3_endpoint()?,
            }),
        };
        duckdb_script(&dataset, s3.as_ref(), &self.query, &self.params)
    }
}
