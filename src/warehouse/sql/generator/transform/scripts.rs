//! The scripts of `sql/redshift/transform`: their names, headers and statements.

use super::checks::{record_check_statements, rejected_records_statement};
use super::header;
use super::load_errors::{LoadErrorView, load_errors_statement};
use super::raw_copy::{JsonSource, raw_copy_statement, source_list_copy_statement};
use super::raw_staging::raw_staging_statements;
use super::record_counts::record_counts_statement;
use super::statements::{table_statements, transformed_tables};
use crate::model::{Model, RecordSchema, TableSchema};
use crate::warehouse::sql::statement::Statement;

/// A script of the transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransformScript {
    /// The name of the file, without folder and extension.
    pub name: String,
    /// The comment at its top.
    pub header: String,
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// Returns the scripts in the order in which they run, between the scripts that begin a load and those that count and merge
/// the staged rows.
pub(crate) fn transform_scripts(model: &Model) -> Vec<TransformScript> {
    let names = script_names(model);
    let check = |record: &&'static RecordSchema| TransformScript {
        name: check_script(record),
        header: header::check(record),
        statements: record_check_statements(model, record),
    };
    let fill = |table: &'static TableSchema| TransformScript {
        name: table.name.to_owned(),
        header: header::table(table),
        statements: table_statements(model, table),
    };
    let mut scripts = vec![
        TransformScript {
            name: STAGING.to_owned(),
            header: header::staging(model, &names),
            statements: raw_staging_statements(model, false),
        },
        TransformScript {
            name: COPY.to_owned(),
            header: header::copy(),
            statements: copy_statements(model),
        },
    ];
    scripts.extend(model.records.iter().map(check));
    scripts.push(TransformScript {
        name: COUNT.to_owned(),
        header: header::count(),
        statements: count_statements(model),
    });
    scripts.extend(transformed_tables(model).into_iter().map(fill));
    scripts
}

const STAGING: &str = "staging";
const COPY: &str = "copy";
const COUNT: &str = "count";

fn check_script(record: &RecordSchema) -> String {
    format!("check_{}s", record.name)
}

/// Returns the names of all scripts, in order.
fn script_names(model: &Model) -> Vec<String> {
    let checks = model.records.iter().map(|record| check_script(record));
    let tables = transformed_tables(model).into_iter();
    let mut names = vec![STAGING.to_owned(), COPY.to_owned()];
    names.extend(checks);
    names.push(COUNT.to_owned());
    names.extend(tables.map(|table| table.name.to_owned()));
    names
}

fn copy_statements(model: &Model) -> Vec<Statement> {
    let source = JsonSource {
        manifest: ":'source_list'",
        jsonpaths: "'auto'",
        compression: None,
        iam_role: ":iam_role",
        region: None,
        max_error: None,
    };
    let mut statements = vec![source_list_copy_statement(source)];
    for record in model.records {
        let columns: Vec<_> = record
            .staging_columns()
            .into_iter()
            .map(|column| column.name)
            .collect();
        let [manifest, jsonpaths] =
            header::record_variables(record).map(|name| format!(":'{name}'"));
        let source = JsonSource {
            manifest: &manifest,
            jsonpaths: &jsonpaths,
            ..source
        };
        statements.push(raw_copy_statement(record, &columns, source));
        statements.push(load_errors_statement(record, LoadErrorView::Stl));
    }
    statements
}

fn count_statements(model: &Model) -> Vec<Statement> {
    let rejected = model
        .records
        .iter()
        .map(|record| rejected_records_statement(record));
    [record_counts_statement(model)]
        .into_iter()
        .chain(rejected)
        .collect()
}
