//! Questions: what analysts ask of a star that is loaded, as the scripts of `sql/analytics` that the binary
//! carries.
//!
//! One stands behind the end of the data path: it reads what loads have written, and changes nothing. The same
//! SQL runs on Redshift and on PostgreSQL.

use chrono::NaiveDateTime;
use postgres::types::Type;

use crate::error::{Error, Result};
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::connect::error::StatementError;
use crate::warehouse::connect::session::{Row, Session};
use crate::warehouse::sql::template::{SqlParams, render, split_statements};

/// A question, with the query that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedQuery {
    /// What it is called.
    pub name: &'static str,
    template: &'static str,
}

macro_rules! questions {
    ($($name:literal)*) => {
        [$(SavedQuery {
            name: $name,
            template: include_str!(concat!("../../sql/analytics/", $name, ".sql")),
        }),*]
    };
}

/// All of them.
pub static SAVED_QUERIES: [SavedQuery; 12] = questions! {
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

/// Of which plays something is asked, in UTC, and how many rows are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryParams {
    /// The first moment; none is the earliest that a play can have.
    pub from: Option<NaiveDateTime>,
    /// The moment before which it ends; none is behind the latest that a play can have.
    pub to: Option<NaiveDateTime>,
    /// How many rows at most, where a question has the best of many.
    pub limit: u32,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// Its columns.
    pub columns: Vec<ResultColumn>,
    /// Its rows, with a field for each column.
    pub rows: Vec<Row>,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Whether numbers are in it.
    pub is_number: bool,
}

// Plays are of the years 1 to 9999, at whole milliseconds. Neither warehouse is asked for more.
const MIN_TIME: &str = "0001-01-01 00:00:00";
const MAX_TIME: &str = "9999-12-31 23:59:59.999999";

impl SavedQuery {
    /// The question in words: what its script begins with.
    pub fn description(&self) -> &'static str {
        let line = self.template.lines().next().unwrap_or_default();
        line.trim_start_matches("--").trim()
    }

    /// Whether it has the best of many, and so a limit.
    pub fn has_limit(&self) -> bool {
        self.template.contains(":limit")
    }

    /// The query that answers it.
    ///
    /// # Errors
    /// The script is not as this program knows it.
    pub fn sql(&self, params: &QueryParams) -> Result<String> {
        let format_time = |moment: Option<NaiveDateTime>, default: &str| {
            moment.map_or_else(|| default.to_owned(), |m| m.format("%F %T%.f").to_string())
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

/// The answer of a warehouse to a query.
///
/// # Errors
/// The warehouse cannot be reached or refuses.
pub fn run_query(connection: &ConnectionConfig, sql: &str) -> Result<ResultSet> {
    let mut session = Session::open(connection)?;
    let query_error = |failure: StatementError| {
        Error::failed(format!("cannot query {connection}")).with_reason(failure.error)
    };
    let columns = session.describe(sql).map_err(query_error)?;
    let columns = columns.into_iter().map(|(name, ty)| ResultColumn {
        name,
        is_number: is_number(&ty),
    });
    Ok(ResultSet {
        columns: columns.collect(),
        rows: session.query(sql).map_err(query_error)?,
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
#[allow(clippy::unwrap_used)]
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
        for question in SAVED_QUERIES {
            let SavedQuery {
                name,
                template: script,
            } = question;
            assert_eq!(split_statements(script).len(), 1, "{name}");
            assert!(question.description().ends_with('?'), "{name}");
            let by_hand = format!(
                "-- By hand: psql -v from=2018-11-01 -v to=2018-12-01{} -f sql/analytics/{name}.sql\n",
                if question.has_limit() {
                    " -v limit=10"
                } else {
                    ""
                }
            );
            assert!(script.contains(&by_hand), "{name}");
        }
    }

    #[test]
    fn default_range_includes_every_play() {
        let params = QueryParams {
            limit: 7,
            ..QueryParams::default()
        };
        let question = SAVED_QUERIES.iter().find(|q| q.name == "top-songs");
        let sql = question.unwrap().sql(&params).unwrap();
        assert!(sql.contains("start_time >= CAST('0001-01-01 00:00:00' AS TIMESTAMP)"));
        assert!(sql.contains("start_time < CAST('9999-12-31 23:59:59.999999' AS TIMESTAMP)"));
        assert!(sql.ends_with("LIMIT 7"));
    }
}
