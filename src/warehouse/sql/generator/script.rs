//! Puts the statements together as the files of `sql/redshift` and `sql/postgres`, which psql can run.

use std::mem::discriminant;

use super::constraints::with_constraints_dropped;
use super::copy::{RowSource, copy_statement};
use super::count::{missing_state_statement, staged_rows_statement};
use super::create::create_statements;
use super::drop::drop_statements;
use super::header;
use super::list::comment_lines;
use super::merge::merge_statements;
use super::refresh::refresh_statements;
use super::stage::staging_statements;
use super::transaction::{begin_statement, commit_statement, lock_statement};
use super::transform::transform_scripts;
use super::upgrade::{changes_since_first_version, upgrade_lock_statement, upgrade_statements};
use super::verify::verify_statement;
use crate::model::{Model, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::Statement;

/// The id of the run, as a variable of psql.
const RUN: &str = ":'run'";

/// The command that lets psql end at the first error. It would go on otherwise, and commit a load that lacks the rows of
/// a \copy that failed.
const STOP_ON_ERROR: &str = "\\set ON_ERROR_STOP on";

/// A file of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlScript {
    /// The name of the file below the folder of its kind of warehouse.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Returns the scripts for a kind of warehouse. Those of a load are for psql, and their parameters are its variables.
pub fn sql_scripts(model: &Model, dialect: Dialect) -> Vec<SqlScript> {
    let script = |name: &str, header: String, statements: &[Statement]| SqlScript {
        name: name.to_owned(),
        text: format!("{}\n{}", comment_lines(&header), paragraphs(statements)),
    };
    let load_script = |name: &str, header: String, statements: &[Statement]| SqlScript {
        name: name.to_owned(),
        text: format!(
            "{}\n{STOP_ON_ERROR}\n\n{}",
            comment_lines(&header),
            paragraphs(statements)
        ),
    };
    let stage_header = header::stage(model, dialect);
    let create = create_statements(model, dialect);
    let refresh = refresh_statements(model, dialect);
    let verify = verify_statement(model, dialect, RUN);
    let mut scripts = vec![
        script("create.sql", header::create(dialect), &create),
        script("drop.sql", header::drop(dialect), &drop_statements(model)),
        script(
            "upgrade.sql",
            header::upgrade(dialect),
            &upgrade(model, dialect),
        ),
        load_script("stage.sql", stage_header, &stage(model, dialect)),
        load_script("refresh.sql", header::refresh(dialect), &refresh),
        load_script("copy.sql", header::copy(dialect), &copy(model, dialect)),
        load_script("count.sql", header::count(), &count(model)),
        load_script("merge.sql", header::merge(dialect), &merge(model, dialect)),
        load_script("verify.sql", header::verify(dialect), &[verify]),
        load_script("commit.sql", header::commit(), &[commit_statement()]),
    ];
    if dialect == Dialect::Redshift {
        scripts.extend(transform_scripts(model).into_iter().map(|script| {
            let name = format!("transform/{}.sql", script.name);
            load_script(&name, script.header, &script.statements)
        }));
    }
    scripts
}

fn upgrade(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let mut statements = vec![upgrade_lock_statement(model, dialect)];
    let changes = changes_since_first_version(model);
    statements.extend(upgrade_statements(model, dialect, &changes));
    statements
}

fn stage(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let mut statements = vec![begin_statement(), lock_statement(model, dialect)];
    statements.extend(staging_statements(model, dialect));
    statements
}

fn copy(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let copy = |table: &'static TableSchema| match dialect {
        Dialect::Redshift => {
            let source = RowSource::Manifest {
                url: &format!(":'{}'", table.name),
                iam_role: ":iam_role",
            };
            copy_statement(table, source)
        }
        Dialect::Postgres => copy_statement(table, RowSource::Client),
    };
    let tables = model.dataset_tables_by_dependency().into_iter();
    tables.map(copy).collect()
}

fn count(model: &Model) -> Vec<Statement> {
    vec![staged_rows_statement(model), missing_state_statement(model)]
}

fn merge(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let merge = merge_statements(model, dialect, RUN);
    with_constraints_dropped(model, dialect, merge)
}

/// Returns the statements of a script, which are separated by empty lines. A statement in one line
/// and one of the same kind without a comment are a list without an empty line.
fn paragraphs(statements: &[Statement]) -> String {
    let mut script = String::new();
    for (index, statement) in statements.iter().enumerate() {
        if index > 0 && !continues_list(&statements[index - 1], statement) {
            script.push('\n');
        }
        script.push_str(&comment_lines(&statement.comment));
        script.push_str(&statement.sql);
        script.push_str(";\n");
    }
    script
}

fn continues_list(previous: &Statement, next: &Statement) -> bool {
    let is_short = !previous.sql.contains('\n');
    is_short
        && next.comment.is_empty()
        && discriminant(&previous.effect) == discriminant(&next.effect)
}
