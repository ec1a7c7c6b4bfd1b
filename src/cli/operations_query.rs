//! `sparkify query --operations`: tells a person on call how the warehouse is.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use serde::Serialize;

use super::args::s3::S3Args;
use super::args::warehouse::WarehouseArgs;
use super::console::print_info;
use super::progress::TerminalProgress;
use super::render::result_set::{format_csv, format_table, json_rows};
use super::stdout::{print, print_json};
use super::usage_error::no_effect;
use crate::error::{Error, Result};
use crate::jobs::{Dialect, OPERATIONS_QUERIES, OperationsQuery, OperationsQueryJob};
use crate::report::{ResultColumn, ResultSet};

/// Why the flags of S3 have no effect.
const READS_NO_DATASET: &str = "--operations reads no dataset";

/// The kinds of warehouse, with the names for a person and for JSON.
const DIALECTS: [(Dialect, &str, &str); 2] = [
    (Dialect::Redshift, "Redshift", "redshift"),
    (Dialect::Postgres, "PostgreSQL", "postgres"),
];

/// The arguments of `sparkify query` that concern the operations queries.
pub(super) struct OperationsArgs<'a> {
    /// The version of the document that `--json` prints.
    pub(super) version: u32,
    pub(super) query: Option<OperationsQuery>,
    pub(super) limit: Option<u32>,
    pub(super) default_limit: u32,
    pub(super) csv: bool,
    pub(super) json: bool,
    pub(super) list: bool,
    pub(super) dry_run: bool,
    pub(super) warehouse: &'a WarehouseArgs,
    pub(super) s3: &'a S3Args,
}

impl OperationsArgs<'_> {
    /// Runs the query, prints its SQL, or lists all operations queries.
    ///
    /// # Errors
    /// Returns an error if an argument has no effect, if the query is not for this kind of warehouse, or if it fails.
    pub(super) fn run(&self) -> Result<()> {
        let Some(query) = self.query else {
            self.s3.ensure_used([], READS_NO_DATASET)?;
            return self.list_queries();
        };
        if self.list {
            return Err(no_effect("--list", format!("{} is named", query.name)));
        }
        let progress = TerminalProgress::new(true);
        let aws = self.s3.to_aws_options();
        let resolved = self.warehouse.resolve(None, &aws, &progress)?;
        self.s3
            .ensure_used_with(resolved.warehouse.as_ref(), [], READS_NO_DATASET)?;
        let warehouse = resolved.require()?;
        let dialect = warehouse.connection.dialect;
        let limit = self.limit.unwrap_or(self.default_limit);
        let script = query.commented_sql(dialect, limit)?;
        if self.limit.is_some() && !query.has_limit(dialect) {
            return Err(no_effect("--limit", format!("{} has no limit", query.name)));
        }
        if self.dry_run {
            return print(&script);
        }
        let job = OperationsQueryJob {
            connection: warehouse.connection,
            query,
            limit,
        };
        self.print_result(&job.execute()?, &query, dialect)
    }

    fn print_result(
        &self,
        result: &ResultSet,
        query: &OperationsQuery,
        dialect: Dialect,
    ) -> Result<()> {
        let normal = query.normal(dialect).unwrap_or_default();
        let if_not = query.remedy(dialect).unwrap_or_default();
        if self.json {
            let names = DIALECTS.iter().find(|(kind, ..)| *kind == dialect);
            return print_json(&OperationsJson {
                query_version: self.version,
                status: "ok",
                query: query.name,
                warehouse: names.map_or("", |(_, _, key)| key),
                rows: json_rows(result),
                normal,
                if_not,
            });
        }
        let advice = format!("Normal: {normal}\nIf not: {if_not}");
        if self.csv {
            print(&format_csv(result))?;
            print_info(&advice);
            return Ok(());
        }
        print(&format!("{}\n{advice}\n", format_table(result)))
    }

    fn list_queries(&self) -> Result<()> {
        if let Some(flag) = self.warehouse.first_flag() {
            return Err(no_name(flag));
        }
        for (flag, is_given) in [
            ("--dry-run", self.dry_run),
            ("--limit", self.limit.is_some()),
        ] {
            if is_given {
                return Err(no_name(flag));
            }
        }
        let list = operations_list();
        if self.json {
            return print_json(&OperationsListJson {
                query_version: self.version,
                status: "ok",
                queries: json_rows(&list),
            });
        }
        print(&match self.csv {
            true => format_csv(&list),
            false => format_table(&list),
        })
    }
}

fn no_name(flag: &str) -> Error {
    no_effect(flag, "no query is named")
        .with_hint("name one of those that sparkify query --operations shows")
}

/// The document that `--operations NAME --json` prints.
#[derive(Serialize)]
struct OperationsJson<R> {
    query_version: u32,
    status: &'static str,
    query: &'static str,
    warehouse: &'static str,
    rows: Vec<R>,
    normal: String,
    if_not: String,
}

/// The document that `--operations --json` prints.
#[derive(Serialize)]
struct OperationsListJson<R> {
    query_version: u32,
    status: &'static str,
    queries: Vec<R>,
}

/// Returns the kinds of warehouse that a query is for, each with the question there. Kinds with the same question are one
/// entry.
fn questions(query: &OperationsQuery) -> Vec<(String, &'static str)> {
    let mut questions: Vec<(String, &'static str)> = Vec::new();
    for (dialect, name, _) in DIALECTS {
        let Some(question) = query.question(dialect) else {
            continue;
        };
        match questions.iter_mut().find(|(_, known)| *known == question) {
            Some((names, _)) => *names += &format!(", {name}"),
            None => questions.push((name.to_owned(), question)),
        }
    }
    questions
}

/// Returns the names and questions of the queries as a result set.
fn operations_list() -> ResultSet {
    let column = |name: &str| ResultColumn {
        name: name.to_owned(),
        is_number: false,
    };
    let rows = OPERATIONS_QUERIES.iter().flat_map(|query| {
        let questions = questions(query).into_iter();
        questions.map(|(warehouse, question)| {
            let fields = [query.name.to_owned(), warehouse, question.to_owned()];
            fields.map(Some).to_vec()
        })
    });
    ResultSet {
        columns: ["name", "warehouse", "question"].map(column).to_vec(),
        rows: rows.collect(),
    }
}

/// Returns the names and questions of the queries, for the long help.
pub(super) fn operations_help() -> String {
    let queries = OPERATIONS_QUERIES.map(|query| {
        let questions = questions(&query).into_iter();
        let lines = questions.map(|(name, question)| format!("\n      {name}: {question}"));
        format!("\n  {}{}", query.name, lines.collect::<String>())
    });
    format!("Queries of --operations:{}", queries.concat())
}

/// Parses the name of an operations query.
pub(super) fn operations_query_parser() -> ValueParser {
    let names = OPERATIONS_QUERIES.map(|query| PossibleValue::new(query.name));
    PossibleValuesParser::new(names)
        .try_map(|name| {
            let found = OPERATIONS_QUERIES.into_iter().find(|q| q.name == name);
            found.ok_or("unknown query")
        })
        .into()
}
