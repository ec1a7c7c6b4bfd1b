//! The operations queries: the scripts of `sql/operations`, which tell a person on call how a warehouse is.
//!
//! An operations query only reads. Most of them read the system views of one kind of warehouse, and a question that both
//! kinds answer has one name and a script for each of them.

use super::dialect::Dialect;
use super::sql::template::{SqlParams, render, split_statements};
use crate::error::{Error, Result};

/// A named query about the state of a warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationsQuery {
    /// Name of the query, which is also the name of its files.
    pub name: &'static str,
    redshift: Option<&'static str>,
    postgres: Option<&'static str>,
}

macro_rules! script {
    ($($path:literal)*) => {
        Some(include_str!(concat!("../../sql/operations/", $($path,)* ".sql")))
    };
}

macro_rules! operations_query {
    ($name:literal, both) => {
        OperationsQuery {
            name: $name,
            redshift: script!($name),
            postgres: script!($name),
        }
    };
    ($name:literal, each) => {
        OperationsQuery {
            name: $name,
            redshift: script!("redshift/" $name),
            postgres: script!("postgres/" $name),
        }
    };
    ($name:literal, redshift) => {
        OperationsQuery {
            name: $name,
            redshift: script!("redshift/" $name),
            postgres: None,
        }
    };
}

/// All operations queries.
pub static OPERATIONS_QUERIES: [OperationsQuery; 10] = [
    operations_query!("load-lag", each),
    operations_query!("load-trend", both),
    operations_query!("failing-loads", each),
    operations_query!("load-errors", redshift),
    operations_query!("slow-copies", redshift),
    operations_query!("open-transactions", each),
    operations_query!("queue-waits", redshift),
    operations_query!("table-health", each),
    operations_query!("disk", each),
    operations_query!("serverless-usage", redshift),
];

impl OperationsQuery {
    /// Returns the question that the query answers in a kind of warehouse, or `None` if that kind cannot answer it.
    pub fn question(&self, dialect: Dialect) -> Option<&'static str> {
        let first_line = self.script(dialect)?.lines().next()?;
        first_line.strip_prefix("-- ")
    }

    /// Returns what is normal in the result.
    pub fn normal(&self, dialect: Dialect) -> Option<String> {
        self.header(dialect, "Normal: ")
    }

    /// Returns what to do if the result is not normal.
    pub fn remedy(&self, dialect: Dialect) -> Option<String> {
        self.header(dialect, "If not: ")
    }

    /// Returns the privileges that the query needs, and the warehouses without the views that it reads.
    pub fn needs(&self, dialect: Dialect) -> Option<String> {
        self.header(dialect, "Needs: ")
    }

    /// Returns true if a kind of warehouse has a limit of rows for this query.
    pub fn has_limit(&self, dialect: Dialect) -> bool {
        let script = self.script(dialect);
        script.is_some_and(|script| script.contains(":limit"))
    }

    /// Returns the complete script, with its comments.
    ///
    /// # Errors
    /// Returns an error if the query is not for this kind of warehouse.
    pub fn commented_sql(&self, dialect: Dialect, limit: u32) -> Result<String> {
        render(self.require_script(dialect)?, &limit_param(limit))
    }

    /// Returns the statement without comments.
    ///
    /// # Errors
    /// Returns an error if the query is not for this kind of warehouse.
    pub fn sql(&self, dialect: Dialect, limit: u32) -> Result<String> {
        let statements = split_statements(self.require_script(dialect)?);
        let rendered = statements
            .into_iter()
            .map(|sql| render(sql, &limit_param(limit)));
        Ok(rendered.collect::<Result<Vec<_>>>()?.join(";\n"))
    }

    fn script(&self, dialect: Dialect) -> Option<&'static str> {
        match dialect {
            Dialect::Redshift => self.redshift,
            Dialect::Postgres => self.postgres,
        }
    }

    fn require_script(&self, dialect: Dialect) -> Result<&'static str> {
        self.script(dialect).ok_or_else(|| {
            let (other, this) = match dialect {
                Dialect::Redshift => ("PostgreSQL", "Redshift"),
                Dialect::Postgres => ("Redshift", "PostgreSQL"),
            };
            Error::usage(format!("{} is a query for {other}", self.name))
                .with_reason(format!("the warehouse is {this}"))
                .with_hint("sparkify query --operations lists the queries of each")
        })
    }

    /// Returns the text of the comment that begins with a label. Its further lines are indented.
    fn header(&self, dialect: Dialect, label: &str) -> Option<String> {
        let comments = self.script(dialect)?.lines();
        let mut comments = comments.map_while(|line| line.strip_prefix("--"));
        let first = comments.find_map(|line| line.strip_prefix(' ')?.strip_prefix(label))?;
        let further = comments.map_while(|line| line.strip_prefix("   "));
        Some(further.fold(first.to_owned(), |text, line| text + " " + line))
    }
}

fn limit_param(limit: u32) -> SqlParams {
    SqlParams::default().with_raw("limit", &limit.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    const DIALECTS: [(Dialect, &str); 2] = [
        (Dialect::Redshift, "redshift"),
        (Dialect::Postgres, "postgres"),
    ];

    /// Returns the names of the scripts in a folder below `sql/operations`.
    fn script_names(folder: &str) -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/operations");
        let files = fs::read_dir(root.join(folder)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names
            .filter_map(|name| Some(name.strip_suffix(".sql")?.to_owned()))
            .collect()
    }

    #[test]
    fn operations_queries_match_the_sql_files() {
        for (dialect, folder) in DIALECTS {
            let known = OPERATIONS_QUERIES
                .iter()
                .filter(|query| query.question(dialect).is_some())
                .map(|query| query.name.to_owned());
            let mut files = script_names(folder);
            files.extend(script_names("."));
            assert_eq!(known.collect::<BTreeSet<_>>(), files, "{folder}");
        }
    }

    #[test]
    fn operations_queries_are_single_documented_statements() {
        for query in OPERATIONS_QUERIES {
            for (dialect, folder) in DIALECTS {
                let Some(script) = query.script(dialect) else {
                    continue;
                };
                let name = query.name;
                assert_eq!(split_statements(script).len(), 1, "{folder}/{name}");
                assert!(query.question(dialect).unwrap().ends_with('?'), "{name}");
                for text in [query.normal(dialect), query.remedy(dialect)] {
                    assert!(text.unwrap().ends_with('.'), "{folder}/{name}");
                }
                assert!(query.needs(dialect).is_some(), "{folder}/{name}");
                let limit = match query.has_limit(dialect) {
                    true => "-v limit=10 ",
                    false => "",
                };
                let file = [format!("{folder}/{name}"), name.to_owned()];
                let usage = file
                    .map(|file| format!("-- Usage: psql {limit}-f sql/operations/{file}.sql\n"));
                assert!(usage.iter().any(|usage| script.contains(usage)), "{name}");
            }
        }
    }

    #[test]
    fn further_lines_of_a_comment_belong_to_it() {
        let query = OperationsQuery {
            name: "example",
            redshift: Some(
                "-- Why?\n--\n-- Normal: one\n--   and two.\n-- If not: three.\n\nSELECT 1;\n",
            ),
            postgres: None,
        };
        let normal = query.normal(Dialect::Redshift);
        assert_eq!(normal.as_deref(), Some("one and two."));
        assert_eq!(query.remedy(Dialect::Redshift).as_deref(), Some("three."));
        assert_eq!(query.needs(Dialect::Redshift), None);
        let error = query.sql(Dialect::Postgres, 1).unwrap_err().to_string();
        assert!(error.contains("example is a query for Redshift"), "{error}");
    }
}
