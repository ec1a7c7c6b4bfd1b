//! The saved queries: the analytics scripts of `sql/analytics`, which the binary contains.
//!
//! A saved query only reads. The same SQL runs on Redshift, on PostgreSQL and on DuckDB.

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::sql::template::{SqlParams, render, split_statements};
use crate::error::Result;

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

/// Parameters of a saved query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryParams {
    /// Start of the range in UTC, inclusive. Without it the range begins with the earliest possible play.
    pub since: Option<NaiveDateTime>,
    /// End of the range in UTC, exclusive. Without it the range includes the latest possible play.
    pub until: Option<NaiveDateTime>,
    /// The time zone of the hours, days and months in the result. The default is UTC.
    pub time_zone: Tz,
    /// Maximum number of rows of a top-N query.
    pub limit: u32,
}

// Plays have times in the years 1 to 9999, in whole milliseconds.
const MIN_TIME: &str = "0001-01-01 00:00:00";
const MAX_TIME: &str = "9999-12-31 23:59:59.999999";

/// The statement that counts the plays of a range, and those that a query considers.
const COVERAGE_TEMPLATE: &str = "SELECT
    COUNT(CASE WHEN :condition THEN 1 END) AS considered,
    COUNT(*) AS in_range
FROM songplays
WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)";

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

    /// Returns true for a query whose result depends on the time zone: it is about hours, days or months.
    pub fn has_time_zone(&self) -> bool {
        self.template.contains(":'tz'")
    }

    /// Returns which plays the query leaves out, such as `plays without a known song`; `None` if it considers every play.
    pub fn left_out(&self) -> Option<&'static str> {
        self.header("-- Left out: ")
    }

    /// Returns the SQL with the parameters inserted.
    ///
    /// # Errors
    /// Returns an error if the script names an unknown parameter.
    pub fn sql(&self, params: &QueryParams) -> Result<String> {
        let values = params.to_sql()?;
        let rendered = split_statements(self.template)
            .into_iter()
            .map(|sql| render(sql, &values));
        Ok(rendered.collect::<Result<Vec<_>>>()?.join(";\n"))
    }

    /// Returns the SQL that counts the plays in the range, and those among them that the query considers.
    ///
    /// # Errors
    /// Returns an error if a parameter cannot be inserted.
    pub fn coverage_sql(&self, params: &QueryParams) -> Result<String> {
        let values = params.to_sql()?;
        render(
            COVERAGE_TEMPLATE,
            &values.with_raw("condition", self.condition().unwrap_or("TRUE")),
        )
    }

    /// Returns the SQL condition of the plays that the query considers; `None` if it considers every play.
    fn condition(&self) -> Option<&'static str> {
        self.header("-- Considered: ")
    }

    /// Returns the rest of the line of the script that begins with a prefix.
    fn header(&self, prefix: &str) -> Option<&'static str> {
        self.template
            .lines()
            .find_map(|line| line.strip_prefix(prefix))
    }
}

impl QueryParams {
    fn to_sql(self) -> Result<SqlParams> {
        let format_time = |time: Option<NaiveDateTime>, default: &str| {
            time.map_or_else(|| default.to_owned(), |t| t.format("%F %T%.f").to_string())
        };
        Ok(SqlParams::default()
            .with_literal("since", &format_time(self.since, MIN_TIME))?
            .with_literal("until", &format_time(self.until, MAX_TIME))?
            .with_literal("tz", self.time_zone.name())?
            .with_raw("limit", &self.limit.to_string()))
    }
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
        let files = files.map(|file| file.unwrap().path());
        let files: BTreeSet<_> = files
            .filter(|path| path.is_file())
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
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
            let tz = if query.has_time_zone() {
                " -v tz=UTC"
            } else {
                ""
            };
            let limit = if query.has_limit() {
                " -v limit=10"
            } else {
                ""
            };
            let usage = format!(
                "-- Usage: psql -v since=2018-11-01 -v until=2018-12-01{tz}{limit} -f sql/analytics/{name}.sql\n"
            );
            assert!(template.contains(&usage), "{name}");
        }
    }

    #[test]
    fn scripts_select_the_plays_that_their_headers_name() {
        for query in SAVED_QUERIES {
            let name = query.name;
            let sql = query.sql(&QueryParams::default()).unwrap();
            let condition = query.condition();
            assert_eq!(condition.is_some(), query.left_out().is_some(), "{name}");
            let filter = condition.map(|condition| format!("\n        AND {condition}\n"));
            assert!(filter.is_none_or(|filter| sql.contains(&filter)), "{name}");
            assert_eq!(condition.is_some(), sql.contains("NOT NULL"), "{name}");
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
