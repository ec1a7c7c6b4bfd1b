//! Runs the saved queries and the operations queries in a warehouse.

use postgres::types::Type;

use super::connect::config::ConnectionConfig;
use super::connect::error::StatementError;
use super::connect::session::{ResultColumnType, ResultRow, WarehouseSession};
use super::operations_query::OperationsQuery;
use super::query_result::unexpected_result;
use super::saved_query::{QueryParams, SavedQuery};
use crate::error::{Error, Result};

/// Both statements see the same plays, although a load may commit in the meantime. Redshift accepts the level, and always
/// isolates at least as strictly.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// The columns in order.
    pub columns: Vec<ResultColumn>,
    /// The rows, with one field for each column.
    pub rows: Vec<ResultRow>,
}

/// A column of a result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Name of the column.
    pub name: String,
    /// Whether the type of the column is numeric.
    pub is_number: bool,
}

/// How many plays a query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// Number of plays that the query considers.
    pub considered: u64,
    /// Number of plays in the range of times.
    pub in_range: u64,
}

/// The answer to a saved query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryAnswer {
    /// The rows.
    pub result: ResultSet,
    /// How many plays they are about.
    pub coverage: Coverage,
}

/// Runs a query and returns its answer.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached or rejects the query.
pub(crate) fn run_query(
    connection: &ConnectionConfig,
    query: &SavedQuery,
    params: &QueryParams,
) -> Result<QueryAnswer> {
    let sql = query.sql(params)?;
    let coverage_sql = query.coverage_sql(params)?;
    let mut session = WarehouseSession::open(connection)?;
    let mut read = || {
        session.execute(BEGIN_SNAPSHOT)?;
        let result = session.query_with_columns(&sql)?;
        let coverage = session.query(&coverage_sql)?;
        session.execute("COMMIT")?;
        Ok((result, coverage))
    };
    let ((columns, rows), coverage) = read().map_err(|failure: StatementError| {
        Error::failed(format!("cannot query {connection}")).with_source(failure.error)
    })?;
    Ok(QueryAnswer {
        result: to_result_set(columns, rows),
        coverage: parse_coverage(&coverage)?,
    })
}

/// Runs an operations query and returns its rows.
///
/// # Errors
/// Returns an error if the query is not for this kind of warehouse, or if the warehouse cannot be reached or rejects the
/// query.
pub(crate) fn run_operations_query(
    connection: &ConnectionConfig,
    query: &OperationsQuery,
    limit: u32,
) -> Result<ResultSet> {
    let sql = query.sql(connection.dialect, limit)?;
    let mut session = WarehouseSession::open(connection)?;
    let (columns, rows) = session.query_with_columns(&sql).map_err(|failure| {
        let error = Error::failed(format!("cannot run {} in {connection}", query.name))
            .with_source(failure.error);
        match query.needs(connection.dialect) {
            Some(needs) => error.with_hint(format!("it needs: {needs}")),
            None => error,
        }
    })?;
    Ok(to_result_set(columns, rows))
}

fn to_result_set(columns: Vec<ResultColumnType>, rows: Vec<ResultRow>) -> ResultSet {
    let columns = columns.into_iter().map(|(name, ty)| ResultColumn {
        name,
        is_number: is_number(&ty),
    });
    ResultSet {
        columns: columns.collect(),
        rows,
    }
}

fn parse_coverage(rows: &[ResultRow]) -> Result<Coverage> {
    let counts = match rows {
        [row] => match row.as_slice() {
            [Some(considered), Some(in_range)] => {
                considered.parse().ok().zip(in_range.parse().ok())
            }
            _ => None,
        },
        _ => None,
    };
    let (considered, in_range) = counts.ok_or_else(|| unexpected_result("the number of plays"))?;
    Ok(Coverage {
        considered,
        in_range,
    })
}

fn is_number(ty: &Type) -> bool {
    [
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
    ]
    .contains(ty)
}
