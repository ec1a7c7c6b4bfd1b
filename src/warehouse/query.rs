//! Runs the saved queries: the analytics scripts of `sql/analytics`, which the binary contains.
//!
//! A saved query only reads. The same SQL runs on Redshift and on PostgreSQL.

use chrono::NaiveDateTime;
use postgres::types::Type;

use super::connect::config::ConnectionConfig;
use super::connect::error::StatementError;
use super::connect::session::{ResultRow, WarehouseSession};
use super::sql::template::{SqlParams, render, split_statements};
use crate::error::{Error, Result};

/// A named analytics query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedQuery {
    /// Name of the query, which is also the name of its file.
    pub name: &'static str,
    template: &'static str,
}

macro_rules! saved_queries {
    ($($name:literal)*) => {
        [$(SavedQuery {
            name: $name,
            template: include_str!(concat!("../../sql/analytics/", $name, ".sql")),
        }),*]
    };
}

/// All saved queries.
pub static SAVED_QUERIES: [SavedQuery; 12] = saved_queries! {
    "plays-by-hour"
    "plays-by-weekday"
    "plays-by-hour-and-weekday"
    "top-songs"
    "top-artists"
    "match-rate"
    "free-and-paid-by-day"
    "free-and-paid-by-month"
    "plays-by-location"
    "plays-by-browser"
    "plays-by-user-agent"
    "busiest-users"
};

/// Parameters of a saved query. Times are UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryParams {
    /// Start of the range, inclusive. Without it the range begins with the earliest possible play.
    pub from: Option<NaiveDateTime>,
    /// End of the range, exclusive. Without it the range includes the latest possible play.
    pub to: Option<NaiveDateTime>,
    /// Maximum number of rows of a top-N query.
    pub limit: u32,
}

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

// Plays have times in the years 1 to 9999, in whole milliseconds.
const MIN_TIME: &str = "0001-01-01 00:00:00";
const MAX_TIME: &str = "9999-12-31 23:59:59.999999";

impl SavedQuery {
    /// Returns the question that the query answers, which is the first line of its script.
    #[expect(clippy::expect_used, reason = "the scripts are a part of the program")]
    pub fn description(&self) -> &'static str {
        let first_line = self.template.lines().next();
        first_line
            .and_then(|line| line.strip_prefix("--"))
            .expect("the first line of the script of a saved query is a comment with the question")
            .trim()
    }

    /// Returns true for a top-N query, which has a limit.
    pub fn has_limit(&self) -> bool {
        self.template.contains(":limit")
    }

    /// Returns the SQL with the parameters inserted.
    ///
    /// # Errors
    /// Returns an error if the script names an unknown parameter.
    pub fn sql(&self, params: &QueryParams) -> Result<String> {
        let format_time = |time: Option<NaiveDateTime>, default: &str| {
            time.map_or_else(|| default.to_owned(), |t| t.format("%F %T%.f").to_string())
        };
        let values = SqlParams::default()
            .with_literal("from", &format_time(params.from, MIN_TIME))?
            .with_literal("to", &format_time(params.to, MAX_TIME))?
            .with_raw("limit", &params.limit.to_string());
        let rendered = split_statements(self.template)
            .into_iter()
            .map(|sql| render(sql, &values));
        Ok(rendered.collect::<Result<Vec<_>>>()?.join(";\n"))
    }
}

/// Runs a query and returns its result.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached or rejects the query.
pub(crate) fn run_query(connection: &ConnectionConfig, sql: &str) -> Result<ResultSet> {
    let mut session = WarehouseSession::open(connection)?;
    let query_error = |failure: StatementError| {
        Error::failed(format!("cannot query {connection}")).with_source(failure.error)
    };
    let (columns, rows) = session.query_with_columns(sql).map_err(query_error)?;
    let columns = columns.into_iter().map(|(name, ty)| ResultColumn {
        name,
        is_number: is_number(&ty),
    });
    Ok(ResultSet {
        columns: columns.collect(),
        rows,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn saved_queries_match_the_sql_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/analytics");
        let files = fs::read_dir(folder).unwrap();
        let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
        let names = SAVED_QUERIES
            .iter()
            .map(|q| format!("{}.sql", q.name).into());
        assert_eq!(names.collect::<BTreeSet<_>>(), files);
    }

    #[test]
    fn saved_queries_are_single_documented_statements() {
        for query in SAVED_QUERIES {
            let SavedQuery { name, template } = query;
            assert_eq!(split_statements(template).len(), 1, "{name}");
            assert!(query.description().ends_with('?'), "{name}");
            let usage = format!(
                "-- Usage: psql -v from=2018-11-01 -v to=2018-12-01{} -f sql/analytics/{name}.sql\n",
                if query.has_limit() {
                    " -v limit=10"
                } else {
                    ""
                }
            );
            assert!(template.contains(&usage), "{name}");
        }
    }

    #[test]
    #[should_panic(expected = "a comment with the question")]
    fn script_without_a_question_fails_loudly() {
        let query = SavedQuery {
            name: "nameless",
            template: "SELECT 1",
        };
        let _ = query.description();
    }

    #[test]
    fn default_range_includes_every_play() {
        let params = QueryParams {
            limit: 7,
            ..QueryParams::default()
        };
        let query = SAVED_QUERIES.iter().find(|q| q.name == "top-songs");
        let sql = query.unwrap().sql(&params).unwrap();
        assert!(sql.contains("start_time >= CAST('0001-01-01 00:00:00' AS TIMESTAMP)"));
        assert!(sql.contains("start_time < CAST('9999-12-31 23:59:59.999999' AS TIMESTAMP)"));
        assert!(sql.ends_with("LIMIT 7"));
    }
}
